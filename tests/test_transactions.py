"""The rows of transaction logs, of Work Queue and of every TaskVine there has been."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.imports import import_logs, query
from tests.managers import (
    HOST,
    LOGS,
    OTHER_HOST,
    START,
    TASKVINE,
    WORK_QUEUE,
    WORKER,
    run_folder,
    told,
)
from tests.transaction_rows import EVENTS, NESTED, SPANS, WORK_QUEUE_LOG, imported, lines, short, task_events


def test_the_rows_of_a_log(tmp_path: Path) -> None:
    database = imported(tmp_path, WORK_QUEUE_LOG)
    connection = f"{WORKER}/{HOST}"
    assert short(query(database, SPANS)) == [
        ("connection", connection, '{"reason": "EXPLICIT"}'),
        ("manager", "", '{"category work MAX": "{}", "pid": 10123}'),
        ("task", "1", '{"category": "work", "cores": 4, "exit_code": 0, "limits_exceeded": "{\\"wall\\":[1,\\"s\\"]}", '
                      '"measured": {"wq_input_time": 0.0002}, "memory": 24105, "requested": {"disk": 0}, '
                      '"result": "SUCCESS"}'),
        ("transfer", "1.0", '{"cached": true, "direction": "INPUT", "file": "exec_parsl_function.py", '
                            '"megabytes": 0.0}'),
        ("transfer", "1.1", '{"direction": "OUTPUT", "file": "my result", "megabytes": 0.5}'),
        ("worker", WORKER, '{"cores": 4, "memory": 24105, "reason": "EXPLICIT"}'),
    ]  # fmt: skip
    assert short(query(database, EVENTS, START)) == [
        ("connection", connection, 2, "CONNECTION"),
        ("connection", connection, 6, "DISCONNECTION"),
        ("manager", "", 0, "START"),
        ("manager", "", 8, "END"),
        ("task", "1", 1, "WAITING"),
        ("task", "1", 3, "TRANSFER_INPUT"),
        ("task", "1", 3.5, "RUNNING"),
        ("task", "1", 4, "WAITING_RETRIEVAL"),
        ("task", "1", 4.5, "TRANSFER_OUTPUT"),
        ("task", "1", 5, "RETRIEVED"),
        ("task", "1", 5.5, "DONE"),
        ("transfer", "1.0", 2.75, "started"),
        ("transfer", "1.0", 3, "ended"),
        ("transfer", "1.1", 4.375, "started"),
        ("transfer", "1.1", 4.5, "ended"),
        ("worker", WORKER, 2, "CONNECTION"),
        ("worker", WORKER, 2.1, "RESOURCES"),
        ("worker", WORKER, 6, "DISCONNECTION"),
    ]
    assert short(query(database, NESTED)) == [
        ("worker", WORKER, "connection", connection),
        ("worker", WORKER, "task", "1"),
        ("worker", WORKER, "transfer", "1.0"),
        ("worker", WORKER, "transfer", "1.1"),
        ("manager", "", "worker", WORKER),
    ]
    assert query(database, "SELECT records, unmatched FROM sources") == [(13, 0)]
    assert query(database, "SELECT DISTINCT offset FROM events WHERE time = ?", START + 8) == [
        (WORK_QUEUE_LOG.index(f"{round((START + 8) * 1e6)}"),)
    ]


# What one worker did with one task, as each generation writes it.
GENERATIONS = {
    "Work Queue": (WORK_QUEUE, WORK_QUEUE_LOG),
    "January 2023": (TASKVINE, lines(
        (0, "MANAGER START"),
        (1, 'TASK 1 WAITING work FIRST_RESOURCES {"disk":[0,"MB"]}'),
        (2, f"WORKER {WORKER} {HOST}  CONNECTION"),
        (2.1, f'WORKER {WORKER} RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (3, "TRANSFER INPUT 1 1 0.000000 0.250000 exec_parsl_function.py"),
        (3.5, f'TASK 1 RUNNING {HOST}  FIRST_RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (4, f"TASK 1 WAITING_RETRIEVAL {HOST} "),
        (4.5, "TRANSFER OUTPUT 1 0 0.500000 0.125000 result"),
        (5, 'TASK 1 RETRIEVED SUCCESS  0  {} {"time_input":[0.0002,"s"]}'),
        (5.5, 'TASK 1 DONE SUCCESS  0  {} {"time_input":[0.0002,"s"]}'),
        (6, f"WORKER {WORKER} {HOST}  DISCONNECTION EXPLICIT"),
        (8, "MANAGER END"),
    )),
    "2023": (TASKVINE, lines(
        (0, "MANAGER 10123 START 0"),
        (1, 'TASK 1 WAITING work FIRST_RESOURCES 1 {"disk":[0,"MB"]}'),
        (2, f"WORKER {WORKER} CONNECTION {HOST}"),
        (2.1, f'WORKER {WORKER} RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (3, f"WORKER {WORKER} TRANSFER INPUT file-meta-42a6 0.000000 0.250000"),
        (3.5, f'TASK 1 RUNNING {WORKER}  FIRST_RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (4, f"TASK 1 WAITING_RETRIEVAL {WORKER} "),
        (4.5, f"WORKER {WORKER} TRANSFER OUTPUT file-rnd-khvz 0.500000 0.125000"),
        (5, 'TASK 1 RETRIEVED SUCCESS  0  {} {"time_input":[0.0002,"s"]}'),
        (5.5, "TASK 1 DONE SUCCESS  0 "),
        (6, f"WORKER {WORKER} DISCONNECTION EXPLICIT"),
        (8, "MANAGER 10123 END 8000000"),
    )),
    "2026": (TASKVINE, lines(
        (0, "MANAGER 10123 START 0"),
        (1, 'TASK 1 READY work FIRST_RESOURCES 1 {"disk":[0,"MB"]}'),
        (2, f"WORKER {WORKER} CONNECTION {HOST}"),
        (2.1, f'WORKER {WORKER} RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (3, f"WORKER {WORKER} TRANSFER INPUT file-meta-42a6 0 250000 {round((START + 2.75) * 1e6)}"),
        (3.5, f'TASK 1 RUNNING {WORKER}  FIRST_RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
        (4, f"TASK 1 WAITING_RETRIEVAL {WORKER} "),
        (4.5, f"WORKER {WORKER} TRANSFER OUTPUT file-rnd-khvz 524288 125000 {round((START + 4.375) * 1e6)}"),
        (5, 'TASK 1 RETRIEVED SUCCESS  0  {} {"time_input":[0.0002,"s"],"time_worker_start":[0.0,"s"]}'),
        (5.5, "TASK 1 DONE SUCCESS  0 "),
        (6, f"WORKER {WORKER} DISCONNECTION EXPLICIT"),
        (8, "MANAGER 10123 END 8000000"),
    )),
}  # fmt: skip


@pytest.mark.parametrize("generation", GENERATIONS)
def test_all_generations_tell_the_same(tmp_path: Path, generation: str) -> None:
    kind, text = GENERATIONS[generation]
    database = imported(tmp_path, text, kind)
    assert query(database, "SELECT * FROM unmatched") == []
    events = [row for row in short(query(database, EVENTS, START)) if row[0] != "transfer"]
    # Of a task's transfers, only the older ones tell which task's they were.
    told_of = [row for row in events if not str(row[3]).startswith("TRANSFER_")]
    expected = [
        ("connection", f"{WORKER}/{HOST}", 2, "CONNECTION"),
        ("connection", f"{WORKER}/{HOST}", 6, "DISCONNECTION"),
        ("manager", "", 0, "START"),
        ("manager", "", 8, "END"),
        ("task", "1", 1, "WAITING"),
        ("task", "1", 3.5, "RUNNING"),
        ("task", "1", 4, "WAITING_RETRIEVAL"),
        ("task", "1", 5, "RETRIEVED"),
        ("task", "1", 5.5, "DONE"),
        ("worker", WORKER, 2, "CONNECTION"),
        ("worker", WORKER, 2.1, "RESOURCES"),
        ("worker", WORKER, 6, "DISCONNECTION"),
    ]
    assert told_of == expected
    assert len(events) - len(told_of) == (2 if generation in ("Work Queue", "January 2023") else 0)
    assert sorted(row[2:] for row in short(query(database, EVENTS, START)) if row[0] == "transfer") == [
        (2.75, "started"), (3, "ended"), (4.375, "started"), (4.5, "ended")
    ]  # fmt: skip
    assert Counter((row[0], row[2]) for row in short(query(database, NESTED))) == {
        ("manager", "worker"): 1, ("worker", "connection"): 1, ("worker", "task"): 1, ("worker", "transfer"): 2
    }  # fmt: skip
    sizes = query(
        database,
        """SELECT json_extract(attributes, '$.direction'), json_extract(attributes, '$.megabytes') FROM spans
           JOIN span_types ON span_types.id = type WHERE name LIKE '%.transfer' ORDER BY 1""",
    )
    assert sizes == [("INPUT", 0), ("OUTPUT", 0.5)]
    ((attributes,),) = query(database, f"SELECT attributes FROM ({SPANS}) WHERE name LIKE '%.task'")
    for said in ('"category": "work"', '"result": "SUCCESS"', '"exit_code": 0', '"cores": 4', '"disk": 0'):
        assert said in attributes


def test_the_first_taskvine_logs(tmp_path: Path) -> None:
    """What only they have: workers without a name, transfers of no task, times below zero, a hyphen."""
    text = lines(
        (0, "MANAGER START"),
        (1, f"WORKER {WORKER} {HOST}  CONNECTION"),
        (1.5, f"WORKER (null) {OTHER_HOST}  DISCONNECTION FAILURE"),
        (2, f"WORKER {WORKER} {HOST}  CACHE-UPDATE file-meta-1 0.5 0.25"),
        (3, "TRANSFER INPUT 0 0 0.000005 0.500000 a file"),
        (4, "TRANSFER INPUT 7 0 0.000005 -1.500000 b"),
        (5, "TASK 7 RUNNING (null)  FIRST_RESOURCES {}"),
    )
    database = imported(tmp_path, text, TASKVINE)
    assert query(database, "SELECT * FROM unmatched") == []
    assert short(query(database, EVENTS, START)) == [
        ("cache_update", "0", 1.75, "started"),
        ("cache_update", "0", 2, "ended"),
        ("connection", f"{WORKER}/{HOST}", 1, "CONNECTION"),
        ("manager", "", 0, "START"),
        ("manager", "", 1.5, "UNNAMED_WORKER_DISCONNECTION"),
        ("task", "7", 4, "TRANSFER_INPUT"),
        ("task", "7", 5, "RUNNING"),
        ("transfer", "0.0", 2.5, "started"),
        ("transfer", "0.0", 3, "ended"),
        ("transfer", "7.0", 4, "started"),
        ("transfer", "7.0", 4, "ended"),
        ("worker", WORKER, 1, "CONNECTION"),
    ]
    assert short(query(database, NESTED)) == [
        ("worker", WORKER, "cache_update", "0"),
        ("worker", WORKER, "connection", f"{WORKER}/{HOST}"),
        ("manager", "", "worker", WORKER),
    ]


def test_what_a_worker_measured(tmp_path: Path) -> None:
    measured = ",".join(
        f'"time_{name}":[{START + at},"s"]'
        for name, at in (("commit_start", 1.5), ("commit_end", 1.75), ("worker_start", 2), ("worker_end", 3))
    )
    text = lines(
        (0, "MANAGER 1 START 0"),
        (1, f'TASK 1 RUNNING {WORKER}  FIRST_RESOURCES {{{measured},"cores":[2,"cores"]}}'),
        (4, f'TASK 1 RETRIEVED SUCCESS  0  {{}} {{{measured},"bytes_sent":[7,"MB"]}}'),
        (5, 'TASK 2 RETRIEVED UNKNOWN  -1  {} {"time_worker_start":[0.0,"s"],"time_worker_end":[0,"s"]}'),
        (6, 'TASK 3 RETRIEVED SUCCESS  0  {} {"time_worker_start":[-5,"s"],"time_worker_end":[1e300,"s"]}'),
    )
    database = imported(tmp_path, text, TASKVINE)
    rows = [row[1:] for row in short(query(database, EVENTS, START)) if row[0] == "task"]
    assert rows == [
        ("1", 1, "RUNNING"),
        ("1", 1.5, "commit_start"),
        ("1", 1.75, "commit_end"),
        ("1", 2, "worker_start"),
        ("1", 3, "worker_end"),
        ("1", 4, "RETRIEVED"),
        ("2", 5, "RETRIEVED"),
        ("3", 6, "RETRIEVED"),
    ]
    # The record of what was retrieved tells of them.
    offsets = """SELECT DISTINCT offset FROM events JOIN event_types ON event_types.id = type
                 WHERE name GLOB 'commit_*' OR name GLOB 'worker_*'"""
    assert query(database, offsets) == [(text.index(f"{round((START + 4) * 1e6)} "),)]
    attributes: dict[str, str] = dict(
        query(database, f"SELECT key, attributes FROM ({SPANS}) WHERE name LIKE '%.task'")
    )
    assert attributes["1"] == ('{"cores": 2, "exit_code": 0, "measured": {"bytes_sent": 7}, "result": "SUCCESS"}')
    assert attributes["2"] == '{"exit_code": -1, "result": "UNKNOWN"}'


# The whole runs


def test_tasks_of_a_run_at_a_real_site(tmp_path: Path) -> None:
    log = run_folder("lnni", whole=True) / LOGS["lnni"]
    import_logs(tmp_path / "d.db", log.parent)
    assert query(tmp_path / "d.db", "SELECT * FROM unmatched") == []
    events = {key: re.sub(" (commit|worker)_(start|end)", "", f" {said}") for key, said in
              task_events(tmp_path / "d.db").items()}  # fmt: skip
    raw = told(log)
    written = {str(task): raw.sequence(task) for task in raw.states}
    assert len(written) == 1866
    assert {key: said.strip() for key, said in events.items()} == {
        key: said.replace("READY", "WAITING") for key, said in written.items()
    }
    libraries = {str(number) for number in raw.libraries}
    assert Counter((key in libraries, said) for key, said in written.items()) == {
        (False, "READY"): 1176,
        (False, "READY RUNNING WAITING_RETRIEVAL RETRIEVED DONE"): 231,
        (True, "RUNNING WAITING_RETRIEVAL RETRIEVED DONE"): 198,
        (True, "RUNNING"): 167,
        (False, "READY RUNNING"): 93,
        (True, "RUNNING RETRIEVED DONE"): 1,
    }
    assert query(tmp_path / "d.db", "SELECT count(*) FROM event WHERE type = 'END'") == [(0,)]
    facets = query(
        tmp_path / "d.db",
        """SELECT a.key, b.key FROM facets JOIN spans AS a ON a.id = left JOIN spans AS b ON b.id = right""",
    )
    assert {a for a, _b in facets} == libraries
    assert all(a == b for a, b in facets)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", [WORK_QUEUE, TASKVINE])
def test_transfers(tmp_path: Path, name: str, whole: bool) -> None:
    log = run_folder(name, whole=whole) / LOGS[name]
    import_logs(tmp_path / "d.db", log)
    raw = told(log)
    expected = []
    for time, _kind, words in raw.transfers:
        if name == WORK_QUEUE:
            (worker,) = raw.worker_of(int(words[1]))
            direction, size, start, end = words[0], float(words[3]), time - float(words[4]), time
        else:
            worker, direction = words[0], words[2]
            size, start = int(words[4]) / 1024 / 1024, int(words[6]) / 1e6
            end = start + int(words[5]) / 1e6
        expected.append(
            (direction, worker, pytest.approx(size), pytest.approx(start, abs=1e-6), pytest.approx(end, abs=1e-6))
        )
    assert len(expected) == {(WORK_QUEUE, False): 59, (WORK_QUEUE, True): 846, (TASKVINE, False): 61,
                             (TASKVINE, True): 509}[name, whole]  # fmt: skip
    rows = query(
        tmp_path / "d.db",
        """SELECT json_extract(spans.attributes, '$.direction'), substr(worker.key, instr(worker.key, '/') + 1),
                  json_extract(spans.attributes, '$.megabytes'), spans.began, spans.ended
           FROM spans JOIN span_types ON span_types.id = spans.type AND span_types.name LIKE '%.transfer'
           JOIN subspans ON subspan = spans.id JOIN spans AS worker ON worker.id = superspan
           ORDER BY (SELECT offset FROM events WHERE span = spans.id LIMIT 1)""",
    )
    assert rows == expected
