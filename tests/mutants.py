"""The suite's own strength: faults put into the code one at a time, and whether a test notices each.

``make mutants`` prints the faults that no test noticed, and how many there were. mutmut makes those inside functions;
those in SQL and in tables outside functions, which it leaves alone, are made here. Only the tests of each module's own
topic are run: a fault that others would notice counts as missed all the same.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

import click
import pytest

ROOT = Path(__file__).parents[1]

TESTS = {
    "keys": ("keys", "span_rows"),
    "span_ids": ("span_ids",),
    "attribute_texts": ("span_rows",),
    "nestings": ("nestings",),
    "many_rows": ("many_rows",),
    "fingerprint": ("fingerprint",),
    "pattern": ("pattern_rows", "pattern"),
    "pattern_file": ("pattern_file",),
    "line_reader": ("line_reader",),
    "links": ("links",),
    "task_joins": ("task_joins",),
    "manager_links": ("manager_spans", "manager_neighbours", "manager_runs"),
    "manager_rows": ("manager_spans", "manager_neighbours", "manager_runs"),
    "worker_blocks": ("worker_blocks", "manager_neighbours", "manager_spans", "manager_runs"),
    "task_records": ("task_records", "transactions", "transactions_broken"),
    "timed_spans": ("task_records", "transactions", "transactions_broken"),
    "record_fields": ("record_fields", "task_records", "transactions", "transactions_broken"),
    "sequences": ("sequences_again", "sequences"),
    "roots": ("sequences_again", "sequences"),
    "figures": ("steps", "sequences_again", "sequences"),
}
"""Module of ``importers`` -> the tests of its topic."""

SECONDS = 180
"""How long the tests may take with one fault in the code. Longer counts as noticed: some faults loop forever."""

MUTMUT = """
[tool.mutmut]
source_paths = ["importers"]
only_mutate = ["importers/{module}.py"]
also_copy = ["datasette_dnpc"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}
timeout_constant = 30.0   # seconds
"""
"""What mutmut is told of a module, which it reads from pyproject.toml."""

PACKAGES = ("importers", "datasette_dnpc", "tests")
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--rootdir=.")

SQL = re.compile(r"\b(SELECT|INSERT|DELETE|UPDATE|FROM|WHERE|ORDER BY|json_extract)\b|[ab]\.key =")
"""What tells SQL from other text."""

SQL_FAULTS = tuple(
    (re.compile(found), instead)
    for found, instead in (
        (r"\bAND\b", "OR"),
        (r"(?<=joined )OR\b", "AND"),
        (r"\bAND [^()]+?(?= AND |\s*$|\s*\)|\n)", ""),
        (r"(?<= )=(?= )", "<>"),
        (r"(?<= )<(?= )", ">"),
        (r"(?<= )>(?= )", "<"),
        (r"\bNOT (?=EXISTS|IN|joined)", ""),
        (r"\bIS NOT NULL\b", "IS NULL"),
        (r"\bDISTINCT ", ""),
        (r"\bOR IGNORE ", ""),
        (r"\bCROSS JOIN\b", "JOIN"),
        (r"\bUNION SELECT .*(?=\n)", ""),
        (r"\bORDER BY [\w., ]+", ""),
        (r"\bGROUP BY \w+", ""),
        (r"\bLIMIT 1\b", ""),
        (r"\bmin\(", "max("),
        (r"\bmax\(", "min("),
        (r"\bcount\(\*\)", "count(*) + 1"),
        (r"\bsum\(", "count("),
        (r"(?<= )- 1\b", "- 2"),
        (r"(?<= )\+ 1\b", "+ 2"),
        (r"\ba\.", "b."),
        (r"\bb\.", "a."),
        (r"\bsuperspan\b", "subspan"),
        (r"\bsubspan\b", "superspan"),
        (r"\bleft\b", "right"),
        (r"\bright\b", "left"),
        (r"\binner_run\b", "run"),
        (r"'\$\.\w+'", "'$.other'"),
    )
)
"""What is found in SQL, and what stands there instead."""

SAME = re.compile(rf"{SQL.pattern}|CROSS JOIN|CREATE TEMP TABLE|\"true\"|utf-8", re.IGNORECASE)
"""Where a change from small letters to capitals, or back, changes nothing."""


class Fault(NamedTuple):
    """The code of a module with one fault: where, and what."""

    line: int
    what: str
    code: CodeType


Change = tuple[str, str, object]
"""What changes for people, the attribute of a node that changes, and its other value."""


def faults(path: Path) -> Iterator[Fault]:
    """Yield the code of a module with each of its faults that mutmut does not make."""
    tree = ast.parse(path.read_bytes())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    no_table = {id(inner) for node in ast.walk(tree) for part in _no_table(node) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        for what, name, other in (*_in_sql(node), *(() if id(node) in no_table else _in_table(node))):
            value = getattr(node, name)
            setattr(node, name, other)
            code = compile(tree, str(path), "exec")
            setattr(node, name, value)
            yield Fault(getattr(node, "lineno", 0), what, code)


def _in_sql(node: ast.AST) -> Iterator[Change]:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)):
        return
    text = node.value
    for found, instead in SQL_FAULTS:
        for match in found.finditer(text):
            around = " ".join(text[max(match.start() - 30, 0) : match.end() + 30].split())
            changed = text[: match.start()] + instead + text[match.end() :]
            yield f"{match[0].strip()!r} -> {instead!r} in {around!r}", "value", changed


def _no_table(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what in a node is no table: functions, which mutmut changes, places, and arguments, which go whole."""
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        yield node
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        yield node.slice
    elif isinstance(node, ast.keyword):
        yield node.value


def _in_table(node: ast.AST) -> Iterator[Change]:
    """Yield faults of what stands outside functions: a row or an argument dropped, another number, the other truth."""
    if isinstance(node, (ast.Tuple, ast.List)) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        for i, row in enumerate(node.elts):
            # Without a column, a row is none.
            if not isinstance(row, (ast.Name, ast.Attribute, ast.Subscript, ast.Constant)):
                yield f"without {ast.unparse(row)}", "elts", node.elts[:i] + node.elts[i + 1 :]
    elif isinstance(node, ast.Call):
        for i, argument in enumerate(node.keywords):
            what = f"without {ast.unparse(argument)} in {ast.unparse(node)[:80]}"
            yield what, "keywords", node.keywords[:i] + node.keywords[i + 1 :]
    elif isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield f"{value} -> {not value}", "value", not value
        elif isinstance(value, (int, float)):
            yield f"{value} -> {value + 1}", "value", value + 1
        elif isinstance(value, bytes) and b"|" in value:
            alternatives = value.split(b"|")
            for i, gone in enumerate(alternatives):
                kept = b"|".join(alternatives[:i] + alternatives[i + 1 :])
                yield f"without the alternative {gone!r}", "value", kept


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from code with a fault."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def outcome(module: str, code: CodeType | None, tests: Sequence[str]) -> str:
    """Return 'noticed', 'missed' or 'too long': what the tests make of a module's code, in a process of their own."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        _run(module, code, tests)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "noticed" if os.waitstatus_to_exitcode(status) else "missed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too long"


def _run(module: str, code: CodeType | None, tests: Sequence[str]) -> None:
    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        if code:
            sys.meta_path.insert(0, _Instead(f"importers.{module}", code))
        # All that may have taken something from the module is to be imported again.
        for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
            del sys.modules[name]
        status = int(pytest.main([*OPTIONS, *tests]))
    finally:
        os._exit(status)


def try_sql_and_tables(module: str) -> Counter[str]:
    """Print which faults in a module's SQL and tables no test notices; return how often each outcome came."""
    tests = _tests(module)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        # What the tests import is there already when the process of a fault begins.
        pytest.main([*OPTIONS, "--collect-only", *tests])
    if outcome(module, None, tests) != "missed":
        raise click.ClickException(f"these tests fail without any fault: {' '.join(tests)}")
    counts: Counter[str] = Counter()
    for fault in faults(ROOT / "importers" / f"{module}.py"):
        found = outcome(module, fault.code, tests)
        counts[found] += 1
        if found == "missed":
            click.echo(f"importers/{module}.py:{fault.line}: {fault.what}")
    return counts


def try_functions(module: str, processes: int) -> Counter[str]:
    """Print which of mutmut's faults in a module's functions no test notices; return how often each outcome came."""
    with tempfile.TemporaryDirectory(prefix="dnpc-mutants-") as folder:
        return _try_functions_in(_copied(module, Path(folder)), module, processes)


def _copied(module: str, folder: Path) -> Path:
    """Copy what the tests of a module need into a folder, and tell mutmut there which tests these are."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    told = MUTMUT.format(module=module, tests=json.dumps(_tests(module)))
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8") + told)
    return folder


def _try_functions_in(folder: Path, module: str, processes: int) -> Counter[str]:
    def mutmut(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "mutmut", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if ran.returncode:
            raise click.ClickException(f"mutmut: {ran.stdout[-2000:]}")
        return ran.stdout

    mutmut("run", "--max-children", str(processes))
    counts: Counter[str] = Counter()
    for name, found in re.findall(rf"(importers\.{module}\.\S+): (.+)", mutmut("results", "--all", "true")):
        if found in ("killed", "timeout"):
            counts["noticed" if found == "killed" else "too long"] += 1
            continue
        shown = mutmut("show", name)
        was, becomes = (re.findall(rf"^[{sign}] +(.*)", shown, re.MULTILINE) for sign in "-+")
        alike = [line.lower() for line in was] == [line.lower() for line in becomes]
        if alike and any(map(SAME.search, was)):
            counts["same"] += 1
            continue
        if _is_noticed_at_import(folder / "mutants", name, module):
            counts["noticed"] += 1
            continue
        counts["missed"] += 1
        click.echo(f"importers/{module}.py: {' '.join(was)} -> {' '.join(becomes)}")
    return counts


def _is_noticed_at_import(folder: Path, name: str, module: str) -> bool:
    """Run the tests of a module in a new process with one of mutmut's faults.

    mutmut forks when all is imported, so that its faults don't reach what functions gave to tables by then.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *_tests(module)],
        cwd=folder,
        env=os.environ | {"MUTANT_UNDER_TEST": name, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return ran.returncode != 0


def _tests(module: str) -> list[str]:
    return [f"tests/test_{name}.py" for name in TESTS[module]]


@click.command()
@click.argument("modules", nargs=-1, type=click.Choice(list(TESTS)))
@click.option("--processes", default=os.cpu_count() or 1, show_default="as many as there are cores")
def main(modules: Sequence[str], processes: int) -> None:
    """Print which faults in MODULES, by default all, no test notices, and how many faults there were."""
    os.chdir(ROOT)
    counts = {}
    for module in modules or TESTS:
        counts[module, "functions"] = try_functions(module, processes)
        counts[module, "SQL and tables"] = try_sql_and_tables(module)
    click.echo("\n| module | faults in | faults | noticed | missed |\n|---|---|---|---|---|")
    for (module, kind), found in counts.items():
        missed, total = found["missed"], found.total() - found["same"]
        share = f" ({1 - missed / total:.1%})" if total else ""
        click.echo(f"| {module} | {kind} | {total} | {total - missed}{share} | {missed} |")


if __name__ == "__main__":
    main()
