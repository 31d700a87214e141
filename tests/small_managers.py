"""Spans of a manager and its executor for runs made by hand, and what was made of them."""

from __future__ import annotations

from collections.abc import Callable

from importers.cctools import EXECUTOR_TASK, WORK_QUEUE, span_type
from importers.rows import Batch
from tests.imports import Rows, query
from tests.small_runs import SmallRuns, of

Span = Callable[[Batch, str], int]

EXECUTED = EXECUTOR_TASK[WORK_QUEUE]
MANAGER, TASK, WORKER, CONNECTION = (span_type(WORK_QUEUE, x) for x in ("manager", "task", "worker", "connection"))


def executed(number: int, **attributes: object) -> Span:
    return of(f"e/{number}", (10.0 + number, "created"), (50.0 + number, "future_updated"), **attributes)


def managed(number: int, manager: str = "7-1") -> Span:
    return of(f"{manager}/{number}", (20.0 + number, "WAITING"), (40.0 + number, "DONE"), category="f")


def manager(key: str = "7-1", **attributes: object) -> Span:
    return of(key, (1.0, "START"), **attributes)


def told(runs: SmallRuns) -> Rows:
    """Return what was reported, and how often."""
    return query(runs.path, "SELECT reason, template, count, text FROM unmatched ORDER BY reason, text")


def above(runs: SmallRuns, span_type: str) -> Rows:
    """Return of each span of a type its run, type and key of what it lies in, its key, and what it is called there."""
    return query(
        runs.path,
        """SELECT runs.key, above.name, a.key, b.key, subspans.key FROM subspans
           JOIN spans a ON a.id = superspan JOIN span_types above ON above.id = a.type
           JOIN spans b ON b.id = subspan JOIN span_types below ON below.id = b.type AND below.name = ?
           JOIN runs ON runs.id = b.run AND a.run = b.run ORDER BY 1, 4""",
        span_type,
    )
