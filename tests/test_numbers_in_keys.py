"""Parts of keys that should be numbers and are none, or are too large: all is kept, and nothing fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers.keys import number_of
from tests.imports import query
from tests.small_runs import SmallRuns, of

MONITORED, TASK, TRY = "parsl.monitoring.task", "parsl.rundir.task", "parsl.rundir.try"
MANAGER, MANAGED, EXECUTED = "workqueue.manager", "workqueue.task", "parsl.executors.workqueue.executor_task"

NO_NUMBERS = ["9" * 5000, "9" * 19, "-1", "1.5", "", "²", "x", "1_000", " 1"]
"""What stood where a number should be; Python refuses to read the first one."""


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1), ("٣", 3)])
def test_what_is_a_number(text: str, number: int) -> None:
    assert number_of(text) == number


def test_the_last_try_that_has_a_number_tells_the_executor(tmp_path: Path) -> None:
    runs = SmallRuns(tmp_path)
    tries = [("0/1", "a"), ("0/3", "c"), ("0/2", "b"), *((f"0/{text}", "none") for text in NO_NUMBERS)]
    runs.log(
        "parsl",
        {
            TASK: [of("0", (1.0, "submitted"), (9.0, "done")), of("1", (1.0, "submitted"))],
            TRY: [of(key, (2.0, "launched"), executor=executor) for key, executor in [*tries, ("1/x", "x")]],
        },
    )
    runs.count(TASK)
    found = query(
        runs.path, "SELECT key, executor, tries FROM task_times JOIN spans ON spans.id = task_times.task ORDER BY key"
    )
    assert found == [("0", "c", len(tries)), ("1", None, 1)]


def test_tasks_without_a_number_are_joined_with_none(tmp_path: Path) -> None:
    """Such as a user's own format may give, whose spans are of the same types."""
    runs = SmallRuns(tmp_path)
    texts = [text for text in NO_NUMBERS if text]
    runs.log(
        "both",
        {
            MANAGER: [of("1-2", (1.0, "START"), executor="e")],
            MANAGED: [of(f"1-2/{part}", (3.0, "WAITING"), (4.0, "DONE"), category="f") for part in [*texts, "1"]],
            EXECUTED: [of(f"e/{part}", (2.0, "created"), (5.0, "future_updated")) for part in [*texts, "0"]],
        },
    )
    runs.link()
    assert runs.subspans() == {(f"{EXECUTED} e/0", f"{MANAGED} 1-2/1")}
    assert query(runs.path, "SELECT count(*) FROM spans") == [(1 + 2 * (1 + len(texts)),)]
