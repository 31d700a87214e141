"""Rows of monitoring.db are stored as they are read, some thousand at a time, by the process that writes.

Where values are long, it counts what the rows take: few values at a time are in memory.
"""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importers import parsl_monitoring, reading, rows, table_rows
from importers.keys import surrogate_key
from importers.monitoring_tables import TABLES
from importers.reading import read_source
from importers.rows import TEXT_KEPT, Batch
from tests.benchmarks.monitoring_db import write_database
from tests.imports import import_logs, query, readable
from tests.runs import DATA

TASKS = 60
SAMPLES = sorted({path.relative_to(DATA).parts[0] for path in DATA.rglob("monitoring.db")})


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("monitoring") / "monitoring.db", TASKS)


def rows_of(path: Path) -> Iterator[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as conn:
        for name in TABLES:
            yield f"parsl_{name}", conn.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]


@pytest.mark.parametrize("chunk", [1, 7])
@pytest.mark.parametrize("sample", SAMPLES)
def test_any_number_of_rows_at_a_time_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: str, chunk: int
) -> None:
    import_logs(tmp_path / "whole.db", DATA / sample)
    monkeypatch.setattr(table_rows, "CHUNK", chunk)
    monkeypatch.setattr(parsl_monitoring, "SPANS_KEPT", 7)
    monkeypatch.setattr(parsl_monitoring, "LARGE", 0)
    monkeypatch.setattr(rows, "MANY_ROWS", 3)
    monkeypatch.setattr(rows, "MANY", 4)
    import_logs(tmp_path / "parts.db", DATA / sample)
    assert readable(tmp_path / "parts.db") == readable(tmp_path / "whole.db")


@pytest.mark.parametrize("much", [1, 300, 1_000_000])
@pytest.mark.parametrize("sample", SAMPLES)
def test_rows_with_long_values_come_in_parts_that_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: str, much: int
) -> None:
    import_logs(tmp_path / "whole.db", DATA / sample)
    parts = []

    def hand_over(batch: Batch) -> None:
        parts.append(sum(len(columns["uuid"]) for columns in batch.tables.values()))
        as_it_is(batch)

    as_it_is = Batch.hand_over
    monkeypatch.setattr(parsl_monitoring, "LARGE", 0)
    for name, value in (("WIDE", 20), ("MUCH", much), ("CHUNK", 50)):
        monkeypatch.setattr(table_rows, name, value)
    monkeypatch.setattr(Batch, "hand_over", hand_over)
    import_logs(tmp_path / "parts.db", DATA / sample)
    assert readable(tmp_path / "parts.db") == readable(tmp_path / "whole.db")
    (most,) = query(tmp_path / "parts.db", "SELECT max(n) FROM (SELECT count(*) AS n FROM parsl_status)")[0]
    assert max(parts) == (1 if much == 1 else max(parts)) <= min(most, 50)
    assert (max(parts) > 1) == (much > 1)


LONG = 500_000
"""Characters of a long value: the database is read in 4 MB at a time, which twenty are more than."""


def long_values(path: Path, table: str, column: str, count: int, text: str = "x" * LONG) -> Path:
    """Write a monitoring.db in which so many values of a column are long: a letter and this text."""
    write_database(path, TASKS)
    with closing(sqlite3.connect(path)) as conn, conn:
        for n in range(count):
            value = chr(ord("A") + n) + text
            conn.execute(f'UPDATE "{table}" SET {column} = ? WHERE rowid = ?', [value, n + 1])
    return path


@pytest.mark.parametrize(
    ("table", "column", "text"),
    [
        ("task", "task_inputs", "x" * LONG),
        ("try", "task_fail_history", "x" * LONG),
        ("task", "task_depends", "12," * 4000),
    ],
    ids=["text", "attribute", "numbers"],
)
def test_long_values_are_in_memory_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, column: str, text: str
) -> None:
    monkeypatch.setattr(parsl_monitoring, "LARGE", 0)
    monkeypatch.setattr(table_rows, "MUCH", len(text))
    most: list[int] = []
    for count in (20, 20, 50):
        # The first time warms up what is kept between imports.
        folder = tmp_path / str(len(most))
        folder.mkdir()
        path = long_values(folder / "monitoring.db", table, column, count, text)
        tracemalloc.start()
        import_logs(folder / "dnpc.sqlite3", path, jobs=1)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sql = f"SELECT count(*), count(DISTINCT {column}) FROM parsl_{table} WHERE length({column}) > {len(text)}"
        assert query(folder / "dnpc.sqlite3", sql) == [(count, count)]
    assert most[2] < most[1] + 2 * LONG


def test_the_rows_before_a_damaged_page_come_from_a_large_database_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_database(tmp_path / "monitoring.db", 400)
    with closing(sqlite3.connect(path)) as conn, conn:
        # In their order as they are, rows need not all be read before the first is there.
        conn.execute("CREATE INDEX in_order ON resource (run_id, task_id, try_id, timestamp)")
        (size,) = conn.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    pages = [place for place in range(0, len(data), size) if b"sleeping" in data[place : place + size]]
    data[pages[-3] : pages[-3] + size] = b"\xff" * size
    path.write_bytes(data)
    monkeypatch.setattr(table_rows, "CHUNK", 50)
    import_logs(tmp_path / "small.sqlite3", path)
    monkeypatch.setattr(parsl_monitoring, "LARGE", 0)
    import_logs(tmp_path / "large.sqlite3", path)
    assert readable(tmp_path / "large.sqlite3") == readable(tmp_path / "small.sqlite3")
    assert query(tmp_path / "large.sqlite3", "SELECT count(*) FROM parsl_resource") > [(100,)]


def test_a_state_without_end_is_kept_once_and_counted_by_its_beginning(tmp_path: Path) -> None:
    """Whatever counts the states of a run repeats their names: some values took 125 times their size."""
    path = long_values(tmp_path / "monitoring.db", "status", "task_status_name", 6)
    import_logs(tmp_path / "dnpc.sqlite3", path)
    names = {name for (name,) in query(tmp_path / "dnpc.sqlite3", "SELECT name FROM event_types")}
    assert {letter + "x" * (TEXT_KEPT - 1) for letter in "ABCDEF"} <= names and max(map(len, names)) == TEXT_KEPT
    kept = query(
        tmp_path / "dnpc.sqlite3", f"SELECT count(*) FROM parsl_status WHERE length(task_status_name) > {LONG}"
    )
    assert kept == [(6,)]
    assert (tmp_path / "dnpc.sqlite3").stat().st_size < 6 * LONG + 3_000_000


def test_what_is_kept_while_reading_has_few_rows_of_tables(monitoring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_rows, "CHUNK", 7)
    monkeypatch.setattr(rows, "MANY_ROWS", 20)
    source = parsl_monitoring.find(monitoring)
    assert source is not None
    parts: list[Batch] = []
    rest = read_source(source, sink=parts.append).batch
    found: Counter[str] = Counter()
    for part in (*parts, rest):
        for name, columns in part.tables.items():
            [count] = {len(values) for values in columns.values()}
            assert count < 20 if part is rest else 20 <= count < 27
            found[name] += count
    assert found == dict(rows_of(monitoring))
    assert len(parts) > sum(found.values()) / 40
    whole = read_source(source).batch
    assert {name: len(columns["uuid"]) for name, columns in whole.tables.items()} == found
    assert (whole.uuids, whole.keys, whole.event_times) == (rest.uuids, rest.keys, rest.event_times)


def test_each_row_has_the_key_of_its_span(tmp_path: Path, monitoring: Path) -> None:
    import_logs(tmp_path / "dnpc.sqlite3", monitoring)
    assert dict(rows_of(monitoring)) == {
        name: query(tmp_path / "dnpc.sqlite3", f"SELECT count(*) FROM {name}")[0][0] for name, _ in rows_of(monitoring)
    }
    for name, table in TABLES.items():
        key = ", ".join(("run_id", *table.key))
        for uuid, *parts in query(tmp_path / "dnpc.sqlite3", f"SELECT DISTINCT uuid, {key} FROM parsl_{name}"):
            assert uuid == surrogate_key(table.span, *parts)
        sql = f"SELECT count(*) FROM parsl_{name} WHERE uuid NOT IN (SELECT uuid FROM spans)"
        assert query(tmp_path / "dnpc.sqlite3", sql) == [(0,)]


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_lone_database_is_read_by_the_process_that_writes(
    tmp_path: Path, monitoring: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """To pack all rows for another process, and to unpack them, would take as long as to read them."""

    def never(*_: object) -> None:
        raise AssertionError("another process was to read")

    monkeypatch.setattr(reading, "Reader", never)
    import_logs(tmp_path / "dnpc.sqlite3", monitoring, jobs=jobs)
    assert query(tmp_path / "dnpc.sqlite3", "SELECT count(*) FROM parsl_task") == [(TASKS,)]


def test_other_processes_read_it_beside_logs(tmp_path: Path) -> None:
    import_logs(tmp_path / "one.db", DATA / SAMPLES[0], jobs=1)
    import_logs(tmp_path / "three.db", DATA / SAMPLES[0], jobs=3)
    assert readable(tmp_path / "three.db") == readable(tmp_path / "one.db")


def test_rows_that_came_before_are_replaced(tmp_path: Path) -> None:
    """A run that goes on is imported again: what is known by then comes as a whole, and each row is there once."""
    path = write_database(tmp_path / "monitoring.db", 10)
    database = tmp_path / "dnpc.sqlite3"
    import_logs(database, path)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE task SET task_fail_count = 77 WHERE task_id = 3")
        conn.execute("DELETE FROM node WHERE id = 1")
    import_logs(database, path)
    assert query(database, "SELECT task_id FROM parsl_task WHERE task_fail_count = 77") == [(3,)]
    assert query(database, "SELECT count(*) FROM parsl_task") == [(10,)]


@pytest.mark.parametrize("table", ["task", "try", "status", "resource"])
def test_numbers_that_one_table_has_as_text_are_the_same_tasks(tmp_path: Path, table: str) -> None:
    path = write_database(tmp_path / "monitoring.db", 25)
    import_logs(tmp_path / "numbers.db", path)
    with closing(sqlite3.connect(path)) as conn, conn:
        columns = [row[1] for row in conn.execute(f'PRAGMA table_info("{table}")')]
        texts = ", ".join(f"CAST({name} AS TEXT) AS {name}" if name == "task_id" else name for name in columns)
        conn.execute(f'CREATE TABLE texts AS SELECT {texts} FROM "{table}" ORDER BY rowid')
        conn.execute(f'DROP TABLE "{table}"')
        conn.execute(f'ALTER TABLE texts RENAME TO "{table}"')
    import_logs(tmp_path / "texts.db", path)
    assert readable(tmp_path / "texts.db", "sources") == readable(tmp_path / "numbers.db", "sources")
    assert query(tmp_path / "texts.db", "SELECT count(*) FROM spans WHERE key LIKE '%/0'") >= [(25,)]


def test_the_same_row_with_its_number_as_text_is_another_event_of_the_same_try(tmp_path: Path) -> None:
    path = write_database(tmp_path / "monitoring.db", 25)
    with closing(sqlite3.connect(path)) as conn, conn:
        columns = "task_status_name, timestamp, run_id, try_id"
        conn.execute(f"CREATE TABLE twice (task_id, {columns})")
        for task in ("task_id", "CAST(task_id AS TEXT)"):
            conn.execute(f"INSERT INTO twice SELECT {task}, {columns} FROM status")
        [(count,)] = conn.execute("SELECT count(*) FROM status").fetchall()
        conn.execute("DROP TABLE status")
        conn.execute("ALTER TABLE twice RENAME TO status")
    import_logs(tmp_path / "dnpc.sqlite3", path)
    of_tries = """SELECT n, count(*) FROM events
                  JOIN spans ON spans.id = span JOIN span_types ON span_types.id = spans.type
                  WHERE name = 'parsl.monitoring.try' GROUP BY n ORDER BY n"""
    assert query(tmp_path / "dnpc.sqlite3", of_tries) == [(0, count), (1, count)]
