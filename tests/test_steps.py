"""Steps of variants that several runs have: few roots are measured exactly, many by what is kept of each run."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from itertools import accumulate, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasette.app import Datasette

from datasette_dnpc.pages import sequence_rows
from datasette_dnpc.sql_files import create_views
from importers import steps, totals
from importers.figures import CLASS_WIDTH, step_figures_of_runs, steps_of_run
from importers.steps import FEW
from tests.imports import query
from tests.small_runs import SmallRuns, of

TASK = "parsl.rundir.task"
STATES = ("arrived", "began", "computed", "done")  # in order of their names, as events at one time are
SIZES = {"a": 30, "b": 7, "c": 45, "d": 1}
LIMIT = 40
"""Roots that count as few in these tests: those of c alone are more, those of a and b together are not."""

Seconds = dict[str, "np.ndarray[Any, np.dtype[np.float64]]"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FEW", LIMIT)


def times_of(run: str, count: int) -> list[list[float]]:
    """Return the times of the events of each task of a run: steps of microseconds to days, and of no time."""
    lot = random.Random(run)
    begin = 1.7e9 + 1e6 * ord(run)
    return [
        [*accumulate((lot.lognormvariate(-3.0 + 2 * i, 3.0) * (lot.random() > 0.1) for i in range(3)), initial=begin)]
        for _ in range(count)
    ]


def add(runs: SmallRuns, run: str, count: int = 0) -> None:
    """Add a log of one run, whose tasks all go through the same states."""
    told = enumerate(times_of(run, count or SIZES[run]))
    tasks = [of(str(n), *zip(times, STATES, strict=True)) for n, times in told]
    runs.log("parsl", {TASK: tasks}, run=run)


def kept(runs: SmallRuns) -> list[tuple[float, ...]]:
    """Return mean, min, p50, p95, max and cumulative of each step."""
    return query(runs.path, "SELECT mean, min, p50, p95, max, cumulative FROM steps ORDER BY position")


def expected(sizes: dict[str, int]) -> list[tuple[float, ...]]:
    """Compute the same with numpy, over the tasks of all runs."""
    times = np.array([row for run, count in sizes.items() for row in times_of(run, count)])
    seconds = np.diff(times, axis=1, prepend=times[:, :1])
    cumulative = np.cumsum(seconds.mean(axis=0))
    return [
        (step.mean(), step.min(), np.median(step), np.percentile(step, 95), step.max(), total)
        for step, total in zip(seconds.T, cumulative, strict=True)
    ]


def check(runs: SmallRuns, sizes: dict[str, int]) -> None:
    """Check all figures: exact, but for percentiles of many roots of several runs."""
    is_exact = sum(sizes.values()) <= LIMIT or len(sizes) == 1
    for found, right in zip(kept(runs), expected(sizes), strict=True):
        assert found == pytest.approx(right, rel=0.01, abs=1e-6)
        exact = slice(None) if is_exact else [0, 1, 4, 5]
        # Seconds since 1970 have so many digits that the order of additions shows in numpy's sums.
        assert np.array(found)[exact] == pytest.approx(np.array(right)[exact], rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("order", [*map("".join, permutations("abcd"))][::5])
def test_any_order_of_runs_gives_the_same_rows(runs: SmallRuns, tmp_path: Path, order: str) -> None:
    for place, run in enumerate(order, 1):
        add(runs, run)
        runs.count(TASK)
        check(runs, {run: SIZES[run] for run in order[:place]})
    (tmp_path / "once").mkdir()
    once = SmallRuns(tmp_path / "once")
    for run in SIZES:
        add(once, run)
    once.count(TASK)
    assert kept(once) == kept(runs)
    columns = "runs.key, position, run_steps.roots, seconds, min, p50, p95, max, classes"
    sql = f"SELECT {columns} FROM run_steps JOIN runs ON runs.id = run_steps.run ORDER BY 1, 2"
    assert query(once.path, sql) == query(runs.path, sql)
    assert query(runs.path, "SELECT count(*) FROM run_steps") == [(len(SIZES) * len(STATES),)]


def test_percentiles_of_many_roots_are_right_to_a_class(runs: SmallRuns) -> None:
    """The steps of several runs are in classes; what is kept of them counts each once."""
    for run in SIZES:
        add(runs, run)
    runs.count(TASK)
    classes = query(
        runs.path,
        """SELECT position, CAST(json_each.key AS INTEGER), sum(json_each.value)
           FROM run_steps JOIN json_each(classes) GROUP BY 1, 2""",
    )
    times = np.array([row for run, count in SIZES.items() for row in times_of(run, count)])
    seconds = np.diff(times, axis=1, prepend=times[:, :1])
    for position, number, count in classes:
        last = 1e-6 * CLASS_WIDTH**number
        # Seconds on a bound may be in the class on either side of it.
        within = (seconds[:, position] > last / CLASS_WIDTH * (1 + 1e-9)) | (number == 0)
        assert (within & (seconds[:, position] < last * (1 - 1e-9))).sum() <= count
    assert sum(count for *_, count in classes) == times.size


@pytest.mark.parametrize("gone", [*SIZES])
def test_a_run_that_goes_leaves_what_there_was_without_it(runs: SmallRuns, gone: str) -> None:
    for run in SIZES:
        add(runs, run)
    runs.count(TASK)
    runs.forget(gone)
    left = {run: count for run, count in SIZES.items() if run != gone}
    check(runs, left)
    are_many = sum(left.values()) > LIMIT
    assert query(runs.path, "SELECT count(*) FROM run_steps") == [(are_many * len(left) * len(STATES),)]


def test_the_last_of_many_runs_is_exact_again(runs: SmallRuns) -> None:
    for run in SIZES:
        add(runs, run)
    runs.count(TASK)
    for run in "abd":
        runs.forget(run)
    check(runs, {"c": SIZES["c"]})


def test_a_run_that_grows_is_measured_again(runs: SmallRuns) -> None:
    sizes = SIZES | {"b": 20}
    for run in SIZES:
        add(runs, run)
    runs.count(TASK)
    add(runs, "b", sizes["b"])
    runs.count(TASK)
    check(runs, sizes)


@pytest.mark.parametrize("before", ["ac", "c"])
def test_to_add_a_run_does_not_read_the_events_of_others(runs: SmallRuns, before: str) -> None:
    """Where roots are many, what is kept of the runs before is enough: their events could be gone."""
    for run in before:
        add(runs, run)
    runs.count(TASK)
    with closing(sqlite3.connect(runs.path)) as conn, conn:
        conn.execute("DELETE FROM events")
    add(runs, "b")
    runs.count(TASK)
    check(runs, {run: SIZES[run] for run in (*before, "b")})


def test_steps_of_runs_are_kept_of_many_roots_only(runs: SmallRuns) -> None:
    """A database of ordinary size, or one in which each root has its own variant, has none."""
    add(runs, "a")
    add(runs, "b")
    runs.count(TASK)
    assert query(runs.path, "SELECT count(*) FROM run_steps") == [(0,)]
    assert FEW == 2000


@pytest.mark.parametrize(("count", "rows"), [(10, 0), (11, 2 * len(STATES))])
def test_few_is_up_to_the_limit(runs: SmallRuns, count: int, rows: int) -> None:
    add(runs, "a")
    add(runs, "b", count)
    runs.count(TASK)
    check(runs, {"a": SIZES["a"], "b": count})
    assert query(runs.path, "SELECT count(*) FROM run_steps") == [(rows,)]


def test_percentiles_lie_between_the_least_and_the_most() -> None:
    """All steps of two runs take as long as each other: there is nothing to be wrong about."""
    of_run = [*steps_of_run([[0.0] * 3, [0.0123] * 3])]
    [_first, step] = step_figures_of_runs(zip(of_run, of_run, strict=True))
    assert set(step) == {0.0123}


@pytest.mark.parametrize("asked", [{}, {"run": "a"}], ids=["all runs", "one run"])
@pytest.mark.asyncio
async def test_the_page_says_that_runs_were_put_together(
    runs: SmallRuns, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    for run in "ac":
        add(runs, run)
    runs.count(TASK)
    with closing(sqlite3.connect(runs.path)) as conn, conn:
        totals.update(conn, [run for (run,) in conn.execute("SELECT id FROM runs")])
        create_views(conn)
    monkeypatch.setattr(sequence_rows, "FEW", LIMIT)
    datasette = Datasette([str(runs.path)])
    await datasette.invoke_startup()
    page = (await datasette.client.get("/-/dnpc/small/sequences", params=asked)).text
    assert "Cumulative" in page
    said = "Put together from the 2 runs: median and 95th percentile are right to 1 %." in page
    assert said == (not asked)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e-6, 1.02e-6, 1.0, 1e5, 1e11])
def test_seconds_of_any_size_have_a_class(seconds: float) -> None:
    [_first, step] = steps_of_run([[0.0] * 5, [seconds] * 5])
    [(number, count)] = step.classes.items()
    assert count == 5
    assert (number == 0) == (seconds <= 1e-6)
    assert number == 0 or 1e-6 * CLASS_WIDTH ** (number - 1) <= seconds * (1 + 1e-9) <= 1e-6 * CLASS_WIDTH ** (
        number + 1e-6
    )


def test_what_takes_no_time_in_several_runs_has_a_middle_of_nothing() -> None:
    times = [[100.0] * 4, [100.0, 100.0, 100.0, 105.0]]
    runs = [list(steps_of_run(times)), list(steps_of_run(times))]
    [_, step] = step_figures_of_runs(list(zip(*runs, strict=True)))
    assert (step.min, step.p50, step.max, step.mean) == (0.0, 0.0, 5.0, 1.25)
