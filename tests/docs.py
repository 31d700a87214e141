"""Writes the generated parts of the READMEs: output of commands, and what the .sql files and functions say.

``python -m tests.docs`` brings the files up to date; tests/test_docs.py checks that they are.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from datasette_dnpc import sql_functions
from datasette_dnpc.plans import plan
from datasette_dnpc.sql_files import SqlFile, queries, views
from tests.large import large
from tests.pictures import PAGES, PLOTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md", ROOT / "datasette_dnpc" / "README.md", ROOT / "importers" / "README.md")

_EXAMPLE = re.compile(r"`(?P<path>[\w./]+)`:\n\n```\w+\n(?P<content>.*?)```|```console\n(?P<console>.*?)```", re.DOTALL)
_SECTION = re.compile(r"<!-- (?P<name>\w+) -->\n(?:.*\n)*?<!-- /(?P=name) -->")


def functions() -> str:
    """Return a table of the SQL functions."""
    lines = ["| function | gives |", "|---|---|"]
    documented = {name: function.__doc__ for name, (_, function) in sql_functions.SCALARS.items()}
    documented |= {name: aggregate.__doc__ for name, (_, aggregate) in sql_functions.AGGREGATES.items()}
    for name, docstring in documented.items():
        text = (docstring or "").strip().split("\n\n")[0]
        text = " ".join(re.sub(r"^``.*?``: ", "", text).split()).replace("``", "`")
        lines.append(f"| `{name}` | {text[:1].upper()}{text[1:]} |")
    return "\n".join(lines)


def _reference(files: dict[str, SqlFile]) -> str:
    parts = []
    for name, file in files.items():
        parts.append(f"**`{name}`**: {file.title}. {file.description}")
        parts += [f"- `:{param}`: {meaning}" for param, meaning in file.params.items()]
        parts.append("- columns: " + "; ".join(f"`{column}` {meaning}" for column, meaning in file.columns.items()))
        parts.append("")
    return "\n".join(parts).strip()


def gallery() -> str:
    """Return a table of the pictures, two in a row, each with the command that draws it."""
    commands = {"types": "dnpc graph -o types.png"}
    commands |= {name: f"dnpc plot {words[0]} {name}.png {_options(words[1:])}" for name, words in PLOTS.items()}
    cells = [f"![{name}](tests/pictures/{name}.png) `{command.strip()}`" for name, command in commands.items()]
    cells += [f"![{name}](tests/pictures/{name}.png) {meaning}" for name, (_, meaning) in PAGES.items()]
    cells += [""] * (len(cells) % 2)
    rows = [f"| {left} | {right} |" for left, right in zip(cells[::2], cells[1::2], strict=True)]
    return "\n".join(["| | |", "|---|---|", *rows])


def _options(words: Iterable[str]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def plans() -> str:
    """Return a table of a few lookups in views, with the steps that SQLite takes for each in a large database."""
    lines = ["| lookup | steps |", "|---|---|"]
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(large(Path(folder) / "dnpc.sqlite3"))) as conn,
    ):
        for lookup in LOOKUPS:
            steps = (line.strip() for line in plan(conn, f"select * from {lookup}"))
            shown = dict.fromkeys(step for step in steps if step.startswith(("SCAN", "SEARCH")))
            lines.append(f"| `{lookup}` | {'<br>'.join(shown)} |")
    return "\n".join(lines)


LOOKUPS = (
    "root_event where root = 17",
    "span_duration where type = '...'",
    "span_event_time where span_uuid = '...'",
    "task_layer where task = 17",
    "worker_interval where worker_uuid = '...'",
    "transfer where span = 17",
)


SECTIONS: dict[str, Callable[[], str]] = {
    "functions": functions,
    "pictures": gallery,
    "plans": plans,
    "views": lambda: _reference(dict(sorted(views().items()))),
    "queries": lambda: _reference(queries()),
}


def run(text: str, folder: Path) -> Iterator[tuple[re.Match[str], str]]:
    """Follow the examples of a README, one after the other, in an empty folder.

    Files that are shown are written, commands are run. Yields each console block, and what it should be.
    """
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    shutil.copytree(ROOT / "tests" / "data" / "runinfo", folder / "runinfo")
    for example in _EXAMPLE.finditer(text):
        if example["path"]:
            file = folder / example["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(example["content"], encoding="utf-8")
            if file.name == "pyproject.toml":
                install(folder)
        else:
            commands = [line[2:] for line in example["console"].splitlines() if line.startswith("$ ")]
            yield example, "".join(f"$ {command}\n{_printed(command, folder)}" for command in commands)


def install(package: Path) -> None:
    """Install a package's modules and entry points in its folder ``site``, as pip does, but without a network."""
    site = package / "site"
    told = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
    name, version = told["project"]["name"], told["project"]["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = told["project"]["entry-points"]
    lines = [line for group in points for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points[group].items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module in told["tool"]["setuptools"]["py-modules"]:
        shutil.copy(package / f"{module}.py", site)


def _printed(command: str, folder: Path) -> str:
    paths = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(command, shell=True, cwd=folder, env=os.environ | paths, capture_output=True, text=True)
    return done.stdout + done.stderr


def updated(text: str) -> str:
    """Return the text of a README with its generated parts made again."""
    text = _SECTION.sub(
        lambda match: f"<!-- {match['name']} -->\n{SECTIONS[match['name']]()}\n<!-- /{match['name']} -->", text
    )
    with tempfile.TemporaryDirectory() as folder:
        for block, content in reversed(list(run(text, Path(folder)))):
            text = text[: block.start("console")] + content + text[block.end("console") :]
    return text


if __name__ == "__main__":
    for file in FILES:
        file.write_text(updated(file.read_text(encoding="utf-8")), encoding="utf-8")
