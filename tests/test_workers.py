"""Slots of workers, what they waited for, and blocks: against what simple code finds in the logs themselves."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from datasette_dnpc import plots, queries
from datasette_dnpc.sql_files import create_views
from importers import totals, worker_stays
from importers.schema import create_indexes, create_tables
from importers.worker_stays import Placed, Stay, place
from tests.imports import dnpc, import_logs
from tests.managers import LOGS, TASKVINE, WORK_QUEUE
from tests.runs import DATA, Run, read_records, read_run
from tests.test_analysis_views import SAMPLES, add, busy_seconds, by_worker, select, stays

HTEX = tuple(name for name in SAMPLES if name not in (WORK_QUEUE, TASKVINE))
LAYERS = (
    *("not_submitted", "in_submit", "in_retry", "in_queue", "in_transfer"),
    *("in_dispatch", "in_run", "in_return", "no_task"),
)
RUN = "r"
"""Key and name of the run in the made-up database."""

every_sample = pytest.mark.parametrize("name", SAMPLES)
Intervals = list[tuple[float, float]]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database of each sample."""
    folder, made = tmp_path_factory.mktemp("workers"), {}
    for name in SAMPLES:
        made[name] = folder / f"{name}.sqlite3"
        import_logs(made[name], DATA / name, finish=create_views)
    return made


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up run of three workers that run several tasks at once, two apps, some gaps and a long task."""
    path = tmp_path_factory.mktemp("crowded") / "dnpc.sqlite3"
    lot = random.Random(4)
    with closing(sqlite3.connect(path)) as conn:
        make_run(conn)
        for number in range(3):
            connected = [(1000.0 + number, "CONNECTION"), (1400.0 - number, "DISCONNECTION")]
            worker = add(conn, "workqueue.worker", f"m/worker-{number}", connected, cores=8 * number)
            for task in range(150):
                began = 1010 + 380 * lot.random()
                ended = min(1395, began + (200 if task == 7 else lot.expovariate(0.5)))
                events = [(began - 5, "WAITING"), (began, "RUNNING"), (ended, "WAITING_RETRIEVAL")]
                add(conn, "workqueue.task", f"m/{number}.{task}", events, worker, category=lot.choice("ab"), cores=1)
        worker_stays.update(conn, [1])
        totals.update(conn, [1])
        conn.commit()
    return path


def make_run(conn: sqlite3.Connection) -> None:
    """Make a database with a run and a source, to add to."""
    create_tables(conn)
    create_indexes(conn)
    create_views(conn)
    conn.execute("INSERT INTO runs VALUES (1, ?, ?, 0)", [RUN, RUN])
    conn.execute("INSERT INTO sources VALUES (1,'s','i','p','f',1,1,'f',1,1,0,0,1,'utc',1)")


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def most_at_once(intervals: Intervals) -> int:
    """Return how many of the intervals hold at once: at each beginning, those that have begun and not ended."""
    return max(sum(a <= time < b or (a, b) == (time, time) for a, b in intervals) for time, _ in intervals)


def seconds_in(intervals: Intervals, low: float, high: float) -> float:
    """Return how many seconds of the intervals lie between two times."""
    return sum(max(0.0, min(b, high) - max(a, low)) for a, b in intervals)


# Slots.


@pytest.mark.parametrize("seed", range(20))
def test_each_stay_is_in_the_lowest_slot_that_is_free(seed: int) -> None:
    lot = random.Random(seed)
    given = []
    for number in range(200):
        # Whole numbers, so that some end just when others begin, or begin together, or take no time.
        began = lot.randrange(100)
        given.append(Stay(began, began + lot.choice([0, 0, 1, 2, 5, 30]), str(number), number, number))
    placed = place(given, None, [], single=False)
    assert {(stay.span, stay.began, stay.ended) for stay in placed} == {(x.span, x.began, x.ended) for x in given}
    taken: list[Placed] = []
    for stay in placed:
        busy = {other.slot for other in taken if other.ended > stay.began}
        assert stay.slot == min(set(range(len(busy) + 1)) - busy)
        taken.append(stay)
    lot.shuffle(given)
    assert place(given, None, [], single=False) == placed


def ends(given: list[tuple[float, float | None]], last: float | None, anew: list[float], single: bool) -> list[float]:
    """Return the ends of stays in order of their beginnings."""
    found = [Stay(began, ended, str(number), number, number) for number, (began, ended) in enumerate(given)]
    return [stay.ended for stay in place(found, last, anew, single=single)]


def test_stay_without_end_ends_when_it_must_be_over() -> None:
    assert ends([(1, None)], None, [], True) == [1]
    assert ends([(1, None)], 9, [], True) == [9]
    assert ends([(1, None)], 9, [0, 1, 4, 7], True) == [4]
    assert ends([(1, None), (3, 5)], 9, [4], True) == [3, 5]
    assert ends([(1, None), (3, 5)], 9, [4], False) == [4, 5]
    assert ends([(1, None), (3, 12)], 9, [], False) == [12, 12]
    assert ends([(3, 2)], 9, [], False) == [3]
    [known, unknown] = place([Stay(1, 2, "a", 1, 1), Stay(5, None, "b", 2, 2)], 9, [], single=True)
    assert (known.ended_logged, unknown.ended_logged) == (1, 0)


@every_sample
def test_slots_hold_the_stays_of_the_logs(databases: dict[str, Path], name: str) -> None:
    sql = "SELECT worker_slot_interval.*, key AS worker_key FROM worker_slot_interval JOIN spans ON spans.id = worker"
    found = by_worker(databases[name], sql)
    expected = stays(name)
    assert found.keys() == expected.keys()
    for worker, rows in found.items():
        assert sorted((row["began"], row["ended"]) for row in rows) == sorted(expected[worker])
        slots: dict[int, Intervals] = defaultdict(list)
        for row in rows:
            slots[row["slot"]].append((row["began"], row["ended"]))
        for intervals in slots.values():
            assert all(before[1] <= after[0] for before, after in pairwise(sorted(intervals)))
        assert set(slots) == set(range(most_at_once(expected[worker])))


def logged_apps(name: str) -> Counter[str]:
    """Return how often tasks of each app came to a worker, by the app that parsl.log names."""
    found: Counter[str] = Counter()
    if name in HTEX:
        for log in (DATA / name).rglob("parsl.*log"):
            run = read_run(log.parent)
            apps = {(x.executor, x.executor_task): run.tasks[x.task] for x in run.launches}
            found.update(apps[x.executor, x.executor_task] for x in run.htex if x.event == "received")
    else:
        # Categories are the apps' names.
        text = (DATA / name / LOGS[name]).read_text()
        category = dict(re.findall(r" TASK (\d+) (?:WAITING|READY) (\w+) FIRST", text))
        libraries = set(re.findall(r" LIBRARY (\d+) ", text))
        running = re.findall(r" TASK (\d+) RUNNING ", text)
        found.update(category[task] for task in running if task not in libraries)
    return found


@every_sample
def test_apps_on_the_slots_are_those_of_the_log(databases: dict[str, Path], name: str) -> None:
    rows = select(databases[name], "SELECT app, count(*) AS n FROM worker_slot_interval GROUP BY app")
    assert {row["app"]: row["n"] for row in rows} == logged_apps(name)


@every_sample
def test_slots_are_busy_or_idle(databases: dict[str, Path], name: str) -> None:
    expected, idle_of = stays(name), {}
    for worker, [row] in by_worker(databases[name], "SELECT * FROM worker_lifetime").items():
        gaps = select(databases[name], "SELECT * FROM slot_gap WHERE worker = :worker", worker=row["worker"])
        idle = sum(gap["slots"] * gap["duration"] for gap in gaps)
        busy = sum(b - a for a, b in expected[worker])
        slot_seconds = row["slots"] * row["duration"]
        assert busy + idle == pytest.approx(slot_seconds, abs=1e-5)
        assert row["slot_utilisation"] == pytest.approx(busy / slot_seconds)
        assert all(gap["duration"] > 0 and gap["slots"] >= 1 for gap in gaps)
        assert {row["executor"], row["block"]} == {*{gap["executor"] for gap in gaps}, *{g["block"] for g in gaps}}
        idle_of[row["worker_key"]] = slot_seconds - busy
    shown = [idle_of[row["worker"]] for row in queries.rows(databases[name], "workers")]
    assert shown == sorted(idle_of.values(), reverse=True)


def test_crowded_slots_are_busy_or_idle(crowded: Path) -> None:
    for row in select(crowded, "SELECT * FROM worker_lifetime"):
        number = int(row["worker_key"][-1])
        intervals = crowded_stays(crowded, number)
        [gaps] = select(
            crowded, "SELECT sum(slots * duration) AS idle FROM slot_gap WHERE worker = :worker", worker=row["worker"]
        )
        assert row["slots"] == max(most_at_once(intervals), 8 * number)
        assert row["busy"] == pytest.approx(busy_seconds(intervals))
        slot_seconds = row["slots"] * (400 - 2 * number)
        assert row["task_seconds"] + gaps["idle"] == pytest.approx(slot_seconds)
        assert row["slot_utilisation"] == pytest.approx(sum(b - a for a, b in intervals) / slot_seconds)
    layers = queries.rows(crowded, "gap_layers")
    slots = [max(most_at_once(crowded_stays(crowded, number)), 8 * number) for number in range(3)]
    total = sum(count * (400 - 2 * number) for number, count in enumerate(slots))
    assert sum(row["slot_seconds"] for row in layers) == pytest.approx(total)
    assert {row["slots"] for row in layers} == {sum(slots)}


def crowded_stays(database: Path, number: int | None = None) -> Intervals:
    """Return when tasks ran on a worker of the made-up run, or on all, by their events."""
    rows = select(
        database,
        """SELECT spans.key, max(iif(name = 'RUNNING', time, 0)) AS began, max(time) AS ended
           FROM spans JOIN events ON span = spans.id JOIN event_types ON event_types.id = events.type
           WHERE spans.key LIKE :like AND attributes LIKE '%category%' GROUP BY spans.id""",
        like="m/%" if number is None else f"m/{number}.%",
    )
    assert rows
    return [(row["began"], row["ended"]) for row in rows]


def test_slots_of_a_manager_are_its_cores_over_those_of_its_tasks(databases: dict[str, Path]) -> None:
    for name in (WORK_QUEUE, TASKVINE):
        text = (DATA / name / LOGS[name]).read_text()
        [cores] = set(re.findall(r' WORKER \S+ RESOURCES .*"cores":\[(\d+),', text))
        taken = {int(n) for n in re.findall(r' TASK \d+ RUNNING .*"cores":\[(\d+),', text)} - {0}
        [row] = select(databases[name], "SELECT slots FROM worker_place")
        [intervals] = stays(name).values()
        assert row["slots"] == max(int(cores) // min(taken), most_at_once(intervals))


@pytest.mark.parametrize("cores", [-1, 0, "many", 1e300, 1e-300, None])
def test_slots_by_cores_that_no_machine_has_are_those_in_use(tmp_path: Path, cores: object) -> None:
    path = tmp_path / "dnpc.sqlite3"
    with closing(sqlite3.connect(path)) as conn:
        make_run(conn)
        for number, (of_worker, of_task) in enumerate([(cores, 1), (2, cores)]):
            worker = add(conn, "workqueue.worker", f"m/{number}", [(0.0, "CONNECTION")], cores=of_worker)
            events = [(1.0, "RUNNING"), (2.0, "WAITING_RETRIEVAL")]
            add(conn, "workqueue.task", f"m/{number}.1", events, worker, cores=of_task)
        worker_stays.update(conn, [1])
        totals.update(conn, [1])
        conn.commit()
    assert select(path, "SELECT slots FROM worker_place ORDER BY worker_key") == [{"slots": 1}, {"slots": 2}]


def test_dropped_run_leaves_no_stays(databases: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(databases[WORK_QUEUE].read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        [run] = conn.execute("SELECT DISTINCT run FROM worker_place").fetchone()
        before = sorted(conn.execute("SELECT * FROM stays").fetchall())
        worker_stays.update(conn, [run])
        totals.update(conn, [run])
        assert sorted(conn.execute("SELECT * FROM stays").fetchall()) == before != []
        worker_stays.forget(conn, run)
        assert conn.execute("SELECT count(*) FROM stays").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM worker_slots").fetchone() == (0,)


# What slots waited for.


@every_sample
def test_layers_of_a_gap_add_up_to_it(databases: dict[str, Path], name: str) -> None:
    rows = select(databases[name], "SELECT * FROM slot_gap_layer")
    gaps = select(databases[name], "SELECT * FROM slot_gap")
    assert len(rows) == len(gaps) > 0
    for row in rows:
        assert sum(row[layer] for layer in LAYERS) == pytest.approx(row["duration"], abs=1e-9)
        assert min(row[layer] for layer in LAYERS) >= -1e-9
        assert (row["no_task"] > 0) == (row["span_after"] is None)
        main = max(LAYERS, key=lambda layer: float(row[layer]))
        assert row[main] == row[f"in_{row['layer']}" if main.startswith("in_") else row["layer"].replace(" ", "_")]


def sent_and_launched(run: Run) -> dict[str, tuple[float, float]]:
    """Return executor task to when Parsl launched it, as its state says, and when the interchange sent it.

    Of tasks with one try only: what befalls another try is of that.
    """
    tries = Counter(launch.task for launch in run.launches)
    launched = {x.task: x.time for x in run.states if x.state == "launched"}
    sent = {(x.executor, x.executor_task): x.time for x in run.htex if x.event == "sent"}
    return {
        f"{x.executor}/{x.executor_task}": (launched[x.task], sent[x.executor, x.executor_task])
        for x in run.launches
        if x.executor_task is not None and tries[x.task] == 1 and (x.executor, x.executor_task) in sent
    }


@pytest.mark.parametrize("name", HTEX)
def test_gap_is_dispatch_once_the_interchange_has_sent_the_next_task(databases: dict[str, Path], name: str) -> None:
    times: dict[str, tuple[float, float]] = {}
    for log in (DATA / name).rglob("parsl.*log"):
        times |= sent_and_launched(read_run(log.parent))
    sql = "SELECT slot_gap_layer.*, key FROM slot_gap_layer JOIN spans ON spans.id = span_after"
    checked = 0
    for row in select(databases[name], sql):
        if row["key"] in times:
            launched, sent = times[row["key"]]
            dispatch = seconds_in([(sent, row["ended"])], row["began"], row["ended"])
            assert row["in_dispatch"] == pytest.approx(dispatch, abs=1e-6)
            # Monitoring may say a little earlier than the log that the task is launched.
            queue = seconds_in([(launched, sent)], row["began"], row["ended"])
            assert row["in_queue"] == pytest.approx(queue, abs=0.02)
            checked += 1
    assert checked > 5


def test_gap_before_a_task_of_a_manager_alone_is_queue_once_it_has_it(crowded: Path) -> None:
    sql = """SELECT slot_gap_layer.*, spans.began AS waits
             FROM slot_gap_layer JOIN spans ON spans.id = span_after"""
    rows = select(crowded, sql)
    assert len(rows) > 100
    for row in rows:
        early = seconds_in([(row["began"], row["waits"])], row["began"], row["ended"])
        assert row["not_submitted"] == pytest.approx(early)
        assert row["in_queue"] == pytest.approx(row["duration"] - early)


@every_sample
def test_layers_of_all_gaps_and_busy_make_slots_times_lifetime(databases: dict[str, Path], name: str) -> None:
    lifetimes = select(databases[name], "SELECT executor, slots, duration FROM worker_lifetime")
    executors = {row["executor"] for row in lifetimes}
    rows = queries.rows(databases[name], "gap_layers")
    assert {row["executor"] for row in rows} == executors
    busy = sum(b - a for intervals in stays(name).values() for a, b in intervals)
    assert sum(row["slot_seconds"] for row in rows if row["layer"] == "busy") == pytest.approx(busy)
    for executor in executors:
        own = queries.rows(databases[name], "gap_layers", executor=executor)
        assert own == [row | {"of_rows": len(own)} for row in rows if row["executor"] == executor]
        of_one = [row for row in lifetimes if row["executor"] == executor]
        assert sum(x["slot_seconds"] for x in own) == pytest.approx(sum(x["slots"] * x["duration"] for x in of_one))
        assert sum(x["share"] for x in own) == pytest.approx(100, abs=0.01)
        assert {x["slots"] for x in own} == {sum(x["slots"] for x in of_one)}


@every_sample
def test_longest_gaps_are_those_of_the_logs(databases: dict[str, Path], name: str) -> None:
    gaps = []
    for intervals in stays(name).values():
        # In these runs a worker has one task at a time.
        assert most_at_once(intervals) == 1
        gaps += [b[0] - a[1] for a, b in pairwise(sorted(intervals)) if b[0] > a[1]]
    rows = queries.rows(databases[name], "worker_gaps", rows=900)
    assert [row["duration"] for row in rows] == pytest.approx(sorted(gaps, reverse=True)[:900])
    assert {row["of_rows"] for row in rows} == {len(gaps)}
    for row in rows:
        split = json.loads(row["seconds_by_layer"])
        assert sum(split.values()) == pytest.approx(row["duration"], abs=1e-5)
        assert split[row["layer"]] == max(split.values())
    app = min(logged_apps(name))
    of_app = queries.rows(databases[name], "worker_gaps", rows=900, app=app)
    sql = "SELECT key FROM worker_slot_interval JOIN spans ON spans.id = span WHERE app = :app"
    keys = {row["key"] for row in select(databases[name], sql, app=app)}
    assert of_app and of_app == [
        row | {"label": found["label"], "of_rows": len(of_app)}
        for row, found in zip([row for row in rows if row["task_after"] in keys], of_app, strict=True)
    ]


# Blocks.


def first_and_last(paths: list[Path]) -> tuple[float, float]:
    """Return the first and last time of any record in these logs."""
    times = [record.time for path in paths for record in read_records(path)]
    return min(times), max(times)


@pytest.mark.parametrize("name", HTEX)
def test_blocks_are_those_of_the_logs(databases: dict[str, Path], name: str) -> None:
    [parsl_log] = (DATA / name).rglob("parsl.*log")
    text = parsl_log.read_text()
    rows = {(row["executor"], row["block"]): row for row in queries.rows(databases[name], "blocks")}
    folders = {path.parents[0].name: path for path in parsl_log.parent.glob("*/block-*/")}
    assert folders
    jobs = re.findall(r"\[Scaling executor (\S+)\].*Launched block (\d+) with job ID (\d+)", text)
    assert {(executor, block): job for executor, block, job in jobs} == {key: row["job"] for key, row in rows.items()}
    by_block: dict[tuple[str, str], Intervals] = defaultdict(list)
    managers = {log.parent.name: log.parts[-4:-2] for log in parsl_log.parent.glob("*/block-*/*/manager.*log")}
    for worker, intervals in stays(name).items():
        executor, folder = managers[worker.split("/")[0]]
        by_block[executor, folder.removeprefix("block-")] += intervals
    for (executor, block), row in rows.items():
        folder = parsl_log.parent / executor / f"block-{block}"
        intervals = by_block[executor, block]
        logs = sorted(folder.glob("*/worker_*.*log"))
        assert (row["managers"], row["workers"]) == (len(list(folder.glob("*/manager.*log"))), len(logs))
        assert row["tasks"] == len(intervals)
        busy = sum(b - a for a, b in intervals)
        assert row["busy_slot_seconds"] == pytest.approx(busy)
        assert row["busy_slot_seconds"] + row["idle_slot_seconds"] == pytest.approx(row["slots"] * row["duration"])
        assert row["utilisation"] == pytest.approx(busy / row["slots"] / row["duration"])
        pattern = rf"^([\d.]+) .*\[Scaling executor {executor}\].*Allocated block ID {block}$"
        [allocated] = re.findall(pattern, text, re.MULTILINE)
        began = float(allocated) + row["queue_wait"]
        # Monitoring's RUNNING may come before the manager's log begins, and the manager's first record is no event.
        assert float(allocated) < began <= min(a for a, _ in intervals)
        assert began == pytest.approx(first_and_last([*folder.glob("*/manager.*log"), *logs])[0], abs=1.5)
        assert row["unused_before"] == pytest.approx(min(a for a, _ in intervals) - began, abs=1e-5)
        ended = began + row["duration"]
        assert row["unused_after"] == pytest.approx(ended - max(b for _, b in intervals), abs=1e-5)
        marked = re.findall(rf"^([\d.]+) .*Marking block {block} as SCALED_IN", text, re.MULTILINE)
        assert (row["state"] == "scaled_in") == bool(marked)
        assert not marked or ended >= min(map(float, marked)) - 1e-5


def test_block_of_which_only_monitoring_tells(tmp_path: Path) -> None:
    source = DATA / WORK_QUEUE / "monitoring.db"
    with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
        [(tries, executor)] = conn.execute("SELECT count(*), min(task_executor) FROM try WHERE block_id IS NOT NULL")
        [(requested, ended)] = conn.execute("SELECT min(timestamp), max(timestamp) FROM block")
        [(job,)] = conn.execute("SELECT DISTINCT job_id FROM block")
        [(running,)] = conn.execute(
            "SELECT min(timestamp) FROM status JOIN try USING (run_id, task_id, try_id)"
            " WHERE task_status_name = 'running' AND block_id IS NOT NULL"
        )
        [(polled,)] = conn.execute("SELECT min(timestamp) FROM block WHERE status = 'RUNNING'")
    started = min(running, polled)
    import_logs(tmp_path / "x.sqlite3", source, finish=create_views)
    [row] = queries.rows(tmp_path / "x.sqlite3", "blocks")
    assert (row["tasks"], row["executor"], row["job"], row["workers"]) == (tries, executor, job, 0)
    assert row["queue_wait"] == pytest.approx(seconds_between(requested, started), abs=1e-5)
    assert row["duration"] >= seconds_between(started, ended) - 1e-5
    assert row["busy_slot_seconds"] is row["idle_slot_seconds"] is row["utilisation"] is None


def test_block_lives_as_long_as_anything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "dnpc.sqlite3"
    with closing(sqlite3.connect(path)) as conn:
        make_run(conn)
        block = add(conn, "parsl.rundir.block", "x/0", [(5.0, "allocated"), (10.0, "scaled_in")], job="17")
        add(conn, "parsl.monitoring.block", "x/0", [(5.0, "PENDING"), (9.0, "RUNNING"), (10.0, "SCALED_IN")])
        add(conn, "parsl.rundir.block", "x/1", [(6.0, "allocated")])
        worker = add(conn, "workqueue.worker", "m/w", [(7.0, "CONNECTION"), (9.0, "DISCONNECTION")], block, cores=2)
        add(conn, "workqueue.task", "m/1", [(8.0, "RUNNING"), (12.0, "WAITING_RETRIEVAL")], worker)
        worker_stays.update(conn, [1])
        totals.update(conn, [1])
        conn.commit()
    rows = {row["block"]: row for row in queries.rows(path, "blocks")}
    figures = ("queue_wait", "duration", "slots", "tasks", "busy_slot_seconds", "idle_slot_seconds", "utilisation")
    assert [rows["0"][name] for name in figures] == [2, 5, 2, 1, 4, 6, 0.4]
    assert (rows["0"]["unused_before"], rows["0"]["unused_after"], rows["0"]["state"]) == (1, 0, "scaled_in")
    assert [rows["1"][name] for name in figures] == [None, None, 0, 0, None, None, None]
    assert rows["1"]["state"] is rows["1"]["began_iso"] is None


def seconds_between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


# Over time.


@every_sample
@pytest.mark.parametrize("by", ["", "executor", "block", "worker"])
def test_busy_slots_over_time_are_those_of_the_stays(databases: dict[str, Path], name: str, by: str) -> None:
    rows = queries.rows(databases[name], "utilisation", by=by, bins=50)
    intervals = [interval for found in stays(name).values() for interval in found]
    by_time: dict[float, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_time[row["time"]].append(row)
    assert len(by_time) == 50
    for time, found in by_time.items():
        seconds = found[0]["seconds"]
        busy = sum(row["busy"] * row["seconds"] for row in found)
        assert busy == pytest.approx(seconds_in(intervals, time, time + seconds), abs=1e-5)
        assert all(row["busy"] <= row["slots"] + 1e-9 for row in found)
    lifetimes = select(databases[name], "SELECT sum(slots * duration) AS seconds FROM worker_lifetime")
    assert sum(row["slots"] * row["seconds"] for row in rows) == pytest.approx(lifetimes[0]["seconds"])
    key = {"block": "executor || '/' || block", "worker": "worker_key"}.get(by, "executor")
    labels = select(databases[name], f"SELECT DISTINCT {key} AS label FROM worker_lifetime")
    assert {row["label"] for row in rows} == {row["label"] for row in labels}


def test_many_labels_have_fewer_parts(crowded: Path) -> None:
    rows = queries.rows(crowded, "utilisation", by="worker", bins=5000)
    assert Counter(row["label"] for row in rows) == dict.fromkeys((f"m/worker-{n}" for n in range(3)), 300)


# Gantt.


def lanes(rows: Rows) -> dict[str, Intervals]:
    """Return when the rows of each lane began and ended, in order of their beginnings."""
    found: dict[str, Intervals] = defaultdict(list)
    for row in rows:
        found[row["lane"]].append((row["began"], row["ended"]))
    return {lane: sorted(intervals) for lane, intervals in found.items()}


@every_sample
def test_gantt_of_few_stays_has_a_row_for_each(databases: dict[str, Path], name: str) -> None:
    rows = queries.rows(databases[name], "worker_gantt")
    expected = sorted(interval for found in stays(name).values() for interval in found)
    assert sorted((row["began"], row["ended"]) for row in rows) == expected
    assert {row["stays"] for row in rows} == {1} and {row["of_stays"] for row in rows} == {len(expected)}
    assert {row["of_lanes"] for row in rows} == {len(stays(name))} == {len(lanes(rows))}
    assert Counter(row["app"] for row in rows) == logged_apps(name)
    assert all(row["busy"] == row["duration"] and row["task"] and row["uuid"] for row in rows)


@pytest.mark.parametrize("wanted", [1, 60, 100, 200, 440])
def test_what_lies_close_together_is_one_row(crowded: Path, wanted: int) -> None:
    whole = queries.rows(crowded, "worker_gantt", rows=10000)
    rows = queries.rows(crowded, "worker_gantt", rows=wanted)
    assert len(whole) == 450 and len(rows) < 450
    assert len(rows) <= max(wanted, 3 * len(lanes(whole)))
    assert sum(row["stays"] for row in rows) == rows[0]["of_stays"] == 450
    assert sum(row["busy"] for row in rows) == pytest.approx(sum(row["duration"] for row in whole))
    assert any(row["stays"] > 1 for row in rows)
    for lane, pieces in lanes(rows).items():
        assert all(before[1] <= after[0] for before, after in pairwise(pieces))
        of_lane = [row for row in whole if row["lane"] == lane]
        for row in (row for row in rows if row["lane"] == lane):
            inside = [x for x in of_lane if row["began"] <= x["began"] and x["ended"] <= row["ended"]]
            assert len(inside) == row["stays"]
            assert (row["began"], row["ended"]) == (inside[0]["began"], max(x["ended"] for x in inside))
            seconds: Counter[str] = Counter()
            for one in inside:
                seconds[one["app"]] += one["duration"]
            assert row["apps"] == len(seconds)
            assert seconds[row["app"]] == pytest.approx(max(seconds.values()))
            assert (row["task"] is None) == (row["uuid"] is None) == (row["stays"] > 1)
    # The long one, a row of its own whatever is around it, unless everything is in three pieces.
    if wanted > 60:
        assert any(row["stays"] == 1 and row["duration"] > 150 for row in rows)


def test_gantt_of_a_choice(crowded: Path) -> None:
    whole = queries.rows(crowded, "worker_gantt", rows=10000)

    def chosen(**params: object) -> list[tuple[Any, Any]]:
        return sorted(
            (row["task"], row["began"]) for row in queries.rows(crowded, "worker_gantt", rows=10000, **params)
        )

    def kept(condition: Any) -> list[tuple[Any, Any]]:
        return sorted((row["task"], row["began"]) for row in whole if condition(row))

    zero = whole[0]["began"] - whole[0]["since_run_began"]
    assert zero == pytest.approx(1000)
    assert chosen(app="a") == kept(lambda row: row["app"] == "a")
    assert chosen(worker="m/worker-1") == kept(lambda row: row["worker"] == "m/worker-1")
    assert chosen(from_seconds="200") == kept(lambda row: row["ended"] >= 1200)
    assert chosen(to_seconds="200") == kept(lambda row: row["began"] <= 1200)
    assert chosen(from_seconds="150", to_seconds=150.5) == kept(
        lambda row: row["ended"] >= 1150 and row["began"] <= 1150.5
    )
    assert chosen(first_lane="3", lanes="2") == kept(lambda row: row["lane_number"] in (3, 4))
    assert chosen(executor="none such") == chosen(run="none such") == []
    assert chosen(run=RUN) == kept(lambda row: True)
    assert [row["lane_number"] for row in whole] == sorted(row["lane_number"] for row in whole)


def test_lanes_are_in_order_of_their_numbers(databases: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "many.sqlite3"
    with closing(sqlite3.connect(path)) as conn:
        make_run(conn)
        for number in range(12):
            worker = add(conn, "parsl.executor.htex.worker", f"m/{number}", [(1, "started")], executor="x", block="0")
            events = [(2.0, "worker_received_task"), (3.0, "worker_all_finished_task")]
            add(conn, "parsl.executor.htex.worker.task", f"x/{number}", events, worker)
        worker_stays.update(conn, [1])
        totals.update(conn, [1])
        conn.commit()
    rows = queries.rows(path, "worker_gantt")
    assert [row["lane"] for row in rows] == [f"x/0 m/{number}" for number in range(12)]


# The same figures everywhere.


def printed(name: str, database: Path, *options: str) -> Rows:
    """Return the rows that the command prints."""
    found: Rows = json.loads(dnpc(name, "--db", database, "--format", "json", *options).stdout)
    return found


def texts(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


def boxes(ax: Axes) -> list[tuple[float, float, float]]:
    """Return the place, the left and the right of each box."""
    found = []
    for collection in ax.collections:
        assert isinstance(collection, PolyCollection)
        for path in collection.get_paths():
            box = path.get_extents()
            found.append((round((box.ymin + box.ymax) / 2), float(box.xmin), float(box.xmax)))
    return sorted(found)


@pytest.mark.parametrize("wanted", ["100", "900"])
def test_gantt_agrees_with_query_and_command(crowded: Path, ax: Axes, wanted: str) -> None:
    rows = queries.rows(crowded, "worker_gantt", rows=wanted)
    assert printed("worker-gantt", crowded, "--rows", wanted) == rows
    plots.gantt(crowded, "worker_gantt", {"rows": wanted}, ax=ax)
    expected = [(r["lane_number"] - 1, r["since_run_began"], r["since_run_began"] + r["duration"]) for r in rows]
    assert np.array(boxes(ax)) == pytest.approx(np.array(sorted(expected)))
    merged = sum(row["stays"] > 1 for row in rows)
    assert texts(ax).startswith(f"{len(rows)} rows, 450 of 450 stays of tasks")
    assert (f"; {merged} rows are several" in texts(ax)) == (merged > 0) == (wanted == "100")
    assert [label.get_text() for label in ax.get_yticklabels()] == list(dict.fromkeys(row["lane"] for row in rows))
    opacity = [alpha for collection in ax.collections for alpha in np.asarray(collection.get_facecolor())[:, 3]]
    share = [max(0.25, row["busy"] / row["duration"]) for row in rows]
    assert sorted(opacity) == pytest.approx(sorted(share))


def test_gantt_says_what_it_leaves_out(crowded: Path, ax: Axes) -> None:
    plots.gantt(crowded, "worker_gantt", {"lanes": 2}, ax=ax)
    rows = queries.rows(crowded, "worker_gantt")
    shown = sum(row["lane_number"] < 3 for row in rows)
    lanes_there = rows[0]["of_lanes"]
    assert f"{shown} of 450 stays of tasks" in texts(ax) and f"; 2 of {lanes_there} lanes" in texts(ax)


def test_gantt_of_other_rows(ax: Axes) -> None:
    rows = [
        {"lane": "a", "began": 1.8e9, "ended": 1.8e9 + 4},
        {"lane": "b", "began": 1.8e9 + 1, "ended": None},
        {"lane": "b", "began": 1.8e9 + 2, "ended": 1.8e9 + 2},
    ]
    plots.gantt(rows, ax=ax)
    assert boxes(ax) == [(0, 0, 4), (1, 2, 2)]
    assert texts(ax) == "2 of 3 rows; left out 1 where ended is NULL"
    assert ax.get_xlabel() == "seconds since 2027-01-15T08:00:00.000000Z"


def test_names_of_many_lanes_have_no_room(ax: Axes) -> None:
    plots.gantt([{"lane": str(n), "began": n, "duration": 1} for n in range(50)], ax=ax)
    assert len(ax.get_yticks()) == 0 and ax.get_ylabel() == "50 slots of workers"


@pytest.mark.parametrize("by", ["executor", "worker"])
def test_utilisation_agrees_with_query_and_command(crowded: Path, ax: Axes, by: str) -> None:
    rows = queries.rows(crowded, "utilisation", by=by, bins=20)
    assert printed("utilisation", crowded, "--by", by, "--bins", "20") == rows
    plots.utilisation(crowded, "utilisation", {"by": by, "bins": 20}, ax=ax)
    busy = sum(row["busy"] * row["seconds"] for row in rows)
    total = sum(b - a for a, b in crowded_stays(crowded))
    assert busy == pytest.approx(total)
    [line] = ax.lines
    edges, slots = (np.asarray(values, float) for values in (line.get_xdata(), line.get_ydata()))
    assert (np.diff(edges) * slots[:-1]).sum() == pytest.approx(sum(row["slots"] * row["seconds"] for row in rows))
    # Areas of steps, one above the other: the highest of all at a time is what is busy then.
    tops = dict.fromkeys(edges[:-1], 0.0)
    for row in rows:
        tops[min(tops, key=lambda edge: abs(edge - row["since_run_began"]))] += row["busy"]
    highest = max(area.get_datalim(ax.transData).ymax for area in ax.collections)
    assert highest == pytest.approx(max(tops.values()))
    assert len(ax.collections) == len({row["label"] for row in rows})
    assert (
        f"{len(rows)} rows; {100 * total / (np.diff(edges) * slots[:-1]).sum():.3g} % busy: {total:,.1f} of"
        in texts(ax)
    )


def test_labels_beyond_the_first_are_one_area(ax: Axes) -> None:
    rows = [
        {"label": f"x{n:02}", "since_run_began": t, "seconds": 5, "slots": 2, "busy": 1}
        for n in range(12)
        for t in (0, 5)
    ]
    plots.utilisation(rows, ax=ax)
    assert len(ax.collections) == 10
    assert max(area.get_datalim(ax.transData).ymax for area in ax.collections) == 12
    legend = ax.get_legend()
    assert legend is not None and "busy: 3 others" in [text.get_text().strip() for text in legend.get_texts()]


def test_labels_without_a_row_are_said(ax: Axes) -> None:
    rows = [{"label": "a", "since_run_began": 0.0, "seconds": 1.0, "slots": 1.0, "busy": 0.5, "of_labels": 901}]
    plots.utilisation(rows, ax=ax)
    assert "1 rows, 1 of 901 labels; 50 % busy" in " ".join(text.get_text() for text in ax.texts)


def test_blocks_agree_with_command_and_plot(databases: dict[str, Path], ax: Axes) -> None:
    database = databases["two-htex"]
    rows = queries.rows(database, "blocks")
    assert printed("blocks", database) == rows and len(rows) == 2
    plots.gantt(database, "blocks", ax=ax)
    expected = [(n, r["since_run_began"], r["since_run_began"] + r["duration"]) for n, r in enumerate(rows)]
    assert np.array(boxes(ax)) == pytest.approx(np.array(expected))
    [one] = queries.rows(database, "blocks", executor="gpu")
    assert one == next(row | {"of_rows": 1} for row in rows if row["executor"] == "gpu")


@pytest.mark.parametrize("name", ["workers", "gap_layers", "worker_gaps"])
def test_tables_agree_with_command(databases: dict[str, Path], name: str) -> None:
    database = databases["two-htex"]
    for options in ({}, {"executor": "gpu"}):
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        rows = queries.rows(database, name, **options)
        assert printed(name.replace("_", "-"), database, *words) == rows
        assert {row["executor"] for row in rows} == ({"gpu"} if options else {"cpu", "gpu"})
