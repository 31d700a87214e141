"""Logs of funcX and Globus Compute: client, endpoint, managers and workers, and what ties them together."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from importers import adoption, funcx_client, funcx_endpoint, htex, links, logfile
from importers.formats import FORMATS
from importers.keys import surrogate_key
from importers.reading import ReadSource, read_source
from importers.sources import Importer, Source
from importers.times import clock_of_name, clock_of_offset
from tests.imports import Rows, differences, dnpc, every_row, import_logs, query, readable
from tests.runs import shared_runs

ENDPOINT = "ee4737d1-cb0e-4048-93e7-b69fede8e4e3"
MANAGER = "0739733c6b92"
START = 1659518795.0
LOCAL = timezone(timedelta(hours=2))
WORKERS = 2


def uuid_of(number: int) -> str:
    """Return the UUID of a task."""
    return str(UUID(int=0xFB0D5BF0_124A_45C5_A1E2_000000000000 + number))


def moment(time: float) -> datetime:
    """Return a time as the clocks of the logs showed it, two hours east of UTC."""
    return datetime.fromtimestamp(round(time, 6), LOCAL)


def client_line(time: float, message: str) -> str:
    return (
        f"{time:.6f} {moment(time):%Y-%m-%d %H:%M:%S},{moment(time).microsecond // 1000:03} MainProcess-221120 "
        f"MainThread-140308941870912 synthetic_client:57 <module> INFO: {message}\n"
    )


def funcx_line(time: float, message: str) -> str:
    """Return a line as funcX and early Globus Compute wrote them."""
    return (
        f"{time:.6f} {moment(time):%Y-%m-%d %H:%M:%S} INFO Executor-Interchange-220177 "
        f"TASK_PULL_THREAD-140192063985408 funcx_endpoint.executors.high_throughput.interchange:442 "
        f"migrate_tasks_to_internal {message}\n"
    )


def compute_line(time: float, message: str) -> str:
    """Return a line as Globus Compute writes them: local time only, names with spaces."""
    return (
        f"{moment(time):%Y-%m-%d %H:%M:%S,%f} DEBUG MainProcess-77 Pending Result Handler-139 "
        f"globus_compute_endpoint.endpoint.interchange:563 process_pending_results {message}\n"
    )


def client_log(tasks: range) -> str:
    """Return the log of a client that submits tasks, one a second."""
    lines = [client_line(START - 1, "SYNTHETIC init_client")]
    for n in tasks:
        at = START + n
        lines += [
            client_line(at, f"FUNC {n} submit"),
            client_line(at + 0.01, f"FUNC {n} submitted"),
            client_line(at + 0.02, "https://api.dev.funcx.org:443 POST FUNCX: 200"),
            client_line(at + 0.5, f"FUNC {n} result_start"),
            client_line(at + 0.51, f"FUNC {n} result_retrieved"),
            client_line(at + 0.52, f"FUNCREMOTE {n} start {at + 0.22}"),
            client_line(at + 0.53, f"FUNCREMOTE {n} end {at + 0.23}"),
            client_line(at + 0.54, f"FUNCDURATION {n} 0.25"),
            client_line(at + 0.55, f"FUNCBIND {n} {uuid_of(n)}"),
        ]
    return "".join(lines)


def endpoint_log(tasks: range, *, compute: bool = False) -> str:
    """Return the log of an endpoint that sends tasks to a manager, until that is lost."""
    line = compute_line if compute else funcx_line
    lines = [
        line(START - 9, f"Initializing EndpointInterchange process with Endpoint ID: {ENDPOINT}"),
        line(START - 8, "Got config: Config("),
        "    detach_endpoint=True, \n",
        f"    task='Received task: {uuid_of(0)}'\n",
        ")\n",
    ]
    if compute:
        lines += [line(START - 2, f"Add manager to ready queue: b'{MANAGER}'"), "  Registration info: {'cores': 8})\n"]
    else:
        lines += [
            line(START - 2, f"Adding manager: b'{MANAGER}' to ready queue"),
            line(
                START - 1.9,
                f"Registration info for manager b'{MANAGER}': {{'parsl_v': '1.1.0', 'max_worker_count': 8, "
                "'cores': 4, 'mem': 29.7, 'block_id': '3', 'os': 'Linux', 'hname': 'amber'}",
            ),
        ]
    for n in tasks:
        at = START + n
        forwarded = "Forwarding result for task" if compute else "Passing result to forwarder for task"
        lines += [
            line(at + 0.1, f"Received task: {uuid_of(n)}"),
            line(at + 0.11, f"Sending task message \"[{{'task_id': '{uuid_of(n)}'...\" to manager b'{MANAGER}'"),
            line(at + 0.12, f"Sent task {uuid_of(n)} to manager b'{MANAGER}'"),
            line(at + 0.3, f"{forwarded} {uuid_of(n)}"),
        ]
    end = START + tasks.stop
    unregistering = "Unregistering" if compute else "Sent failure reports, unregistering"
    return "".join(
        [
            *lines,
            line(end + 120, f"Too many heartbeats missed for manager b'{MANAGER}'"),
            line(end + 121, f"{unregistering} manager b'{MANAGER}'"),
        ]
    )


def worker_log(worker: int, tasks: range, *, compute: bool = False) -> str:
    """Return the log of a worker, which gets every second task."""
    line = compute_line if compute else funcx_line
    lines = [
        line(START - 1.5, f"Initializing worker {worker}"),
        line(START - 1.4, "Worker is of type: RAW"),
        line(START - 1.3, "Starting worker"),
    ]
    for n in tasks:
        if n % WORKERS == worker:
            at, task = START + n, uuid_of(n)
            # The payload of a task is text of any kind.
            payload = rf"b'\x05TID={task};executing task task_id=\'{uuid_of(0)}\' task {uuid_of(1)} completed: "
            lines += [
                line(at + 0.2, f"Received task with task_id='{task}' and msg='{payload + 300 * '='}'"),
                line(at + 0.21, f"executing task task_id='{task}'"),
                line(at + 0.24, "Execution completed without exception"),
                line(at + 0.25, f"task {task} completed" + " in 40000000 ns" * compute),
                line(at + 0.26, "Sending result"),
            ]
    return "".join([*lines, line(START + tasks.stop, "Received task with task_id='KILL' and msg='b'KILL''")])


MANAGER_LOG = funcx_line(START - 3, f"Manager ID: {MANAGER}") + funcx_line(START - 3, "Block ID: 3")


def endpoint_folder(folder: Path, tasks: range = range(4), *, compute: bool = False) -> Path:
    """Write the logs of an endpoint into a folder, in the places where they lie."""
    logs = folder / "HighThroughputExecutor" / "worker_logs" / MANAGER
    logs.mkdir(parents=True)
    (folder / "endpoint.log").write_text(endpoint_log(tasks, compute=compute))
    for worker in range(WORKERS):
        (logs / f"funcx_worker_{worker}.log").write_text(worker_log(worker, tasks, compute=compute))
    (logs / "manager.log").write_text(MANAGER_LOG)
    return folder


def all_logs(folder: Path, tasks: range = range(4)) -> Path:
    """Write the logs of a client and of an endpoint."""
    endpoint_folder(folder / "endpoint", tasks)
    (folder / "synthetic.log").write_text(client_log(tasks))
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


EVENTS = """SELECT span_types.name, spans.key, event_types.name, round(events.time, 6) FROM events
            JOIN spans ON spans.id = span JOIN span_types ON span_types.id = spans.type
            JOIN event_types ON event_types.id = events.type"""
ATTRIBUTES = """SELECT span_types.name, spans.key, json_each.key, json_each.value
                FROM spans JOIN span_types ON span_types.id = spans.type, json_each(attributes)"""
NESTED = """SELECT a_type.name, a.key, b_type.name, b.key, subspans.key FROM subspans
            JOIN spans a ON a.id = superspan JOIN span_types a_type ON a_type.id = a.type
            JOIN spans b ON b.id = subspan JOIN span_types b_type ON b_type.id = b.type"""
JOINS = """SELECT l.name, r.name, sum(made), sum(missing) FROM joins
           JOIN span_types l ON l.id = left_type JOIN span_types r ON r.id = right_type GROUP BY 1, 2 ORDER BY 1, 2"""
RUNS = "SELECT DISTINCT runs.key, name FROM runs JOIN spans ON spans.run = runs.id ORDER BY 1"


def same_rows(database: Path, sql: str, expected: Rows) -> None:
    assert Counter(query(database, sql)) == Counter(expected)


# What the logs give


def test_client(tmp_path: Path, database: Path) -> None:
    (tmp_path / "synthetic.log").write_text(client_log(range(3000, 3002)))
    import_logs(database, tmp_path / "synthetic.log")
    expected: Rows = []
    for n in (3000, 3001):
        at = START + n
        expected += [
            ("synthetic.task.submit", str(n), event, round(at + after, 6))
            for event, after in (("submit", 0), ("submitted", 0.01), ("result_start", 0.5), ("result_retrieved", 0.51))
        ]
        # The time that the worker gave, not that of the line.
        expected += [("synthetic.task.worker", str(n), "start", round(at + 0.22, 6))]
        expected += [("synthetic.task.worker", str(n), "end", round(at + 0.23, 6))]
    same_rows(database, EVENTS, expected)
    same_rows(
        database,
        ATTRIBUTES,
        [("synthetic.task.submit", str(n), "funcx_task", uuid_of(n)) for n in (3000, 3001)]
        + [("synthetic.task.submit", str(n), "duration", 0.25) for n in (3000, 3001)],
    )
    same_rows(
        database,
        NESTED,
        [("synthetic.task.submit", str(n), "synthetic.task.worker", str(n), "remote") for n in (3000, 3001)],
    )
    first_line = client_log(range(1)).splitlines(keepends=True)[0].encode()
    assert query(database, RUNS) == [(surrogate_key("funcx client", first_line), "funcX client 2022-08-03")]
    assert query(database, "SELECT records, unmatched, format FROM sources") == [(16, 0, "text")]


def endpoint_rows(tasks: range, *, compute: bool) -> tuple[Rows, Rows]:
    """Return the events and the nestings that the logs of an endpoint give."""
    manager, task, worker_task = "funcx.manager", "funcx.endpoint.task", "funcx.worker.task"
    end = START + tasks.stop
    events: Rows = [
        (manager, MANAGER, "registered", START - 2),
        (manager, MANAGER, "heartbeats_missed", end + 120),
        (manager, MANAGER, "unregistered", end + 121),
    ]
    events += [] if compute else [(manager, MANAGER, "registration", START - 1.9)]
    nested: Rows = []
    for worker in map(str, range(WORKERS)):
        events += [
            ("funcx.worker", f"{MANAGER}/{worker}", "initializing", START - 1.5),
            ("funcx.worker", f"{MANAGER}/{worker}", "started", START - 1.3),
            ("funcx.worker", f"{MANAGER}/{worker}", "kill_received", end),
        ]
        nested += [(manager, MANAGER, "funcx.worker", f"{MANAGER}/{worker}", worker)]
    for n in tasks:
        at, key = START + n, uuid_of(n)
        events += [
            (task, key, "endpoint.received", round(at + 0.1, 6)),
            (task, key, "endpoint.sent", round(at + 0.12, 6)),
            (task, key, "endpoint.forwarded", round(at + 0.3, 6)),
            (worker_task, key, "worker.received", round(at + 0.2, 6)),
            (worker_task, key, "worker.executing", round(at + 0.21, 6)),
            (worker_task, key, "worker.completed", round(at + 0.25, 6)),
        ]
        nested += [
            ("funcx.worker", f"{MANAGER}/{n % WORKERS}", worker_task, key, key),
            (task, key, worker_task, key, key),
        ]
    return events, nested


@pytest.mark.parametrize("compute", [False, True])
def test_endpoint(tmp_path: Path, database: Path, compute: bool) -> None:
    """What funcX said and what Globus Compute says give the same types of spans and events."""
    tasks = range(4)
    import_logs(database, endpoint_folder(tmp_path / "endpoint", tasks, compute=compute), clock=clock_of_name("+02:00"))
    events, nested = endpoint_rows(tasks, compute=compute)
    same_rows(database, EVENTS, events)
    same_rows(database, NESTED, nested)
    attributes: Rows = [("funcx.endpoint.task", uuid_of(n), "manager", MANAGER) for n in tasks]
    attributes += [("funcx.manager", MANAGER, "block", "3")]
    if compute:
        attributes += [("funcx.worker.task", uuid_of(n), "duration_ns", "40000000") for n in tasks]
    else:
        attributes += [
            ("funcx.manager", MANAGER, *fact) for fact in (("workers", "8"), ("cpus", "4"), ("host", "amber"))
        ]
    same_rows(database, ATTRIBUTES, attributes)
    assert query(database, RUNS) == [(ENDPOINT, "endpoint (ee4737d1)")]
    assert query(database, "SELECT count(*) FROM unmatched") == [(0,)]
    formats = {"text funcx local"} if compute else {"text funcx"}
    worker_formats = query(database, "SELECT DISTINCT format FROM sources WHERE path NOT LIKE '%manager.log'")
    assert {name for (name,) in worker_formats} == formats


def test_epoch_seconds_count_and_not_the_local_time_beside_them(tmp_path: Path, database: Path) -> None:
    import_logs(database, endpoint_folder(tmp_path / "endpoint"), clock=clock_of_name("Asia/Kathmandu"))
    assert query(database, "SELECT min(time) FROM events") == [(START - 2,)]
    assert query(database, "SELECT DISTINCT clock FROM sources") == [("epoch seconds",)]
    assert query(database, "SELECT count(*) FROM clocks") == [(0,)]


@pytest.mark.parametrize(("zone", "east"), [("+02:00", 0), ("UTC", 7200), ("America/Chicago", 7200 + 18000)])
def test_local_time_is_read_by_the_clock_of_the_source(tmp_path: Path, database: Path, zone: str, east: int) -> None:
    import_logs(database, endpoint_folder(tmp_path / "endpoint", compute=True), clock=clock_of_name(zone))
    assert query(database, "SELECT min(time) FROM events") == [(START - 2 + east,)]
    workers = query(database, "SELECT clock FROM sources WHERE path NOT LIKE '%manager.log'")
    assert {clock.endswith("(option)") for (clock,) in workers} == {True} and len(workers) == 1 + WORKERS


def test_a_log_that_changes_its_dialect(tmp_path: Path, database: Path) -> None:
    """An endpoint that was upgraded goes on in the same file."""
    new = compute_line(START + 9, f"Forwarding result for task: {uuid_of(0)}")
    (tmp_path / "endpoint.log").write_text(endpoint_log(range(1)) + new + endpoint_log(range(1, 2)))
    import_logs(database, tmp_path, clock=clock_of_name("+02:00"))
    events = "SELECT event.type, time FROM event JOIN spans ON spans.uuid = span_uuid WHERE spans.key = ? ORDER BY time"
    assert query(database, events, uuid_of(0)) == [
        ("endpoint.received", START + 0.1),
        ("endpoint.sent", START + 0.12),
        ("endpoint.forwarded", START + 0.3),
        ("endpoint.forwarded", START + 9),
    ]
    assert len(query(database, events, uuid_of(1))) == 3


@pytest.mark.parametrize("name", ["Thread-1 (run)-14", "a b: c-5 d-1", "-1 -2", "Dummy-3-140", "naïve-7"])
def test_names_of_threads_hold_anything(tmp_path: Path, database: Path, name: str) -> None:
    line = endpoint_log(range(1)).replace("TASK_PULL_THREAD-140192063985408", name)
    (tmp_path / "endpoint.log").write_text(line)
    import_logs(database, tmp_path)
    assert query(database, "SELECT count(*) FROM event WHERE type LIKE 'endpoint.%'") == [(3,)]


def test_an_endpoint_that_runs_tasks_itself(tmp_path: Path, database: Path) -> None:
    """A pool of threads has no workers: what a worker would log is in the endpoint's log."""
    task = uuid_of(5)
    (tmp_path / "endpoint.log").write_text(
        endpoint_log(range(0), compute=True)
        + compute_line(START, f"executing task task_id='{task}'")
        + compute_line(START + 1, f"task {task} completed in 12 ns")
    )
    import_logs(database, tmp_path, clock=clock_of_name("+02:00"))
    expected = [("worker.executing", START), ("worker.completed", START + 1)]
    same_rows(
        database,
        "SELECT event.type, time FROM event JOIN span ON span.uuid = span_uuid WHERE span.type = 'funcx.worker.task'",
        expected,
    )


# Runs


def test_rotated_logs_are_of_one_run(tmp_path: Path, database: Path) -> None:
    lines = endpoint_log(range(6)).splitlines(keepends=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    (whole / "endpoint.log").write_text("".join(lines))
    (parts / "endpoint.log.2").write_text("".join(lines[:12]))
    (parts / "endpoint.log.1").write_text("".join(lines[12:18]))
    (parts / "endpoint.log").write_text("".join(lines[18:]))
    import_logs(database, whole)
    one, by_one = tmp_path / "one.sqlite3", tmp_path / "by_one.sqlite3"
    import_logs(one, parts)
    for name in ("endpoint.log", "endpoint.log.2", "endpoint.log.1"):
        import_logs(by_one, parts / name)
    assert query(one, "SELECT count(*) FROM sources") == [(3,)]
    assert differences(readable(one), readable(by_one)) == {}
    for sql in (EVENTS, NESTED, ATTRIBUTES, RUNS):
        same_rows(one, sql, query(database, sql))


def test_rotation_renames_a_log_that_was_imported(tmp_path: Path, database: Path) -> None:
    lines = endpoint_log(range(6)).splitlines(keepends=True)
    live = tmp_path / "endpoint.log"
    live.write_text("".join(lines[:15]))
    import_logs(database, tmp_path)
    live.write_text("".join(lines[:20]))
    live.rename(tmp_path / "endpoint.log.1")
    live.write_text("".join(lines[20:]))
    import_logs(database, tmp_path)
    once = tmp_path / "once.sqlite3"
    import_logs(once, tmp_path / "endpoint.log", tmp_path / "endpoint.log.1")
    assert differences(readable(database), readable(once)) == {}
    assert query(database, "SELECT count(*) FROM sources") == [(2,)]


def test_an_endpoint_without_id_has_a_run_that_stands_for_it(tmp_path: Path, database: Path) -> None:
    log = tmp_path / "a" / "endpoint.log"
    log.parent.mkdir()
    without = "".join(line for line in endpoint_log(range(3)).splitlines(keepends=True) if ENDPOINT not in line)
    log.write_text(without)
    import_logs(database, log)
    ((run, name),) = query(database, RUNS)
    assert name == f"endpoint ({run[:8]})" and run != ENDPOINT
    moved = tmp_path / "moved.sqlite3"
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    import_logs(moved, tmp_path / "b")
    assert differences(every_row(moved), every_row(database)) == {}
    # Once the log says its id, nothing is left of what stood for it.
    log.write_text(without + funcx_line(START + 500, f"Endpoint id: {ENDPOINT}"))
    import_logs(database, log)
    assert query(database, RUNS) == [(ENDPOINT, "endpoint (ee4737d1)")]
    assert query(database, "SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize(
    "line",
    [
        "Initializing Interchange process with Endpoint ID: {}",
        "Endpoint id: {}",
        "Starting the TaskQueueSubscriber as {}",
        "Starting local interchange with endpoint id: {}",
    ],
)
@pytest.mark.parametrize("cut", [0, 10, 60, 90])
def test_where_an_endpoint_says_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, cut: int) -> None:
    log = tmp_path / "endpoint.log"
    before = funcx_line(START, "x" * 900)
    log.write_text(before + funcx_line(START, line.format(ENDPOINT)))
    monkeypatch.setattr(funcx_endpoint, "BLOCK", len(before) + 200 + cut)
    source = funcx_endpoint.find(log)
    assert source is not None and source.run.key == ENDPOINT


def test_worker_logs_elsewhere_are_adopted(tmp_path: Path, database: Path) -> None:
    """Logs of workers find their endpoint by the manager's id, in another folder of the same import."""
    whole = tmp_path / "whole.sqlite3"
    folder = endpoint_folder(tmp_path / "endpoint")
    import_logs(whole, folder)
    shutil.move(folder / "HighThroughputExecutor" / "worker_logs", tmp_path / "else" / "where" / "worker_logs")
    # Alone, they are of a run that stands for the endpoint's.
    import_logs(database, tmp_path / "else")
    ((run, name),) = query(database, RUNS)
    assert (run, name) == (surrogate_key("funcx manager", MANAGER), f"endpoint of manager {MANAGER}")
    import_logs(database, folder, tmp_path / "else")
    assert differences(readable(database), readable(whole)) == {}


def test_worker_logs_below_an_endpoint_that_does_not_know_them(tmp_path: Path, database: Path) -> None:
    folder = endpoint_folder(tmp_path / "endpoint")
    (folder / "endpoint.log").write_text(endpoint_log(range(4)).replace(MANAGER, "f" * 12))
    import_logs(database, folder)
    assert {run for run, _name in query(database, RUNS)} == {ENDPOINT, surrogate_key("funcx manager", MANAGER)}
    # Their tasks are linked all the same.
    assert query(database, JOINS) == [
        ("funcx.endpoint.task", "funcx.worker.task", 4, 0),
        ("funcx.worker.task", "funcx.endpoint.task", 4, 0),
    ]


def test_the_endpoint_log_comes_after_the_workers(tmp_path: Path, database: Path) -> None:
    """Nothing is left of the run that stood for the endpoint's."""
    folder = endpoint_folder(tmp_path / "endpoint")
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, folder)
    (folder / "endpoint.log").rename(tmp_path / "endpoint.log")
    import_logs(database, folder)
    (tmp_path / "endpoint.log").rename(folder / "endpoint.log")
    for log in sorted(folder.rglob("*.log")):
        import_logs(database, log)
    assert differences(readable(database), readable(whole)) == {}


def test_a_log_is_one_once_its_first_record_is_whole(tmp_path: Path, database: Path) -> None:
    folder = endpoint_folder(tmp_path / "endpoint")
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, folder)
    texts = {log: log.read_text() for log in folder.rglob("*.log")}
    for log, text in texts.items():
        log.write_text(text.partition("\n")[0])
        assert funcx_endpoint.find(log) is None
    for log, text in texts.items():
        log.write_text(text)
    import_logs(database, folder)
    assert differences(every_row(database), every_row(whole)) == {}


def test_managers_named_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "endpoint.log"
    log.write_text(endpoint_log(range(3)))
    for size in (1, 60, 101, 5000):
        monkeypatch.setattr(adoption, "_BLOCK", size)
        assert adoption.named_managers(log) == {MANAGER}


# Whose files are whose


def test_each_file_has_one_importer(tmp_path: Path) -> None:
    folder = all_logs(tmp_path / "logs")
    runinfo = tmp_path / "runinfo" / "000"
    parsl = runinfo / "htex_Local" / "block-0" / MANAGER
    parsl.mkdir(parents=True)
    (runinfo / "parsl.log").write_text(client_line(START, "Run id is: 11111111-2222-4333-8444-555555555555"))
    for name in ("manager.log", "worker_0.log"):
        # What a task prints may look like a record of any program.
        (parsl / name).write_text(client_line(START, "Manager initializing") + funcx_line(START, "Block ID: 1"))
    (parsl.parents[1] / "interchange.log").write_text(client_line(START, "Starting"))
    own: dict[str, Importer] = {"funcx_client": funcx_client, "funcx_endpoint": funcx_endpoint, "htex": htex}
    takers = {
        path.relative_to(tmp_path).as_posix(): [name for name, importer in own.items() if importer.find(path)]
        for path in (*folder.rglob("*.log"), *runinfo.rglob("*.log"))
    }
    assert takers == {
        "logs/synthetic.log": ["funcx_client"],
        "logs/endpoint/endpoint.log": ["funcx_endpoint"],
        **{
            f"logs/endpoint/HighThroughputExecutor/worker_logs/{MANAGER}/{name}": ["funcx_endpoint"]
            for name in ("manager.log", "funcx_worker_0.log", "funcx_worker_1.log")
        },
        "runinfo/000/parsl.log": [],
        **{f"runinfo/000/htex_Local/block-0/{MANAGER}/{name}": ["htex"] for name in ("manager.log", "worker_0.log")},
        "runinfo/000/htex_Local/interchange.log": ["htex"],
    }
    order = list(FORMATS)
    assert order.index("funcx_endpoint") < order.index("htex")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "FUNC 1 submit\n", "1.0 x: FUNC 1 submit", "\0" * 99, "2022-08-03 INFO x\n"]
)
@pytest.mark.parametrize("name", ["endpoint.log", "funcx_worker_0.log", "manager.log", "any.log", "endpoint.log.1"])
def test_files_that_only_have_the_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert funcx_endpoint.find(tmp_path / name) is None and funcx_client.find(tmp_path / name) is None


def test_block_id_of_a_manager_in_either_form(tmp_path: Path, database: Path) -> None:
    log = tmp_path / "worker_logs" / MANAGER / "manager.log"
    log.parent.mkdir(parents=True)
    for number, text in enumerate(
        (
            compute_line(START, "Arguments:") + f"  Manager ID: {MANAGER}\n  Block ID: 17\n  cores_per_worker: 1\n",
            compute_line(START + 1, "Arguments:") + "  Block ID: None\n",
        )
    ):
        log.write_text(text)
        found = tmp_path / f"{number}.sqlite3"
        import_logs(found, log)
        assert query(found, ATTRIBUTES) == ([("funcx.manager", MANAGER, "block", "17")] if number == 0 else [])


# Links


def test_what_is_not_bound_is_not_missing(tmp_path: Path, database: Path) -> None:
    """An endpoint serves others, and other managers' logs may be elsewhere."""
    folder = endpoint_folder(tmp_path / "endpoint", range(6))
    other = "".join(
        funcx_line(START, message)
        for n in range(100, 107)
        for message in (f"Received task: {uuid_of(n)}", f"Sent task {uuid_of(n)} to manager b'dae0f12efb78'")
    )
    with (folder / "endpoint.log").open("a") as file:
        file.write(other)
    # Two of the client's tasks are of no endpoint that is known.
    (tmp_path / "synthetic.log").write_text(client_log(range(4, 8)))
    import_logs(database, folder, tmp_path / "synthetic.log")
    assert query(database, JOINS) == [
        ("funcx.endpoint.task", "funcx.worker.task", 6, 0),
        ("funcx.endpoint.task", "synthetic.task.submit", 2, 0),
        ("funcx.worker.task", "funcx.endpoint.task", 6, 0),
        ("synthetic.task.submit", "funcx.endpoint.task", 2, 2),
    ]


def test_a_task_that_its_worker_never_logged_is_missing(tmp_path: Path, database: Path) -> None:
    folder = endpoint_folder(tmp_path / "endpoint", range(6))
    for log in folder.rglob("funcx_worker_1.log"):
        log.unlink()
    import_logs(database, folder)
    assert query(database, JOINS) == [
        ("funcx.endpoint.task", "funcx.worker.task", 3, 3),
        ("funcx.worker.task", "funcx.endpoint.task", 3, 0),
    ]


def test_workers_of_another_endpoint_lack_nothing(tmp_path: Path, database: Path) -> None:
    folder = endpoint_folder(tmp_path / "endpoint", range(4))
    other = tmp_path / "other" / ("f" * 12)
    other.mkdir(parents=True)
    (other / "funcx_worker_0.log").write_text(worker_log(0, range(100, 104)))
    import_logs(database, folder, other)
    assert query(database, JOINS) == [
        ("funcx.endpoint.task", "funcx.worker.task", 4, 0),
        ("funcx.worker.task", "funcx.endpoint.task", 4, 0),
    ]
    # A task that its own endpoint never logged is missing there.
    with (folder / "HighThroughputExecutor" / "worker_logs" / MANAGER / "funcx_worker_0.log").open("a") as file:
        file.write(funcx_line(START, f"executing task task_id='{uuid_of(9)}'"))
    import_logs(database, folder)
    assert query(database, JOINS)[1] == ("funcx.worker.task", "funcx.endpoint.task", 4, 1)


def test_without_the_endpoint_log_a_task_is_linked_to_its_worker(tmp_path: Path, database: Path) -> None:
    folder = all_logs(tmp_path / "logs")
    whole = tmp_path / "whole.sqlite3"
    endpoint = folder / "endpoint" / "endpoint.log"
    shutil.move(endpoint, tmp_path / "endpoint.log")
    import_logs(database, folder)
    direct = [("synthetic.task.submit", str(n), "funcx.worker.task", uuid_of(n), uuid_of(n)) for n in range(4)]
    assert Counter(direct) <= Counter(query(database, NESTED))
    assert query(database, JOINS) == [
        ("funcx.worker.task", "synthetic.task.submit", 4, 0),
        ("synthetic.task.submit", "funcx.worker.task", 4, 0),
    ]
    # The endpoint's log, which comes later and is of a third run, goes between.
    import_logs(database, tmp_path / "endpoint.log")
    assert not Counter(direct) & Counter(query(database, NESTED))
    import_logs(whole, tmp_path / "endpoint.log", *folder.rglob("synthetic.log"))
    for log in folder.rglob("*.log"):
        import_logs(whole, log)
    assert differences(readable(database), readable(whole)) == {}
    (sequence,) = {text for (text,) in query(database, VARIANTS, "synthetic.task.submit")}
    assert json.loads(sequence)[2:4] == ["funcx.endpoint.task/endpoint.received", "funcx.endpoint.task/endpoint.sent"]


VARIANTS = "SELECT sequence FROM variants JOIN span_types ON span_types.id = root_type WHERE span_types.name = ?"


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("direct", [True, False])
def test_each_in_a_run_of_its_own(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...], direct: bool
) -> None:
    """A client holds an endpoint's task, which holds a worker's: in any order, and if that is all that is linked."""
    if not direct:
        monkeypatch.setattr(links, "EVERYWHERE", tuple(x for x in links.EVERYWHERE if not x.between))
    folder = all_logs(tmp_path / "logs")
    (folder / "endpoint" / "HighThroughputExecutor").rename(tmp_path / "elsewhere")
    paths = [folder / "synthetic.log", folder / "endpoint", tmp_path / "elsewhere"]
    for number in order:
        import_logs(database, paths[number])
    (sequence,) = {text for (text,) in query(database, VARIANTS, "synthetic.task.submit")}
    assert json.loads(sequence) == SEQUENCE
    assert query(database, "SELECT count(DISTINCT run) FROM spans") == [(3,)]


SEQUENCE = [
    "synthetic.task.submit/submit",
    "synthetic.task.submit/submitted",
    "funcx.endpoint.task/endpoint.received",
    "funcx.endpoint.task/endpoint.sent",
    "funcx.worker.task/worker.received",
    "funcx.worker.task/worker.executing",
    "synthetic.task.worker/start",
    "synthetic.task.worker/end",
    "funcx.worker.task/worker.completed",
    "funcx.endpoint.task/endpoint.forwarded",
    "synthetic.task.submit/result_start",
    "synthetic.task.submit/result_retrieved",
]


def test_linking_is_not_quadratic(tmp_path: Path) -> None:
    """Twice the tasks take about twice the steps of SQLite's machine."""
    steps = {}
    for tasks in (200, 800):
        found = tmp_path / f"{tasks}.sqlite3"
        import_logs(found, all_logs(tmp_path / str(tasks), range(tasks)))
        count = [0]

        def step(count: list[int] = count) -> int:
            count[0] += 1
            return 0

        with closing(sqlite3.connect(found)) as conn:
            runs = [run for (run,) in conn.execute("SELECT id FROM runs")]
            conn.set_progress_handler(step, 100)
            links.link(conn, runs)
        steps[tasks] = count[0]
    assert 0 < steps[800] < 8 * steps[200]


# Any order, any blocks


@pytest.mark.parametrize("seed", range(3))
def test_file_by_file(tmp_path: Path, database: Path, seed: int) -> None:
    folder = all_logs(tmp_path / "logs", range(7))
    once = tmp_path / "once.sqlite3"
    import_logs(once, folder)
    paths = sorted(folder.rglob("*.log"))
    random.Random(seed).shuffle(paths)
    for path in paths:
        import_logs(database, path)
    assert differences(readable(database), readable(once)) == {}
    assert import_logs(database, folder).read == []


def test_a_moved_folder(tmp_path: Path, database: Path) -> None:
    import_logs(database, all_logs(tmp_path / "logs"))
    moved = tmp_path / "moved.sqlite3"
    (tmp_path / "logs").rename(tmp_path / "é 'quoted'")
    import_logs(moved, tmp_path / "é 'quoted'")
    assert differences(every_row(moved), every_row(database)) == {}


@pytest.mark.parametrize("size", [1, 37, 4000])
def test_blocks_of_any_size(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    folder = all_logs(tmp_path / "logs")
    once = tmp_path / "once.sqlite3"
    import_logs(once, folder)
    whole_blocks = logfile.blocks

    def blocks(path, fingerprint, batch, progress):  # type: ignore[no-untyped-def]
        return whole_blocks(path, fingerprint, batch, progress, size)

    for module in (funcx_client, funcx_endpoint, "importers.line_reader"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.blocks", blocks)
    import_logs(database, folder)
    assert differences(every_row(database), every_row(once)) == {}


# Cut and broken logs


def read_text(importer: Importer, path: Path, data: bytes) -> ReadSource | None:
    """Write a log and read it, or return None where it is no log of this importer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    source = importer.find(path)
    if source is None:
        return None
    read = read_source(Source(**{**vars(source), "clock": clock_of_offset(7200)}))
    assert read.error is None
    return read


def events_in(read: ReadSource | None) -> int:
    return len(read.batch.event_times) if read else 0


SAMPLES = {
    "synthetic.log": (funcx_client, client_log(range(2))),
    "endpoint.log": (funcx_endpoint, endpoint_log(range(2))),
    "compute/endpoint.log": (funcx_endpoint, endpoint_log(range(2), compute=True)),
    f"{MANAGER}/funcx_worker_0.log": (funcx_endpoint, worker_log(0, range(4))),
}
EVENT_LINE = re.compile(
    r"FUNC \d+ \w+$|FUNCREMOTE |Received task|Sent task|result (?:for|to forwarder)|(?:executing|task \S+ completed)"
    r"|(?:Initializing|Starting) worker|Registration info for|Add(?:ing)? manager|Too many|nregistering"
)


SHORT = {
    "synthetic.log": client_log(range(1)),
    "endpoint.log": endpoint_log(range(1)),
    "compute/endpoint.log": endpoint_log(range(1), compute=True),
    f"{MANAGER}/funcx_worker_0.log": worker_log(0, range(1)),
}


@pytest.mark.parametrize("name", SHORT)
def test_cut_at_every_byte(tmp_path: Path, name: str) -> None:
    importer, data = SAMPLES[name][0], SHORT[name].encode()
    counted = set()
    for end in range(len(data) + 1):
        read = read_text(importer, tmp_path / name, data[:end])
        *lines, cut = data[:end].decode().split("\n")
        # The payload of a task, and what is within another record, is no record of its own.
        events = sum(1 for line in lines if line[:1].isdigit() and EVENT_LINE.search(line))
        counted.add(events)
        if read is None:
            assert events == 0
            continue
        assert events_in(read) == events, end
        assert [reason for reason, _kind in read.batch.unmatched] in (
            [["last line is incomplete"]] if cut else [[], ["nothing in this file is known to the importer"]]
        )
    assert counted == set(range(max(counted) + 1)) and len(counted) >= 6


@pytest.mark.parametrize("name", SAMPLES)
def test_broken_bytes(tmp_path: Path, name: str) -> None:
    """Whatever stands in a line, the others are read."""
    importer, text = SAMPLES[name]
    chance = random.Random(name)
    lines = text.encode().splitlines(keepends=True)
    for _ in range(150):
        broken = list(lines)
        number = chance.randrange(1, len(broken))
        line = bytearray(broken[number])
        for _ in range(chance.randrange(1, 6)):
            line[chance.randrange(len(line) - 1)] = chance.choice(
                [0, 0xFF, 0x80, ord("9"), ord("-"), ord(" "), ord("'")]
            )
        broken[number] = bytes(line)
        read = read_text(importer, tmp_path / name, b"".join(broken))
        without = read_text(importer, tmp_path / name, b"".join(broken[:number] + broken[number + 1 :]))
        assert events_in(without) <= events_in(read) <= events_in(without) + 1
        assert all(0 <= time <= 1e11 for time in read.batch.event_times) if read else not events_in(without)


TIMES = [
    "99999999999999.000000",
    "100000000000.500000",
    "-5.000000",
    "nan",
    "inf",
    "1e300",
    "1659518795",
    "9" * 400 + ".0",
]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("name", ["synthetic.log", "endpoint.log"])
def test_times_that_are_none(tmp_path: Path, name: str, time: str) -> None:
    importer, text = SAMPLES[name]
    lines = text.splitlines(keepends=True)
    kept = [line if n < 2 or n % 2 else re.sub(r"^\d+\.\d+ ", f"{time} ", line) for n, line in enumerate(lines)]
    intact = [line for n, line in enumerate(lines) if n < 2 or n % 2]
    read = read_text(importer, tmp_path / name, "".join(kept).encode())
    assert read is not None and events_in(read) > 0
    assert events_in(read) == events_in(read_text(importer, tmp_path / name, "".join(intact).encode()))


@pytest.mark.parametrize("time", ["100000000000.5", "999999999999.5"])
def test_a_time_too_late_is_kept_as_not_understood(tmp_path: Path, time: str) -> None:
    line = funcx_line(START, f"Received task: {uuid_of(1)}")
    text = endpoint_log(range(1)) + re.sub(r"^\d+\.\d+ ", f"{time} ", line)
    read = read_text(funcx_endpoint, tmp_path / "endpoint.log", text.encode())
    assert read is not None and [reason for reason, _ in read.batch.unmatched] == ["a time that can't be"]


@pytest.mark.parametrize("date", ["2022-02-30", "2022-13-01", "0000-01-01", "9999-12-31", "1500-01-01"])
def test_a_day_that_is_none(tmp_path: Path, date: str) -> None:
    line = compute_line(START, f"Received task: {uuid_of(1)}")
    text = endpoint_log(range(2), compute=True) + date + line[10:]
    read = read_text(funcx_endpoint, tmp_path / "endpoint.log", text.encode())
    assert read is not None
    assert [found.text for found in read.batch.unmatched.values()] == [(date + line[10:]).rstrip()]
    assert events_in(read) == events_in(
        read_text(funcx_endpoint, tmp_path / "endpoint.log", endpoint_log(range(2), compute=True).encode())
    )


@pytest.mark.parametrize(
    "message",
    [
        "FUNC 3000 vanished",
        "FUNC x submit",
        "FUNC 3000 submit twice",
        f"FUNC {'9' * 40} submit",
        "FUNCREMOTE 3000 start never",
        "FUNCREMOTE 3000 start 1e9",
        "FUNCREMOTE 3000 start 1.2.3",
        f"FUNCREMOTE 3000 start {'9' * 12}",
        f"FUNCREMOTE 3000 end {'9' * 40}",
        "FUNCDURATION 3000 long",
        "FUNCDURATION 3000 1e999",
        "FUNCDURATION 3000 1-1",
        "FUNCBIND 3000 None",
    ],
)
def test_client_lines_in_an_unknown_form(tmp_path: Path, message: str) -> None:
    intact = client_log(range(2))
    line = client_line(START + 1, message)
    read = read_text(funcx_client, tmp_path / "a.log", (intact + line).encode())
    assert read is not None and events_in(read) == 12
    (found,) = read.batch.unmatched.values()
    assert (found.times, found.offset) == (1, len(intact.encode())) and message in found.text
    found_attributes = [json.loads(text, parse_constant=pytest.fail) for text in read.batch.attributes_json.values()]
    assert found_attributes


@pytest.mark.parametrize(
    "message", ["Received task: None", "Sent task 12 to manager b'x'", f"Sent task {uuid_of(1)} to nobody"]
)
def test_endpoint_lines_in_an_unknown_form(tmp_path: Path, message: str) -> None:
    text = endpoint_log(range(2)) + funcx_line(START, message)
    read = read_text(funcx_endpoint, tmp_path / "endpoint.log", text.encode())
    assert read is not None and [found.times for found in read.batch.unmatched.values()] == [1]


def test_a_payload_of_megabytes(tmp_path: Path) -> None:
    log = worker_log(0, range(2)).replace("==", "=" * 20000).replace("Worker is of type", "x-1 " * 500_000)
    read = read_text(funcx_endpoint, tmp_path / MANAGER / "funcx_worker_0.log", log.encode())
    assert read is not None and events_in(read) == 6


def test_a_first_line_without_end(tmp_path: Path) -> None:
    """A large file of one line, of no form at all, is passed over."""
    (tmp_path / "endpoint.log").write_bytes(b"1659518795.0 2022-08-03 INFO -1 a:1 b" * 200_000)
    assert funcx_endpoint.find(tmp_path / "endpoint.log") is None


def test_an_odd_name_of_a_managers_folder(tmp_path: Path, database: Path) -> None:
    folder = tmp_path / "worker_logs" / "a'b\udcff\n"
    folder.mkdir(parents=True)
    (folder / "funcx_worker_0.log").write_text(worker_log(0, range(1)))
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 0, result.output
    assert query(database, "SELECT count(*) FROM event WHERE type LIKE 'worker.%'") == [(3,)]


def test_endpoint_logs_that_are_none_beside_others(tmp_path: Path, database: Path) -> None:
    folder = endpoint_folder(tmp_path / "endpoint")
    text = (folder / "endpoint.log").read_text()
    (folder / "endpoint.log").write_text(text.replace(ENDPOINT, "unknown"))
    (folder / "endpoint.log.1").mkdir()
    (folder / "endpoint.log.2").symlink_to(folder / "nowhere")
    (folder / "endpoint.log.3").write_bytes(b"\0\xff\n")
    (folder / "endpoint.log.old").write_text(text)
    import_logs(database, folder)
    stands_for = surrogate_key("funcx endpoint", text.replace(ENDPOINT, "unknown").splitlines(keepends=True)[0])
    assert {run for run, _name in query(database, RUNS)} == {stands_for, surrogate_key("funcx manager", MANAGER)}
    (folder / "endpoint.log.4").write_text(text)
    other = tmp_path / "other.sqlite3"
    import_logs(other, folder)
    assert query(other, RUNS) == [(ENDPOINT, "endpoint (ee4737d1)")]


def test_an_endpoint_log_that_can_not_be_read(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = endpoint_folder(tmp_path / "endpoint")
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "endpoint.log":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    summary = import_logs(database, folder)
    assert [path.name for path, _why in summary.skipped] == ["endpoint.log"]
    assert query(database, RUNS) == [(surrogate_key("funcx manager", MANAGER), f"endpoint of manager {MANAGER}")]


# The real logs, read again here in the simplest way

SHARED = shared_runs()
REAL = SHARED / "funcx-2022" if SHARED else Path("nowhere")
needs_real_logs = pytest.mark.skipif(not REAL.is_dir(), reason="the real logs are not here")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("funcx") / "dnpc.sqlite3"
    # A zone that is not the logs': their epoch seconds are to count.
    import_logs(database, REAL, clock=clock_of_name("America/Chicago"))
    return database


def real_lines(path: Path, said: str) -> list[tuple[float, re.Match[str]]]:
    """Return time and match of the lines of a log whose last words match."""
    found = []
    for line in path.read_text(errors="replace").splitlines():
        if match := re.search(said, line):
            found.append((float(line.split(" ", 1)[0]), match))
    return found


def real_events() -> dict[str, list[tuple[float, str]]]:
    """Return the events of each of the client's tasks, from all the logs, in time order."""
    events: dict[str, list[tuple[float, str]]] = defaultdict(list)
    client, endpoint = REAL / "synthetic.log", REAL / "endpoint.log"
    for time, match in real_lines(client, r"INFO: FUNC (\d+) (\w+)$"):
        events[match[1]].append((time, f"synthetic.task.submit/{match[2]}"))
    for _time, match in real_lines(client, r"INFO: FUNCREMOTE (\d+) (\w+) (\S+)$"):
        events[match[1]].append((float(match[3]), f"synthetic.task.worker/{match[2]}"))
    numbers = {match[2]: match[1] for _time, match in real_lines(client, r"INFO: FUNCBIND (\d+) (\S+)$")}
    uuid = r"([0-9a-f]{8}-[0-9a-f-]{27})"
    said = [
        (endpoint, rf"migrate_tasks_to_internal Received task: {uuid}$", "funcx.endpoint.task/endpoint.received"),
        (endpoint, rf"start Sent task {uuid} to manager ", "funcx.endpoint.task/endpoint.sent"),
        (
            endpoint,
            rf"_main_loop Passing result to forwarder for task {uuid}$",
            "funcx.endpoint.task/endpoint.forwarded",
        ),
    ]
    for log in REAL.glob("worker_logs/*/funcx_worker_*.log"):
        said += [
            (log, rf"start Received task with task_id='{uuid}' and", "funcx.worker.task/worker.received"),
            (log, rf"execute_task executing task task_id='{uuid}'$", "funcx.worker.task/worker.executing"),
            (log, rf"execute_task task {uuid} completed$", "funcx.worker.task/worker.completed"),
        ]
    for log, words, event in said:
        for time, match in real_lines(log, words):
            if match[1] in numbers:
                events[numbers[match[1]]].append((time, event))
    return {task: sorted(found) for task, found in events.items()}


@needs_real_logs
def test_real_tasks_are_bound_from_client_to_worker(real: Path) -> None:
    expected = real_events()
    assert len(expected) == 1000 and {len(events) for events in expected.values()} == {12}
    rows = query(
        real,
        """SELECT root.key, events.time, below.name || '/' || event_types.name
           FROM descendants JOIN spans AS root ON root.id = descendants.root
           JOIN span_types AS root_type ON root_type.id = root.type AND root_type.name = 'synthetic.task.submit'
           JOIN spans ON spans.id = descendants.span JOIN span_types AS below ON below.id = spans.type
           JOIN events ON events.span = spans.id JOIN event_types ON event_types.id = events.type""",
    )
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for key, time, event in rows:
        found[key].append((time, event))
    assert {key: sorted(events) for key, events in found.items()} == expected
    variants = Counter(tuple(name for _time, name in events) for events in expected.values())
    kept = query(
        real,
        """SELECT sequence, spans FROM variants JOIN span_types ON span_types.id = root_type
           WHERE span_types.name = 'synthetic.task.submit'""",
    )
    assert {tuple(json.loads(sequence)): spans for sequence, spans in kept} == variants
    # Some tasks took no time that the clock could tell, so that their end goes with their start.
    swapped = [*SEQUENCE[:6], SEQUENCE[7], SEQUENCE[6], *SEQUENCE[8:]]
    assert set(variants) == {tuple(SEQUENCE), tuple(swapped)} and variants[tuple(SEQUENCE)] > 900


@needs_real_logs
def test_real_managers_agree(real: Path) -> None:
    sent = {
        match[1]: match[2]
        for _time, match in real_lines(REAL / "endpoint.log", r"Sent task (\S+) to manager b'(\w+)'$")
    }
    ran = {
        match[1]: log.parent.name
        for log in REAL.glob("worker_logs/*/funcx_worker_*.log")
        for _time, match in real_lines(log, r"executing task task_id='(\S+)'$")
    }
    assert len(sent) == 2000 and len(ran) == 1000 and all(sent[task] == manager for task, manager in ran.items())
    rows = query(
        real,
        """SELECT submit.key, task.key, json_extract(task.attributes, '$.manager'), manager.key
           FROM spans AS submit JOIN subspans AS to_task ON to_task.superspan = submit.id
           JOIN spans AS task ON task.id = to_task.subspan
           JOIN subspans AS to_work ON to_work.superspan = task.id JOIN spans AS work ON work.id = to_work.subspan
           JOIN subspans AS on_worker ON on_worker.subspan = work.id
           JOIN spans AS worker ON worker.id = on_worker.superspan
           JOIN subspans AS on_manager ON on_manager.subspan = worker.id
           JOIN spans AS manager ON manager.id = on_manager.superspan
           JOIN span_types ON span_types.id = submit.type
           WHERE span_types.name = 'synthetic.task.submit' AND worker.type <> task.type""",
    )
    bound = {match[1]: match[2] for _time, match in real_lines(REAL / "synthetic.log", r"FUNCBIND (\d+) (\S+)$")}
    assert {row[0]: row[1] for row in rows} == bound and len(rows) == len(bound) == 1000
    assert all(row[2] == row[3] == sent[row[1]] == ran[row[1]] for row in rows)


@needs_real_logs
def test_real_logs_are_understood(real: Path) -> None:
    assert query(real, "SELECT count(*) FROM unmatched") == [(0,)]
    assert query(real, JOINS) == [
        ("funcx.endpoint.task", "funcx.worker.task", 1000, 0),
        ("funcx.endpoint.task", "synthetic.task.submit", 1000, 0),
        ("funcx.worker.task", "funcx.endpoint.task", 1000, 0),
        ("synthetic.task.submit", "funcx.endpoint.task", 1000, 0),
    ]
    assert query(real, "SELECT count(*) FROM spans JOIN span_types ON span_types.id = type WHERE name = ?",
                 "funcx.endpoint.task") == [(2000,)]  # fmt: skip
    # 2022-08-03 09:26:35 UTC, where the text beside it says 11:26:35.
    first = query(real, "SELECT min(time) FROM event WHERE type = 'submit'")
    assert first == [(datetime(2022, 8, 3, 9, 26, 35, 716790, timezone.utc).timestamp(),)]


@needs_real_logs
def test_real_logs_one_at_a_time(real: Path, tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    paths = sorted(REAL.rglob("*.log"))
    random.Random(3).shuffle(paths)
    for path in paths:
        import_logs(database, path)
    assert differences(readable(database), readable(real)) == {}
