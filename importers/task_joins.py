"""Which executor task became which manager's task: the join itself, of what logs tell of both.

An executor submits its tasks in the order of their ids, and its manager counts them in that order. Where a log names
both ids (parsl.log until March 2025, TaskVine's taskgraph, Work Queue's debug log), that is the join. Where none does,
the two lists are put side by side: a task can only be one of its own category, that was there before it came to the
manager, and whose result was back after the manager had it. The join is made where this leaves one place, and its note
says that it was inferred, and from what. Evidence that contradicts itself gives no join, and is reported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")

TOLERANCE = 0.001
"""Seconds by which two processes of one host may write down one moment apart."""


class ExecutorTask(NamedTuple):
    """An executor task: its id, span, the manager's task that a log line names, and what it can be told by.

    ``created`` and ``updated`` are when it was made and when its result was back, ``running`` when it began on the
    worker: UTC seconds. None is not known.
    """

    number: int
    span: int
    manager_task: int | None
    category: str | None
    created: float | None
    running: float | None
    updated: float | None


class ManagerTask(NamedTuple):
    """A manager's task: its id, span, the executor task that its files name, and what it can be told by."""

    number: int
    span: int
    executor_task: int | None
    category: str | None
    waiting: float | None
    running: float | None
    retrieval: float | None
    done: float | None


class Join(NamedTuple):
    """An executor task, the manager's task that it became, and how that is known; no note where a line says it."""

    executor_task: ExecutorTask
    manager_task: ManagerTask
    note: str | None


def join_tasks(executor: Sequence[ExecutorTask], manager: Sequence[ManagerTask]) -> tuple[list[Join], list[str]]:
    """Join the tasks of an executor with those of its manager, both in order of their ids.

    Returns the joins, and what contradicts itself, a text for each manager's task that is left without one for it.
    """
    checks = _Checks(executor, manager)
    told, contradictions = _told(executor, manager, checks)
    taken = {join.executor_task.number for join in told}
    logged = {one.manager_task for one in executor}
    free = [one for one in executor if one.number not in taken and one.manager_task is None]
    open_tasks = [task for task in manager if task.number not in logged and task.executor_task is None]
    if contradictions or not open_tasks or not free:
        # Where a log is wrong about one task, the order of the others says little.
        return told, contradictions
    inferred, contradictions = _infer(free, open_tasks, told, checks)
    return told + inferred, contradictions


def _told(
    executor: Sequence[ExecutorTask], manager: Sequence[ManagerTask], checks: _Checks
) -> tuple[list[Join], list[str]]:
    """Make the joins that a line of a log or the names of files tell."""
    by_number = {one.number: one for one in executor}
    of_line: defaultdict[int | None, list[ExecutorTask]] = defaultdict(list)
    for one in executor:
        of_line[one.manager_task].append(one)
    joins, contradictions = [], []
    for task in manager:
        logged = of_line.get(task.number, [])
        named = by_number.get(task.executor_task) if task.executor_task is not None else None
        if len(logged) > 1:
            contradictions.append(f"{_name(task)}: parsl.log says {' and '.join(str(one.number) for one in logged)}")
        elif logged and named is not None and logged[0].number != named.number:
            contradictions.append(f"{_name(task)}: parsl.log says {logged[0].number}, its files say {named.number}")
        elif logged:
            joins.append(Join(logged[0], task, None))
        elif named is not None and (excluded := checks.excludes(named, task)):
            contradictions.append(f"{_name(task)} and executor task {named.number}, which its files name: {excluded}")
        elif named is not None:
            joins.append(Join(named, task, "from the names of its files"))
    times = Counter(join.executor_task.number for join in joins)
    contradictions += [
        f"{_name(join.manager_task)}: executor task {join.executor_task.number} is said to be another task, too"
        for join in joins
        if times[join.executor_task.number] > 1
    ]
    return [join for join in joins if times[join.executor_task.number] == 1], contradictions


def _name(task: ManagerTask) -> str:
    return f"manager's task {task.number} ({task.category})"


class _Checks:
    """What an executor task and a manager's task must have in common to be one."""

    def __init__(self, executor: Sequence[ExecutorTask], manager: Sequence[ManagerTask]) -> None:
        # With autocategory=False all tasks have the same category, which then says nothing.
        categories = {task.category for task in manager}
        self._by_category = len(categories) > 1 and bool(categories & {task.category for task in executor})

    def excludes(self, one: ExecutorTask, other: ManagerTask) -> str | None:
        """Return why the two can not be one task; None where they can."""
        if self._by_category and None not in (one.category, other.category) and one.category != other.category:
            return f"the one is {one.category}, the other {other.category}"
        if _after(one.created, other.waiting):
            return "it came to the manager before it was created"
        if _after(other.done, one.updated):
            return "its result was back before the manager had it"
        return None

    def agreeing(self, one: ExecutorTask, other: ManagerTask) -> Iterator[str]:
        """Yield what two tasks agree in, for the note of a join."""
        if self._by_category and None not in (one.category, other.category):
            yield "category"
        times = [(one.created, other.waiting), (other.done, one.updated)]
        # On the worker another clock runs, so that this can support a join but not exclude one.
        on_worker = [(other.running, one.running), (one.running, other.retrieval)]
        if not any(_after(*pair) for pair in on_worker):
            times += on_worker
        if known := sum(None not in pair for pair in times):
            yield f"{known} times" if known > 1 else "a time"


def _after(earlier: float | None, later: float | None) -> bool:
    """Tell whether what should be earlier came later."""
    return earlier is not None and later is not None and earlier > later + TOLERANCE


def _infer(
    executor: list[ExecutorTask], manager: list[ManagerTask], known: list[Join], checks: _Checks
) -> tuple[list[Join], list[str]]:
    """Join the tasks that no log joins, by their order."""
    bounds = sorted((join.manager_task.number, join.executor_task.number) for join in known)
    numbers = [number for number, _task in bounds]

    def fits(one: ExecutorTask, other: ManagerTask) -> bool:
        # Of the known joins, those next to this manager's task: one below and one above.
        place = bisect_left(numbers, other.number)
        around = bounds[max(place - 1, 0) : place + 1]
        in_order = all((number < other.number) == (task < one.number) for number, task in around)
        return in_order and checks.excludes(one, other) is None

    first = _in_order(executor, manager, fits)
    last = _in_order(executor[::-1], manager[::-1], fits)
    if first is None or last is None:
        # If each fitted the one at its own place, they would have been joined so.
        one, other = next((e, m) for e, m in zip(executor, manager, strict=False) if not fits(e, m))
        why = checks.excludes(one, other) or "joins that are logged leave no place"
        example = f"{_name(other)} and executor task {one.number}, which has its place in order: {why}"
        return [], [example] * len(manager)
    sure = set(first) & set(last)
    return [
        Join(one, other, _note(one, other, len(executor), len(manager), checks))
        for one, other in first
        if (one, other) in sure
    ], []


def _in_order(
    executor: Sequence[ExecutorTask],
    manager: Sequence[ManagerTask],
    fits: Callable[[ExecutorTask, ManagerTask], bool],
) -> list[tuple[ExecutorTask, ManagerTask]] | None:
    """Pair the tasks of the shorter list with some of the longer one, each in its order; None where it is impossible.

    Each has the first place that fits.
    """
    if len(executor) < len(manager):
        return _embed(executor, manager, fits)
    found = _embed(manager, executor, lambda other, one: fits(one, other))
    return None if found is None else [(one, other) for other, one in found]


def _embed(few: Sequence[_A], many: Iterable[_B], fits: Callable[[_A, _B], bool]) -> list[tuple[_A, _B]] | None:
    """Give each of a few the first place among many that fits, keeping the order.

    None where that is not possible: then no other way is either, since each takes the first place it can.
    """
    pairs: list[tuple[_A, _B]] = []
    rest = iter(many)
    for one in few:
        found = next((other for other in rest if fits(one, other)), None)
        if found is None:
            return None
        pairs.append((one, found))
    return pairs


def _note(one: ExecutorTask, other: ManagerTask, executor: int, manager: int, checks: _Checks) -> str:
    found = list(checks.agreeing(one, other))
    # 'category agrees', 'category and 4 times agree', '4 times agree'
    agreeing = " and ".join(found) + (" agrees" if found in (["category"], ["a time"]) else " agree") if found else ""
    sides = (
        f"{executor} on either side" if executor == manager else f"{executor} and {manager}, of which one place fits"
    )
    return f"inferred from the order of tasks, {sides}" + (f"; {agreeing}" if agreeing else "; nothing to check by")
