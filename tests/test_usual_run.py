"""Of two runs that are alike, the one that a query shows unasked does not depend on which was imported first."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from datasette_dnpc import queries
from datasette_dnpc.sql_files import queries as canned
from tests.imports import dnpc, query
from tests.runs import DATA

OTHER = "ffffffff-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two databases of a run and of the same under another id, imported in one order and in the other."""
    folder = tmp_path_factory.mktemp("alike")
    source = DATA / "two-htex" / "000"
    [run_id] = {text.split()[-1] for text in (source / "parsl.log").read_text().splitlines() if "Run id is: " in text}
    copytree(source, folder / "first" / "000")
    copytree(source, folder / "second" / "000")
    log = folder / "second" / "000" / "parsl.log"
    log.write_text(log.read_text().replace(run_id, OTHER))
    orders = {"one": ["first", "second"], "other": ["second", "first"]}
    for name, runs in orders.items():
        for run in runs:
            assert dnpc("import", folder / run, "--db", folder / f"{name}.sqlite3", "--quiet").exit_code == 0
    return [folder / f"{name}.sqlite3" for name in orders]


BY_TIME = {"critical_path", "longest_chain"}
"""These choose a task by its seconds, of which no two tasks of real runs have the same to the last bit."""


@pytest.mark.parametrize(
    "name", [name for name, file in canned().items() if "run" in file.params and name not in BY_TIME]
)
def test_the_same_run_is_shown(databases: list[Path], name: str) -> None:
    one, other = ([row.get("run") for row in queries.rows(database, name)] for database in databases)
    assert sorted(one, key=str) == sorted(other, key=str)


def test_the_runs_came_in_different_orders(databases: list[Path]) -> None:
    one, other = (query(database, "SELECT key FROM runs ORDER BY id") for database in databases)
    assert one == other[::-1] and len(one) == 2
