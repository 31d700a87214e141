"""One row for each Parsl task: how it ended, how long it was in each layer, and the longest chain up to it.

Kept, so that a million events are read once and not for each question. Made again for the runs that an import touches.
Tasks whose events came in the same order have theirs at the same places, so what is looked for is found once for each
order, not for each task.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import sub
from typing import Any, NamedTuple

from importers import cctools, htex, parsl_log
from importers import monitoring_tables as monitoring
from importers.keys import number_of
from importers.many_rows import insert_rows
from importers.roots import Roots, StateNames

ACCOUNTS = (parsl_log.TASK, monitoring.TASK)
"""Span types of tasks. The log's account stands for a task which both tell of."""

TRIES = (parsl_log.TRY, monitoring.TRY)


def _states(event: str, *span_types: str) -> frozenset[str]:
    return frozenset(f"{span_type}/{event}" for span_type in span_types)


_WORK_QUEUE_TASK = cctools.span_type(cctools.WORK_QUEUE, "task")
_TASKVINE_TASK = cctools.span_type(cctools.TASKVINE, "task")

# Logs of before 2026-04 have no line for the state "launched", but one for the launch on an executor.
LAUNCHED = _states("launched", *TRIES) | _states("launched_on_executor", parsl_log.TRY)
RETRIED = _states("fail_retryable", *TRIES)

TRANSFER = _states("TRANSFER_INPUT", _WORK_QUEUE_TASK) | _states("commit_start", _TASKVINE_TASK)
DISPATCH = _states("interchange_to_manager", htex.INTERCHANGE_TASK[0]) | _states("RUNNING", _TASKVINE_TASK)
RUN = (
    _states("worker_received_task", htex.WORKER_TASK[0])
    | _states("RUNNING", _WORK_QUEUE_TASK)
    | _states("worker_start", _TASKVINE_TASK)
    | _states("running", monitoring.TRY)
)
"""What begins each layer, as far as a log tells of it: the first of these after the launch of the last try."""

RETURN = (
    _states("worker_completed_task", htex.WORKER_TASK[0])
    | _states("WAITING_RETRIEVAL", _WORK_QUEUE_TASK, _TASKVINE_TASK)
    | _states("running_ended", monitoring.TRY)
    | _states("joining", *TRIES)
)
"""What ends the run: the last of these. The body of a join app has run when it begins to wait for its inner tasks."""

OUTCOMES = {
    "exec_done": "done",
    "memo_done": "memoized",
    "failed": "failed",
    "dep_fail": "dependency failed",
}
"""What the last state of a task's tries comes to."""

UNFINISHED = "unfinished"
"""The outcome of a task of which no log tells that it ended."""

_ENDS = {state: outcome for event, outcome in OUTCOMES.items() for state in _states(event, *TRIES)}


class _Places(NamedTuple):
    """Where in the order of a task's events each thing is that its row is made of."""

    outcome: str
    began: int
    ended: int
    layers: tuple[int, ...]
    """What begins each layer but the first: in_retry, in_queue and so on."""


def _places(states: list[str]) -> _Places | None:
    """Find the places in a sequence of 'span_type/event_type'; None where no event is the task's or its tries' own."""
    types = [state.rpartition("/")[0] for state in states]
    own = [place for place, span_type in enumerate(types) if span_type in ACCOUNTS]
    accounts = [place for place, span_type in enumerate(types) if span_type in ACCOUNTS + TRIES]
    if not accounts:
        return None
    ends = [_ENDS[state] for state in states if state in _ENDS]
    # Of a task that never ended, such as one that hangs, the last that is known may be that a worker got it.
    ended = accounts[-1] if ends else len(states) - 1
    return _Places(
        outcome=ends[-1] if ends else UNFINISHED,
        began=(own or accounts)[0],
        ended=ended,
        layers=_layers(states, ended),
    )


def _layers(states: list[str], ended: int) -> tuple[int, ...]:
    """Find what begins each layer but the first. One that no log tells of begins where the next one does."""
    launches = [place for place, state in enumerate(states) if state in LAUNCHED]
    if not launches:
        return (ended,) * 6
    tried_again = [place for place, state in enumerate(states[: launches[-1]]) if state in RETRIED]
    # What befell an earlier try does not count. What befell a task of one try may be logged before its launch is.
    last_try = range(tried_again[-1] if tried_again else 0, len(states))

    def first(*marks: frozenset[str]) -> int:
        """Return the first place of the first of the marks that is there at all, or else that of the launch."""
        return next(place for mark in (*marks, LAUNCHED) for place in last_try if states[place] in mark)

    return (
        launches[0],
        first(LAUNCHED),
        first(TRANSFER, DISPATCH, RUN),
        first(DISPATCH, RUN, TRANSFER),
        first(RUN, DISPATCH, TRANSFER),
        max((place for place in last_try if states[place] in RETURN), default=ended),
    )


_COLUMNS = (
    *("task", "monitoring", "run", "app", "executor", "tries", "outcome", "began", "ended"),
    *("in_submit", "in_retry", "in_queue", "in_transfer", "in_dispatch", "in_run", "in_return"),
)
_UNKNOWN = (UNFINISHED, *[None] * 9)


def update(conn: sqlite3.Connection, roots: Roots) -> None:
    """Make the rows of a run's tasks again, as far as these roots are tasks which no better account tells of."""
    types: dict[str, int] = dict(conn.execute("SELECT name, id FROM span_types").fetchall())
    if roots.root_type not in {types.get(account) for account in ACCOUNTS}:
        return
    of_type = {"run": roots.run, "type": roots.root_type}
    conn.execute(
        "DELETE FROM task_times WHERE task IN (SELECT id FROM spans WHERE run = :run AND type = :type)", of_type
    )
    logged, monitored = (_spans(conn, roots.run, types.get(account)) for account in ACCOUNTS)
    if roots.root_type == types.get(parsl_log.TASK):
        tasks, others = logged, monitored
    else:
        tasks, others = {key: task for key, task in monitored.items() if key not in logged}, {}
    if not tasks:
        return
    tries = _Tries(conn, roots.run, [types.get(span_type) for span_type in TRIES])
    insert_rows(conn, "task_times", _COLUMNS, _rows(conn, roots, tasks, others, tries), empty={"monitoring"})


def forget(conn: sqlite3.Connection, run: int) -> None:
    """Drop the rows of a run, whose spans are about to be dropped."""
    _forget_needs(conn, run)
    conn.execute("DELETE FROM task_times WHERE task IN (SELECT id FROM spans WHERE run = ?)", [run])


class _Task(NamedTuple):
    """An account of a task."""

    id: int
    app: str | None


def _spans(conn: sqlite3.Connection, run: int, span_type: int | None) -> dict[str, _Task]:
    """Return the tasks of a run by key, in order of their ids."""
    rows = conn.execute(
        "SELECT id, key, attributes FROM spans WHERE run = ? AND type = ? ORDER BY id", [run, span_type]
    )
    return {key: _Task(span, _app(attributes)) for span, key, attributes in rows}


# The tasks of a run have few apps, and many have no other attribute.
@lru_cache
def _app(attributes: str | None) -> str | None:
    app = json.loads(attributes).get("app") if attributes else None
    return None if app is None else str(app)


class _Tries:
    """How many tries each task had, and the executor of the last one that came to one."""

    def __init__(self, conn: sqlite3.Connection, run: int, types: list[int | None]) -> None:
        self.count: defaultdict[str, int] = defaultdict(int)
        self.executor: dict[str, str] = {}
        last: dict[str, int] = {}
        for key, executor in _executors(conn, run, types):
            task, _, part = key.rpartition("/")
            self.count[task] += 1
            number = number_of(part)
            if executor is not None and number is not None and number >= last.get(task, 0):
                self.executor[task] = executor
                if number:
                    last[task] = number


def _executors(conn: sqlite3.Connection, run: int, types: list[int | None]) -> Iterable[tuple[str, str | None]]:
    """Return the key of each try, and its executor."""
    of_type = "SELECT key, json_extract(attributes, '$.executor') FROM spans WHERE run = ? AND type = ?"
    found = [conn.execute(of_type, [run, span_type]) for span_type in types]
    tells = [conn.execute(f"{of_type} LIMIT 1", [run, span_type]).fetchone() is not None for span_type in types]
    if not all(tells):
        return chain.from_iterable(found)
    executors: dict[str, str | None] = {}
    # What the log says of a try, which comes first here, holds.
    for key, executor in chain.from_iterable(found):
        executors[key] = executors.get(key) or executor
    return executors.items()


TASKS_AT_ONCE = 50_000
"""Tasks that are made into rows at a time: a bound on memory."""


def _rows(
    conn: sqlite3.Connection, roots: Roots, tasks: dict[str, _Task], others: dict[str, _Task], tries: _Tries
) -> Iterator[tuple[Any, ...]]:
    """Yield the row of each task."""
    names = StateNames(conn)
    ways = [(alike, places) for alike in roots.alike if (places := _places([names[code] for code in alike.sequence]))]
    in_order = iter(tasks.items())
    while some := list(islice(in_order, TASKS_AT_ONCE)):
        found: dict[int, tuple[str | float | None, ...]] = {}
        for alike, places in ways:
            these = alike.between(some[0][1].id, some[-1][1].id)
            of_tasks = zip(repeat(places.outcome), *_times(places, these.by_place()))
            found.update(zip(these.ids, of_tasks, strict=True))
        for key, task in some:
            other = others.get(key)
            yield (
                task.id,
                other.id if other else "",
                roots.run,
                task.app if task.app is not None or other is None else other.app,
                tries.executor.get(key),
                tries.count[key],
                *found.get(task.id, _UNKNOWN),
            )


def _times(places: _Places, times: list[array[float]]) -> list[Iterable[float]]:
    """Return when tasks began and ended, and their seconds in each layer, whose sum is the duration.

    Their events are at the same places. Clocks may disagree: no layer begins before the one ahead of it, nor after the
    task ended.
    """
    began, ended = times[places.began], times[places.ended]
    found: list[Iterable[float]] = [began, ended]
    before: Iterable[float] = began
    for place in places.layers:
        begins = array("d", map(min, ended, map(max, before, times[place])))
        found.append(map(sub, begins, before))
        before = begins
    found.append(map(sub, ended, before))
    return found


def relate(conn: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Find which tasks of these runs need which, and for each the longest chain that ends with it.

    A task needs those that it depends on, and a join app its inner tasks. Chains are measured in seconds that their
    tasks ran. The body of a join app runs before its inner tasks, so of the two ways through it the longer one counts.
    Tasks that need nothing get no chain, nor do those of a broken log which need each other.
    """
    for run in sorted(runs):
        _forget_needs(conn, run)
        needs = _needs(conn, run)
        conn.executemany(
            "INSERT OR IGNORE INTO task_needs (task, joins, needs) VALUES (?, ?, ?)",
            sorted(
                (task, joins, other) for joins, tasks in enumerate(needs) for task in tasks for other in tasks[task]
            ),
        )
        if any(needs):
            longest = _longest(conn, run, needs)
            conn.executemany("UPDATE task_times SET chain_seconds = ?, chain_needs = ? WHERE task = ?", longest)


def _forget_needs(conn: sqlite3.Connection, run: int) -> None:
    # By type, too: by run alone, SQLite would go through all spans.
    conn.execute(
        """DELETE FROM task_needs WHERE task IN (
               SELECT spans.id FROM span_types CROSS JOIN spans ON spans.run = ? AND spans.type = span_types.id
               WHERE span_types.name IN (?, ?))""",
        [run, *ACCOUNTS],
    )


class _Needs(NamedTuple):
    """What tasks need, by their ids: in order of their numbers, so that it does not depend on the ids."""

    depends: dict[int, list[int]]
    joins: dict[int, list[int]]


def _needs(conn: sqlite3.Connection, run: int) -> _Needs:
    named = """SELECT spans.key, json_extract(attributes, :path) FROM span_types
               CROSS JOIN spans ON spans.run = :run AND spans.type = span_types.id
               -- To look for the name first takes half as long as to take all attributes apart.
               WHERE span_types.name = :type AND instr(attributes, :name)
                   AND json_type(attributes, :path) = 'array'"""
    tasks: dict[str, int] = {}

    def told(span_type: str, name: str) -> Iterator[tuple[str, set[str]]]:
        """Yield the key of each span that names tasks, and those that the run has: a text may name any number."""
        asked = {"run": run, "type": span_type, "path": f"$.{name}", "name": f'"{name}"'}
        for key, keys in conn.execute(named, asked):
            tasks.update(() if tasks else _tasks(conn, run))
            yield key, {other for other in map(str, json.loads(keys)) if other in tasks}

    def known(named: dict[str, set[str]]) -> dict[int, list[int]]:
        return {
            tasks[key]: [tasks[other] for other in sorted(others - {key}, key=_number)]
            for key, others in named.items()
            if key in tasks
        }

    # Monitoring's first, as what the log says holds.
    depends = {key: others for account in reversed(ACCOUNTS) for key, others in told(account, "depends")}
    joins: defaultdict[str, set[str]] = defaultdict(set)
    # Only monitoring names the inner tasks.
    for key, others in told(monitoring.TRY, "joins"):
        joins[key.rpartition("/")[0]] |= others
    return _Needs(known(depends), known(joins))


def _tasks(conn: sqlite3.Connection, run: int) -> dict[str, int]:
    """Return the id of each task of a run, by key."""
    rows = conn.execute(
        """SELECT spans.key, spans.id FROM span_types
           CROSS JOIN spans ON spans.run = ? AND spans.type = span_types.id
           CROSS JOIN task_times ON task_times.task = spans.id
           WHERE span_types.name IN (?, ?)""",
        [run, *ACCOUNTS],
    )
    return dict(rows)


def _number(key: str) -> tuple[int, str]:
    """Bring keys that are numbers into their order."""
    return len(key), key


def _longest(conn: sqlite3.Connection, run: int, needs: _Needs) -> list[tuple[float, int | None, int]]:
    """Return for each task that needs others the seconds of its longest chain, the task before it there, and itself."""
    rows = conn.execute("SELECT task, in_run FROM task_times WHERE run = ?", [run])
    alone = {task: seconds or 0.0 for task, seconds in rows}
    chains: dict[int, float] = {}
    found: list[tuple[float, int | None, int]] = []

    def longest(tasks: Iterable[int]) -> tuple[float, int | None]:
        # Of chains as long as each other the first is kept.
        best: tuple[float, int | None] = (0.0, None)
        for task in tasks:
            seconds = chains[task] if task in chains else alone[task]
            if best[1] is None or seconds > best[0]:
                best = seconds, task
        return best

    for task in _in_order(needs):
        waited, gate = longest(needs.depends.get(task, ()))
        inner, inner_gate = longest(needs.joins.get(task, ()))
        if inner > waited + alone[task]:
            chains[task], gate = inner, inner_gate
        else:
            chains[task] = waited + alone[task]
        found.append((chains[task], gate, task))
    return found


def _in_order(needs: _Needs) -> Iterator[int]:
    """Yield the tasks that need others, each after those; without any that lead round in a circle."""
    needing = needs.depends.keys() | needs.joins.keys()
    waits = {task: {other for each in needs for other in each.get(task, ()) if other in needing} for task in needing}
    after: defaultdict[int, list[int]] = defaultdict(list)
    for task, others in waits.items():
        for other in others:
            after[other].append(task)
    ready = [task for task, others in waits.items() if not others]
    while ready:
        task = ready.pop()
        yield task
        for later in after[task]:
            waits[later].discard(task)
            if not waits[later]:
                ready.append(later)
