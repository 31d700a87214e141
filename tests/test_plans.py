"""What SQLite reads for a question: no large table as a whole where an index would do."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from datasette_dnpc.plans import LARGE, plan, scans
from datasette_dnpc.sql_files import FOLDER, load, queries, views
from importers.cli import main
from tests.large import large

KEYS = {
    *("ancestor", "block_span", "event_type", "left_type", "needs", "other", "other_type", "root", "root_type"),
    *("root_uuid", "run", "run_id", "source", "span", "span_type", "span_uuid", "superspan", "task", "task_type"),
    *("task_uuid", "try_uuid", "type", "uuid", "variant", "worker", "worker_type", "worker_uuid"),
}
"""Columns by which people look up rows of views."""

WHOLE = {
    ("ancestor", "ancestor"): "is found from the span up; the view descendant is the other way",
    ("descendant", "span"): "is found from the root down; the view ancestor is the other way",
    ("descendant", "span_uuid"): "as span",
    ("descendant", "span_type"): "as span",
    ("slot_gap", "run"): "gaps are what is between all stays",
    ("slot_gap_layer", "run"): "as slot_gap",
    ("slot_gap_layer", "worker"): "as slot_gap",
    ("span_type_relation", "left_type"): "counts the pairs of spans of all types",
    ("span_type_relation", "run"): "as left_type",
    ("worker_busy", "span"): "an index of spans on workers would serve this only: the table subspans has their workers",
    ("worker_gap", "run"): "as slot_gap",
}
"""Lookups that read a large table as a whole, and why."""

WHOLE_QUERIES = {
    "cache_use": {"span_rows"},  # only to see which keys can't be there, of task graphs
    "critical_path": {"task_times"},  # the last of all
    "dependencies": {"task_times"},
    "gap_layers": {"stays"},
    "longest_chain": {"task_times"},  # the longest of all
    "sequence_examples": {"sequences"},  # the slowest of all
    "task_layers": {"task_times"},  # those of apps with few tasks
    "tasks": {"task_times"},  # the slowest of all
    "utilisation": {"stays"},
    "waterfall": {"span_rows"},  # where no sequence is kept
}
"""Queries that read a large table as a whole: at ten million events that takes a tenth of a second for each."""


@pytest.fixture(scope="module")
def large_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small database of which SQLite thinks that it is large."""
    return large(tmp_path_factory.mktemp("large") / "dnpc.sqlite3")


@pytest.fixture
def conn(large_db: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(large_db)) as conn:
        yield conn


@pytest.mark.parametrize(
    ("view", "column"), [(name, column) for name, view in views().items() for column in view.columns if column in KEYS]
)
def test_lookup_in_a_view_is_a_search(conn: sqlite3.Connection, view: str, column: str) -> None:
    found = scans(conn, f'SELECT * FROM "{view}" WHERE "{column}" = :value', {"value": 1})
    assert bool(found) == ((view, column) in WHOLE), f"{view} by {column} reads all of {found}"


@pytest.mark.parametrize("name", list(queries()))
def test_query_reads_no_large_table_as_a_whole(conn: sqlite3.Connection, name: str) -> None:
    assert scans(conn, name) <= WHOLE_QUERIES.get(name, set())


@pytest.mark.parametrize("name", list(load(FOLDER / "pages")))
def test_page_reads_no_large_table_as_a_whole(conn: sqlite3.Connection, name: str) -> None:
    assert scans(conn, load(FOLDER / "pages")[name].sql) == set()


def test_scans_are_told_from_searches(conn: sqlite3.Connection) -> None:
    conn.execute("CREATE TEMP VIEW mine AS SELECT few.id, many.time FROM spans AS few JOIN events AS many ON span = id")
    for sql, expected in (
        ("SELECT * FROM spans", {"span_rows"}),
        ("SELECT key FROM spans WHERE id = 1", set()),
        ("SELECT count(*) FROM events AS e", {"events"}),
        ("SELECT time FROM events WHERE span = :span", set()),
        ("SELECT * FROM runs, span_types", set()),
        ("SELECT uuid FROM spans WHERE uuid > 'a' ORDER BY uuid", set()),
        ("SELECT time FROM mine WHERE id = 3", set()),
        ("SELECT time, key FROM (SELECT id, key FROM spans) CROSS JOIN events ON span = id", {"span_rows"}),
        ("SELECT * FROM spans WHERE note = 'x'", set()),
    ):
        assert scans(conn, sql) == expected, sql
    tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= LARGE


def test_plan_is_a_tree(conn: sqlite3.Connection) -> None:
    assert plan(conn, "SELECT key FROM spans WHERE id = :id") == [
        "SEARCH span_rows USING INTEGER PRIMARY KEY (rowid=?)"
    ]
    lines = plan(conn, "slowest_spans", {"app": "x"})
    depths = [(len(line) - len(line.lstrip())) // 2 for line in lines]
    assert depths[0] == 0 and max(depths) > 1
    assert all(after <= before + 1 for before, after in pairwise(depths))
    assert plan(conn, "run_began")


def test_command_prints_plan_and_scans(large_db: Path) -> None:
    def printed(*words: str) -> str:
        result = CliRunner().invoke(main, ["plan", *words, "--db", str(large_db)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "Reads no large table as a whole." in printed("root_event", "--where", "root = 17")
    assert "Reads as a whole: stays." in printed("worker_busy", "--where", "span = 17")
    assert "SEARCH" in printed("slowest-spans")
    assert "SEARCH span_rows" in printed("select key from spans where id = 4")
    for wrong in (["no_such_thing"], ["root_event", "--where", "nonsense = 1"], ["select 1; select 2"]):
        result = CliRunner().invoke(main, ["plan", *wrong, "--db", str(large_db)])
        assert result.exit_code == 1 and result.output.startswith("Error: "), result.output
