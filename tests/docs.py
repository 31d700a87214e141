"""Writes the generated parts of the READMEs: output of commands, and what the .sql files and functions say.

``python -m tests.docs`` brings the files up to date; tests/test_docs.py checks that they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from datasette_dnpc import sql_functions
from datasette_dnpc.sql_files import SqlFile, queries, views

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md",)

_CONSOLE = re.compile(r"```console\n\$ (?P<command>.*)\n(?P<output>(?:.*\n)*?)```")
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


SECTIONS: dict[str, Callable[[], str]] = {
    "functions": functions,
    "views": lambda: _reference(dict(sorted(views().items()))),
    "queries": lambda: _reference(queries()),
}


def run(commands: list[str]) -> list[str]:
    """Run README's commands one after the other in a folder that holds the samples; return what each printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outputs = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "tests" / "data", Path(folder, "tests", "data"))
        for command in commands:
            done = subprocess.run(
                command, shell=True, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
            )
            outputs.append(done.stdout + done.stderr)
    return outputs


def updated(text: str) -> str:
    """Return the text of a README with its generated parts made again."""
    text = _SECTION.sub(
        lambda match: f"<!-- {match['name']} -->\n{SECTIONS[match['name']]()}\n<!-- /{match['name']} -->", text
    )
    blocks = list(_CONSOLE.finditer(text))
    for block, output in reversed(list(zip(blocks, run([b["command"] for b in blocks]), strict=True))):
        text = f"{text[: block.start()]}```console\n$ {block['command']}\n{output}```{text[block.end() :]}"
    return text


if __name__ == "__main__":
    for file in FILES:
        file.write_text(updated(file.read_text(encoding="utf-8")), encoding="utf-8")
