"""Transaction logs that are cut, broken or made to do harm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from importers import cctools, logfile, rows, transactions
from importers.rows import DRIFT, Batch
from tests.batches import read
from tests.imports import differences, dnpc, import_logs, query, readable
from tests.managers import HOST, LOGS, MANAGER, START, TASKVINE, WORK_QUEUE, WORKER, record, run_folder, write
from tests.transaction_rows import LOST, NAMES, SPANS, WORK_QUEUE_LOG, imported, lines, task_events

SMALL = WORK_QUEUE_LOG + lines(*LOST[5:])


def rows_of(batch: Batch) -> tuple[Any, ...]:
    """Return what a batch holds but for what was not understood."""
    events = zip(batch.event_spans, batch.event_times, batch.event_types, strict=True)
    named = [(batch.keys[span], time, batch.event_type_names[name]) for span, time, name in events]
    nested = sorted((batch.keys[a], batch.keys[b]) for a, b in batch.subspans)
    return batch.records, sorted(zip(batch.span_types, batch.keys, strict=True)), sorted(named), nested


def test_only_whole_records_count(tmp_path: Path) -> None:
    """A log that is cut anywhere gives what it gives when it is cut after the line before."""
    path, data = tmp_path / NAMES[WORK_QUEUE], SMALL.encode()
    at_line: tuple[Any, ...] | None = None
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        cctools.managers.cache_clear()
        if b"MANAGER START\n" not in data[:end]:
            # Nor is it taken for a log of a manager.
            assert transactions.work_queue.find(path) is None
            continue
        batch = read(path)
        if data[end - 1 : end] == b"\n":
            at_line = rows_of(batch)
            assert batch.unmatched == {}
            assert batch.records == sum(line[:1].isdigit() for line in data[:end].decode().splitlines())
        else:
            assert [reason for reason, _template in batch.unmatched] == ["last line is incomplete"]
            assert rows_of(batch) == at_line
    assert at_line is not None and at_line[0] == 21


HOSTILE = {
    "no words": "TASK",
    "no state": "TASK 1",
    "an id that is none": "TASK one WAITING work",
    "an id that is huge": f"TASK {'9' * 5000} WAITING work",
    "a state that is none": "TASK 1 waiting work",
    "a state that is named as a transfer": "TASK 1 TRANSFER_INPUT work",
    "an unknown kind": "TASKS 1 WAITING work",
    "a transfer that ends early": "TRANSFER INPUT 1 0 0.5",
    "a transfer in no direction": "TRANSFER ASIDE 1 0 0.5 0.5 file",
    "a size that is none": "TRANSFER INPUT 1 0 nan 0.5 file",
    "a size that is no number": "TRANSFER INPUT 1 0 big 0.5 file",
    "a duration that is none": "TRANSFER INPUT 1 0 0.5 nan file",
    "a duration without end": "TRANSFER INPUT 1 0 0.5 inf file",
    "a start before 1970": "TRANSFER INPUT 1 0 0.5 9999999999 file",
    "a worker's transfer that ends early": "WORKER w TRANSFER INPUT file 1",
    "a worker's transfer in no direction": "WORKER w TRANSFER file 1 1 1",
    "a worker's start that is huge": f"WORKER w TRANSFER INPUT file 1 1 {'9' * 400}",
    "a worker's start that is none": "WORKER w TRANSFER INPUT file 1 1 nan",
    "a worker's start below zero": "WORKER w TRANSFER INPUT file 1 1 -5",
    "a worker's end that is too late": f"WORKER w CACHE_UPDATE file 1 {10**17} {10**15}",
    "a start before 1970, of 2023": "WORKER w CACHE_UPDATE file 1 9999999999",
    "a worker's word that is none": "WORKER w what",
    "a worker that does nothing": "WORKER w",
    "a nameless worker's word that is none": "WORKER (null) what",
    "a manager's word that is none": "MANAGER what",
    "a library without a number": "LIBRARY one SENT w",
    "a library without a word": "LIBRARY 1 sent w",
    "a category without a name": "CATEGORY",
    "null characters": "\0\0\0 TASK \0",
}


@pytest.mark.parametrize("kind", [WORK_QUEUE, TASKVINE])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_that_is_not_understood(tmp_path: Path, kind: str, name: str) -> None:
    """It is kept as unmatched, gives no row, and those around it count."""
    around = [record(START, "MANAGER START"), record(START + 2, "TASK 8 WAITING work")]
    bad = record(START + 1, HOSTILE[name])
    path = write(tmp_path / NAMES[kind], around[0] + bad + around[1])
    batch = read(path)
    (((reason, _template), found),) = batch.unmatched.items()
    assert (reason, found.times, found.offset) == (DRIFT, 1, len(around[0]))
    assert found.text == bad.rstrip("\n").replace("\0", "\\0")[:500]
    assert rows_of(batch) == (
        2,
        [(f"{kind}.manager", MANAGER), (f"{kind}.task", "8")],
        [(MANAGER, START, "START"), ("8", START + 2, "WAITING")],
        [],
    )


@pytest.mark.parametrize(
    "line",
    [
        b"nothing",
        b"1795397975",
        b"1795397975000000 10123",
        b"-1795397975000000 10123 TASK 1 WAITING work",
        b"1e15 10123 TASK 1 WAITING work",
        b"9" * 5000 + b" 10123 TASK 1 WAITING work",
        b"100000000000000000 10123 TASK 1 WAITING work",
        b"9999999999999999999 10123 MANAGER START",
        b"1795397975000000 x TASK 1 WAITING work",
        b"1795397975000000 99999999999 TASK 1 WAITING work",
        b"\xff\xfe\x00",
        b"x" * 3_000_000,
    ],
)
def test_a_line_that_is_no_record(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / NAMES[WORK_QUEUE]
    head, tail = record(START, "MANAGER START").encode(), record(START + 2, "TASK 8 WAITING work").encode()
    path.write_bytes(head + line + b"\n" + tail)
    batch = read(path)
    (((reason, _template), found),) = batch.unmatched.items()
    assert (reason, found.times, found.offset) == (DRIFT, 1, len(head))
    assert rows_of(batch)[:2] == (2, [("workqueue.manager", MANAGER), ("workqueue.task", "8")])


@pytest.mark.parametrize(
    "resources",
    ["{", "[]", "null", "7", '{"a":7}', '{"a":[]}', '{"a":["x"]}', '{"a":{}}', '{"a":' * 5000, '{"a":[NaN,1]}', "\\",
     '{"a":[-Infinity]}', '{"a":[%s]}' % ("9" * 400), '{"a":[%s]}' % ("9" * 5000)],
)  # fmt: skip
def test_amounts_that_are_none(tmp_path: Path, resources: str) -> None:
    """The rest of such a record counts."""
    text = lines(
        (0, "MANAGER START"),
        (1, f"TASK 1 WAITING work FIRST_RESOURCES {resources}"),
        (2, f"WORKER w RESOURCES {resources}"),
        (3, f"TASK 1 RUNNING w FIRST_RESOURCES {resources}"),
        (4, f"TASK 1 RETRIEVED SUCCESS 0 {{}} {resources}"),
    )
    database = imported(tmp_path, text)
    assert task_events(database) == {"1": "WAITING RUNNING RETRIEVED"}
    assert [row[2] for row in query(database, SPANS)] == [
        '{"pid": 10123}', '{"category": "work", "exit_code": 0, "result": "SUCCESS"}', None
    ]  # fmt: skip


def test_amounts_of_any_name(tmp_path: Path) -> None:
    """Among them names of Python's own, and what is no character."""
    said = r'{"self":[1,"MB"],"span":[2,"MB"],"\ud800":[3,"MB"],"":[4,"MB"],"é":[5,"MB"]}'
    database = imported(
        tmp_path, lines((0, "MANAGER START"), (1, f"TASK 1 WAITING work F {said}"), (2, f"WORKER w RESOURCES {said}"))
    )
    stored = '"": 4, "?": 3, "self": 1, "span": 2, "é": 5'
    assert [row[2] for row in query(database, SPANS)][1:] == [
        f'{{"category": "work", "requested": {{{stored}}}}}',
        f"{{{stored}}}",
    ]


@pytest.mark.parametrize("size", [1, transactions.BLOCK])
def test_what_comes_after_a_tasks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """It is added to what the task has, and to what it had when less of the log was there."""
    monkeypatch.setattr(transactions, "BLOCK", size)
    monkeypatch.setattr(rows, "MANY", 1)
    text = lines(
        (0, "MANAGER START"),
        (1, "TASK 1 WAITING work F {}"),
        (2, "TASK 1 DONE SUCCESS  0 "),
        (3, "TASK 1 DONE UNKNOWN  7 "),
    )
    imported(tmp_path, text[: text.index("\n") + 1])
    database = imported(tmp_path, text)
    assert task_events(database) == {"1": "WAITING DONE DONE"}
    assert json.loads(query(database, SPANS)[1][2]) == {"category": "work", "exit_code": 7, "result": "UNKNOWN"}


@pytest.mark.parametrize("size", [1, 100, 400])
@pytest.mark.parametrize("first", [0, 0.5, 0.9])
def test_a_log_that_tells_all_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, first: float) -> None:
    """Events that are alike are as many, and attributes are the later ones, wherever a block or an import ends."""
    once = lines(
        (0, "MANAGER START"),
        (1, f"WORKER {WORKER} {HOST}  CONNECTION"),
        (2, 'TASK 1 WAITING work F {"disk":[1,"MB"]}'),
        (3, f"TASK 1 RUNNING {HOST}  F {{}}"),
        (4, 'TASK 1 RETRIEVED SUCCESS  0  {} {"a":[1,"s"],"b":[1,"s"]}'),
        (5, "TASK 1 DONE SUCCESS  0  {} {}"),
        (6, 'TASK 1 WAITING work F {"cores":[1,"cores"]}'),
        (7, 'TASK 1 RETRIEVED SUCCESS  0  {} {"c":[2,"s"]}'),
        (8, "TASK 1 DONE SUCCESS  0  {} {}"),
    )
    path = write(tmp_path / NAMES[WORK_QUEUE], once * 2)
    import_logs(tmp_path / "once.db", path)
    monkeypatch.setattr(transactions, "BLOCK", size)
    monkeypatch.setattr(rows, "MANY", 1)
    if first:
        write(path, (once * 2)[: int(len(once * 2) * first)])
        import_logs(tmp_path / "pieces.db", path)
        write(path, once * 2)
    import_logs(tmp_path / "pieces.db", path)
    assert differences(readable(tmp_path / "once.db"), readable(tmp_path / "pieces.db")) == {}
    (task,) = [row for row in query(tmp_path / "pieces.db", SPANS) if row[0] == "workqueue.task"]
    assert json.loads(task[2])["measured"] == {"c": 2} and json.loads(task[2])["requested"] == {"cores": 1}
    assert query(tmp_path / "pieces.db", "SELECT count(*) FROM event WHERE type = 'DONE'") == [(4,)]


@pytest.mark.parametrize("name", [WORK_QUEUE, TASKVINE])
@pytest.mark.parametrize("size", [1, 300, 5000])
def test_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    log = run_folder(name, whole=False) / LOGS[name]
    # The last records once more, later and in another order: of tasks that have ended.
    plain = re.sub(r' \{"time_.*', " {}", log.read_text(), flags=re.MULTILINE).splitlines()[-40:]
    last = [f"{int(line[:16]) + 10**8 * n}{line[16:]}" for n in (1, 2) for line in plain]
    path = write(tmp_path / log.name, log.read_text() + "".join(f"{line}\n" for line in reversed(last)))
    import_logs(tmp_path / "once.db", path)
    monkeypatch.setattr(transactions, "BLOCK", size)
    monkeypatch.setattr(rows, "MANY", 1)
    monkeypatch.setattr(cctools, "_BLOCK", size)
    import_logs(tmp_path / "pieces.db", path)
    assert differences(readable(tmp_path / "once.db"), readable(tmp_path / "pieces.db")) == {}


@pytest.mark.parametrize(
    ("kind", "old", "new", "template"),
    [
        (WORK_QUEUE, " RUNNING ", " RUNNINGFAST ", "TASK # RUNNINGFAST"),
        (WORK_QUEUE, " DISCONNECTION ", " LEFT ", "WORKER # LEFT"),
        (TASKVINE, " RETRIEVED ", " FETCHED ", "TASK # FETCHED"),
        (TASKVINE, " CACHE_UPDATE ", " CACHE_CHANGE ", "WORKER # CACHE_CHANGE"),
        (TASKVINE, " START ", " BEGINS ", "MANAGER # BEGINS"),
    ],
)
def test_words_that_are_new_are_kept_and_reported(tmp_path: Path, kind: str, old: str, new: str, template: str) -> None:
    text = (run_folder(kind, whole=False) / LOGS[kind]).read_text()
    log = write(tmp_path / LOGS[kind].name, text.replace(old, new))
    import_logs(tmp_path / "d.db", log)
    times = sum(new in line for line in log.read_text().splitlines() if line[:1].isdigit())
    drift = query(tmp_path / "d.db", "SELECT template, count FROM unmatched WHERE reason = ?", DRIFT)
    assert drift == [(template, times)] and times
    assert query(tmp_path / "d.db", "SELECT count(*) FROM event WHERE type = ?", new.strip()) == [(times,)]
    assert dnpc("sources", "--check", "--db", tmp_path / "d.db").exit_code == 1


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_whole_lines_in_blocks_of_any_size(tmp_path: Path, size: int) -> None:
    """Each once, however long it is; not the last one, which may go on."""
    text = b"first\n" + b"long " * 50 + b"\n\nlast\ncut off"
    (tmp_path / "log").write_bytes(text)
    found = list(logfile.whole_lines(tmp_path / "log", size))
    assert b"".join(found) == text.removesuffix(b"cut off")
    assert all(data.endswith(b"\n") and len(data) <= 251 + size for data in found)
