"""One row for each Parsl task, and the queries on it, against what simple code finds in the logs themselves."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from datasette.app import Datasette
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from datasette_dnpc import plots, queries
from datasette_dnpc.sql_files import create_views
from importers import sequences, totals
from importers.cli import main
from importers.keys import surrogate_key
from importers.schema import create_indexes, create_tables
from tests.imports import import_logs, query, readable
from tests.managers import LABELS, LOGS, TASKVINE, WORK_QUEUE, launches, log_alone, run_folder, told
from tests.runs import DATA, State, find_log, read_monitoring, read_run
from tests.small_runs import SmallRuns, of

HTEX = ("htex-chicago", "htex-crash", "two-htex", "runinfo")
SAMPLES = (*HTEX, WORK_QUEUE, TASKVINE)
LAYERS = ("in_submit", "in_retry", "in_queue", "in_transfer", "in_dispatch", "in_run", "in_return")
OUTCOME = {"exec_done": "done", "memo_done": "memoized", "failed": "failed", "dep_fail": "dependency failed"}

every_sample = pytest.mark.parametrize("name", SAMPLES)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database of each sample, with the views."""
    folder, made = tmp_path_factory.mktemp("samples"), {}
    for name in SAMPLES:
        made[name] = with_views(folder / f"{name}.sqlite3", DATA / name)
    return made


def with_views(database: Path, *paths: Path) -> Path:
    import_logs(database, *paths)
    with closing(sqlite3.connect(database)) as conn:
        create_views(conn)
        conn.commit()
    return database


def select(database: Path, sql: str) -> Rows:
    with closing(sqlite3.connect(database)) as conn:
        return queries.select(conn, sql).dicts()


class Logged(NamedTuple):
    """What the logs of one run say of its tasks."""

    run: str
    apps: dict[int, str]
    states: list[State]
    tries: dict[int, int]
    executors: dict[int, str]
    """Of the last try that was launched."""


@cache
def logged(name: str) -> list[Logged]:
    """Read each run of a sample, and what its monitoring.db knows beyond its log."""
    found = []
    monitored = read_monitoring(DATA / name / "monitoring.db") if (DATA / name / "monitoring.db").exists() else {}
    for directory in sorted((DATA / name).glob("0*")):
        if find_log(directory, "parsl") is None:
            continue
        run = read_run(directory)
        assert run.run_id
        tries = {(state.task, state.try_id) for state in run.states}
        states = list(run.states)
        if run.run_id in monitored:
            tries |= monitored[run.run_id].tries
            # Times play no part where they are not compared: what monitoring has more is the end.
            extra = monitored[run.run_id].state_counts() - run.state_counts()
            states += [State(float("inf"), task, number, state) for task, number, state in extra]
        last = {launch.task: launch.executor for launch in sorted(run.launches, key=lambda launch: launch.time)}
        found.append(Logged(run.run_id, run.tasks, states, Counter(task for task, _ in tries), last))
    return found


def outcomes(states: list[State], tasks: dict[int, str]) -> dict[int, str]:
    """Return the outcome of each task: by its last state, which only few can be."""
    last: dict[int, str] = {}
    for state in sorted(states, key=lambda state: (state.time, state.try_id)):
        last[state.task] = state.state
    return {task: OUTCOME.get(last.get(task, ""), "unfinished") for task in tasks}


@every_sample
def test_outcomes_apps_and_tries_are_those_of_the_logs(databases: dict[str, Path], name: str) -> None:
    rows = select(
        databases[name],
        """SELECT runs.key AS run_key, task_account.*
           FROM task_account JOIN runs ON runs.id = task_account.run""",
    )
    found = {(row["run_key"], int(row["key"])): row for row in rows}
    assert len(found) == len(rows)
    expected: dict[tuple[str, int], tuple[str, str, int]] = {}
    for run in logged(name):
        by_task = outcomes(run.states, run.apps)
        for task, app in run.apps.items():
            expected[run.run, task] = (app, by_task[task], run.tries.get(task, 0))
            # Of what was never launched, monitoring may name an executor.
            if task in run.executors:
                assert found[run.run, task]["executor"] == run.executors[task]
    assert {key: (row["app"], row["outcome"], row["tries"]) for key, row in found.items()} == expected


def test_every_outcome_is_in_the_samples() -> None:
    seen = {outcome for name in SAMPLES for run in logged(name) for outcome in outcomes(run.states, run.apps).values()}
    assert seen == {*OUTCOME.values(), "unfinished"}


@pytest.mark.parametrize("name", ["htex-chicago", "runinfo", WORK_QUEUE])
def test_outcomes_by_monitoring_alone(tmp_path: Path, name: str) -> None:
    database = with_views(tmp_path / "m.sqlite3", DATA / name / "monitoring.db")
    expected: Counter[tuple[str, str]] = Counter()
    source = sqlite3.connect(f"{(DATA / name / 'monitoring.db').resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    with closing(source) as monitoring:
        for run, task in monitoring.execute("SELECT run_id, task_id FROM task"):
            states = monitoring.execute(
                "SELECT task_status_name FROM status WHERE run_id = ? AND task_id = ?", [run, task]
            )
            ends = [OUTCOME[state] for (state,) in states if state in OUTCOME]
            expected[run, ends[-1] if ends else "unfinished"] += 1
    found: Counter[tuple[str, str]] = Counter()
    for row in queries.rows(database, "task_outcomes"):
        found[row["run"], row["outcome"]] += row["tasks"]
    assert expected and found == expected


@every_sample
def test_shares_of_outcomes_add_up(databases: dict[str, Path], name: str) -> None:
    shares: dict[tuple[str, str], float] = defaultdict(float)
    tasks = 0
    for row in queries.rows(databases[name], "task_outcomes"):
        shares[row["run"], row["app"]] += row["share"]
        tasks += row["tasks"]
    assert tasks == sum(len(run.apps) for run in logged(name))
    assert shares and all(share == pytest.approx(100) for share in shares.values())


@every_sample
def test_time_until_the_first_and_between_first_and_last_launch(databases: dict[str, Path], name: str) -> None:
    rows = select(
        databases[name],
        "SELECT runs.key AS run, task_layer.* FROM task_layer JOIN runs ON runs.id = task_layer.run_id",
    )
    layers = {(row["run"], int(row["key"])): row for row in rows}
    again = 0
    for run in logged(name):
        launched = defaultdict(list)
        for state in run.states:
            if state.state == "launched":
                launched[state.task].append(state.time)
        for task in run.apps:
            row = layers[run.run, task]
            assert min(row[layer] for layer in LAYERS) >= 0
            assert sum(row[layer] for layer in LAYERS) == pytest.approx(row["duration"], abs=1e-9)
            if not launched[task]:
                assert row["in_submit"] == row["duration"]
            elif float("inf") not in launched[task]:
                assert row["began"] + row["in_submit"] == pytest.approx(min(launched[task]), abs=1e-6)
                between = max(launched[task]) - min(launched[task])
                assert row["in_retry"] == pytest.approx(between, abs=1e-6)
                again += between > 0
    assert again or name == "htex-crash"


def test_transfer_and_run_are_those_of_the_log_of_work_queue(databases: dict[str, Path]) -> None:
    folder = run_folder(WORK_QUEUE, whole=False)
    log = told(folder / LOGS[WORK_QUEUE])
    # The sample's manager counts its tasks from 1 and Parsl from 0, as the tests of the joins find.
    tasks = {attempt.split("/")[0]: number + 1 for number, attempt in launches(folder / "000" / "parsl.log").items()}
    checked = 0
    for row in select(databases[WORK_QUEUE], "SELECT task_layer.*, tries FROM task_layer JOIN task_times USING (task)"):
        task = tasks.get(row["key"])
        if task is None or row["tries"] > 1:
            continue
        sent = min(time for time, _, words in log.transfers if words[:2] == ["INPUT", str(task)])
        states = {state: time for time, state, _ in reversed(log.states[task])}
        assert row["in_transfer"] == pytest.approx(max(0, states["RUNNING"] - sent), abs=1e-5)
        began = row["began"] + row["in_submit"] + row["in_queue"]
        assert began == pytest.approx(min(sent, states["RUNNING"]), abs=1e-5)
        assert row["in_run"] == pytest.approx(states["WAITING_RETRIEVAL"] - states["RUNNING"], abs=1e-5)
        checked += 1
    assert checked > 5


def test_unfinished_tasks_last_to_what_any_layer_tells_of_them(databases: dict[str, Path]) -> None:
    """As of a task that hangs on a worker: the workflow has nothing more of it than the launch."""
    [log] = (DATA / "htex-crash").rglob("parsl.log")
    run = read_run(log.parent)
    tasks = {(launch.executor, launch.executor_task): launch.task for launch in run.launches}
    latest = {launch.task: launch.time for launch in run.launches}
    on_worker: dict[int, float] = {}
    for event in run.htex:
        task = tasks.get((event.executor, event.executor_task))
        if task is not None:
            latest[task] = max(latest[task], event.time)
            if event.event == "received":
                on_worker[task] = max(event.time, on_worker.get(task, 0))
    rows = [
        row for row in select(databases["htex-crash"], "SELECT * FROM task_layer") if row["outcome"] == "unfinished"
    ]
    ran = 0
    for row in rows:
        task = int(row["key"])
        assert row["ended"] >= latest[task] - 1e-6
        assert sum(row[layer] for layer in LAYERS) == pytest.approx(row["duration"], abs=1e-9)
        if task in on_worker:
            assert row["ended"] - row["in_return"] - row["in_run"] == pytest.approx(on_worker[task], abs=1e-6)
            ran += row["in_run"] > 0
    assert rows and ran


@every_sample
def test_memoized_and_dependency_failed_tasks_were_never_launched(databases: dict[str, Path], name: str) -> None:
    for row in select(databases[name], "SELECT * FROM task_layer"):
        if row["outcome"] in ("memoized", "dependency failed"):
            assert row["in_submit"] == row["duration"] > 0


@pytest.mark.parametrize("name", HTEX)
def test_apps_and_executors_of_spans_are_those_of_the_log(databases: dict[str, Path], name: str) -> None:
    rows = select(
        databases[name],
        """SELECT runs.key AS run, span_types.name AS type, spans.key, app, executor
           FROM span_app JOIN spans ON spans.id = span_app.span JOIN span_types ON span_types.id = spans.type
           JOIN runs ON runs.id = span_app.run""",
    )
    found = {(row["run"], row["type"], row["key"]): (row["app"], row["executor"]) for row in rows}
    assert len(found) == len(rows)
    checked = Counter[str]()
    for directory in sorted((DATA / name).glob("0*")):
        run = read_run(directory)
        for launch in run.launches:
            # A log of two runs tells of the launches of both.
            if launch.task not in run.tasks or run.run_id is None:
                continue
            of_run = {(kind, key) for key_run, kind, key in found if key_run == run.run_id}
            expected = (run.tasks[launch.task], launch.executor)
            keys = [("parsl.rundir.try", f"{launch.task}/{launch.try_id}")]
            keys.append(("parsl.executor.htex.worker.task", f"{launch.executor}/{launch.executor_task}"))
            for kind, key in keys:
                if (kind, key) in of_run:
                    assert found[run.run_id, kind, key] == expected
                    checked[kind] += 1
    assert min(checked[kind] for kind in ("parsl.rundir.try", "parsl.executor.htex.worker.task")) > 5


def test_category_stands_for_the_app_where_there_is_no_task_of_parsl(tmp_path: Path) -> None:
    alone = log_alone(tmp_path)
    database = with_views(tmp_path / "alone.sqlite3", alone)
    states = told(alone).states
    expected = {str(task): next(rest[0] for _, state, rest in of if state == "WAITING") for task, of in states.items()}
    rows = select(
        database,
        """SELECT span_types.name AS type, spans.key, app FROM span_app JOIN spans ON spans.id = span_app.span
           JOIN span_types ON span_types.id = spans.type""",
    )
    tasks = {row["key"]: row["app"] for row in rows if row["type"] == "workqueue.task"}
    assert tasks == expected
    attempts = [row for row in rows if row["type"] == "workqueue.attempt"]
    assert all(row["app"] == expected[row["key"].split(".")[0]] for row in attempts)
    assert len(rows) == len(tasks) + len(attempts)


@every_sample
def test_every_app_and_executor_can_be_asked_for(databases: dict[str, Path], name: str) -> None:
    of_tasks = select(databases[name], "SELECT DISTINCT app, executor FROM task_account")
    for query_name in ("tasks", "task_outcomes", "task_layers", "dependencies", "failures"):
        for row in of_tasks:
            asked = {key: value for key, value in row.items() if value is not None}
            for answer in queries.rows(databases[name], query_name, **asked):
                assert answer["app"] == row["app"]
                if "executor" in answer and row["executor"] is not None:
                    assert answer["executor"] == row["executor"]
    total = queries.rows(databases[name], "tasks", rows=1)[0]["of_rows"]
    apps = {row["app"] for row in of_tasks}
    assert total == sum(queries.rows(databases[name], "tasks", rows=1, app=app)[0]["of_rows"] for app in apps)


def test_tasks_stand_slowest_first(databases: dict[str, Path]) -> None:
    rows = queries.rows(databases["runinfo"], "tasks")
    durations = [row["duration"] for row in rows]
    assert durations == sorted(durations, reverse=True)
    few = queries.rows(databases["runinfo"], "tasks", rows=3)
    assert few == rows[:3] and few[0]["of_rows"] == len(rows)
    failed = queries.rows(databases["runinfo"], "tasks", outcome="dependency failed")
    assert failed == [] or {row["outcome"] for row in failed} == {"dependency failed"}


# Dependencies.


def ends(database: Path) -> dict[tuple[str, str], float]:
    """Return when each task ended: the last event of it or its tries, in either account."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    rows = query(
        database,
        """SELECT runs.key, spans.key, events.time FROM events JOIN spans ON spans.id = span
           JOIN span_types ON span_types.id = spans.type JOIN runs ON runs.id = spans.run
           WHERE span_types.name IN ('parsl.rundir.task', 'parsl.rundir.try', 'parsl.monitoring.task',
                                     'parsl.monitoring.try')""",
    )
    for run, key, time in rows:
        task = key.split("/")[0]
        found[run, task] = max(found[run, task], time)
    return found


@every_sample
def test_slack_is_from_the_end_of_one_to_the_launch_of_the_other(databases: dict[str, Path], name: str) -> None:
    ended = ends(databases[name])
    rows = [row for row in queries.rows(databases[name], "dependencies", rows=900) if row["kind"] == "depends"]
    expected = {}
    for directory in sorted((DATA / name).glob("0*")):
        run = read_run(directory)
        launched: dict[int, float] = {}
        for state in run.states:
            if state.state == "launched":
                launched.setdefault(state.task, state.time)
        for task, needs in run.dependencies:
            if run.run_id and {task, needs} <= run.tasks.keys():
                run_key = run.run_id
                went_on = launched.get(task, ended[run_key, str(task)])
                all_needed = [ended[run_key, str(n)] for t, n in run.dependencies if t == task and n in run.tasks]
                gate = int(ended[run_key, str(needs)] == max(all_needed))
                expected[run_key, str(task), str(needs)] = (went_on - ended[run_key, str(needs)], gate)
    found = {(row["run"], row["task"], row["needs"]): (row["slack"], row["gate"]) for row in rows}
    assert expected and found.keys() == expected.keys()
    for edge, (slack, gate) in expected.items():
        assert found[edge] == (pytest.approx(slack, abs=1e-5), gate)


@pytest.mark.parametrize("name", ["runinfo", WORK_QUEUE, TASKVINE])
def test_inner_tasks_of_join_apps_are_those_of_monitoring(databases: dict[str, Path], name: str) -> None:
    expected = set()
    source = sqlite3.connect(f"{(DATA / name / 'monitoring.db').resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    with closing(source) as monitoring:
        for run, task, joins in monitoring.execute("SELECT run_id, task_id, task_joins FROM try"):
            expected |= {(run, str(task), inner) for inner in (joins or "").split(",") if inner}
    rows = queries.rows(databases[name], "dependencies", rows=900)
    known = {(row["run"], row["key"]) for row in select(databases[name], ACCOUNTS)}
    found = {(row["run"], row["task"], row["needs"]) for row in rows if row["kind"] == "joins"}
    assert found == {edge for edge in expected if {edge[::2], edge[:2]} <= known}
    assert found or name == "runinfo"
    ended = ends(databases[name])
    for row in rows:
        if row["kind"] == "joins":
            slack = ended[row["run"], row["task"]] - ended[row["run"], row["needs"]]
            assert row["slack"] == pytest.approx(slack, abs=1e-6)


ACCOUNTS = "SELECT runs.key AS run, task_account.key FROM task_account JOIN runs ON runs.id = task_account.run"


# Chains, of made-up runs.


class Made(NamedTuple):
    """A task: seconds that it runs, the numbers of those that it depends on, and of its inner tasks."""

    seconds: int
    depends: list[int]
    joins: list[int]


def build(conn: sqlite3.Connection, tasks: list[Made], run: int = 1, *, log: bool = True) -> None:
    """Fill a new database with a run of these tasks, which lasts as long as the longest of them."""
    kinds = ["parsl.monitoring.task", "parsl.monitoring.try", "parsl.rundir.task", "parsl.rundir.try"]
    events = ["invoked", "launched", "joining", "exec_done", "submitted"]
    if run == 1:
        create_tables(conn)
        create_indexes(conn)
        create_views(conn)
        conn.executemany("INSERT INTO span_types VALUES (?, ?)", enumerate(kinds, 1))
        conn.executemany("INSERT INTO event_types VALUES (?, ?)", enumerate(events, 1))
        conn.execute("INSERT INTO sources VALUES (1,'s','i','p','f',1,1,'f',1,1,0,0,1,'utc',1)")
    conn.execute("INSERT INTO runs VALUES (?, ?, ?, 0)", [run, f"run{run}", f"run {run}"])
    spans: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    nested, facets = [], []
    (span,) = conn.execute("SELECT coalesce(max(id), 0) FROM spans").fetchone()
    for number, task in enumerate(tasks):
        attributes = {"app": f"app{number % 3}"} | ({"depends": task.depends} if task.depends else {})
        ids = {}
        for kind in range(1, 5) if log else range(1, 3):
            span += 1
            ids[kind] = span
            own: dict[str, object] = dict(attributes) if kind % 2 else {"executor": "x"}
            if kind == 2 and task.joins:
                own["joins"] = task.joins
            key = str(number) if kind % 2 else f"{number}/0"
            uuid = surrogate_key(kinds[kind - 1], f"run{run}", key)
            ended = 100 + task.seconds
            of = [(0.0, 1 if kind == 1 else 5)] if kind % 2 else [(100.0, 2), (float(ended), 4)]
            if not kind % 2 and task.joins:
                of.insert(1, (float(ended), 3))
                of[2] = (ended + 50.0, 4)
            spans.append((span, uuid, kind, run, key, of[0][0], of[-1][0], json.dumps(own)))
            rows += [(span, time, event) for time, event in of]
            if not kind % 2:
                nested.append((ids[kind - 1], span, "0"))
        if log:
            facets += [(ids[1], ids[3]), (ids[2], ids[4])]
    conn.executemany(
        "INSERT INTO spans (id, uuid, type, run, key, began, ended, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", spans
    )
    conn.executemany("INSERT INTO events (span, time, type, n, source) VALUES (?, ?, ?, 0, 1)", rows)
    conn.executemany("INSERT INTO subspans VALUES (?, ?, ?, NULL)", nested)
    conn.executemany("INSERT INTO facets VALUES (?, ?, NULL)", facets)
    sequences.update(conn, [run], ["parsl.rundir.task", "parsl.monitoring.task"])
    totals.update(conn, [run])


def longest(tasks: list[Made]) -> list[float]:
    """Return for each task the seconds of its longest chain: after all that it depends on, and no less than inner."""

    @cache
    def of(number: int) -> float:
        task = tasks[number]
        after = max((of(other) for other in task.depends), default=0)
        return max(after + task.seconds, *(of(other) for other in task.joins), 0)

    return [of(number) for number in range(len(tasks))]


@st.composite
def graphs(draw: st.DrawFn) -> list[Made]:
    """Tasks that depend on, or join, any of the earlier ones; their numbers mixed."""
    count = draw(st.integers(1, 12))
    order = draw(st.permutations(range(count)))
    tasks: dict[int, Made] = {}
    for place, number in enumerate(order):
        earlier = list(order[:place])
        some = st.lists(st.sampled_from(earlier), unique=True, max_size=4) if earlier else st.just([])
        joins = draw(some) if draw(st.integers(0, 4)) == 0 else []
        tasks[number] = Made(draw(st.integers(0, 20)), draw(some), joins)
    return [tasks[number] for number in range(count)]


@settings(deadline=None, max_examples=60)
@given(graphs(), st.booleans())
def test_longest_chain_is_the_longest_of_all(tasks: list[Made], log: bool) -> None:
    with closing(sqlite3.connect(":memory:")) as conn:
        build(conn, tasks, log=log)
        expected = longest(tasks)
        rows = queries.rows(conn, "longest_chain")
        assert rows[-1]["total"] == max(expected)
        for number, seconds in enumerate(expected):
            chain = queries.rows(conn, "longest_chain", task=number)
            assert chain[-1]["task"] == str(number) and chain[-1]["total"] == seconds
            assert sum(row["seconds"] for row in chain) == seconds
            assert [row["position"] for row in chain] == list(range(1, chain[0]["of_tasks"] + 1))
            for before, after in pairwise(chain):
                task = tasks[int(after["task"])]
                assert int(before["task"]) in task.depends + task.joins
                assert after["seconds"] in (task.seconds, 0)
        assert rows[0]["makespan"] == max(100 + task.seconds + (50 if task.joins else 0) for task in tasks)


def test_long_chains_and_wide_graphs() -> None:
    """Ten thousand tasks in a row, and as many with ten dependencies each."""
    rng = random.Random(4)
    row = [Made(1 + number % 7, [number - 1] if number else [], []) for number in range(10_000)]
    wide = [
        Made(rng.randrange(9), rng.sample(range(max(0, number - 3000), number), min(number, 10)), [])
        for number in range(10_000)
    ]
    with closing(sqlite3.connect(":memory:")) as conn:
        build(conn, row, log=False)
        build(conn, wide, 2, log=False)
        chain = queries.rows(conn, "longest_chain", run="run1")
        assert (len(chain), chain[0]["of_tasks"]) == (900, 10_000)
        assert chain[-1]["total"] == sum(task.seconds for task in row)
        assert chain[0]["position"] == 9_101
        expected: list[int] = []
        for task in wide:
            expected.append(task.seconds + max((expected[other] for other in task.depends), default=0))
        assert queries.rows(conn, "longest_chain", run="run2")[-1]["total"] == max(expected)
        [first] = queries.rows(conn, "dependencies", run="run2", rows=1)
        assert first["of_rows"] == sum(len(task.depends) for task in wide)


def test_tasks_that_need_each_other_have_no_chain() -> None:
    tasks = [Made(3, [1], []), Made(4, [0], []), Made(5, [5], []), Made(6, [0], []), Made(7, [], []), Made(8, [4], [])]
    with closing(sqlite3.connect(":memory:")) as conn:
        build(conn, tasks)
        rows = queries.rows(conn, "longest_chain")
        assert [(row["task"], row["total"]) for row in rows] == [("4", 7), ("5", 15), ("2", 20)]
        [alone] = queries.rows(conn, "longest_chain", task=3)
        assert alone["total"] == 6


def test_tries_on_several_executors() -> None:
    """A span below a try has the executor of that try, and the task that of its last."""
    with closing(sqlite3.connect(":memory:")) as conn:
        build(conn, [Made(4, [], [])])
        conn.execute("INSERT INTO span_types VALUES (5, 'parsl.executor.htex.worker.task')")
        conn.executemany(
            "INSERT INTO spans (id, uuid, type, run, key, attributes) VALUES (?, ?, ?, 1, ?, ?)",
            [
                (5, "again", 4, "0/1", '{"executor": "y"}'),
                (6, "lost", 4, "0/2", None),
                (7, "first", 5, "x/1", None),
                (8, "second", 5, "y/1", None),
                # What the log says holds.
                (9, "other", 2, "0/1", '{"executor": "z"}'),
            ],
        )
        conn.executemany(
            "INSERT INTO subspans VALUES (?, ?, ?, NULL)", [(3, 5, "1"), (3, 6, "2"), (4, 7, ""), (5, 8, "")]
        )
        sequences.update(conn, [1], [])
        totals.update(conn, [1])
        assert conn.execute("SELECT tries, executor FROM task_account").fetchall() == [(3, "y")]
        found = dict(conn.execute("SELECT span, executor FROM span_app").fetchall())
        assert found == {1: "y", 3: "y", 2: "x", 4: "x", 5: "y", 6: "y", 7: "x", 8: "y"}


# Core-time.


def test_core_time_lost_on_htex_is_the_time_on_workers(databases: dict[str, Path]) -> None:
    checked = 0
    for name in ("htex-chicago", "two-htex"):
        [log] = (DATA / name).rglob("parsl.log")
        run = read_run(log.parent)
        on_worker: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
        for event in run.htex:
            if event.layer == "worker":
                on_worker[event.executor, event.executor_task][event.event] = event.time
        failed = {(state.task, state.try_id): state.state for state in run.states if "fail" in state.state}
        expected: dict[tuple[str, str, str], float] = defaultdict(float)
        for launch in run.launches:
            if state := failed.get((launch.task, launch.try_id)):
                times = on_worker[launch.executor, launch.executor_task]
                app = run.tasks[launch.task]
                expected[app, launch.executor, state] += times["completed"] - times["received"]
        found: dict[tuple[str, str, str], float] = defaultdict(float)
        for row in queries.rows(databases[name], "failures"):
            if row["state"] == "dep_fail":
                assert row["core_seconds"] == 0
            else:
                found[row["app"], row["executor"], row["state"]] += row["core_seconds"]
        assert found.keys() == expected.keys()
        for key, seconds in expected.items():
            assert found[key] == pytest.approx(seconds, abs=1e-3)
            checked += 1
    assert checked > 2


@pytest.mark.parametrize("name", [WORK_QUEUE, TASKVINE])
def test_core_time_lost_of_managers_is_time_running_times_cores(databases: dict[str, Path], name: str) -> None:
    folder = run_folder(name, whole=False)
    states = told(folder / LOGS[name]).states
    run = read_run(folder / "000")
    failed = {f"{state.task}/{state.try_id}" for state in run.states if state.state in ("failed", "fail_retryable")}
    # That the manager counts its tasks from 1 and Parsl from 0 is what tests of the joins find.
    expected = 0.0
    for executor_task, attempt in launches(folder / "000" / "parsl.log").items():
        if attempt not in failed or executor_task + 1 not in states:
            continue
        times: dict[str, list[float]] = defaultdict(list)
        cores = 0.0
        for time, state, rest in states[executor_task + 1]:
            times[state].append(time)
            if state == "RUNNING":
                cores = json.loads(" ".join(rest[2:]))["cores"][0]
        expected += cores * (max(times["WAITING_RETRIEVAL"]) - min(times["RUNNING"]))
    rows = queries.rows(databases[name], "failures", executor=LABELS[name])
    assert expected > 0
    assert sum(row["core_seconds"] for row in rows) == pytest.approx(expected, abs=1e-3)


# Kept with each import.


def test_only_the_runs_of_an_import_are_made_again(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    import_logs(database, DATA / "htex-chicago")
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute("UPDATE task_times SET app = 'as it was'")
        (marked,) = conn.execute("SELECT count(*) FROM task_times").fetchone()
    import_logs(database, DATA / "two-htex")
    counts = query(database, "SELECT sum(app = 'as it was'), sum(app <> 'as it was') > 0 FROM task_times")
    assert counts == [(marked, 1)]


def test_log_that_comes_after_monitoring_stands_for_its_tasks(tmp_path: Path) -> None:
    later, once = tmp_path / "later.sqlite3", tmp_path / "once.sqlite3"
    import_logs(later, DATA / WORK_QUEUE / "monitoring.db")
    before = query(later, "SELECT count(*), count(monitoring) FROM task_times")
    import_logs(later, DATA / WORK_QUEUE)
    import_logs(once, DATA / WORK_QUEUE)
    assert before[0][0] > 0 and before[0][1] == 0
    for table in ("task_times", "task_needs"):
        assert readable(later)[table] == readable(once)[table] != []
    assert (
        query(later, "SELECT count(*), count(DISTINCT key) FROM task_times JOIN spans ON id = task")[0]
        == before[0][:1] * 2
    )


@pytest.mark.parametrize(
    ("received", "completed", "layers"),
    [
        (4.0, 6.0, (1.0, 0.0, 3.0, 0.0, 0.0, 2.0, 2.0)),
        (0.5, 6.0, (1.0, 0.0, 0.0, 0.0, 0.0, 5.0, 2.0)),
        (4.0, 9.0, (1.0, 0.0, 3.0, 0.0, 0.0, 4.0, 0.0)),
        (9.0, 9.5, (1.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0)),
    ],
    ids=["in order", "run before the launch", "completed after the end", "all of it after the end"],
)
def test_layers_of_clocks_that_disagree_add_up(
    tmp_path: Path, received: float, completed: float, layers: tuple[float, ...]
) -> None:
    """Worker and run may be on different machines: a layer is in the task, and after the layer before."""
    runs = SmallRuns(tmp_path)
    task, try_, of_worker = "parsl.rundir.task", "parsl.rundir.try", "parsl.executor.htex.worker.task"
    at_worker = of("x/1", (received, "worker_received_task"), (completed, "worker_completed_task"))
    tried = of("0/0", (1.0, "launched"), (8.0, "exec_done"), executor="x", executor_task="1")
    runs.log("parsl", {task: [of("0", (0.0, "submitted"))], try_: [tried]}, [((task, "0"), (try_, "0/0"))])
    runs.log("worker", {of_worker: [at_worker]})
    runs.count(task)
    columns = "began, ended, in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return"
    assert query(runs.path, f"SELECT {columns} FROM task_times") == [(0.0, 8.0, *layers)]


# The same figures everywhere.


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples in one database."""
    return with_views(tmp_path_factory.mktemp("served") / "dnpc.sqlite3", DATA)


FIGURES = {
    "tasks": "duration",
    "task_outcomes": "tasks",
    "task_layers": "total",
    "failures": "tries",
    "dependencies": "slack",
    "longest_chain": "seconds",
    "critical_path": "seconds",
}


@pytest.fixture
def figure() -> Figure:
    return Figure()


PLOTS = dict.fromkeys(FIGURES, plots.stacked) | {
    "tasks": plots.ranking,
    "dependencies": None,
    "longest_chain": plots.chain,
    "critical_path": plots.chain,
}
"""What draws their bars, if anything does."""


def bars_of(ax: Axes) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", FIGURES)
async def test_sql_command_json_and_plot_agree(served: Path, figure: Figure, name: str) -> None:
    column = FIGURES[name]
    rows = queries.rows(served, name)
    assert rows
    result = CliRunner().invoke(main, [name.replace("_", "-"), "--db", str(served), "--format", "json"])
    assert json.loads(result.stdout) == rows
    datasette = Datasette([str(served)])
    response = await datasette.client.get(f"/dnpc/{name}.json?_shape=array")
    assert response.json() == rows
    if draw := PLOTS[name]:
        total = sum(row[column] for row in rows if row[column] is not None)
        assert sum(bar.get_width() for bar in bars_of(draw(served, name, ax=figure.add_subplot()))) == pytest.approx(
            total
        )


def test_stacked_bars_say_what_they_leave_out(figure: Figure) -> None:
    rows: Rows = [{"app": f"app{number:03}", "outcome": "done", "tasks": 1 + number} for number in range(60)]
    ax = plots.stacked([*rows, {"app": None, "outcome": "failed", "tasks": None}], ax=figure.add_subplot())
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == "app059" and len(names) == 40
    [said] = [text.get_text() for text in ax.texts]
    assert "60 of 61 rows" in said and "without the 20 shortest of 60 bars" in said
    assert sum(bar.get_width() for bar in bars_of(ax)) == sum(row["tasks"] for row in rows[20:])


def test_chain_says_of_how_many_tasks_it_is(figure: Figure) -> None:
    rows = [{"label": "a", "seconds": 2.0, "total": 5.0, "of_tasks": 7}]
    ax = plots.chain(rows, ax=figure.add_subplot())
    [bar] = bars_of(ax)
    assert (bar.get_x(), bar.get_width()) == (3.0, 2.0)
    assert any("a chain of 7 tasks" in text.get_text() for text in ax.texts)


def test_rows_that_make_no_bars_are_refused(figure: Figure) -> None:
    with pytest.raises(ValueError, match="app, outcome, tasks"):
        plots.stacked([{"app": "f", "seconds": 1}], ax=figure.add_subplot())
