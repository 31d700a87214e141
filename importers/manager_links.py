"""Which executor task became which task of a Work Queue or TaskVine manager, and which block a worker is of.

An executor submits its tasks in the order of their ids, and its manager counts them in that order. Where a log names
both ids (parsl.log until March 2025, TaskVine's taskgraph, Work Queue's debug log), that is the join. Where none does,
the two lists are put side by side: a task can only be one of its own category, that was there before it came to the
manager, and whose result was back after the manager had it. The join is made where this leaves one place, and its note
says that it was inferred, and from what. Evidence that contradicts itself gives no join, and is reported.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from importers import monitoring_tables as monitoring
from importers import parsl_log, workqueue_function
from importers.cctools import EXECUTOR_TASK, TITLES, WORK_QUEUE, span_type
from importers.executor_tasks import MANAGER_TASK
from importers.keys import number_of

TOLERANCE = 0.001
"""Seconds by which two processes of one host may write down one moment apart."""

CONTRADICTION = "the evidence for which executor task it is contradicts itself, so it is not joined"
BLOCK_CONTRADICTION = "the evidence for which block it is of contradicts itself, so it is not joined"


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
    by_number = {task.number: task for task in executor}
    of_line: defaultdict[int, list[ExecutorTask]] = defaultdict(list)
    for one in executor:
        if one.manager_task is not None:
            of_line[one.manager_task].append(one)
    checks = _Checks(executor, manager)
    joins, contradictions, open_tasks = [], [], []
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
        elif task.executor_task is None:
            open_tasks.append(task)
    taken = Counter(join.executor_task.number for join in joins)
    contradictions += [
        f"{_name(join.manager_task)}: executor task {join.executor_task.number} is said to be another task, too"
        for join in joins
        if taken[join.executor_task.number] > 1
    ]
    joins = [join for join in joins if taken[join.executor_task.number] == 1]
    free = [task for task in executor if task.number not in taken and task.manager_task is None]
    if contradictions or not open_tasks or not free:
        # Where a log is wrong about one task, the order of the others says little.
        return joins, contradictions
    inferred, why = _infer(free, open_tasks, joins, checks)
    return joins + inferred, contradictions + why


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

    fewer_are_executor = len(executor) < len(manager)
    first = _embed(executor, manager, fits, fewer_are_executor)
    last = _embed(executor[::-1], manager[::-1], fits, fewer_are_executor)
    if first is None or last is None:
        one, other = next(
            ((e, m) for e, m in zip(executor, manager, strict=False) if not fits(e, m)), (executor[0], manager[0])
        )
        why = checks.excludes(one, other) or "joins that are logged leave no place"
        example = f"{_name(other)} and executor task {one.number}, which has its place in order: {why}"
        return [], [example] * len(manager)
    sure = set(first) & set(last)
    return [
        Join(one, other, _note(one, other, len(executor), len(manager), checks))
        for one, other in first
        if (one, other) in sure
    ], []


def _embed(
    executor: Sequence[ExecutorTask],
    manager: Sequence[ManagerTask],
    fits: Callable[[ExecutorTask, ManagerTask], bool],
    fewer_are_executor: bool,
) -> list[tuple[ExecutorTask, ManagerTask]] | None:
    """Give each task of the shorter list the first place in the longer one that fits, keeping the order.

    None where that is not possible: then no other way is either, since each takes the first place it can.
    """
    pairs: list[tuple[ExecutorTask, ManagerTask]] = []
    if fewer_are_executor:
        others = iter(manager)
        for one in executor:
            found = next((other for other in others if fits(one, other)), None)
            if found is None:
                return None
            pairs.append((one, found))
    else:
        ones = iter(executor)
        for other in manager:
            place = next((one for one in ones if fits(one, other)), None)
            if place is None:
                return None
            pairs.append((place, other))
    return pairs


def _note(one: ExecutorTask, other: ManagerTask, executor: int, manager: int, checks: _Checks) -> str:
    found = list(checks.agreeing(one, other))
    # 'category agrees', 'category and 4 times agree', '4 times agree'
    agreeing = " and ".join(found) + (" agrees" if found in (["category"], ["a time"]) else " agree") if found else ""
    sides = (
        f"{executor} on either side" if executor == manager else f"{executor} and {manager}, of which one place fits"
    )
    return f"inferred from the order of tasks, {sides}" + (f"; {agreeing}" if agreeing else "; nothing to check by")


def link(conn: sqlite3.Connection, run: int, types: dict[str, int]) -> None:
    """Join the executor tasks, manager's tasks, workers and blocks of one run."""
    for kind in TITLES:
        if types.get(span_type(kind, "manager")) is not None:
            _forget(conn, run, kind, types)
            _link_tasks(conn, run, kind, types)
            _link_blocks(conn, run, kind, types)
            _link_libraries(conn, run, kind, types)
    if workqueue_function.REMOTE in types:
        _link_remote(conn, run, types)


def _link_remote(conn: sqlite3.Connection, run: int, types: dict[str, int]) -> None:
    """Put what an executor task did on its worker into the manager's task, or where that is not known, into itself."""
    values = {
        "run": run,
        "remote": types[workqueue_function.REMOTE],
        "executor_task": types.get(EXECUTOR_TASK[WORK_QUEUE]),
        "task": types.get(span_type(WORK_QUEUE, "task")),
    }
    conn.execute(
        "DELETE FROM subspans WHERE subspan IN (SELECT id FROM spans WHERE run = :run AND type = :remote)", values
    )
    conn.execute(
        """INSERT INTO subspans (superspan, subspan, key)
           SELECT coalesce(
               (SELECT subspans.subspan FROM subspans
                CROSS JOIN spans AS task ON task.id = subspans.subspan AND task.type = :task
                WHERE subspans.superspan = executor_task.id),
               executor_task.id), remote.id, 'remote'
           FROM spans AS remote
           CROSS JOIN spans AS executor_task ON executor_task.run = remote.run
               AND executor_task.type = :executor_task AND executor_task.key = remote.key
           WHERE remote.run = :run AND remote.type = :remote""",
        values,
    )


def _link_libraries(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> None:
    """Join the two accounts of an instance of a library, which has a number among the tasks. Few tasks are one."""
    conn.execute(
        """INSERT OR IGNORE INTO facets (left, right)
           SELECT library.id, task.id FROM spans AS library
           CROSS JOIN spans AS task ON task.run = library.run AND task.type = :task AND task.key = library.key
           WHERE library.run = :run AND library.type = :library""",
        {"run": run, "library": types.get(span_type(kind, "library")), "task": types.get(span_type(kind, "task"))},
    )


def joined_types() -> list[tuple[str, str]]:
    """Return the pairs of span types that are joined here, outer and inner."""
    return [
        (outer, span_type(kind, inner))
        for kind in TITLES
        for outer, inner in (
            (EXECUTOR_TASK[kind], "task"),
            (parsl_log.BLOCK, "worker"),
            (monitoring.BLOCK, "worker"),
        )
    ]


def _forget(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> None:
    for outer, inner in joined_types():
        if outer in types and inner in types and inner.startswith(f"{kind}."):
            conn.execute(
                """DELETE FROM subspans WHERE superspan IN (SELECT id FROM spans WHERE run = :run AND type = :outer)
                   AND (SELECT type FROM spans WHERE id = subspan) = :inner""",
                {"run": run, "outer": types[outer], "inner": types[inner]},
            )
    conn.execute(
        """DELETE FROM unmatched WHERE template = ? AND reason IN (?, ?)
           AND source IN (SELECT id FROM sources WHERE run = ?)""",
        [TITLES[kind], CONTRADICTION, BLOCK_CONTRADICTION, run],
    )


def _link_tasks(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> None:
    managers = _managers(conn, run, types[span_type(kind, "manager")])
    if not managers:
        return
    executor_tasks = _executor_tasks(conn, run, kind, types)
    if executor_tasks.keys().isdisjoint(label for _span, _key, label in managers):
        return
    manager_tasks = _manager_tasks(conn, run, kind, types)
    of_label = Counter(label for _span, _key, label in managers)
    for span, key, label in managers:
        # Of several managers of one executor, none is known to be the one that a task came to.
        if label is None or of_label[label] > 1 or label not in executor_tasks:
            continue
        joins, contradictions = join_tasks(executor_tasks[label], manager_tasks.get(key, []))
        conn.executemany(
            "INSERT OR IGNORE INTO subspans (superspan, subspan, key, note) VALUES (?, ?, ?, ?)",
            sorted((j.executor_task.span, j.manager_task.span, str(j.manager_task.number), j.note) for j in joins),
        )
        _report(conn, run, kind, span, CONTRADICTION, contradictions)


def _report(conn: sqlite3.Connection, run: int, kind: str, span: int, reason: str, texts: list[str]) -> None:
    """Keep what contradicts itself: the first, and how many there are.

    It is kept with the log of the span's first event, or where it has none with the manager's.
    """
    source = conn.execute(
        """SELECT * FROM (SELECT source, offset FROM events WHERE span = ? LIMIT 1)
           UNION ALL SELECT * FROM (SELECT id, 0 FROM sources WHERE run = ? AND importer = ? ORDER BY key LIMIT 1)""",
        [span, run, kind],
    ).fetchone()
    if texts and source:
        conn.execute(
            """INSERT INTO unmatched (source, reason, template, count, offset, text) VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET count = count + excluded.count""",
            [source[0], reason, TITLES[kind], len(texts), source[1], texts[0][:500]],
        )


def _managers(conn: sqlite3.Connection, run: int, manager_type: int) -> list[tuple[int, str, str | None]]:
    return conn.execute(
        """SELECT id, key, json_extract(attributes, '$.executor') FROM spans
           WHERE run = ? AND type = ? ORDER BY key""",
        [run, manager_type],
    ).fetchall()


def _spans(
    conn: sqlite3.Connection, run: int, span_type: int | None, attributes: Sequence[str], first: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Yield id, key, attributes, and the time of the first of each event, of a run's spans of a type."""
    names = [f"json_extract(attributes, '$.{name}')" for name in attributes]
    times = [
        f"""(SELECT min(time) FROM events WHERE span = spans.id
             AND type = (SELECT id FROM event_types WHERE name = '{name}'))"""
        for name in first
    ]
    yield from conn.execute(
        f"SELECT {', '.join(['id', 'key', *names, *times])} FROM spans WHERE run = ? AND type = ? ORDER BY id",
        [run, span_type],
    )


def _executor_tasks(
    conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]
) -> dict[str, list[ExecutorTask]]:
    """Return the executor tasks of a run by executor label, in order of their ids."""
    apps = {key: app for _id, key, app in _spans(conn, run, types.get(parsl_log.TASK), ["app"], [])}
    running = {key: time for _id, key, time in _spans(conn, run, types.get(monitoring.TRY), [], ["running"])}
    tries = {
        f"{label}/{number}": key
        for _id, key, label, number in _spans(conn, run, types.get(parsl_log.TRY), ["executor", "executor_task"], [])
    }
    found: defaultdict[str, list[ExecutorTask]] = defaultdict(list)
    queued_ones: defaultdict[str, set[int]] = defaultdict(set)
    rows = _spans(conn, run, types.get(EXECUTOR_TASK[kind]), [MANAGER_TASK], ["created", "queued", "future_updated"])
    for span, key, manager_task, created, queued, updated in rows:
        label, _, part = key.rpartition("/")
        number = number_of(part)
        if number is None:
            continue
        try_ = tries.get(key)
        app = apps.get(try_.split("/")[0]) if try_ else None
        began = running.get(try_) if try_ else None
        found[label].append(ExecutorTask(number, span, manager_task, app, created, began, updated))
        if queued is not None:
            queued_ones[label].add(span)
    # What failed before it was queued never came to the manager. Some logs do not tell what was queued.
    return {
        label: sorted(
            task
            for task in tasks
            if not queued_ones[label] or task.span in queued_ones[label] or task.manager_task is not None
        )
        for label, tasks in found.items()
    }


def _manager_tasks(
    conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]
) -> dict[str, list[ManagerTask]]:
    """Return the tasks that came to a run's managers from an executor, by manager, in order of their ids."""
    found: defaultdict[str, list[ManagerTask]] = defaultdict(list)
    rows = _spans(
        conn,
        run,
        types.get(span_type(kind, "task")),
        ["executor_task", "category"],
        ["WAITING", "RUNNING", "WAITING_RETRIEVAL", "DONE"],
    )
    for span, key, *known in rows:
        manager, _, part = key.rpartition("/")
        number = number_of(part)
        if number is None:
            continue
        task = ManagerTask(number, span, *known)
        # A task that never waited is an instance of a library, which the manager made itself.
        if task.waiting is not None:
            found[manager].append(task)
    return {manager: sorted(tasks) for manager, tasks in found.items()}


def _link_blocks(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> None:
    """Put the workers of a run into their blocks: by the address that a job wrote down, or by their tasks' tries."""
    blocks = defaultdict(list)
    for block_type in (parsl_log.BLOCK, monitoring.BLOCK):
        for span, key in _spans(conn, run, types.get(block_type), [], []):
            blocks[key].append(span)
    by_address = _blocks_by_address(conn, run, kind, types)
    by_tries = _blocks_by_tries(conn, run, kind, types)
    contradictory = []
    for span, key in _spans(conn, run, types.get(span_type(kind, "worker")), [], []):
        addressed, tried = by_address.get(span, set()), by_tries.get(span, set())
        found = addressed & tried if addressed and tried else addressed or tried
        worker = key.rpartition("/")[2]
        if len(found) == 1:
            note = None if addressed else "inferred from the block of its tasks' tries"
            conn.executemany(
                "INSERT OR IGNORE INTO subspans (superspan, subspan, key, note) VALUES (?, ?, ?, ?)",
                [(block, span, worker, note) for block in blocks[next(iter(found))]],
            )
        elif addressed or tried:
            contradictory.append((span, f"{worker}: by its address {sorted(addressed)}, by its tasks {sorted(tried)}"))
    for span, text in contradictory:
        _report(conn, run, kind, span, BLOCK_CONTRADICTION, [text])


def _blocks_by_address(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> dict[int, set[str]]:
    """Return the keys of the blocks whose job wrote down an address that a worker connected from, by worker."""
    blocks: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for block, address in conn.execute(
        """SELECT block.key, address.value
           FROM spans AS block CROSS JOIN json_each(block.attributes, '$.worker_addresses') AS address
           WHERE block.run = ? AND block.type = ?""",
        [run, types.get(parsl_log.BLOCK)],
    ):
        blocks[block.rpartition("/")[0], address].add(block)
    found: defaultdict[int, set[str]] = defaultdict(set)
    for worker, label, address in conn.execute(
        """SELECT worker.id, json_extract(manager.attributes, '$.executor'), in_worker.key
           FROM spans AS connection
           CROSS JOIN subspans AS in_worker ON in_worker.subspan = connection.id
           CROSS JOIN spans AS worker ON worker.id = in_worker.superspan AND worker.type = :worker
           CROSS JOIN subspans AS in_manager ON in_manager.subspan = worker.id
           CROSS JOIN spans AS manager ON manager.id = in_manager.superspan AND manager.type = :manager
           WHERE connection.run = :run AND connection.type = :connection""",
        {"run": run, **{thing: types.get(span_type(kind, thing)) for thing in ("manager", "worker", "connection")}},
    ):
        if (label, address) in blocks:
            found[worker] |= blocks[label, address]
    return found


def _blocks_by_tries(conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> dict[int, set[str]]:
    """Return the keys of the blocks that monitoring says the tries of a worker's tasks ran in, by worker.

    A task that was on several workers tells of the last one only, so it is left out.
    """
    found: defaultdict[int, set[str]] = defaultdict(set)
    for worker, block in conn.execute(
        """SELECT DISTINCT on_worker.superspan,
                  json_extract(try.attributes, '$.executor') || '/' || json_extract(try.attributes, '$.block')
           FROM spans AS try
           CROSS JOIN spans AS log_try ON log_try.run = try.run AND log_try.type = :log_try AND log_try.key = try.key
           CROSS JOIN subspans AS in_try ON in_try.superspan = log_try.id
           CROSS JOIN spans AS executor_task
               ON executor_task.id = in_try.subspan AND executor_task.type = :executor_task
           CROSS JOIN subspans AS in_executor ON in_executor.superspan = executor_task.id
           CROSS JOIN spans AS task ON task.id = in_executor.subspan AND task.type = :task
               AND json_extract(task.attributes, '$.attempts') IS NULL
           CROSS JOIN subspans AS on_worker ON on_worker.subspan = task.id
           CROSS JOIN spans AS worker ON worker.id = on_worker.superspan AND worker.type = :worker
           WHERE try.run = :run AND try.type = :try AND json_extract(try.attributes, '$.block') IS NOT NULL""",
        {
            "run": run,
            "try": types.get(monitoring.TRY),
            "log_try": types.get(parsl_log.TRY),
            "executor_task": types.get(EXECUTOR_TASK[kind]),
            **{thing: types.get(span_type(kind, thing)) for thing in ("task", "worker")},
        },
    ):
        found[worker].add(block)
    return found
