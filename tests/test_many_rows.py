"""Many rows in few statements: none is lost, doubled or changed, however many there are."""

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing

import pytest

from importers import many_rows
from importers.many_rows import ROWS_AT_ONCE, insert, insert_rows

COUNTS = (0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 3 * ROWS_AT_ONCE + 7, 1000)


@pytest.fixture
def table() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c, d)")
        yield conn


@pytest.mark.parametrize("chunk", [2 * ROWS_AT_ONCE, many_rows.CHUNK])
@pytest.mark.parametrize("count", COUNTS)
def test_rows_in_columns(table: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, count: int, chunk: int) -> None:
    monkeypatch.setattr(many_rows, "CHUNK", chunk)
    insert(table, "INSERT INTO t (a, b, c, d)", (range(count), array("d", range(count)), 7, None))
    assert table.execute("SELECT * FROM t ORDER BY a").fetchall() == [(n, n / 1, 7, None) for n in range(count)]


def test_what_stands_for_null(table: sqlite3.Connection) -> None:
    """In the columns that are named only; what is no text keeps its type."""
    values = ["", 0, 1.0, "x", "", None]
    insert(table, "INSERT INTO t (a, b, c)", (range(6), values, values), empty=(2,))
    assert table.execute("SELECT b, c FROM t ORDER BY a").fetchall() == [
        (one, None if one == "" else one) for one in values
    ]
    types = table.execute("SELECT group_concat(typeof(c), ' ') FROM t ORDER BY a").fetchone()
    assert types == ("null integer real text null null",)


@pytest.mark.parametrize("count", COUNTS)
def test_rows_one_after_the_other(table: sqlite3.Connection, count: int) -> None:
    rows = [(n, str(n), None, n / 7) for n in range(count)]
    insert_rows(table, "t", ("a", "b", "c", "d"), iter(rows))
    assert table.execute("SELECT * FROM t ORDER BY a").fetchall() == rows
    table.execute("DELETE FROM t")
    insert_rows(table, "t", ("a", "b", "c"), ((n, "", "") for n in range(count)), empty={"c"})
    assert table.execute("SELECT * FROM t ORDER BY a").fetchall() == [(n, "", None, None) for n in range(count)]
