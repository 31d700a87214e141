"""What is below and above spans, and times between two events, against what simple code finds in logs and raw rows."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from datasette_dnpc import plots, queries
from tests.raw_rows import Raw, Rows, agreed, imported, made_of, read_raw, select
from tests.runs import DATA, Run, read_run
from tests.synthetic import TASK, TRY

HTEX = "parsl.executor.htex."
SAMPLES = ("htex-chicago", "two-htex", "workqueue")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sample runs in one database."""
    return imported(tmp_path_factory.mktemp("samples") / "dnpc.sqlite3", *(DATA / name for name in SAMPLES))


@pytest.fixture(scope="module")
def raw(samples: Path) -> Raw:
    return read_raw(samples)


@pytest.fixture(scope="module")
def made(synthetic_db: Path) -> Raw:
    return read_raw(synthetic_db)


def log_of(name: str) -> Run:
    """Return what the logs of a sample run say, read without the importers."""
    [folder] = {log.parent for log in (DATA / name).glob("*/parsl.*log")}
    return read_run(folder)


def test_below_each_span_is_what_can_be_reached(samples: Path, raw: Raw) -> None:
    found: dict[int, dict[int, int]] = {}
    for row in select(samples, "SELECT root, span, depth, root_uuid, span_uuid, span_type FROM descendant"):
        found.setdefault(row["root"], {})[row["span"]] = row["depth"]
        uuids = (raw.uuids[row["root"]], raw.uuids[row["span"]])
        assert (row["root_uuid"], row["span_uuid"], row["span_type"]) == (*uuids, raw.types[row["span"]])
    assert found == {span: raw.below(span) for span in raw.types}
    assert max(depth for below in found.values() for depth in below.values()) >= 3


def test_above_each_span_is_what_can_be_reached(samples: Path, raw: Raw) -> None:
    found: dict[int, dict[int, int]] = {}
    for row in select(samples, "SELECT * FROM ancestor"):
        found.setdefault(row["span"], {})[row["ancestor"]] = row["depth"]
        uuids = (raw.uuids[row["span"]], raw.uuids[row["ancestor"]])
        assert (row["span_uuid"], row["ancestor_uuid"], row["ancestor_type"]) == (*uuids, raw.types[row["ancestor"]])
    assert found == {span: raw.above(span) for span in raw.types}


def test_below_a_kept_root_is_what_is_kept(samples: Path) -> None:
    sql = "SELECT root, span FROM {} WHERE root IN (SELECT root FROM sequences) ORDER BY root, span"
    assert select(samples, sql.format("descendant")) == select(samples, sql.format("descendants"))


def test_one_span_is_found_by_number_or_uuid(samples: Path, raw: Raw) -> None:
    root = raw.of_type("parsl.rundir.workflow")[0]
    for view, of, other, wanted in (
        ("descendant", "root", "span", raw.below(root)),
        ("ancestor", "span", "ancestor", raw.above(root)),
    ):
        for column, value in ((of, root), (f"{of}_uuid", raw.uuids[root])):
            rows = select(samples, f"SELECT {other} AS span, depth FROM {view} WHERE {column} = ?", value)
            assert {row["span"]: row["depth"] for row in rows} == wanted


def test_circles_end(tmp_path: Path) -> None:
    database = made_of(tmp_path / "dnpc.sqlite3", [("t", [])] * 130)
    with closing(sqlite3.connect(database)) as conn, conn:
        # 1 contains 2 contains 3 contains 1; 2, 4 and 5 are facets in a ring; 10 to 130 are a chain.
        pairs = [(1, 2), (2, 3), (3, 1), *((span, span + 1) for span in range(10, 130))]
        conn.executemany("INSERT INTO subspans VALUES (?, ?, '', NULL)", pairs)
        conn.executemany("INSERT INTO facets VALUES (?, ?, NULL)", [(2, 4), (4, 5), (5, 2), (4, 4)])
    for view, wanted in (
        ("SELECT span, depth FROM descendant WHERE root = 1", {1: 0, 2: 1, 4: 1, 5: 1, 3: 2}),
        ("SELECT ancestor AS span, depth FROM ancestor WHERE span = 1", {1: 0, 3: 1, 2: 2, 4: 2, 5: 2}),
        ("SELECT span, depth FROM descendant WHERE root = 10", {span: span - 10 for span in range(10, 111)}),
    ):
        assert {row["span"]: row["depth"] for row in select(database, view)} == wanted


def times_by_state(events: list[tuple[float, str]]) -> dict[str, tuple[float, float, int]]:
    """Return the first and last time of each kind of event, and how many there are."""
    times: dict[str, list[float]] = {}
    for time, kind in events:
        times.setdefault(kind, []).append(time)
    return {kind: (min(found), max(found), len(found)) for kind, found in times.items()}


def test_event_times_of_each_span(samples: Path, raw: Raw) -> None:
    found: dict[int, dict[str, tuple[float, float, int]]] = {span: {} for span in raw.types}
    for row in select(samples, "SELECT * FROM span_event_time"):
        found[row["span"]][row["event_type"]] = (row["first"], row["last"], row["events"])
        assert (row["span_type"], row["span_uuid"]) == (raw.types[row["span"]], raw.uuids[row["span"]])
    assert found == {span: times_by_state(raw.events[span]) for span in raw.types}
    assert any(count > 1 for times in found.values() for _, _, count in times.values())


def test_event_times_below_each_root(samples: Path, raw: Raw) -> None:
    found: dict[int, dict[str, tuple[float, float, int]]] = {}
    for row in select(samples, "SELECT * FROM root_event_time"):
        found.setdefault(row["root"], {})[row["state"]] = (row["first"], row["last"], row["events"])
        assert row["root_type"] == raw.types[row["root"]]
    roots = [row["root"] for row in select(samples, "SELECT root FROM sequences")]
    assert found == {root: times_by_state(raw.states(root)) for root in roots}


def test_states_of_variants(samples: Path, raw: Raw) -> None:
    variants = {row["root"]: row["variant"] for row in select(samples, "SELECT root, variant FROM sequences")}
    found: dict[int, dict[str, int]] = {}
    for row in select(samples, "SELECT variant, state, events FROM variant_state"):
        assert row["state"] not in found.setdefault(row["variant"], {})
        found[row["variant"]][row["state"]] = row["events"]
    for root, variant in variants.items():
        assert found[variant] == Counter(state for _, state in raw.states(root))


def test_durations_are_between_what_most_spans_begin_and_end_with(samples: Path, raw: Raw) -> None:
    asked = Counter((raw.types[span], str(raw.runs[span])) for span in raw.types)
    checked = 0
    for name, run in asked:
        spans = [span for span in raw.of_type(name) if raw.runs[span] == run and raw.events[span]]
        wanted = []
        for pick in (min, max):
            counts = Counter[str]()
            for span in spans:
                time = pick(raw.events[span])[0]
                counts.update({kind for at, kind in raw.events[span] if at == time})
            wanted.append(min(counts, key=lambda kind: (-counts[kind], kind), default=None))
        rows = queries.rows(samples, "durations", span_type=name, run=run, rows="1")
        if rows:
            assert [rows[0]["start_event"], rows[0]["end_event"]] == wanted
            checked += 1
    assert checked > 10


def test_pairs_of_events_are_those_of_the_logs(samples: Path) -> None:
    """From Parsl giving the first try of a task to an executor, to the worker's having the last one."""
    run = log_of("htex-chicago")
    launched: dict[int, float] = {}
    received: dict[int, float] = {}
    tasks = {(launch.executor, launch.executor_task): launch.task for launch in run.launches}
    for launch in run.launches:
        launched[launch.task] = min(launch.time, launched.get(launch.task, launch.time))
    for event in run.htex:
        if event.layer == "worker" and event.event == "received":
            task = tasks[event.executor, event.executor_task]
            received[task] = max(event.time, received.get(task, event.time))
    rows = agreed(
        samples,
        "event_pairs",
        root_type="parsl.rundir.task",
        start_state="parsl.rundir.try/launched_on_executor",
        end_state=HTEX + "worker.task/worker_received_task",
        run=str(run.run_id),
    )
    both = launched.keys() & received.keys()
    assert {int(row["key"]): row["duration"] for row in rows} == pytest.approx(
        {task: received[task] - launched[task] for task in both}, abs=1e-6
    )
    assert {int(row["key"]): row["began"] for row in rows} == {task: launched[task] for task in both}
    assert {(row["of_spans"], row["without"]) for row in rows} == {(len(both), len(run.tasks) - len(both))}
    assert len(both) > 5


@pytest.mark.parametrize("start", ["first", "last", ""])
@pytest.mark.parametrize("end", ["first", "last", ""])
def test_which_of_several_events_is_meant(synthetic_db: Path, made: Raw, start: str, end: str) -> None:
    launched, result = f"{TRY}/launched", HTEX + "interchange.task/result"
    rows = queries.rows(
        synthetic_db, "event_pairs", start_state=launched, end_state=result, start_which=start, end_which=end
    )
    wanted = {}
    for root in made.of_type(TASK):
        times = times_by_state(made.states(root))
        wanted[made.uuids[root]] = times[result][end != "first"] - times[launched][start == "last"]
    assert {row["uuid"]: row["duration"] for row in rows} == pytest.approx(wanted, abs=1e-6)
    assert {(row["start_which"], row["end_which"]) for row in rows} == {(start or "first", end or "last")}
    if (start, end) == ("last", "first"):
        # The first try's result came before the second was launched: these stay, below zero.
        assert sum(row["duration"] < 0 for row in rows) == sum(len(made.subs[root]) > 1 for root in made.of_type(TASK))


def test_roots_without_one_of_the_events_are_counted(synthetic_db: Path, made: Raw) -> None:
    rows = queries.rows(synthetic_db, "event_pairs", end_state=f"{TRY}/failed", run="run-a")
    roots = [root for root in made.of_type(TASK) if made.runs[root] == "run-a"]
    failed = [root for root in roots if any(state == f"{TRY}/failed" for _, state in made.states(root))]
    assert {row["uuid"] for row in rows} == {made.uuids[root] for root in failed}
    assert {(row["of_spans"], row["without"]) for row in rows} == {(len(failed), len(roots) - len(failed))}
    assert queries.rows(synthetic_db, "event_pairs", end_state="no/such") == []


def test_pairs_go_from_the_most_common_first_to_the_most_common_last_state(synthetic_db: Path, made: Raw) -> None:
    ordered = [sorted(made.states(root)) for root in made.of_type(TASK)]
    ends = [Counter(states[place][1] for states in ordered).most_common(1)[0][0] for place in (0, -1)]
    rows = queries.rows(synthetic_db, "event_pairs")
    assert {(row["root_type"], row["start_state"], row["end_state"]) for row in rows} == {(TASK, *ends)}


def test_fewer_pairs_are_a_sample_of_all_runs(synthetic_db: Path) -> None:
    every = queries.rows(synthetic_db, "event_pairs")
    some = queries.rows(synthetic_db, "event_pairs", rows="60")
    assert len(some) == 60 and {row["of_spans"] for row in some} == {len(every)} == {240}
    assert some == [row for row in every if row in some] and {row["run"] for row in some} == {"run-a", "run-b"}
    assert queries.rows(synthetic_db, "event_pairs", rows="many") == every


def test_pairs_are_drawn_as_they_are(synthetic_db: Path) -> None:
    params = {"start_state": f"{TRY}/pending", "end_state": f"{TRY}/exec_done", "run": "run-b"}
    rows = agreed(synthetic_db, "event_pairs", **params)
    ax = plots.durations(synthetic_db, "event_pairs", params, ax=Figure().add_subplot())
    [points] = [line for line in ax.lines if len(np.asarray(line.get_xdata())) == len(rows)]
    assert list(np.asarray(points.get_xdata())) == [row["since_run_began"] for row in rows]
    assert list(np.asarray(points.get_ydata())) == [row["duration"] for row in rows]
    assert "40 rows" in "".join(text.get_text() for text in ax.texts)


def tries_of(name: str, app: str = "", executor: str = "") -> set[str]:
    """Return the keys of the tries of an app and on an executor, straight from the log."""
    run = log_of(name)
    executors = {(launch.task, launch.try_id): launch.executor for launch in run.launches}
    tries = {(state.task, state.try_id) for state in run.states}
    return {
        f"{task}/{number}"
        for task, number in tries
        if app in ("", run.tasks[task]) and executor in ("", executors.get((task, number)))
    }


def spans_of_type(rows: Rows) -> set[str]:
    return {str(row["key"]) for row in rows}


def kinds_of(run: Run) -> list[tuple[str, str]]:
    """Return each app and executor of a run, with the parameter that chooses it."""
    apps = [("app", app) for app in sorted(set(run.tasks.values()))]
    return apps + [("executor", label) for label in sorted({launch.executor for launch in run.launches})]


@pytest.mark.parametrize("name", ["durations", "slowest_spans"])
def test_spans_of_one_app_or_executor(samples: Path, raw: Raw, name: str) -> None:
    run = log_of("two-htex")
    long = {
        raw.keys[span]
        for span in raw.of_type("parsl.rundir.try")
        if len({time for time, _ in raw.events[span]}) > 1 and raw.runs[span] == run.run_id
    }
    kinds = kinds_of(run)
    assert len(kinds) > 2
    for param, value in kinds:
        params = {"span_type": "parsl.rundir.try", "run": str(run.run_id), param: value}
        if name == "durations":
            params |= {"start_event": "launched", "end_event": "launched"}
            wanted = {f"{launch.task}/{launch.try_id}" for launch in run.launches}
        else:
            params["rows"], wanted = "900", long
        found = {str(row["key"]) for row in queries.rows(samples, name, **params)}
        assert found == tries_of("two-htex", **{param: value}) & wanted and found


def test_every_question_may_be_about_one_app_or_executor(samples: Path) -> None:
    run = log_of("two-htex")
    whole = {
        "span_type": "parsl.rundir.try",
        "run": str(run.run_id),
        "start_event": "launched",
        "end_event": "exec_done",
    }
    some = 0
    done = {f"{state.task}/{state.try_id}" for state in run.states if state.state == "exec_done"}
    for param, value in kinds_of(run):
        wanted = tries_of("two-htex", **{param: value}) & done
        choice = {**whole, param: value}
        for name in ("durations", "duration_histogram", "concurrency"):
            assert {row["of_spans"] for row in queries.rows(samples, name, **choice)} == {len(wanted)} - {0}
        # Of each task that is done, one try is.
        roots = {"root_type": "parsl.rundir.task", "end_state": "parsl.rundir.try/exec_done", **choice}
        for name in ("span_type", "start_event", "end_event"):
            del roots[name]
        pairs = queries.rows(samples, "event_pairs", **roots)
        assert {row["key"] for row in pairs} == {key.split("/")[0] for key in wanted}
        of_type = {"span_type": "parsl.rundir.try", "run": str(run.run_id), param: value}
        rate = queries.rows(samples, "event_rate", state="exec_done", **of_type)
        assert sum(row["events"] for row in rate) == len(wanted)
        tries = queries.rows(samples, "slowest_spans", rows="900", **of_type)
        percentiles = queries.rows(samples, "duration_percentiles", **of_type)
        assert [row["spans"] for row in percentiles] == [len(tries)]
        some += bool(wanted)
    assert some > 2


def durations_of(raw: Raw, name: str, start: str = "", end: str = "") -> list[float]:
    """Return the durations of the spans of a type from raw rows."""
    found = []
    for span in raw.of_type(name):
        starts = [time for time, kind in raw.events[span] if start in ("", kind)]
        ends = [time for time, kind in raw.events[span] if end in ("", kind)]
        if starts and ends and ((start and end) or max(ends) > min(starts)):
            found.append(max(ends) - min(starts))
    return found


@pytest.mark.parametrize(
    ("start", "end"), [("", ""), ("launched", "exec_done"), ("exec_done", "launched"), ("", "failed")]
)
def test_histogram_of_any_two_events(synthetic_db: Path, made: Raw, start: str, end: str) -> None:
    params = {"span_type": TRY, "start_event": start, "end_event": end, "bins": "12"}
    rows = agreed(synthetic_db, "duration_histogram", **params)
    wanted = durations_of(made, TRY, start, end)
    figures = [float(np.mean(wanted)), *np.percentile(wanted, [50, 95]).tolist(), max(wanted), len(wanted)]
    names = ("mean", "p50", "p95", "max", "of_spans")
    for row in rows:
        assert [row[name] for name in names] == pytest.approx(figures)
        assert (row["start_event"], row["end_event"]) == (start or None, end or None)
    low, high = min(wanted), float(np.percentile(wanted, 99))
    edges = [low + (high - low) * number / 12 for number in range(13)]
    assert [row["from_seconds"] for row in rows] == pytest.approx(edges)
    assert sum(row["spans"] for row in rows) == len(wanted)
    assert rows[-1]["spans"] == sum(one >= high for one in wanted)
    counts = [sum(a <= one < b for one in wanted) for a, b in pairwise(edges)]
    # A duration on an edge may count on either side of it.
    assert np.abs(np.cumsum([row["spans"] for row in rows[:-1]]) - np.cumsum(counts)).max() <= 1
    ax = plots.histogram(synthetic_db, "duration_histogram", params, ax=Figure().add_subplot())
    heights = [bar.get_height() for bar in ax.patches][: len(rows)]  # type: ignore[attr-defined]
    assert heights == [row["spans"] for row in rows]


@pytest.mark.parametrize("by", ["app", "executor", "run", ""])
def test_percentiles_by_group(samples: Path, raw: Raw, by: str) -> None:
    run = log_of("two-htex")
    rows = agreed(samples, "duration_percentiles", span_type="parsl.rundir.try", by=by, run=str(run.run_id))
    durations: dict[str, float] = {}
    for span in raw.of_type("parsl.rundir.try"):
        times = [time for time, _ in raw.events[span]]
        if raw.runs[span] == run.run_id and max(times) > min(times):
            durations[raw.keys[span]] = max(times) - min(times)
    names: dict[str, Any] = {
        "app": {None, *run.tasks.values()},
        "executor": {launch.executor for launch in run.launches},
    }
    groups = {name: tries_of("two-htex", **{by: name}) for name in names.get(by, ()) if name}
    if by in ("", "run"):
        groups = {rows[0]["group"]: set(durations)}
    found = {row["group"]: row for row in rows if row["group"] is not None or by == ""}
    expected = {name: [durations[key] for key in keys if key in durations] for name, keys in groups.items()}
    assert found.keys() == {name for name, values in expected.items() if values}
    assert sum(row["spans"] for row in rows) == len(durations)
    for name, row in found.items():
        values = expected[name]
        figures = [np.mean(values), *np.percentile(values, [50, 95, 99]), max(values), sum(values), len(values)]
        columns = ("mean", "p50", "p95", "p99", "max", "total", "spans")
        assert [row[column] for column in columns] == pytest.approx([float(figure) for figure in figures])


def test_group_of_percentiles_is_named_by_its_run(synthetic_db: Path) -> None:
    rows = queries.rows(synthetic_db, "duration_percentiles", span_type=TRY, by="run")
    assert [(row["group"], row["label"]) for row in rows] == [
        ("demo.py 000", f"{TRY}, demo.py 000"), ("demo.py 001", f"{TRY}, demo.py 001"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["durations", "event_pairs", "slowest_spans", "duration_histogram", "concurrency"])
def test_what_is_no_number_is_the_default(synthetic_db: Path, name: str) -> None:
    param = "bins" if name == "duration_histogram" else "rows"
    assert queries.rows(synthetic_db, name, **{param: "abc"}) == queries.rows(synthetic_db, name)


def test_durations_of_an_unknown_event_are_none(synthetic_db: Path) -> None:
    for name in ("durations", "duration_histogram", "concurrency"):
        assert queries.rows(synthetic_db, name, start_event="no such") == []


@pytest.mark.parametrize("seed", range(10))
def test_events_that_come_again_or_at_one_time(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    spans = [
        ("t", [(float(rng.randrange(6)), rng.choice("ab")) for _ in range(rng.randint(1, 6))])
        for _ in range(rng.randint(3, 30))
    ]
    database = made_of(tmp_path / "dnpc.sqlite3", spans)
    raw = read_raw(database)
    found: dict[int, dict[str, tuple[float, float, int]]] = {}
    for row in select(database, "SELECT * FROM span_event_time"):
        assert row["event_type"] not in found.setdefault(row["span"], {})
        found[row["span"]][row["event_type"]] = (row["first"], row["last"], row["events"])
    assert found == {span: times_by_state(events) for span, events in raw.events.items()}
    for start, end in (("", ""), ("a", "b"), ("b", "b")):
        wanted = durations_of(raw, "t", start, end)
        for row in queries.rows(database, "duration_histogram", start_event=start, end_event=end):
            assert (row["of_spans"], row["mean"]) == (len(wanted), pytest.approx(float(np.mean(wanted))))
        lasting = [duration for duration in wanted if duration > 0]
        open_spans = queries.rows(database, "concurrency", start_event=start, end_event=end)
        assert sum(row["seconds"] * row["mean_open"] for row in open_spans) == pytest.approx(sum(lasting))
        if start:
            between = queries.rows(database, "durations", start_event=start, end_event=end)
            assert sorted(row["duration"] for row in between) == sorted(wanted)
