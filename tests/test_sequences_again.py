"""Event sequences kept up to date: runs that grow, that come later, that share variants, and that are dropped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from importers.rows import Batch
from importers.sequences import GRID
from tests.imports import differences, query, readable
from tests.small_runs import SmallRuns, of
from tests.test_sequences import ROOTS, check

MONITORED, TASK = ROOTS
TRY, TRACED = "parsl.rundir.try", "parsl.tracing.TASK"
OTHER = "other.job"
KEPT = ("variants", "sequences", "steps", "state_counts", "descendants", "task_times", "task_needs")

Span = Callable[[Batch, str], int]


def task(number: int, begin: float, *states: str) -> Span:
    """Return a task whose states follow each other, each slower than the one before."""
    return of(str(number), *((begin + i * i * (1 + number) / 8, state) for i, state in enumerate(states)), app="f")


def fill(runs: SmallRuns, run: str, begin: float, count: int = 4) -> None:
    """Add the logs of one run: tasks of which every third fails, each with a try, and monitoring's account of half."""
    runs.log(
        "parsl",
        {
            TASK: [task(n, begin + n, "submitted", "failed" if n % 3 == 2 else "done") for n in range(count)],
            TRY: [of(f"{n}/0", (begin + n + 0.01 * n, "launched"), executor="e") for n in range(count)],
        },
        [((TASK, str(n)), (TRY, f"{n}/0")) for n in range(count)],
        run,
    )
    runs.log("db", {MONITORED: [task(n, begin + n - 0.5, "invoked") for n in range(0, count, 2)]}, run=run)


def kept(runs: SmallRuns, *without: str) -> dict[str, list[Any]]:
    """Return what is derived, without ids."""
    found = readable(runs.path)
    return {name: found[name] for name in KEPT if name not in without}


def test_two_runs_at_once(runs: SmallRuns) -> None:
    fill(runs, "a", 100.0)
    fill(runs, "b", 5000.0, 7)
    runs.count(*ROOTS)
    check(runs.path)
    shared = query(
        runs.path,
        """SELECT variant FROM sequences JOIN spans ON spans.id = root GROUP BY variant
           HAVING count(DISTINCT run) = 2 AND count(*) > 2""",
    )
    assert shared


def test_runs_whose_spans_came_by_turns(runs: SmallRuns) -> None:
    """The ids of one run's roots lie between those of the other, as in a monitoring.db of several runs."""
    for first in (0, 3):
        for run, begin in (("a", 100.0), ("b", 5000.0)):
            runs.log(f"{first}", {TASK: [task(n, begin + n, "submitted") for n in range(first, first + 3)]}, run=run)
    runs.count(*ROOTS)
    spans = query(runs.path, "SELECT runs.key, min(spans.id), max(spans.id) FROM spans JOIN runs ON runs.id = run"
                             " GROUP BY run ORDER BY runs.key")  # fmt: skip
    assert spans[0][1] < spans[1][1] < spans[0][2] < spans[1][2]
    check(runs.path, [TASK])


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_runs_that_come_one_after_the_other(runs: SmallRuns, tmp_path: Path, order: str) -> None:
    begins = {"a": 100.0, "b": 5000.0}
    for run in order:
        fill(runs, run, begins[run])
        runs.count(*ROOTS)
        check(runs.path)
    (tmp_path / "once").mkdir()
    once = SmallRuns(tmp_path / "once")
    for run, begin in begins.items():
        fill(once, run, begin)
    once.count(*ROOTS)
    assert differences(kept(runs), kept(once)) == {}


def test_the_example_of_a_variant_is_its_first_root(runs: SmallRuns) -> None:
    fill(runs, "a", 100.0, 9)
    runs.count(*ROOTS)
    assert query(runs.path, "SELECT id FROM variants WHERE spans > 1")
    first = "SELECT min(root) FROM sequences WHERE variant = variants.id"
    assert query(runs.path, f"SELECT id FROM variants WHERE example <> ({first})") == []


def test_a_run_that_grows(runs: SmallRuns) -> None:
    """Its tasks get other sequences: those that nobody has any more go, with their steps."""
    fill(runs, "a", 100.0)
    fill(runs, "b", 5000.0)
    runs.count(*ROOTS)
    runs.log("parsl", {TASK: [of("0", (200.0, "cleaned up")), of("2", (101.0, "seen"), (102.0, "seen"))]}, run="a")
    runs.count(*ROOTS)
    check(runs.path)
    assert query(runs.path, "SELECT count(*) FROM variants WHERE spans = 0") == [(0,)]
    assert query(runs.path, "SELECT count(*) FROM steps WHERE variant NOT IN (SELECT id FROM variants)") == [(0,)]


def test_a_variant_that_all_roots_leave_is_dropped(runs: SmallRuns) -> None:
    runs.log("parsl", {TASK: [task(0, 1.0, "submitted")]})
    runs.count(TASK)
    runs.log("more", {TASK: [of("0", (9.0, "done"))]})
    runs.count(TASK)
    assert query(runs.path, "SELECT sequence, spans FROM variants") == [(f'["{TASK}/submitted", "{TASK}/done"]', 1)]
    assert query(runs.path, "SELECT count(*) FROM steps") == [(2,)]


def test_a_root_that_loses_all_its_events_has_no_sequence(runs: SmallRuns) -> None:
    runs.log("parsl", {TASK: [task(0, 1.0, "submitted")], OTHER: ["0"]})
    runs.count(TASK, OTHER)
    with closing(sqlite3.connect(runs.path)) as conn, conn:
        conn.execute("DELETE FROM events WHERE span = (SELECT root FROM sequences LIMIT 1)")
    runs.count(TASK, OTHER, runs=["r"])
    assert query(runs.path, "SELECT name FROM variants JOIN span_types ON span_types.id = root_type") == [(OTHER,)]
    assert query(runs.path, "SELECT DISTINCT state FROM state_counts") == [(f"{OTHER}/seen",)]


def test_only_the_runs_that_got_rows_are_counted_again(runs: SmallRuns) -> None:
    """An import costs what its runs cost: nothing of another run is written again."""
    for run in "ab":
        fill(runs, run, 100.0)
    runs.count(*ROOTS)
    of_a = "IN (SELECT spans.id FROM spans JOIN runs ON runs.id = run WHERE runs.key = 'a')"
    marks = {
        "state_counts": "spans = 77 WHERE run = (SELECT id FROM runs WHERE key = 'a')",
        "sequences": f"began = -1 WHERE root {of_a}",
        "task_times": f"app = 'marked' WHERE task {of_a}",
    }
    with closing(sqlite3.connect(runs.path)) as conn, conn:
        marked = {table: conn.execute(f"UPDATE {table} SET {mark}").rowcount for table, mark in marks.items()}
    fill(runs, "b", 100.0, 5)
    runs.count(*ROOTS)
    for table, mark in marks.items():
        kept_mark = mark.partition(" WHERE ")[0]
        assert query(runs.path, f"SELECT count(*) FROM {table} WHERE {kept_mark}") == [(marked[table],)]
        assert marked[table]


def test_a_new_type_of_root_is_counted_in_every_run(runs: SmallRuns) -> None:
    for run in "ab":
        fill(runs, run, 100.0)
        runs.log("jobs", {OTHER: [task(0, 3.0, "x", "y")]}, run=run)
    runs.count(TASK)
    roots = """SELECT DISTINCT span_types.name, runs.key FROM sequences JOIN spans ON spans.id = root
               JOIN runs ON runs.id = run JOIN span_types ON span_types.id = type"""
    assert set(query(runs.path, roots)) == {(TASK, "a"), (TASK, "b")}
    fill(runs, "c", 900.0)
    runs.count(MONITORED, OTHER, "of no span")
    assert set(query(runs.path, roots)) == {
        *((TASK, run) for run in "abc"),
        *((MONITORED, run) for run in "abc"),
        *((OTHER, run) for run in "ab"),
    }
    check(runs.path)
    check(runs.path, [OTHER])


def test_types_of_root_that_have_rows_are_kept_though_no_format_names_them(runs: SmallRuns) -> None:
    fill(runs, "a", 100.0)
    runs.count(*ROOTS)
    fill(runs, "b", 100.0)
    runs.count()
    check(runs.path)


def test_roots_of_two_types_in_one_run_are_apart(runs: SmallRuns) -> None:
    fill(runs, "a", 100.0)
    runs.log("jobs", {OTHER: [task(n, 50.0 * n, "x", "y") for n in range(3)]}, run="a")
    for _ in range(2):
        runs.count(TASK, OTHER, runs=["a"])
        check(runs.path, [TASK, OTHER])
        counted = query(runs.path, "SELECT DISTINCT name FROM span_types JOIN state_counts ON root_type = id")
        assert set(counted) == {(TASK,), (OTHER,)}


def test_facets_count_either_way_and_rings_end(runs: SmallRuns) -> None:
    runs.log("db", {MONITORED: [task(0, 10.0, "invoked"), task(1, 10.0, "invoked")]})
    runs.log("trace", {TRACED: [task(0, 11.0, "traced")]})
    tries = [of(f"0/{n}", (12.0 + n, "launched")) for n in range(3)]
    ring = [((TRY, f"0/{n}"), (TRY, f"0/{(n + 1) % 3}")) for n in range(3)]
    # One try lies in two tasks, and a ring of tries leads back to a task.
    ring += [((TASK, "0"), (TRY, "0/0")), ((TASK, "1"), (TRY, "0/0")), ((TRY, "0/2"), (TASK, "0"))]
    runs.log("parsl", {TASK: [task(0, 10.5, "submitted"), task(1, 10.25, "submitted")], TRY: tries}, ring)
    runs.count(*ROOTS, TRY)
    check(runs.path, [*ROOTS, TRY])


def test_what_is_above_a_root_is_not_below_it(runs: SmallRuns) -> None:
    inside = [(("x.workflow", "w"), (TASK, "0")), ((TASK, "0"), (TRY, "0/0"))]
    runs.log("parsl", {"x.workflow": ["w"], TASK: ["0", "1"], TRY: ["0/0"]}, inside)
    runs.count(TASK)
    check(runs.path, [TASK])
    assert query(runs.path, "SELECT count(*) FROM descendants") == [(3,)]


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 118.0, 119.0, 1e6])
def test_states_are_counted_at_even_times(runs: SmallRuns, seconds: float) -> None:
    begin = 1.7e9
    runs.log("parsl", {TASK: [of("0", (begin, "a"), (begin + seconds, "b")), of("1", (begin + seconds / 2, "a"))]})
    runs.count(TASK)
    check(runs.path, [TASK])
    times = [at for (at,) in query(runs.path, "SELECT DISTINCT time FROM state_counts ORDER BY time")]
    assert (times[0], times[-1]) == (begin, begin + seconds)
    assert len(times) <= GRID == 120
    assert seconds < 1 or len(times) == GRID


def test_an_event_of_the_same_state_again_counts_its_root_once(runs: SmallRuns) -> None:
    runs.log("parsl", {TASK: [of("0", (0.0, "a"), (1.0, "a"), (2.0, "b"), (3.0, "a")), of("1", (1.5, "a"))]})
    runs.count(TASK)
    check(runs.path, [TASK])
    assert query(runs.path, "SELECT sum(spans) FROM state_counts GROUP BY time ORDER BY time DESC LIMIT 1") == [(2,)]


@pytest.mark.parametrize(("gone", "stays"), ["ab", "ba"])
def test_a_forgotten_run_leaves_what_there_was_without_it(
    runs: SmallRuns, tmp_path: Path, gone: str, stays: str
) -> None:
    (tmp_path / "lone").mkdir()
    lone = SmallRuns(tmp_path / "lone")
    counts = {"a": 4, "b": 6}
    for database, run in ((runs, gone), (runs, stays), (lone, stays)):
        fill(database, run, 100.0, counts[run])
        needing = of("1", (500.0, "seen"), depends=[0])
        database.log("more", {TASK: [needing], OTHER: [task(0, 1.0, "x")]}, run=run)
    runs.log("more", {"only.there": ["0"]}, run=gone)
    for database in (runs, lone):
        database.count(*ROOTS, OTHER, "only.there")
    assert differences(kept(runs), kept(lone)).keys() == set(KEPT)
    runs.forget(gone)
    assert differences(kept(runs), kept(lone)) == {}


def test_an_event_may_have_any_name(runs: SmallRuns) -> None:
    names = ["a/b/c", "/", "with space", "ü"]
    runs.log("parsl", {TASK: [of("0", *((float(i), name) for i, name in enumerate(names)))]})
    runs.count(TASK)
    check(runs.path, [TASK])
    steps = query(runs.path, "SELECT span_type, event_type FROM steps ORDER BY position")
    assert steps == [(TASK, name) for name in names]


def test_what_tasks_need_is_related(runs: SmallRuns) -> None:
    runs.log("parsl", {TASK: [task(0, 1.0, "submitted"), of("1", (2.0, "submitted"), depends=[0])]})
    runs.count(TASK)
    assert len(kept(runs)["task_needs"]) == 1
