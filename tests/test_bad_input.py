"""Whatever the files hold: no traceback, a message with the way out, and nothing lost that could be read."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import unicodedata
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importers.formats import FORMATS
from importers.reading import read_source
from importers.runs import read_run
from importers.sources import Source, find_sources
from tests import runs
from tests.imports import copied, dnpc, import_logs, names_in, query, readable, rewrite, text_of
from tests.runs import DATA, WORKER, read_htex

RUN_ID = "11111111-2222-4333-8444-555555555555"
PREFIX = "1795397698.{:06} 2026-11-23 01:34:58 MainProcess-1 MainThread-2 parsl.dataflow.dflow:1 f INFO: "
MICRO = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "db" / "dnpc.sqlite3"


@pytest.fixture(autouse=True)
def _database_folder(database: Path) -> None:
    database.parent.mkdir()


def run_of(folder: Path, *messages: str, suffix: str = ".log") -> Path:
    """Write a run directory whose parsl.log holds a run id and these messages."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [f"Run id is: {RUN_ID}", *messages]
    if suffix == ".jsonlog":
        lines = [text_of({"created": 1795397698 + i / 1e6, "thread": 2, "threadName": "MainThread", "formatted": text})
                 for i, text in enumerate(texts)]  # fmt: skip
    else:
        lines = [PREFIX.format(i) + text + "\n" for i, text in enumerate(texts)]
    (folder / f"parsl{suffix}").write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    return folder


def events_of(database: Path) -> Counter[tuple[Any, ...]]:
    return Counter(query(database, "SELECT span_uuid, time, type FROM event"))


def one_run(database: Path, folder: Path, *messages: str, suffix: str = ".log") -> list[str]:
    """Import a run of these messages and of an intact one after them; return the texts not understood."""
    intact = "Task 99 initializing state to pending"
    run_of(folder, *messages, intact, suffix=suffix)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0, result.output
    assert query(database, "SELECT event.type FROM spans JOIN event ON span_uuid = spans.uuid WHERE key = '99/0'") == [
        ("pending",)
    ]
    return [text for (text,) in query(database, "SELECT text FROM unmatched")]


# Paths


def test_a_missing_path(tmp_path: Path, database: Path) -> None:
    result = dnpc("import", tmp_path / "nowhere", "--db", database)
    assert result.exit_code == 2 and "nowhere" in result.output and "does not exist" in result.output
    assert not database.exists()


def test_no_path(database: Path) -> None:
    assert dnpc("import", "--db", database).exit_code == 2


@pytest.mark.parametrize("names", [(), ("notes.txt", "core", "a/b/c.csv"), ("manager.log.1", "parsl.log.gz")])
def test_a_folder_without_logs(tmp_path: Path, database: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1
    assert "runinfo/000" in result.output and str(folder) in result.output.replace("\n", "")
    assert not database.exists()


@pytest.mark.parametrize("zone", ["Mars/Base", "+25:00", "", "-99:99"])
def test_a_zone_that_is_none(database: Path, zone: str) -> None:
    result = dnpc("import", DATA / "two-htex", "--db", database, f"--timezone={zone}")
    if zone:
        assert result.exit_code == 2 and "--timezone" in result.output and "America/Chicago" in result.output


# The database


def test_a_database_path_that_is_a_folder(tmp_path: Path) -> None:
    result = dnpc("import", DATA / "two-htex", "--db", tmp_path)
    assert result.exit_code in (1, 2) and "--db" in result.output
    assert list(tmp_path.rglob("*.importing")) == []


def test_a_database_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = dnpc("import", DATA / "two-htex", "--db", tmp_path / "no" / "dnpc.sqlite3")
    assert result.exit_code == 1 and "--db" in result.output


@pytest.mark.parametrize("content", [b"hello\n" * 200, b"SQLite format 3\0" + b"\xff" * 4096, b"\0" * 5000])
def test_a_database_that_is_something_else(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    result = dnpc("import", DATA / "two-htex", "--db", database)
    assert result.exit_code == 1 and "--db" in result.output
    assert database.read_bytes() == content
    assert names_in(database.parent) == [database.name]


def test_a_database_of_another_program_is_left_alone(tmp_path: Path, database: Path) -> None:
    shutil.copy(DATA / "runinfo" / "monitoring.db", database)
    before = database.read_bytes()
    result = dnpc("import", DATA / "two-htex", "--db", database)
    assert result.exit_code == 1 and "no dnpc database" in result.output
    assert database.read_bytes() == before


def test_an_empty_file_becomes_the_database(database: Path) -> None:
    database.touch()
    assert dnpc("import", DATA / "two-htex", "--db", database).exit_code == 0
    assert query(database, "SELECT count(*) FROM runs") == [(1,)]


def test_a_database_that_another_program_has_locked(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_logs(database, DATA / "two-htex")
    before = readable(database)
    # Do not wait for a lock that stays.
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.01))
    with closing(sqlite3.connect(database, isolation_level=None)) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        result = dnpc("import", DATA / "runinfo" / "002", "--db", database)
    assert result.exit_code == 1 and "locked" in result.output
    assert readable(database) == before


def test_a_failure_leaves_the_old_database_whole(database: Path) -> None:
    import_logs(database, DATA / "two-htex")
    before, rows = database.read_bytes(), readable(database)

    def fail(conn: sqlite3.Connection) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space left"):
        import_logs(database, DATA / "runinfo", finish=fail)
    assert names_in(database.parent) == [database.name]
    # Bytes 18 and 19 say how to read it: in write-ahead mode, a folder that may not be written would not do.
    assert database.read_bytes()[18:20] == before[18:20]
    assert readable(database) == rows


@pytest.mark.parametrize("arguments", [("sources",)])
def test_reading_what_is_no_database(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    text = tmp_path / "text.sqlite3"
    text.write_text("hello" * 300)
    for path in (text, tmp_path / "missing.sqlite3"):
        result = dnpc(*arguments, "--db", path)
        assert result.exit_code == 1 and str(path) in result.output.replace("\n", "")


# monitoring.db


@pytest.mark.parametrize("content", [b"", b"not a database\n" * 100, b"SQLite format 3\0" + b"\x01" * 3000, b"\0"])
def test_a_monitoring_database_that_is_none(tmp_path: Path, database: Path, content: bytes) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "runinfo")
    (folder / "monitoring.db").write_bytes(content)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0
    assert "monitoring.db" in result.output and "Not understood in monitoring.db" in result.output
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, *(folder / number for number in ("000", "001", "002")))
    assert events_of(database) == events_of(whole)
    alone = dnpc("import", folder / "monitoring.db", "--db", tmp_path / "alone.sqlite3")
    assert alone.exit_code == 1 and "Nothing in these files was understood" in alone.output


def altered(tmp_path: Path, *statements: str) -> Path:
    folder = copied(DATA / "runinfo", tmp_path / "altered")
    for number in ("000", "001", "002"):
        shutil.rmtree(folder / number)
    with closing(sqlite3.connect(folder / "monitoring.db", isolation_level=None)) as conn:
        for statement in statements:
            conn.execute(statement)
    return folder


@pytest.mark.parametrize("table", ["task", "try", "status", "resource", "node", "block"])
def test_a_monitoring_database_without_a_table(tmp_path: Path, database: Path, table: str) -> None:
    folder = altered(tmp_path, f'DROP TABLE "{table}"')
    assert dnpc("import", folder, "--db", database, "--timezone", "UTC").exit_code == 0
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / "runinfo" / "monitoring.db")
    ours, theirs = readable(database), readable(whole)
    assert ours[f"parsl_{table}"] == []
    for other in ("task", "try", "status", "resource", "node", "block"):
        if other != table:
            assert ours[f"parsl_{other}"] == theirs[f"parsl_{other}"] != []


COLUMNS = [
    ("workflow", "time_began"), ("workflow", "rundir"), ("task", "task_func_name"), ("task", "task_time_invoked"),
    ("task", "task_depends"), ("try", "block_id"), ("try", "task_try_time_launched"), ("try", "task_joins"),
    ("resource", "psutil_process_pid"), ("node", "uid"), ("node", "active"), ("block", "job_id"), ("block", "status"),
    ("status", "try_id"), ("status", "timestamp"), ("task", "task_id"), ("task", "run_id"), ("status", "run_id"),
    ("workflow", "run_id"), ("try", "try_id"), ("status", "task_status_name"), ("block", "executor_label"),
]  # fmt: skip


def without_column(conn: sqlite3.Connection, table: str, column: str) -> None:
    """Make a table again without a column, its key and its references."""
    columns = [row[1] for row in conn.execute(f'PRAGMA table_info("{table}")') if row[1] != column]
    listed = ", ".join(f'"{name}"' for name in columns)
    conn.execute(f'CREATE TABLE kept AS SELECT {listed} FROM "{table}"')
    conn.execute(f'DROP TABLE "{table}"')
    conn.execute(f'ALTER TABLE kept RENAME TO "{table}"')


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_monitoring_database_without_a_column(tmp_path: Path, database: Path, table: str, column: str) -> None:
    folder = altered(tmp_path)
    with closing(sqlite3.connect(folder / "monitoring.db", isolation_level=None)) as conn:
        without_column(conn, table, column)
    assert dnpc("import", folder, "--db", database, "--timezone", "UTC").exit_code == 0
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / "runinfo" / "monitoring.db")
    ours, theirs = readable(database), readable(whole)
    for other in ("workflow", "task", "try", "status", "resource", "node", "block"):
        if other != table:
            assert ours[f"parsl_{other}"] == theirs[f"parsl_{other}"] != []


@pytest.mark.parametrize("value", ["''", "'yesterday'", "x'ff00'", "-1", "1e400", "9223372036854775807", "NULL",
                                   "'2026-11-23 01:34:57'", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'",
                                   "CAST(x'c3' AS TEXT)", "printf('%.*c', 100000, '7')"])  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "-06:00"])
def test_monitoring_times_that_are_none(tmp_path: Path, database: Path, value: str, zone: str) -> None:
    folder = altered(
        tmp_path,
        f"UPDATE workflow SET time_completed = {value}",
        f"UPDATE task SET task_time_returned = {value} WHERE task_id = 3",
        f"UPDATE OR IGNORE status SET timestamp = coalesce({value}, 'none') WHERE task_id = 4",
    )
    result = dnpc("import", folder, "--db", database, "--timezone", zone)
    assert result.exit_code == 0
    # The other events of these tasks are there.
    assert query(
        database,
        """SELECT DISTINCT event.type FROM spans JOIN span ON span.uuid = spans.uuid
           JOIN event ON span_uuid = spans.uuid WHERE span.type = 'parsl.monitoring.task' AND key = '3'
           AND event.type = 'invoked'""",
    ) == [("invoked",)]
    assert query(database, "SELECT count(*) FROM parsl_task") == query(
        folder / "monitoring.db", "SELECT count(*) FROM task"
    )


NULLS = [("task", "task_func_name"), ("task", "task_depends"), ("try", "task_executor"), ("try", "hostname"),
         ("workflow", "workflow_name"), ("workflow", "rundir"), ("node", "uid"), ("node", "timestamp"),
         ("block", "job_id"), ("block", "status"), ("status", "try_id"),
         ("resource", "psutil_process_pid")]  # fmt: skip


@pytest.mark.parametrize(("table", "column"), NULLS)
def test_monitoring_values_that_are_null(tmp_path: Path, database: Path, table: str, column: str) -> None:
    folder = altered(tmp_path)
    with closing(sqlite3.connect(folder / "monitoring.db", isolation_level=None)) as conn:
        definition = ", ".join(f'"{row[1]}"' for row in conn.execute(f'PRAGMA table_info("{table}")'))
        conn.execute(f'CREATE TABLE kept AS SELECT {definition} FROM "{table}"')
        conn.execute(f'DROP TABLE "{table}"')
        conn.execute(f'ALTER TABLE kept RENAME TO "{table}"')
        conn.execute(f'UPDATE "{table}" SET "{column}" = NULL')
    assert dnpc("import", folder, "--db", database, "--timezone", "UTC").exit_code == 0
    rows = query(folder / "monitoring.db", f'SELECT count(*) FROM "{table}"')
    # Each row is copied, or reported as not understood.
    (copies,) = query(database, f"SELECT count(*) FROM parsl_{table}")[0]
    (reported,) = query(database, "SELECT coalesce(sum(count), 0) FROM unmatched")[0]
    assert [(copies + reported,)] == rows
    # What a span is called must not become the word None.
    assert query(database, "SELECT count(*) FROM event WHERE type = 'None'") == [(0,)]
    assert query(database, "SELECT count(*) FROM spans WHERE '/' || key || '/' LIKE '%/None/%'") == [(0,)]


def test_monitoring_identifiers_of_all_kinds(tmp_path: Path, database: Path) -> None:
    folder = altered(
        tmp_path,
        "UPDATE block SET executor_label = 'it''s \"quoted\" / slashed', block_id = '9' || printf('%.*c', 5000, '9')",
        "UPDATE try SET task_executor = 'a/b', block_id = ';DROP TABLE spans;--' WHERE task_id = 2",
        "UPDATE task SET task_func_name = char(0) || 'n' || char(55296) WHERE task_id = 2",
        "UPDATE workflow SET workflow_name = CAST(x'ff41' AS TEXT), rundir = CAST(x'2fff' AS TEXT)",
        "UPDATE OR IGNORE status SET task_id = 9223372036854775807 WHERE task_id = 5",
        "UPDATE task SET task_depends = printf('%.*c', 6000, '1') WHERE task_id = 1",
    )
    assert dnpc("import", folder, "--db", database, "--timezone", "UTC").exit_code == 0
    assert dnpc("sources", "--db", database).exit_code == 0


def test_a_damaged_page_loses_no_other(tmp_path: Path, database: Path) -> None:
    path = altered(tmp_path) / "monitoring.db"
    size = query(path, "PRAGMA page_size")[0][0]
    root = query(path, "SELECT rootpage FROM sqlite_master WHERE name = 'resource'")[0][0]
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = b"\xaa" * size
    path.write_bytes(data)
    result = dnpc("import", path, "--db", database, "--timezone", "UTC")
    assert result.exit_code == 0 and "resource" in result.output
    assert query(database, "SELECT count(*) FROM parsl_task") > [(0,)]
    assert query(database, "SELECT count(*) FROM parsl_block") > [(0,)]


def test_a_truncated_monitoring_database(tmp_path: Path, database: Path) -> None:
    path = altered(tmp_path) / "monitoring.db"
    whole = path.read_bytes()
    for size in (1, 15, 16, 99, 100, 4095, 4096, 8192, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        database.unlink(missing_ok=True)
        assert dnpc("import", path, "--db", database, "--timezone", "UTC").exit_code in (0, 1)


def test_a_database_of_something_else_in_the_folder_is_not_a_log(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    with closing(sqlite3.connect(folder / "other.db")) as conn:
        conn.execute("CREATE TABLE notes (x)")
    (folder / "text.sqlite").write_text("hello")
    assert dnpc("import", folder, "--db", database).exit_code == 0
    assert query(database, "SELECT count(*) FROM sources WHERE importer = 'parsl_monitoring'") == [(0,)]


# Logs


NAMES = ["parsl.log", "parsl.jsonlog", "x/interchange.log", "x/interchange.jsonlog",
         "x/block-0/0123456789ab/manager.log",         "x/block-0/0123456789ab/worker_0.jsonlog"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 9000, bytes(range(256)) * 40,
                                     b"\xff\xfe" * 500 + b"\n",
                                     b"no newline", b"\r\n" * 100, b"{" * 5000 + b"\n",
                                     b'{"' * 5000 + b"\n"])  # fmt: skip
def test_a_log_of_garbage(tmp_path: Path, database: Path, name: str, content: bytes) -> None:
    path = tmp_path / "runinfo" / "000" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    result = dnpc("import", path, "--db", database)
    assert result.exit_code == 1 and "Nothing in these files was understood" in result.output
    # The report is there all the same, and says what is wrong.
    assert query(database, "SELECT sum(count) FROM unmatched") >= [(1,)]
    # Beside an intact run, it changes nothing.
    folder = copied(DATA / "two-htex", tmp_path / "beside")
    shutil.copytree(tmp_path / "runinfo" / "000", folder / "777")
    other = tmp_path / "db" / "other.sqlite3"
    assert dnpc("import", folder, "--db", other).exit_code == 0
    intact = tmp_path / "db" / "intact.sqlite3"
    import_logs(intact, DATA / "two-htex")
    assert events_of(other) == events_of(intact)


def small_logs() -> list[tuple[str, list[bytes]]]:
    """Return whole lines of sample logs that give rows, few enough to be cut at every byte."""
    found = []
    for name in ("runinfo/000/parsl.log", "runinfo/001/parsl.jsonlog"):
        lines = (DATA / name).read_bytes().splitlines(keepends=True)
        wanted = [i for i, line in enumerate(lines) if re.search(rb"Run id is|Task 1 |task 1 |Block ID|block ID", line)]
        found.append((name, [lines[i] for i in wanted if len(lines[i]) < 600][:8]))
    for name in ("runinfo/000/htex_Local/block-0/2d216d98b581/worker_0.log",
                 "runinfo/001/htex_Local/block-0/d5af69eb2476/worker_0.jsonlog"):  # fmt: skip
        found.append((name, (DATA / name).read_bytes().splitlines(keepends=True)[:14]))
    return found


def source_of(path: Path) -> Source:
    read_run.cache_clear()
    (source,) = find_sources([path], FORMATS.values(), [], Counter())
    return source


def rows_read(path: Path) -> tuple[Counter[tuple[str, float, str, int]], int]:
    """Return the events of a log with what is no part of the run's key, and the number of lines not understood."""
    batch = read_source(source_of(path)).batch
    events = zip(batch.event_spans, batch.event_times, batch.event_types, batch.event_offsets, strict=True)
    found = Counter((batch.keys[s], t, batch.event_type_names[n], offset) for s, t, n, offset in events)
    return found, sum(u.times for u in batch.unmatched.values())


@pytest.mark.parametrize(("name", "lines"), small_logs(), ids=lambda x: x if isinstance(x, str) else "")
def test_a_log_cut_at_every_byte(tmp_path: Path, name: str, lines: list[bytes]) -> None:
    """Only whole lines count: a line that is not whole can say something else, as task 1 for task 12."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    ends, end = [], 0
    expected: list[Counter[tuple[str, float, str, int]]] = []
    for n in range(len(lines) + 1):
        path.write_bytes(b"".join(lines[:n]))
        expected.append(rows_read(path)[0])
        ends.append(end)
        end += len(lines[n]) if n < len(lines) else 0
    assert sum(expected[-1].values()) > 2
    whole = b"".join(lines)
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        before = max(n for n, end in enumerate(ends) if end <= size)
        events, unmatched = rows_read(path)
        assert events == expected[before] or ("parsl" in path.name and before == 0)
        assert unmatched or size in ends


def test_a_log_cut_after_the_run_id_but_before_its_newline(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "000")
    log = folder / "parsl.log"
    log.write_bytes(log.read_bytes()[:-1])
    assert rows_read(log)[0] == Counter()
    log.write_bytes(log.read_bytes()[:-5])
    read_run.cache_clear()
    assert read_run(folder).run_id is None


WRONG_JSON: list[str] = [
    "{", "}", "[]", "null", "1", '"Task 1 initializing state to pending"', '{"created": 1}', "{}",
    '{"formatted": "Task 1 initializing state to pending"}',
    '{"created": "1795397698.0", "formatted": "Task 1 initializing state to pending"}',
    '{"created": null, "formatted": "Task 1 initializing state to pending"}',
    '{"created": [], "formatted": "Task 1 initializing state to pending"}',
    '{"created": true, "formatted": "Task 1 initializing state to pending"}',
    '{"created": NaN, "formatted": "Task 1 initializing state to pending"}',
    '{"created": Infinity, "formatted": "Task 1 initializing state to pending"}',
    '{"created": -Infinity, "formatted": "Task 1 initializing state to pending"}',
    '{"created": 1e999, "formatted": "Task 1 initializing state to pending"}',
    '{"created": ' + "9" * 400 + ', "formatted": "Task 1 initializing state to pending"}',
    '{"created": ' + "9" * 5000 + ', "formatted": "Task 1 initializing state to pending"}',
    '{"created": 1795397698.0, "formatted": 5, "x": "Task 1 initializing state to pending"}',
    '{"created": 1795397698.0, "formatted": {"a": "Task 1 initializing state to pending"}}',
    '{"created": 1795397698.0, "formatted": "Task 1 initializing state to pending"',
    '{"created": 1795397698.0, "formatted": "Task 1 initializing state to pending',
    '{"created": 1795397698.0, "formatted": "Task 1 initializing state to pending\x00"}',
    '[{"created": 1795397698.0, "formatted": "Task 1 initializing state to pending"}]',
    '{"a":' * 100_000 + '" initializing state to "' + "}" * 100_000,
    "[" * 100_000 + '" initializing state to "' + "]" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG_JSON, ids=lambda line: line[:60])
def test_a_line_of_json_that_is_no_record(tmp_path: Path, database: Path, line: str) -> None:
    folder = run_of(tmp_path / "000", "Task 2 initializing state to pending", suffix=".jsonlog")
    with (folder / "parsl.jsonlog").open("a") as file:
        file.write(line + "\n")
        file.write(text_of({"created": 1795397699.5, "formatted": "Task 3 initializing state to pending"}))
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0
    keys = query(database, "SELECT key FROM spans JOIN event ON span_uuid = spans.uuid WHERE event.type = 'pending'")
    assert sorted(keys) == [("2/0",), ("3/0",)]
    if " initializing state to " in line:
        assert query(database, "SELECT sum(count) FROM unmatched") == [(1,)]
        assert "Not understood in 000/parsl.jsonlog" in result.output


@pytest.mark.parametrize("created", ["1795397698", "-1", "0", "1e300", "-1e300", "1e18", "5e-324"])
def test_times_far_off(tmp_path: Path, database: Path, created: str) -> None:
    folder = run_of(tmp_path / "000", "Task 2 initializing state to pending", suffix=".jsonlog")
    with (folder / "parsl.jsonlog").open("a") as file:
        file.write(f'{{"created": {created}, "formatted": "Task 3 initializing state to pending"}}\n')
    assert dnpc("import", folder, "--db", database).exit_code == 0
    # Either an event or a line that was not understood.
    (events,) = query(database, "SELECT count(*) FROM event WHERE type = 'pending'")[0]
    assert events + query(database, "SELECT coalesce(sum(count), 0) FROM unmatched")[0][0] == 2
    assert dnpc("sources", "--db", database).exit_code == 0


def test_a_jsonlog_of_other_types_throughout(tmp_path: Path, database: Path) -> None:
    """Every field that is used comes as every type that JSON has."""
    folder = run_of(tmp_path / "000", "Task 2 initializing state to pending", suffix=".jsonlog")
    records = []
    kinds: list[Any] = [0, [], {}, True, None, "", "\ud800"]
    for run in [*kinds, "other"]:
        for thread in [*kinds, "HTEX-Result-Queue-Thread"]:
            for text in (f"Run id is: {RUN_ID[:-1]}6", "Task 0 initializing state to pending", "Task \ud800",
                         "Parsl task 0 try 0 launched on executor \ud800\0 with executor id 1"):  # fmt: skip
                records.append({"created": 1795397700.0, "thread": thread, "threadName": thread, "parsl.dfk": run,
                                "formatted": text})  # fmt: skip
    with (folder / "parsl.jsonlog").open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    assert dnpc("import", folder, "--db", database).exit_code == 0


@pytest.mark.parametrize(
    "message",
    [
        "Task 5 submitted for App submitted for App x, not waiting on any dependency",
        "Task 5 submitted for App a, not waiting on b, waiting on task 7, not waiting on any dependency",
        "Task 5 failed after 1 retry attempts failed failed",
        "Task 5 initializing state to initializing state to pending",
    ],
)
def test_a_line_that_repeats_its_words_counts_once(tmp_path: Path, database: Path, message: str) -> None:
    one_run(database, tmp_path / "000", message)
    assert query(
        database, "SELECT count(*) FROM spans JOIN event ON span_uuid = spans.uuid WHERE key IN ('5', '5/0')"
    ) == [(1,)]


@pytest.mark.parametrize("suffix", [".log", ".jsonlog"])
@pytest.mark.parametrize(
    "message",
    [
        "Task " + "9" * 5000 + " initializing state to pending",
        "Task " + "9" * 25 + " changing state from pending to launched",
        "Parsl task 1 try " + "9" * 5000 + " launched on executor x with executor id 1",
        "Parsl task 1 try 0 launched on executor x with executor id " + "9" * 5000,
        "Parsl task 1 try 0 launched on executor x with executor id " + "9" * 25,
        "Parsl task 1 try 0 launched on executor it's\"/..\\;-- with executor id 1",
        "Task 1 submitted for App ', not waiting on any dependency, waiting on task " + "9" * 5000,
        "Task 1 submitted for App \0\x1b[31m\u202e, not waiting on any dependency",
        "Workflow startup information: {",
        "Workflow startup information: {'run_id': '" + "(" * 100_000 + "}",
        "Workflow startup information: " + "{'a': " * 3000 + "1" + "}" * 3000,
        "Workflow startup information: {'host': '\\udcff', 'rundir': '/\\ud800', 'workflow_name': '\\udcff'}",
        "Workflow startup information: {'x': 1e999, 'y': -1e999, 'z': 1e999 - 1e999}",
        "Workflow startup information: {'x': " + "9" * 4000 + "}",
        "Workflow startup information: {1: 2, None: 3, 'workflow_name': ['a']}",
        "Workflow startup information: {'host': __import__('os')}",
        "Workflow startup information: {1, 2}",
        "Workflow startup information: {'a': 1}\0",
        "[Scaling executor x] Executor " + "9" * 5000 + " active tasks, 1 active slots, and 0/1 running/pending blocks",
        "[Scaling executor x] Allocated block ID ../../'\"",
        "Marking block 0 as SCALED_IN",
        "Task 1 try 0 failed with exception of type \ufffd" + "x" * 100_000,
    ],
    ids=lambda message: message[:70].encode("ascii", "backslashreplace").decode(),
)
def test_identifiers_and_values_of_all_kinds(tmp_path: Path, database: Path, message: str, suffix: str) -> None:
    one_run(database, tmp_path / "000", message, "Parsl task 1 try 0 launched on executor x", suffix=suffix)
    assert dnpc("sources", "--db", database).exit_code == 0


@pytest.mark.parametrize("junk", ["\0", "\udcff\udcfe", "\r", "\x85\u2028", "\x1b[2J", "\udced\udca0\udc80"])
def test_bytes_that_are_no_text(tmp_path: Path, database: Path, junk: str) -> None:
    left = one_run(database, tmp_path / "000", f"Task 1{junk} initializing state to pending",
                   f"Task 2 initializing state to pending{junk}", f"{junk}Task 3 initializing state to pending",
                   f"Parsl task 4 try 0 launched on executor a{junk}b with executor id 4",
                   f"Workflow startup information: {{{junk}(}}")  # fmt: skip
    assert query(database, "SELECT count(*) FROM spans WHERE key = '2/0'") == [(1,)]
    assert all("\0" not in text for text in left)
    result = dnpc("sources", "--db", database)
    assert "workflow information in an unknown form" in result.output
    # It goes to a terminal, where control characters can hide text.
    assert not [c for c in result.output if c != "\n" and unicodedata.category(c) == "Cc"]


def test_lines_of_ten_megabytes(tmp_path: Path, database: Path) -> None:
    long = "x" * 10_000_000
    one_run(database, tmp_path / "000", long, f"Task 1 initializing state to pending {long}",
            f"Task 2 submitted for App a, waiting on {'task 7, ' * 1000}", f"Sending message {long}")  # fmt: skip
    assert query(database, "SELECT max(length(text)) FROM unmatched")[0][0] in (None, *range(2000))
    assert query(database, "SELECT count(*) FROM spans WHERE key = '1/0'") == [(1,)]


def test_a_file_that_may_not_be_read(tmp_path: Path, database: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    (folder / "000" / "cpu" / "interchange.log").chmod(0)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1 and "can not be read" in result.output


def test_a_file_that_fails_while_it_is_read(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    real = Path.open

    def failing(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "interchange.log" and path.parent.name == "cpu":
            raise OSError(5, "Input/output error")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1 and "Input/output error" in result.output
    monkeypatch.undo()
    # What failed is read the next time.
    assert dnpc("import", folder, "--db", database).exit_code == 0
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / "two-htex")
    assert events_of(database) == events_of(whole)


def test_links_that_lead_out_of_the_folder_and_loops(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    (folder / "loop").symlink_to(folder)
    (folder / "000" / "self").symlink_to("self")
    (folder / "000" / "up").symlink_to("..")
    (folder / "dangling.db").symlink_to("nowhere")
    (folder / "out").symlink_to(DATA / "runinfo")
    (folder / "001").mkdir()
    (folder / "001" / "parsl.log").symlink_to(DATA / "runinfo" / "000" / "parsl.log")
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0
    assert "001/parsl.log" in result.output and "symbolic link" in result.output
    intact = tmp_path / "intact.sqlite3"
    import_logs(intact, DATA / "two-htex")
    assert events_of(database) == events_of(intact)


def test_only_links_out_of_the_folder(tmp_path: Path, database: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "parsl.log").symlink_to(DATA / "runinfo" / "000" / "parsl.log")
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1 and "symbolic link" in result.output


@pytest.mark.parametrize("name", ["000", "é ' \" ; --", "block-0", "..a", "\N{GRINNING FACE}", "x" * 200])
def test_folders_of_any_name(tmp_path: Path, database: Path, name: str) -> None:
    shutil.copytree(DATA / "two-htex" / "000", tmp_path / "r" / name)
    (tmp_path / "r" / name / "cpu").rename(tmp_path / "r" / name / "c'p\"u é")
    assert dnpc("import", tmp_path / "r", "--db", database).exit_code == 0
    assert query(database, "SELECT count(*) FROM sources WHERE path LIKE '%é/interchange.log'") == [(1,)]
    assert query(database, "SELECT count(*) FROM spans WHERE key LIKE 'c''p\"u é/%'") > [(0,)]


def test_folders_whose_names_are_no_text(tmp_path: Path, database: Path) -> None:
    folder = tmp_path / os.fsdecode(b"run\xff") / os.fsdecode(b"\xfe00")
    try:
        folder.parent.mkdir()
    except OSError:
        pytest.skip("this file system has text names only")
    shutil.copytree(DATA / "two-htex" / "000", folder)
    (folder / "cpu").rename(folder / os.fsdecode(b"c\xffpu"))
    result = dnpc("import", folder.parent, "--db", database)
    assert result.exit_code == 0
    assert query(database, "SELECT count(*) FROM sources") == [(11,)]


# Runs that lack something


def test_a_run_without_its_id_is_the_noise_of_a_child_process(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "runinfo")
    (folder / "001").mkdir()
    lines = (DATA / "two-htex" / "000" / "parsl.log").read_text().splitlines(keepends=True)
    start = [line.replace("MainProcess-", "Monitoring-DBM-Process-") for line in lines[:40] if "Run id" not in line]
    (folder / "001" / "parsl.log").write_text("".join(start))
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0
    intact = tmp_path / "intact.sqlite3"
    import_logs(intact, DATA / "two-htex")
    assert readable(database)["spans"] == readable(intact)["spans"]
    (rejected,) = query(database, """SELECT reason FROM unmatched JOIN sources ON sources.id = source
                                     WHERE path = '001/parsl.log'""")  # fmt: skip
    assert "not a run" in rejected[0]
    alone = dnpc("import", folder / "001", "--db", tmp_path / "alone.sqlite3")
    assert alone.exit_code == 1


@pytest.mark.parametrize("name", ["htex-crash", "runinfo", "two-htex"])
def test_worker_debug_off(tmp_path: Path, database: Path, name: str) -> None:
    """Interchange and manager name no task then: a try leads to its worker's account directly."""
    folder = copied(DATA / name, tmp_path / name)

    def without_debug(path: Path, data: bytes) -> bytes:
        if path.stem == "parsl":
            return data
        lines = data.splitlines(keepends=True)
        return b"".join(x for x in lines if b" DEBUG: " not in x and b'"levelname": "DEBUG"' not in x)

    rewrite(folder, without_debug)
    assert dnpc("import", folder, "--db", database).exit_code == 0
    types = {row[0] for row in query(database, "SELECT DISTINCT type FROM span")}
    assert not types & {"parsl.executor.htex.interchange.task", "parsl.executor.htex.manager.task"}
    for directory in sorted(folder.glob("00[01]")):
        run = runs.read_run(directory)
        expected = {
            (f"{x.task}/{x.try_id}", f"{x.executor}/{x.executor_task}") for x in run.launches if x.executor_task
        }
        assert expected
        found = query(
            database,
            """SELECT a.key, b.key FROM subspans JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
               JOIN span_types s ON s.id = a.type JOIN span_types t ON t.id = b.type JOIN runs ON runs.id = a.run
               WHERE runs.key = ? AND s.name = 'parsl.rundir.try' AND t.name = 'parsl.executor.htex.worker.task'""",
            run.run_id,
        )
        assert set(found) == expected


def test_htex_logs_without_the_runs_own(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    (folder / "000" / "parsl.log").unlink()
    assert dnpc("import", folder, "--db", database).exit_code == 0
    assert query(database, "SELECT count(*) FROM runs") == [(1,)]
    for layer in ("interchange", "manager", "worker"):
        run = runs.read_run(DATA / "two-htex" / "000")
        expected = {f"{e}/{t}" for e, t in run.executor_tasks(layer)}
        found = query(database, "SELECT key FROM spans JOIN span USING (uuid) WHERE span.type = ?",
                      f"parsl.executor.htex.{layer}.task")  # fmt: skip
        assert {key for (key,) in found} == expected
    # Layers still lie in each other, moved or not.
    moved = copied(folder, tmp_path / "moved")
    other = tmp_path / "other.sqlite3"
    import_logs(other, moved)
    assert readable(other)["subspan"] == readable(database)["subspan"] != []


def test_a_lone_worker_log(tmp_path: Path, database: Path) -> None:
    name = "000/cpu/block-0/f5eae87c7095/worker_1.log"
    path = tmp_path / "worker_1.log"
    shutil.copy(DATA / "two-htex" / name, path)
    assert dnpc("import", path, "--db", database).exit_code == 0
    tasks = {e.executor_task for e in read_htex(path, "worker", WORKER, "x")}
    found = query(database, "SELECT key FROM spans JOIN span USING (uuid) WHERE span.type LIKE '%worker.task'")
    assert {int(key.rsplit("/", 1)[1]) for (key,) in found} == tasks != set()


def test_a_worker_log_that_has_lost_its_start(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    rewrite(folder, lambda path, data: b"".join(x for x in data.splitlines(keepends=True) if b" started" not in x))
    import_logs(database, folder)
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / "two-htex")
    assert readable(database)["subspan"] == readable(whole)["subspan"]


# Anything


SEEDS = [
    line
    for name in ("runinfo/000/parsl.log", "runinfo/001/parsl.jsonlog", "two-htex/000/cpu/interchange.log",
                 "runinfo/001/htex_Local/interchange.jsonlog", "two-htex/000/cpu/block-0/f5eae87c7095/manager.log",
                 "two-htex/000/cpu/block-0/f5eae87c7095/worker_1.log")
    for line in random.Random(name).sample((DATA / name).read_bytes().splitlines(), 12)
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample line with parts dropped, doubled, changed or taken from another."""
    line = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 40)))
        new = draw(
            st.one_of(
                st.binary(max_size=6),
                st.just(line[start:end] * 2),
                st.sampled_from(
                    [b"", b": ", b"]  ", b"9" * 30, b"\0", b"NaN", b"-", b"'", b'"', b"{", b"1e999", b"\xff"]
                ),
                st.sampled_from(SEEDS),
            )
        )
        line = line[:start] + new + line[end:]
    return line


@MICRO
@given(st.lists(mutated(), max_size=5), st.sampled_from(NAMES))
def test_lines_that_were_damaged(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], name: str) -> None:
    """Whatever a line became: nothing raises, and the intact line after it is read."""
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "000" / name
    path.parent.mkdir(parents=True)
    begin, intact = b"", b""
    if name.startswith("parsl"):
        begin = PREFIX.format(0).encode() + f"Run id is: {RUN_ID}\n".encode()
        intact = PREFIX.format(999999).encode() + b"Task 987654 initializing state to pending\n"
    elif "worker" in name:
        intact = PREFIX.format(999999).encode() + b"Received executor task 987654\n"
    elif "manager" in name:
        intact = PREFIX.format(999999).encode() + b"Got executor tasks: [987654], cumulative count of tasks: 5\n"
    else:
        intact = PREFIX.format(999999).encode() + b"Put task 987654 onto pending_task_queue\n"
    if name.endswith("jsonlog"):
        begin, intact = (
            text_of({"created": 1795397698.5, "formatted": part.split(b"INFO: ")[1].decode().strip()}).encode()
            if part
            else b""
            for part in (begin, intact)
        )
    # The dialect is known by the first lines.
    path.write_bytes((begin or intact) + b"".join(line + b"\n" for line in lines) + intact)
    result = dnpc("import", path, "--db", folder / "dnpc.sqlite3", "--quiet")
    assert result.exit_code == 0
    shared = sum(b"Run id is" in line or b"initializing state" in line for line in lines)
    if not (name.startswith("parsl") and shared):
        # Two runs in one log are told apart by more than one line.
        assert query(folder / "dnpc.sqlite3", "SELECT count(*) FROM spans WHERE key LIKE '%987654%'") > [(0,)]


@MICRO
@given(st.binary(max_size=3000), st.sampled_from([*NAMES, "monitoring.db"]))
def test_files_of_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    folder = tmp_path_factory.mktemp("anything")
    path = folder / "000" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert dnpc("import", folder, "--db", folder / "dnpc.sqlite3").exit_code in (0, 1)
