"""Views and queries of workers, layers and dependencies, against what simple code finds in the logs themselves."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from datasette_dnpc.sql_files import create_views, queries
from datasette_dnpc.sql_functions import register
from importers import sequences, totals, worker_stays
from importers.keys import surrogate_key
from importers.schema import create_indexes, create_tables
from tests.imports import import_logs
from tests.managers import LOGS, TASKVINE, WORK_QUEUE, run_folder, told
from tests.runs import DATA, find_log, read_records, read_run

SAMPLES = ("htex-chicago", "htex-crash", "two-htex", "workqueue", "taskvine")
LAYERS = ("in_submit", "in_retry", "in_queue", "in_transfer", "in_dispatch", "in_run", "in_return")

every_sample = pytest.mark.parametrize("name", SAMPLES)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database of each sample, with the views."""
    folder, made = tmp_path_factory.mktemp("samples"), {}
    for name in SAMPLES:
        made[name] = folder / f"{name}.sqlite3"
        import_logs(made[name], DATA / name)
        with closing(sqlite3.connect(made[name])) as conn:
            create_views(conn)
            conn.commit()
    return made


def select(database: Path, sql: str, **params: object) -> Rows:
    with closing(sqlite3.connect(database)) as conn:
        register(conn)
        conn.row_factory = sqlite3.Row
        return [dict(row) for row in conn.execute(sql, params)]


def run_query(database: Path, name: str, **params: object) -> Rows:
    query = queries()[name]
    return select(database, query.sql, **{**dict.fromkeys(query.params, ""), **params})


def stays(name: str) -> dict[str, list[tuple[float, float]]]:
    """Return when a task was on each worker, by the worker's key or its end: straight from the logs."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    if name in (WORK_QUEUE, TASKVINE):
        log = told(run_folder(name, whole=False) / LOGS[name])
        for task, states in log.states.items():
            began = None
            for time, state, _rest in states:
                if state == "RUNNING":
                    began = time
                elif began is not None:
                    [worker] = log.worker_of(task)
                    found[worker].append((began, time))
                    began = None
        return found
    times: dict[tuple[str | None, int | None, str, int], dict[str, float]] = defaultdict(dict)
    for directory in sorted(path.parent for path in (DATA / name).rglob("parsl.log")):
        for event in read_run(directory).htex:
            if event.layer == "worker":
                times[event.manager, event.worker, event.executor, event.executor_task][event.event] = event.time
    for (manager, number, _executor, _task), events in times.items():
        found[f"{manager}/{number}"].append((events["received"], events["finished"]))
    return found


def busy_seconds(intervals: list[tuple[float, float]]) -> float:
    """Return the length of the union: by every piece between two times, whether any interval covers it."""
    times = sorted({time for interval in intervals for time in interval})
    return sum(b - a for a, b in pairwise(times) if any(x <= a and b <= y for x, y in intervals))


def by_worker(database: Path, sql: str) -> dict[str, Rows]:
    """Return rows by the worker's key, of Work Queue and TaskVine without the manager's."""
    found: dict[str, Rows] = defaultdict(list)
    for row in select(database, sql):
        key = row["worker_key"]
        found[key if "worker-" not in key else key.split("/")[1]].append(row)
    return found


@every_sample
def test_intervals_are_those_of_the_logs(databases: dict[str, Path], name: str) -> None:
    rows = by_worker(databases[name], "SELECT * FROM worker_interval")
    found = {worker: sorted((row["began"], row["ended"]) for row in of_one) for worker, of_one in rows.items()}
    expected = {worker: sorted(intervals) for worker, intervals in stays(name).items()}
    assert expected and found == expected


@every_sample
def test_busy_and_idle_add_up_to_the_lifetime(databases: dict[str, Path], name: str) -> None:
    expected = stays(name)
    found = by_worker(databases[name], "SELECT * FROM worker_lifetime")
    assert found.keys() == expected.keys()
    for worker, [row] in found.items():
        intervals = expected[worker]
        assert row["tasks"] == len(intervals)
        assert row["busy"] + row["idle"] == pytest.approx(row["duration"], abs=1e-9)
        assert row["busy"] == pytest.approx(busy_seconds(intervals), abs=1e-5)
        assert row["task_seconds"] == pytest.approx(sum(b - a for a, b in intervals), abs=1e-5)
        first, last = min(a for a, _ in intervals), max(b for _, b in intervals)
        assert row["began"] <= first and row["ended"] >= last
        gaps = select(databases[name], "SELECT duration FROM worker_gap WHERE worker = :worker", worker=row["worker"])
        outside = first - row["began"] + row["ended"] - last
        assert row["idle"] == pytest.approx(sum(gap["duration"] for gap in gaps) + outside, abs=1e-5)
        assert row["utilisation"] == pytest.approx(row["busy"] / row["duration"])


@every_sample
def test_gaps_are_where_no_task_is_on_the_worker(databases: dict[str, Path], name: str) -> None:
    sql = "SELECT worker_gap.*, spans.key AS worker_key FROM worker_gap JOIN spans ON spans.id = worker"
    found = by_worker(databases[name], sql)
    for worker, intervals in stays(name).items():
        ordered, expected, until = sorted(intervals), [], None
        for began, ended in ordered:
            if until is not None and began > until:
                expected.append((until, began))
            until = ended if until is None else max(until, ended)
        assert sorted((row["began"], row["ended"]) for row in found[worker]) == expected
    for row in (row for rows in found.values() for row in rows):
        ends = select(
            databases[name],
            "SELECT (SELECT ended FROM worker_interval WHERE span = :before) AS before,"
            " (SELECT began FROM worker_interval WHERE span = :after) AS after",
            before=row["span_before"],
            after=row["span_after"],
        )
        assert ends == [{"before": row["began"], "after": row["ended"]}]


@every_sample
def test_layers_add_up_to_the_duration_of_the_task(databases: dict[str, Path], name: str) -> None:
    rows = select(databases[name], "SELECT * FROM task_layer")
    tasks: set[str] = set()
    for log in (DATA / name).rglob("parsl.log"):
        tasks |= {str(task) for task in read_run(log.parent).tasks}
    assert {row["key"] for row in rows} == tasks and len(rows) == len(tasks)
    for row in rows:
        assert min(row[layer] for layer in LAYERS) >= 0
        assert sum(row[layer] for layer in LAYERS) == pytest.approx(row["duration"], abs=1e-9)
        assert row["duration"] == row["ended"] - row["began"]


@every_sample
def test_tasks_last_as_long_as_the_log_tells(databases: dict[str, Path], name: str) -> None:
    """Monitoring's account, by another clock reading, may add a little at both ends."""
    [log] = [find_log(path.parent, "parsl") for path in (DATA / name).rglob("parsl.log")]
    assert log
    times: dict[str, list[float]] = defaultdict(list)
    states: dict[str, str] = {}
    for record in read_records(log):
        if match := re.match(r"Task (\d+) (submitted for App|(initializing|changing) state .*?(\w+)$)", record.message):
            times[match[1]].append(record.time)
            states[match[1]] = match[4] or "submitted"
    for row in select(databases[name], "SELECT * FROM task_account"):
        first, last = min(times[row["key"]]), max(times[row["key"]])
        assert first - 0.1 <= row["began"] <= first
        assert last <= row["ended"]
        # Of a run that was killed, the log may lack what monitoring has.
        assert row["ended"] <= last + 0.1 or states[row["key"]] == "launched"


@pytest.mark.parametrize("name", ["htex-chicago", "htex-crash", "two-htex"])
def test_run_and_dispatch_are_those_of_the_last_try(databases: dict[str, Path], name: str) -> None:
    [log] = (DATA / name).rglob("parsl.log")
    logged = read_run(log.parent)
    last = {launch.task: launch for launch in sorted(logged.launches, key=lambda launch: launch.time)}
    times: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
    for event in logged.htex:
        times[event.executor, event.executor_task][event.event] = event.time
    checked = 0
    for row in select(databases[name], "SELECT * FROM task_layer"):
        launch = last.get(int(row["key"]))
        events = times[launch.executor, launch.executor_task] if launch else {}
        # The worker's own completion may be logged after Parsl is done with the task.
        if {"sent", "received", "completed"} <= events.keys() and events["completed"] <= row["ended"]:
            assert row["in_dispatch"] == pytest.approx(events["received"] - events["sent"], abs=1e-6)
            assert row["in_run"] == pytest.approx(events["completed"] - events["received"], abs=1e-6)
            checked += 1
    assert checked > 5


@every_sample
def test_dependencies_are_those_of_the_log(databases: dict[str, Path], name: str) -> None:
    sql = "SELECT task_key, needs_key FROM task_dependency WHERE kind = 'depends' AND task_type = 'parsl.rundir.task'"
    found = {(int(row["task_key"]), int(row["needs_key"])) for row in select(databases[name], sql)}
    [log] = (DATA / name).rglob("parsl.log")
    logged = read_run(log.parent)
    assert found == {(task, needs) for task, needs in logged.dependencies if {task, needs} <= logged.tasks.keys()}
    assert found


@every_sample
def test_critical_path_is_a_chain_that_waits(databases: dict[str, Path], name: str) -> None:
    path = run_query(databases[name], "critical_path")
    accounts = {row["key"]: row for row in select(databases[name], "SELECT * FROM task_account")}
    [log] = (DATA / name).rglob("parsl.log")
    needs: dict[int, set[int]] = defaultdict(set)
    for task, needed in read_run(log.parent).dependencies:
        needs[task].add(needed)
    expected = [max(needs, key=lambda task: float(accounts[str(task)]["ended"]))]
    while known := [n for n in needs[expected[0]] if str(n) in accounts]:
        expected.insert(0, max(known, key=lambda task: float(accounts[str(task)]["ended"])))
    assert [int(row["task"]) for row in path] == expected
    assert [row["position"] for row in path] == list(range(1, len(path) + 1))
    assert path[-1]["total"] == pytest.approx(sum(row["seconds"] for row in path))


def test_transfers_are_those_of_the_log(databases: dict[str, Path]) -> None:
    log = told(run_folder(WORK_QUEUE, whole=False) / LOGS[WORK_QUEUE])
    expected = defaultdict[tuple[str, str], list[float]](list)
    for _time, kind, words in log.transfers:
        if kind == "TRANSFER":
            direction, _task, megabytes, _seconds, file = words[0], words[1], float(words[3]), words[4], words[5]
            expected[direction, file].append(megabytes)
    rows = run_query(databases[WORK_QUEUE], "transfers_by_file")
    assert {(row["direction"], row["file"]): row["transfers"] for row in rows} == {
        k: len(v) for k, v in expected.items()
    }
    for row in rows:
        assert row["megabytes"] == pytest.approx(sum(expected[row["direction"], row["file"]]), abs=1e-4)
    with_task = select(databases[WORK_QUEUE], "SELECT count(*) AS n, count(task) AS tasks FROM transfer")
    assert with_task == [{"n": sum(map(len, expected.values())), "tasks": sum(map(len, expected.values()))}]


@every_sample
def test_task_layers_total_is_the_time_of_the_tasks(databases: dict[str, Path], name: str) -> None:
    rows = run_query(databases[name], "task_layers")
    durations = select(databases[name], "SELECT sum(duration) AS total FROM task_account")[0]["total"]
    assert sum(row["total"] for row in rows) == pytest.approx(durations)
    for row in rows:
        assert row["p50"] <= row["p95"] + 1e-9 and row["p95"] <= row["max"] + 1e-9


@pytest.fixture
def made(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database to fill."""
    with closing(sqlite3.connect(tmp_path / "made.sqlite3")) as conn:
        create_tables(conn)
        create_indexes(conn)
        create_views(conn)
        conn.execute("INSERT INTO runs VALUES (1, 'r', 'r', 0)")
        conn.execute("INSERT INTO sources VALUES (1,'s','i','p','f',1,1,'f',1,1,0,0,1,'utc',1)")
        yield conn


def add(
    conn: sqlite3.Connection,
    kind: str,
    key: str,
    events: list[tuple[float, str]],
    above: int | None = None,
    **attributes: object,
) -> int:
    conn.execute("INSERT OR IGNORE INTO span_types (name) VALUES (?)", [kind])
    times = [time for time, _ in events]
    span = conn.execute(
        "INSERT INTO spans (uuid, type, run, key, began, ended, attributes)"
        " VALUES (?, (SELECT id FROM span_types WHERE name = ?), 1, ?, ?, ?, ?)",
        [surrogate_key(kind, "r", key), kind, key, min(times), max(times), json.dumps(attributes)],
    ).lastrowid
    assert span
    for time, event in events:
        conn.execute("INSERT OR IGNORE INTO event_types (name) VALUES (?)", [event])
        conn.execute(
            "INSERT INTO events (span, time, type, n, source)"
            " VALUES (?, ?, (SELECT id FROM event_types WHERE name = ?), 0, 1)",
            [span, time, event],
        )
    if above:
        conn.execute("INSERT INTO subspans VALUES (?, ?, ?, NULL)", [above, span, key])
    return span


def test_what_ran_when_a_worker_was_lost_ends_with_it(made: sqlite3.Connection) -> None:
    worker = add(made, "workqueue.worker", "w", [(0, "CONNECTION"), (10, "DISCONNECTION"), (20, "CONNECTION")])
    add(made, "workqueue.task", "1", [(1, "RUNNING")], worker)  # until 20, when the worker started anew
    add(made, "workqueue.task", "2", [(21, "RUNNING"), (23, "WAITING_RETRIEVAL")], worker)
    add(made, "workqueue.task", "3", [(22, "RUNNING"), (24, "WAITING_RETRIEVAL")], worker)
    add(made, "workqueue.task", "4", [(30, "RUNNING")], worker)  # the last that is known
    worker_stays.update(made, [1])
    totals.update(made, [1])
    rows = made.execute("SELECT duration, busy, idle, task_seconds, tasks FROM worker_lifetime").fetchall()
    assert rows == [(30, 22, 8, 23, 4)]
    assert made.execute("SELECT began, ended FROM worker_gap ORDER BY began").fetchall() == [(20, 21), (24, 30)]


def test_long_task_keeps_a_worker_busy_while_short_ones_come_and_go(made: sqlite3.Connection) -> None:
    worker = add(made, "taskvine.worker", "w", [(0, "CONNECTION"), (20, "DISCONNECTION")])
    for key, (began, ended) in enumerate([(1, 10), (2, 3), (5, 6), (12, 14)]):
        add(made, "taskvine.task", str(key), [(began, "RUNNING"), (ended, "WAITING_RETRIEVAL")], worker)
    worker_stays.update(made, [1])
    totals.update(made, [1])
    rows = made.execute("SELECT duration, busy, idle, task_seconds FROM worker_lifetime").fetchall()
    assert rows == [(20, 11, 9, 13)]
    assert made.execute("SELECT began, ended FROM worker_gap").fetchall() == [(10, 12)]


def derive(conn: sqlite3.Connection) -> None:
    """Make what an import keeps of the tasks of Parsl."""
    sequences.update(conn, [1], ["parsl.rundir.task", "parsl.monitoring.task"])
    totals.update(conn, [1])


def test_task_is_one_row_and_lasts_as_long_as_either_account_tells(made: sqlite3.Connection) -> None:
    logged = add(made, "parsl.rundir.task", "0", [(1, "submitted")], app="f")
    other = add(made, "parsl.monitoring.task", "0", [(0, "invoked"), (9, "returned")], app="f")
    made.execute("INSERT INTO facets VALUES (?, ?, NULL)", [other, logged])
    alone = add(made, "parsl.monitoring.task", "1", [(2, "invoked")], app="g")
    add(made, "parsl.monitoring.try", "1/0", [(3, "launched"), (5, "exec_done")], alone)
    derive(made)
    sql = "SELECT task, monitoring, app, began, ended FROM task_account ORDER BY key"
    assert made.execute(sql).fetchall() == [(logged, other, "f", 0, 9), (alone, None, "g", 2, 5)]


def test_tasks_that_need_each_other_end_the_path(made: sqlite3.Connection) -> None:
    for key, needs in ((0, 1), (1, 0), (2, 2)):
        add(made, "parsl.rundir.task", str(key), [(key, "submitted"), (5, "returned")], depends=[needs, 10**400, None])
    derive(made)
    register(made)
    rows = made.execute(queries()["critical_path"].sql, {"run": "", "task": ""}).fetchall()
    assert 0 < len(rows) <= 900


def test_task_that_was_never_launched_is_submitted_to_its_end(made: sqlite3.Connection) -> None:
    task = add(made, "parsl.rundir.task", "0", [(1, "submitted")], app="f")
    add(made, "parsl.rundir.try", "0/0", [(1, "pending"), (4, "dep_fail")], task)
    derive(made)
    layers = made.execute(f"SELECT duration, {', '.join(LAYERS)} FROM task_layer").fetchall()
    assert layers == [(3, 3, 0, 0, 0, 0, 0, 0)]


def test_clocks_that_disagree_make_no_layer_negative(made: sqlite3.Connection) -> None:
    task = add(made, "parsl.rundir.task", "0", [(1, "submitted")])
    attempt = add(made, "parsl.rundir.try", "0/0", [(2, "launched"), (9, "exec_done")], task)
    add(
        made,
        "parsl.executor.htex.worker.task",
        "x/1",
        [(4, "worker_completed_task"), (5, "worker_received_task")],
        attempt,
    )
    derive(made)
    layers = made.execute(f"SELECT duration, {', '.join(LAYERS)} FROM task_layer").fetchall()
    assert layers == [(8, 1, 0, 3, 0, 0, 0, 4)]


FAILED = ("failed", "fail_retryable", "dep_fail")


@every_sample
def test_tries_that_failed_are_those_of_the_log(databases: dict[str, Path], name: str) -> None:
    folder = DATA / name
    runs = [read_run(log.parent) for log in sorted(folder.glob("*/parsl.*log"))]
    expected = sorted((str(x.task), x.try_id, x.state) for run in runs for x in run.states if x.state in FAILED)
    rows = select(databases[name], "SELECT task_key, try, state FROM task_try WHERE failed")
    assert sorted((row["task_key"], row["try"], row["state"]) for row in rows) == expected
    tries = sum(row["tries"] for row in run_query(databases[name], "failures"))
    assert tries == len(expected)
    assert len(expected) > 0 or name == "htex-crash"


def test_failures_name_app_cause_and_cost(databases: dict[str, Path]) -> None:
    (run,) = [read_run(log.parent) for log in (DATA / WORK_QUEUE).glob("*/parsl.log")]
    text = next((DATA / WORK_QUEUE).glob("*/parsl.log")).read_text()
    apps = {int(task): app for task, app in re.findall(r"Task (\d+) submitted for App (\w+),", text)}
    raised = re.findall(r"Task (\d+) try (\d+) failed with exception of type (\w+)", text)
    causes = {(int(task), int(number)): cause for task, number, cause in raised}
    expected: dict[tuple[str, str | None], int] = defaultdict(int)
    for state in run.states:
        if state.state in FAILED:
            expected[apps[state.task], causes.get((state.task, state.try_id))] += 1
    found: dict[tuple[str, str | None], int] = defaultdict(int)
    for row in run_query(databases[WORK_QUEUE], "failures"):
        found[row["app"], row["cause"]] += row["tries"]
        assert row["of_tries"] == len({(s.task, s.try_id) for s in run.states if apps[s.task] == row["app"]})
        assert row["seconds"] >= 0
    known = {key: count for key, count in expected.items() if key[1] is not None}
    assert known and {key: found[key] for key in known} == known
    assert sum(found.values()) == sum(expected.values())


def test_tries_that_only_monitoring_tells_of(tmp_path: Path) -> None:
    with_log, without = tmp_path / "with.sqlite3", tmp_path / "without.sqlite3"
    import_logs(with_log, DATA / WORK_QUEUE)
    import_logs(without, DATA / WORK_QUEUE / "monitoring.db")
    found = []
    for database in (with_log, without):
        with closing(sqlite3.connect(database)) as conn:
            create_views(conn)
        found.append(select(database, "SELECT task_key, try, app, state, failed FROM task_try ORDER BY 1, 2"))
    assert found[0] == found[1] and found[0]
