"""What ties the spans of a Work Queue or TaskVine manager to others: executor tasks, functions, libraries, blocks."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from operator import itemgetter

from importers import monitoring_tables as monitoring
from importers import parsl_log, worker_blocks, workqueue_function
from importers.cctools import EXECUTOR_TASK, TITLES, WORK_QUEUE, span_type
from importers.executor_tasks import MANAGER_TASK
from importers.keys import number_of
from importers.manager_rows import ManagerRows
from importers.task_joins import ExecutorTask, ManagerTask, join_tasks

CONTRADICTION = "the evidence for which executor task it is contradicts itself, so it is not joined"

JOINED = tuple(
    (outer, span_type(kind, inner))
    for kind in TITLES
    for outer, inner in ((EXECUTOR_TASK[kind], "task"), *((block, "worker") for block in worker_blocks.BLOCKS))
)
"""The pairs of span types that are joined here, outer and inner."""


def link(conn: sqlite3.Connection, run: int, types: dict[str, int]) -> None:
    """Join the executor tasks, manager's tasks, workers and blocks of one run."""
    for kind in TITLES:
        rows = ManagerRows(conn, run, kind, types)
        if rows.type_of("manager") is not None:
            _forget(rows)
            _link_tasks(rows)
            worker_blocks.link(rows)
            _link_libraries(rows)
    if workqueue_function.REMOTE in types:
        _link_functions(conn, run, types)


def _forget(rows: ManagerRows) -> None:
    for outer, inner in JOINED:
        if outer in rows.types and inner in rows.types and inner.startswith(f"{rows.kind}."):
            rows.conn.execute(
                """DELETE FROM subspan_rows WHERE superspan IN (SELECT id FROM spans WHERE run = :run AND type = :outer)
                   AND (SELECT type FROM spans WHERE id = subspan) = :inner""",
                {"run": rows.run, "outer": rows.types[outer], "inner": rows.types[inner]},
            )
    rows.forget_reports(CONTRADICTION, worker_blocks.CONTRADICTION)


def _link_functions(conn: sqlite3.Connection, run: int, types: dict[str, int]) -> None:
    """Put what an executor task did on its worker into the manager's task, or where that is not known, into itself."""
    values = {
        "run": run,
        "function": types[workqueue_function.REMOTE],
        "executor_task": types.get(EXECUTOR_TASK[WORK_QUEUE]),
        "task": types.get(span_type(WORK_QUEUE, "task")),
    }
    conn.execute(
        "DELETE FROM subspan_rows WHERE subspan IN (SELECT id FROM spans WHERE run = :run AND type = :function)", values
    )
    conn.execute(
        """INSERT INTO subspan_rows (superspan, subspan, name)
           SELECT coalesce(
               (SELECT subspans.subspan FROM subspans
                CROSS JOIN spans AS task ON task.id = subspans.subspan AND task.type = :task
                WHERE subspans.superspan = executor_task.id),
               executor_task.id), function.id, 'remote'
           FROM spans AS function
           CROSS JOIN spans AS executor_task ON executor_task.run = function.run
               AND executor_task.type = :executor_task AND executor_task.key = function.key
           WHERE function.run = :run AND function.type = :function""",
        values,
    )


def _link_libraries(rows: ManagerRows) -> None:
    """Join the two accounts of an instance of a library, which has a number among the tasks. Few tasks are one."""
    rows.conn.execute(
        """INSERT OR IGNORE INTO facets (left, right)
           SELECT library.id, task.id FROM spans AS library
           CROSS JOIN spans AS task ON task.run = library.run AND task.type = :task AND task.key = library.key
           WHERE library.run = :run AND library.type = :library""",
        {"run": rows.run, "library": rows.type_of("library"), "task": rows.type_of("task")},
    )


def _link_tasks(rows: ManagerRows) -> None:
    managers = sorted(rows.spans(rows.type_of("manager"), ["executor"]), key=itemgetter(1))
    if not managers:
        return
    executor_tasks = _executor_tasks(rows)
    if executor_tasks.keys().isdisjoint(label for _span, _key, label in managers):
        return
    manager_tasks = _manager_tasks(rows)
    of_label = Counter(label for _span, _key, label in managers)
    for span, key, label in managers:
        # Of several managers of one executor, none is known to be the one that a task came to.
        if label is None or of_label[label] > 1 or label not in executor_tasks:
            continue
        joins, contradictions = join_tasks(executor_tasks[label], manager_tasks.get(key, []))
        rows.put([(j.executor_task.span, j.manager_task.span, str(j.manager_task.number), j.note) for j in joins])
        rows.report(span, CONTRADICTION, contradictions)


def _executor_tasks(rows: ManagerRows) -> dict[str, list[ExecutorTask]]:
    """Return the executor tasks of a run by executor label, in order of their ids."""
    types = rows.types
    apps = {key: app for _id, key, app in rows.spans(types.get(parsl_log.TASK), ["app"])}
    running = {key: time for _id, key, time in rows.spans(types.get(monitoring.TRY), first=["running"])}
    tries = {
        f"{label}/{number}": key
        for _id, key, label, number in rows.spans(types.get(parsl_log.TRY), ["executor", "executor_task"])
    }
    found: defaultdict[str, list[ExecutorTask]] = defaultdict(list)
    queued_ones: defaultdict[str, set[int]] = defaultdict(set)
    of_kind = rows.spans(types.get(EXECUTOR_TASK[rows.kind]), [MANAGER_TASK], ["created", "queued", "future_updated"])
    for span, key, manager_task, created, queued, updated in of_kind:
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


def _manager_tasks(rows: ManagerRows) -> dict[str, list[ManagerTask]]:
    """Return the tasks that came to a run's managers from an executor, by manager, in order of their ids."""
    found: defaultdict[str, list[ManagerTask]] = defaultdict(list)
    for span, key, *known in rows.spans(
        rows.type_of("task"), ["executor_task", "category"], ["WAITING", "RUNNING", "WAITING_RETRIEVAL", "DONE"]
    ):
        manager, _, part = key.rpartition("/")
        number = number_of(part)
        if number is None:
            continue
        task = ManagerTask(number, span, *known)
        # A task that never waited is an instance of a library, which the manager made itself.
        if task.waiting is not None:
            found[manager].append(task)
    return {manager: sorted(tasks) for manager, tasks in found.items()}
