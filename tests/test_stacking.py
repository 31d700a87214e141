"""States lie on each other in one order, on the pages and in the plots."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from datasette_dnpc import plots, queries
from datasette_dnpc.pages.areas import order_of
from datasette_dnpc.sql_files import create_views
from datasette_dnpc.stacking import stacking
from tests.imports import import_logs
from tests.runs import DATA
from tests.test_states import names_of


def drawn(data: Path | list[dict[str, object]], *question: object, **options: object) -> list[str]:
    """Return the states of a plot from the lowest up."""
    return names_of(plots.states(data, *question, ax=Figure().add_subplot(), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", ["runinfo", "workqueue", "taskvine"])
def test_plots_stack_states_as_pages_do(tmp_path: Path, sample: str) -> None:
    database = tmp_path / "runs.sqlite3"
    import_logs(database, DATA / sample, finish=create_views)
    for run in queries.rows(database, "runs_overview"):
        rows = queries.rows(database, "states_over_time", run=run["run"])
        states = [state for state in order_of(rows) if any(row["spans"] for row in rows if row["state"] == state)]
        found = drawn(database, "states_over_time", {"run": run["run"]}, most=50)
        assert len(states) > 2 and [state for state in found if state in states] == states


@pytest.mark.parametrize("seed", range(5))
def test_what_is_reached_last_lies_lowest(seed: int) -> None:
    lot = random.Random(seed)
    # Each state is a hill about a time of its own, so its mean time is that.
    middles = dict(zip("abcdef", lot.sample(range(20, 81), 6), strict=True))
    rows: list[dict[str, object]] = [
        {"run": "r", "time": 1.8e9 + time, "state": state, "spans": max(0, 10 - abs(time - middle))}
        for state, middle in middles.items()
        for time in range(101)
    ]
    lot.shuffle(rows)
    expected = sorted(middles, key=lambda state: -middles[state])
    assert order_of(rows) == expected == drawn(rows)
    assert drawn(rows, order=["c"]) == ["c", *(state for state in expected if state != "c")]


def test_parts_of_a_time_count_as_the_whole() -> None:
    whole = [("b", 2, 0, 4), ("a", 1, 1, 3), ("late", 5, 3, 4)]
    parts = [
        (state, spans, since + part, since + part + 1)
        for state, spans, since, until in whole
        for part in range(until - since)
    ]
    assert stacking(whole) == stacking(parts) == ["late", "a", "b"]


def test_what_lasts_no_time_is_there_at_the_end() -> None:
    assert stacking([("a", 1, 0, 1), ("done", 3, 1, 1)]) == ["done", "a"]
    assert stacking([]) == []
