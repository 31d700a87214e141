"""Spans open at the same time and events per second, counted anew by simple code from logs and raw rows."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from datasette_dnpc import plots, queries
from tests.raw_rows import Raw, agreed, imported, made_of, read_raw, select
from tests.runs import DATA, read_run
from tests.synthetic import TASK, TRY

WORKER_TASK = "parsl.executor.htex.worker.task"
Interval = tuple[float, float]


@pytest.fixture(scope="module")
def chicago(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported(tmp_path_factory.mktemp("chicago") / "dnpc.sqlite3", DATA / "htex-chicago")


@pytest.fixture(scope="module")
def made(synthetic_db: Path) -> Raw:
    return read_raw(synthetic_db)


def steps_of(intervals: Iterable[Interval]) -> list[tuple[float, float, int]]:
    """Return when each step begins and ends, and how many intervals are open in it: each counted anew."""
    known = [(began, ended) for began, ended in intervals if ended > began]
    times = sorted({time for interval in known for time in interval})
    return [
        (time, until, sum(began <= time and ended >= until for began, ended in known))
        for time, until in pairwise(times)
    ]


def intervals_of(raw: Raw, name: str, run: str, start: str = "", end: str = "") -> list[Interval]:
    """Return from when to when each span of a type in a run is open, from its raw events."""
    found = []
    for span in raw.of_type(name):
        starts = [time for time, kind in raw.events[span] if start in ("", kind)]
        ends = [time for time, kind in raw.events[span] if end in ("", kind)]
        if raw.runs[span] == run and starts and ends:
            found.append((min(starts), max(ends)))
    return found


def test_tasks_open_on_workers_are_those_of_the_logs(chicago: Path) -> None:
    run = read_run(DATA / "htex-chicago" / "000")
    times: dict[tuple[str, int], list[float]] = defaultdict(list)
    for event in run.htex:
        if event.layer == "worker":
            times[event.executor, event.executor_task].append(event.time)
    steps = steps_of((min(found), max(found)) for found in times.values())
    rows = agreed(chicago, "concurrency", span_type=WORKER_TASK)
    assert [(row["time"], row["max_open"]) for row in rows] == [(began, count) for began, _, count in steps]
    assert [row["seconds"] for row in rows] == pytest.approx([ended - began for began, ended, _ in steps])
    assert {(row["is_exact"], row["of_steps"], row["of_spans"]) for row in rows} == {(1, len(steps), len(times))}
    assert max(count for *_, count in steps) == 2  # of two workers


@pytest.mark.parametrize(("start", "end"), [("", ""), ("launched", "exec_done"), ("pending", "launched")])
def test_open_spans_are_exact_between_any_two_events(synthetic_db: Path, made: Raw, start: str, end: str) -> None:
    rows = queries.rows(synthetic_db, "concurrency", span_type=TRY, run="run-b", start_event=start, end_event=end)
    intervals = intervals_of(made, TRY, "run-b", start, end)
    steps = steps_of(intervals)
    assert [(row["time"], row["mean_open"], row["max_open"]) for row in rows] == [(a, n, n) for a, _, n in steps]
    tries = sum(made.runs[span] == "run-b" for span in made.of_type(TRY))
    assert {(row["of_spans"], row["without"]) for row in rows} == {(len(intervals), tries - len(intervals))}


def means_of(steps: list[tuple[float, float, int]], parts: int) -> list[tuple[float, int]]:
    """Return mean and most open in each of equal parts of the time."""
    first, last = steps[0][0], steps[-1][1]
    edges = [first + (last - first) * number / parts for number in range(parts)] + [last]
    found = []
    for low, high in pairwise(edges):
        within = [(max(began, low), min(ended, high), count) for began, ended, count in steps]
        within = [step for step in within if step[1] > step[0]]
        total = sum((ended - began) * count for began, ended, count in within)
        found.append((total / (high - low), max(count for *_, count in within)))
    return found


@pytest.mark.parametrize("rows", ["1", "7", "100"])
def test_fewer_rows_are_means_of_equal_parts(synthetic_db: Path, made: Raw, rows: str) -> None:
    steps = steps_of(intervals_of(made, TASK, "run-a"))
    found = queries.rows(synthetic_db, "concurrency", span_type=TASK, run="run-a", rows=rows)
    wanted = means_of(steps, int(rows))
    assert {(row["is_exact"], row["of_steps"]) for row in found} == {(0, len(steps))}
    assert [row["max_open"] for row in found] == [most for _, most in wanted]
    assert [row["mean_open"] for row in found] == pytest.approx([mean for mean, _ in wanted], abs=1e-4)
    durations = sum(ended - began for began, ended in intervals_of(made, TASK, "run-a"))
    assert sum(row["mean_open"] * row["seconds"] for row in found) == pytest.approx(durations)


@pytest.mark.parametrize("seed", range(20))
def test_open_spans_of_any_intervals(tmp_path: Path, seed: int) -> None:
    """Many begin or end at one time, last no time, or have one event only."""
    rng = random.Random(seed)
    spans = [sorted(rng.choices(range(12), k=rng.choice((1, 2, 2, 3)))) for _ in range(rng.randint(1, 30))]
    database = made_of(tmp_path / "dnpc.sqlite3", (("t", [(time, "e") for time in times]) for times in spans))
    steps = steps_of((times[0], times[-1]) for times in spans)
    exact = queries.rows(database, "concurrency")
    assert [(row["time"], row["max_open"]) for row in exact] == [(began, count) for began, _, count in steps]
    if steps:
        assert {row["without"] for row in exact} == {sum(times[0] == times[-1] for times in spans)}
        parts = rng.randint(1, len(steps))
        found = queries.rows(database, "concurrency", rows=parts)
        if parts < len(steps):
            wanted = means_of(steps, parts)
            assert [row["mean_open"] for row in found] == pytest.approx([mean for mean, _ in wanted])
        else:
            assert found == exact
    sql = "SELECT time, sum(sum(change)) OVER (ORDER BY time) AS n FROM span_change WHERE span_type = 't' GROUP BY time"
    assert [(row["time"], row["n"]) for row in select(database, sql)][:-1] == [(a, n) for a, _, n in steps]


def test_overlaps_are_those_of_spans_of_one_superspan(tmp_path: Path) -> None:
    rng = random.Random(1)
    times = {span: sorted(rng.choices(range(20), k=2)) for span in range(1, 21)}
    database = made_of(tmp_path / "dnpc.sqlite3", (("t", [(time, "e") for time in found]) for found in times.values()))
    above = {span: (1, 2) if span % 5 == 0 else (1 + span % 2,) for span in range(3, 21)}
    with closing(sqlite3.connect(database)) as conn, conn:
        pairs = [(top, span) for span, tops in above.items() for top in tops]
        conn.executemany("INSERT INTO subspans VALUES (?, ?, '', NULL)", pairs)
    expected = {
        (top, one, other): min(times[one][1], times[other][1]) - max(times[one][0], times[other][0])
        for one in above
        for other in above
        for top in set(above[one]) & set(above[other])
        if one != other
    }
    rows = select(database, "SELECT * FROM span_overlap")
    found = {(row["superspan"], row["span"], row["other"]): row["duration"] for row in rows}
    lasting = {span for span, (began, ended) in times.items() if ended > began}
    wanted = {key: seconds for key, seconds in expected.items() if seconds > 0 and {*key[1:]} <= lasting}
    assert {key: seconds for key, seconds in found.items() if {*key[1:]} <= lasting} == wanted
    assert all(row["ended"] - row["began"] == row["duration"] for row in rows) and len(rows) > 20


def test_concurrency_is_drawn_as_it_is(synthetic_db: Path) -> None:
    for rows, note in (("900", " for 69 steps"), ("10", "10 rows for 69 steps")):
        params = {"span_type": TASK, "run": "run-b", "rows": rows}
        found = agreed(synthetic_db, "concurrency", **params)
        ax = plots.concurrency(synthetic_db, "concurrency", params, ax=Figure().add_subplot())
        [line] = ax.lines
        assert line.get_drawstyle() == "steps-post"
        times = [row["since_run_began"] for row in found]
        assert list(np.asarray(line.get_xdata())) == [*times, times[-1] + found[-1]["seconds"]]
        assert list(np.asarray(line.get_ydata()))[:-1] == [row["mean_open"] for row in found]
        assert len(ax.collections) == (rows == "10")
        steps = found[0]["of_steps"]
        assert note.replace("69", str(steps)) in "".join(text.get_text() for text in ax.texts)
        assert ax.get_ylabel() == "spans open" and ax.get_ylim()[0] == 0


def test_area_is_as_high_as_the_most_at_once() -> None:
    rows: list[dict[str, Any]] = [
        {"since_run_began": 2.0, "seconds": 1.0, "mean_open": 1.5, "max_open": 4, "without": 1200},
        {"since_run_began": 0.0, "seconds": 2.0, "mean_open": 2.5, "max_open": 3, "without": 1200},
        {"since_run_began": 3.0, "seconds": None, "mean_open": 9, "max_open": 9, "without": 1200},
    ]
    ax = plots.concurrency(rows, ax=Figure().add_subplot())
    [area], [line] = ax.collections, ax.lines
    assert area.get_datalim(ax.transData).bounds == (0, 0, 3, 4)
    assert np.asarray(line.get_xydata()).tolist() == [[0, 2.5], [2, 1.5], [3, 1.5]]
    text = "".join(text.get_text() for text in ax.texts)
    assert "2 of 3 rows; left out 1 where seconds is NULL" in text and "1,200 left out" in text


def test_launches_per_second_are_those_of_the_log(chicago: Path) -> None:
    run = read_run(DATA / "htex-chicago" / "000")
    state = "parsl.rundir.try/launched_on_executor"
    rows = agreed(chicago, "event_rate", state=state, buckets="10")
    times = sorted(launch.time for launch in run.launches)
    assert {(row["state"], row["of_events"], row["of_states"]) for row in rows} == {(state, len(times), 1)}
    assert len(rows) == 10
    for row in rows[:-1]:
        inside = sum(row["time"] <= time < row["time"] + row["seconds"] for time in times)
        assert row["events"] == inside and row["per_second"] == pytest.approx(inside / row["seconds"])
    assert sum(row["events"] for row in rows) == len(times) > 5


def counted(raw: Raw, run: str, name: str, parts: int) -> Counter[tuple[int, str]]:
    """Count the events of a run by part of its time and state."""
    spans = [span for span, found in raw.runs.items() if found == run and name in ("", raw.types[span])]
    events = [(time, f"{raw.types[span]}/{kind}") for span in spans for time, kind in raw.events[span]]
    first, last = min(events)[0], max(events)[0]
    return Counter((min(int((time - first) * (parts / (last - first))), parts - 1), state) for time, state in events)


@pytest.mark.parametrize("span_type", ["", TRY])
@pytest.mark.parametrize("buckets", [1, 8, 100, 450, 900])
def test_each_event_counts_once(synthetic_db: Path, made: Raw, span_type: str, buckets: int) -> None:
    rows = queries.rows(synthetic_db, "event_rate", span_type=span_type, run="run-a", buckets=buckets)
    events = counted(made, "run-a", span_type, buckets)
    totals = Counter[str]()
    for (_, state), count in events.items():
        totals[state] += count
    order = sorted(totals, key=lambda state: (-totals[state], state))
    kept = order if len(order) * buckets <= 900 else order[: 900 // buckets - 1]
    merged = Counter[tuple[int, str]]()
    for (part, state), count in events.items():
        merged[part, state if state in kept else "other"] += count
    first = min(row["time"] for row in rows)
    found = {
        (round((row["time"] - first) / row["seconds"]), row["state"]): row["events"] for row in rows if row["events"]
    }
    assert found == merged
    assert len(rows) == buckets * (len(kept) + (len(kept) < len(order))) <= 900
    assert {(row["of_events"], row["of_states"]) for row in rows} == {(sum(totals.values()), len(totals))}
    assert sum(row["events"] for row in rows) == sum(totals.values())


def test_rate_of_an_event_type_is_that_of_all_span_types_that_have_it(synthetic_db: Path, made: Raw) -> None:
    rows = queries.rows(synthetic_db, "event_rate", state="started", run="run-a", buckets="1")
    events = Counter[str]()
    for (_, state), count in counted(made, "run-a", "", 1).items():
        if state.endswith("/started"):
            events[state] += count
    assert {row["state"]: row["events"] for row in rows} == events and len(events) > 1


def test_rate_of_one_app(chicago: Path) -> None:
    run = read_run(DATA / "htex-chicago" / "000")
    for app in set(run.tasks.values()):
        rows = queries.rows(chicago, "event_rate", app=app, state="parsl.rundir.try/launched_on_executor")
        launches = [launch for launch in run.launches if run.tasks[launch.task] == app]
        assert sum(row["events"] for row in rows) == len(launches)


def test_rate_of_events_at_one_time(tmp_path: Path) -> None:
    database = made_of(tmp_path / "dnpc.sqlite3", [("t", [(5, "a"), (5, "a"), (5, "b")])])
    rows = queries.rows(database, "event_rate")
    assert [(row["state"], row["events"], row["per_second"]) for row in rows] == [("t/a", 2, None), ("t/b", 1, None)]


def test_rate_is_drawn_as_it_is(synthetic_db: Path) -> None:
    params = {"run": "run-b"}
    rows = agreed(synthetic_db, "event_rate", **params)
    ax = plots.rate(synthetic_db, "event_rate", params, ax=Figure().add_subplot())
    box = ax.get_legend()
    assert box is not None
    names = [text.get_text().strip() for text in box.get_texts()]
    assert names[-1] == "other" and set(names) == {row["state"] for row in rows}
    for name, line in zip(names, ax.lines, strict=True):
        of_state = [row for row in rows if row["state"] == name]
        assert list(np.asarray(line.get_ydata()))[:-1] == [row["per_second"] for row in of_state]
        assert list(np.asarray(line.get_xdata()))[:-1] == [row["since_run_began"] for row in of_state]
    text = "".join(text.get_text() for text in ax.texts)
    assert f"{len(rows)} rows, {rows[0]['of_events']:,} events, {rows[0]['of_states']} states" in text


@pytest.mark.parametrize("plot", [plots.rate, plots.concurrency])
def test_nothing_is_drawn_of_no_rows(plot: object) -> None:
    columns = ("since_run_began", "seconds", "per_second", "mean_open", "max_open", "state")
    ax = plot(queries.Table(columns, []), ax=Figure().add_subplot())  # type: ignore[operator]
    assert "0 rows" in "".join(text.get_text() for text in ax.texts)
