import json
import math
import random
import sqlite3
import statistics
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlite_utils

from datasette_dnpc.sql_functions import AGGREGATES, SCALARS, register
from importers.keys import surrogate_key

PERCENTS = [0, 1, 25, 33.3, 50, 95, 99.9, 100]


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        register(conn)
        conn.execute("CREATE TABLE t (x, p)")
        yield conn


def fill(conn: sqlite3.Connection, values: list[object]) -> None:
    conn.executemany("INSERT INTO t (x) VALUES (?)", [(value,) for value in values])


def one(conn: sqlite3.Connection, sql: str, *params: object) -> object:
    return conn.execute(sql, params).fetchone()[0]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
def test_percentiles_are_those_of_numpy(conn: sqlite3.Connection, count: int) -> None:
    values = [random.Random(count).lognormvariate(0, 2) for _ in range(count)]
    fill(conn, [*values, None])
    for percent in PERCENTS:
        expected = pytest.approx(float(np.percentile(values, percent)), rel=1e-12)
        assert one(conn, "SELECT percentile(x, ?) FROM t", percent) == expected
    assert one(conn, "SELECT median(x) FROM t") == pytest.approx(statistics.median(values))
    several = one(conn, "SELECT percentiles(x, 5, 50) FROM t")
    assert json.loads(str(several)) == pytest.approx(np.percentile(values, [5, 50]).tolist())


def test_stdev_is_that_of_a_sample(conn: sqlite3.Connection) -> None:
    # Large times with small differences, on which a one-pass formula fails.
    values = [1.8e9 + i * 1e-3 for i in range(100)]
    fill(conn, [*values, None])
    assert one(conn, "SELECT stdev(x) FROM t") == pytest.approx(statistics.stdev(values), rel=1e-9)


@pytest.mark.parametrize("function", ["median(x)", "percentile(x, 50)", "stdev(x)", "event_sequence(x, x)"])
@pytest.mark.parametrize("values", [[], [None, None]])
def test_aggregates_of_nothing_are_null(conn: sqlite3.Connection, function: str, values: list[object]) -> None:
    fill(conn, values)
    assert one(conn, f"SELECT {function} FROM t") is None


def test_text_does_not_count_as_a_number(conn: sqlite3.Connection) -> None:
    fill(conn, [1, "nonsense", b"x", 3, None])
    assert one(conn, "SELECT median(x) FROM t") == 2
    assert one(conn, "SELECT percentile(x, 100) FROM t") == 3
    assert one(conn, "SELECT stdev(x) FROM t") == pytest.approx(math.sqrt(2))


def test_stdev_of_one_value_is_null(conn: sqlite3.Connection) -> None:
    fill(conn, [5.0])
    assert one(conn, "SELECT stdev(x) FROM t") is None


@pytest.mark.parametrize("percent", ["-1", "101", "NULL", "'50'", "x"])
def test_bad_percent_is_null(conn: sqlite3.Connection, percent: str) -> None:
    fill(conn, [1, 2, 3])
    assert one(conn, f"SELECT percentile(x, {percent}) FROM t") is None


def test_infinite_numbers_do_not_raise(conn: sqlite3.Connection) -> None:
    fill(conn, [1.0, math.inf, -math.inf, 1e308, -1e308])
    assert one(conn, "SELECT stdev(x) FROM t") is None
    assert one(conn, "SELECT median(x) FROM t") == 1.0
    assert one(conn, "SELECT iso_time(9e999)") is None
    assert one(conn, "SELECT duration_text(9e999)") is None


def test_event_sequence_is_in_order_of_time_then_text(conn: sqlite3.Connection) -> None:
    rows: list[tuple[object, object]] = [
        (2.0, "b"), (1, "z"), (2.0, "a"), (None, "lost"), (3, None), (0.5, "é"), (4, 7),
    ]  # fmt: skip
    expected = ["é", "z", "a", "b", "7"]
    for order in (rows, rows[::-1]):
        conn.execute("DELETE FROM t")
        conn.executemany("INSERT INTO t VALUES (?, ?)", order)
        assert json.loads(str(one(conn, "SELECT event_sequence(x, p) FROM t"))) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1795397697.099051, "2026-11-23T01:34:57.099051Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1.5, "1969-12-31T23:59:58.500000Z"),
        (-62135596800, "0001-01-01T00:00:00.000000Z"),
        (1e300, None),
        ("2026", None),
        (None, None),
        (b"x", None),
    ],
)
def test_iso_time(conn: sqlite3.Connection, seconds: object, text: str | None) -> None:
    assert one(conn, "SELECT iso_time(?)", seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1e-12, "0 s"),
        (3e-9, "3 ns"),
        (12e-6, "12 µs"),
        (0.0352, "35.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.000 s"),
        (1.234, "1.234 s"),
        (59.9996, "1 min 00.0 s"),
        (123.4, "2 min 03.4 s"),
        (3599.96, "1 h 00 min"),
        (11040, "3 h 04 min"),
        (200000, "2 d 8 h"),
        (-0.5, "-500 ms"),
        (-1e-12, "0 s"),
        ("1", None),
        (None, None),
    ],
)
def test_duration_text(conn: sqlite3.Connection, seconds: object, text: str | None) -> None:
    assert one(conn, "SELECT duration_text(?)", seconds) == text


def test_surrogate_key_is_the_same_as_in_python(conn: sqlite3.Connection) -> None:
    parts = ("parsl.monitoring.try", "run", 12, None, 1.5, b"x", "é")
    assert one(conn, "SELECT surrogate_key(?, ?, ?, ?, ?, ?, ?)", *parts) == surrogate_key(*parts)
    assert one(conn, "SELECT surrogate_key('a', 12)") == one(conn, "SELECT surrogate_key('a', '12')")
    # Only a deterministic function may stand in an index.
    conn.execute("CREATE INDEX i ON t (surrogate_key(x))")


def test_every_function_is_in_sqlite_utils(tmp_path: Path) -> None:
    db = sqlite_utils.Database(tmp_path / "x.sqlite3")
    with closing(db.conn):
        found = {row[0] for row in db.execute("SELECT name FROM pragma_function_list")}
    assert set(SCALARS) | set(AGGREGATES) <= found
