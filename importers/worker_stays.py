"""When which task was on which worker, and in which of its slots.

Kept, because slots depend on all stays of a worker. Made again for the runs that an import touches.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, NamedTuple

from importers import cctools, funcx_endpoint, htex, monitoring_tables, parsl_log
from importers.many_rows import insert_rows


class Kind(NamedTuple):
    """Which events of which spans begin and end a stay, and on which type of worker."""

    worker: str
    task: str
    starts: str
    ends: str
    attempt: str = ""
    """Type of the spans which tell of the stays of a task instead, where it was started more than once."""
    attempt_of: str = ""
    """Type of the tasks whose stays these tell of."""
    single: bool = False
    """Whether a worker has one task at a time."""
    account: str = parsl_log.TASK
    """Type of the task that a stay is part of."""
    other_account: str = monitoring_tables.TASK
    """The same, where there is none of that."""
    across_runs: bool = True
    """Whether it may be of another run."""


def _of_manager(name: str) -> Iterator[Kind]:
    worker, task, attempt = (cctools.span_type(name, thing) for thing in ("worker", "task", "attempt"))
    yield Kind(worker, task, "RUNNING", "WAITING_RETRIEVAL", attempt)
    yield Kind(worker, attempt, "started", "ended", attempt_of=task)


KINDS = (
    Kind(htex.WORKER[0], htex.WORKER_TASK[0], "worker_received_task", "worker_all_finished_task", single=True),
    Kind(
        funcx_endpoint.WORKER[0],
        funcx_endpoint.WORKER_TASK[0],
        "worker.received",
        "worker.completed",
        single=True,
        account=funcx_endpoint.TASK[0],
        across_runs=False,
    ),
    *_of_manager(cctools.WORK_QUEUE),
    *_of_manager(cctools.TASKVINE),
)

STARTS_ANEW = ("started", "CONNECTION")
"""Events of a worker before which all that it did is over."""

_STAYS = """
    -- So that the task of each is looked for once, not for its app again.
    WITH found AS MATERIALIZED (
        SELECT
            subspans.superspan,
            tasks.id,
            tasks.key,
            (
                SELECT min(time) FROM events
                WHERE span = tasks.id AND type = (SELECT id FROM event_types WHERE name = :starts)
            ),
            (
                SELECT max(time) FROM events
                WHERE span = tasks.id AND type = (SELECT id FROM event_types WHERE name = :ends)
            ),
            json_extract(coalesce(whole.attributes, tasks.attributes), '$.cores', '$.category'),
            coalesce(
                (
                    SELECT roots.id
                    FROM descendants
                    JOIN spans AS roots ON roots.id = descendants.root
                    JOIN span_types ON span_types.id = roots.type
                    WHERE descendants.span = tasks.id AND span_types.name IN (:account, :other_account)
                        -- What is of another run may come later, and this run is not looked at then.
                        AND (:across_runs OR roots.run = tasks.run)
                    ORDER BY span_types.name <> :account, roots.uuid
                    LIMIT 1
                ),
                whole.id,
                tasks.id
            ) AS task
        FROM spans AS tasks
        -- In this order: a worker of Work Queue has many more transfers below it than tasks.
        CROSS JOIN subspans ON subspans.subspan = tasks.id
        CROSS JOIN spans AS workers ON workers.id = subspans.superspan
        -- The task of which this is an attempt: key 7.0 is the first of 7.
        LEFT JOIN spans AS whole
            ON whole.run = tasks.run
            AND whole.type = (SELECT id FROM span_types WHERE name = :attempt_of)
            AND whole.key = substr(tasks.key, 1, instr(tasks.key, '.') - 1)
        WHERE tasks.run = :run
            AND tasks.type = (SELECT id FROM span_types WHERE name = :task)
            AND workers.type = (SELECT id FROM span_types WHERE name = :worker)
            AND NOT EXISTS (
                SELECT 1 FROM spans AS attempts
                WHERE attempts.run = tasks.run
                    AND attempts.type = (SELECT id FROM span_types WHERE name = :attempt)
                    AND attempts.key = tasks.key || '.0'
            )
    )
    SELECT found.*, (SELECT app FROM task_times WHERE task_times.task = found.task)
    FROM found
"""

_WORKERS = """
    SELECT
        id,
        began,
        ended,
        json_extract(attributes, '$.cores'),
        (
            SELECT json_group_array(time) FROM events
            WHERE span = spans.id
                AND type IN (SELECT id FROM event_types WHERE name IN (SELECT value FROM json_each(:anew)))
        )
    FROM spans
    WHERE run = :run AND type = (SELECT id FROM span_types WHERE name = :worker)
"""


class Stay(NamedTuple):
    """A task on a worker, from ``began`` to ``ended``: None if no log tells."""

    began: float
    ended: float | None
    key: str
    span: int
    task: int
    app: str | None = None


class Placed(NamedTuple):
    """A stay with its slot and an end; ``ended_logged`` is 0 where the end is only the latest that it can be."""

    slot: int
    began: float
    ended: float
    span: int
    task: int
    app: str | None
    ended_logged: int


def update(conn: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Bring the stays of these runs and the slots of their workers up to date."""
    for run in sorted(runs):
        forget(conn, run)
        for worker_type in dict.fromkeys(kind.worker for kind in KINDS):
            _place(conn, run, [kind for kind in KINDS if kind.worker == worker_type])


def forget(conn: sqlite3.Connection, run: int) -> None:
    """Drop what is kept of a run's workers."""
    types = json.dumps(sorted({kind.worker for kind in KINDS}))
    for table in ("stays", "worker_slots"):
        conn.execute(
            f"""DELETE FROM {table} WHERE worker IN (
                SELECT id FROM spans
                WHERE run = ? AND type IN (
                    SELECT id FROM span_types WHERE name IN (SELECT value FROM json_each(?))))""",
            [run, types],
        )


def _place(conn: sqlite3.Connection, run: int, kinds: Sequence[Kind]) -> None:
    """Keep the stays on the workers of one type, and how many slots each of these has."""
    stays: dict[int, list[Stay]] = defaultdict(list)
    fewest: dict[int, float] = {}
    for kind in kinds:
        asked = {"run": run, **kind._asdict()}
        for worker, span, key, began, ended, told, task, app in conn.execute(_STAYS, asked):
            if began is not None:
                cores, category = _decoded(told)
                stays[worker].append(Stay(began, ended, key, span, task, category if app is None else app))
                if known := _cores(cores):
                    fewest[worker] = min(fewest.get(worker, known), known)
    asked = {"run": run, "worker": kinds[0].worker, "anew": json.dumps(STARTS_ANEW)}
    workers, rows = [], []
    for worker, first, last, cores, anew in conn.execute(_WORKERS, asked):
        placed = place(stays[worker], last, json.loads(anew), single=kinds[0].single)
        signs = [time for stay in placed for time in (stay.began, stay.ended)]
        signs += [time for time in (first, last) if time is not None]
        used = 1 + max((stay.slot for stay in placed), default=0)
        slots = max(used, int(_cores(cores) / fewest.get(worker, 1)))
        workers.append((worker, slots, min(signs, default=None), max(signs, default=None)))
        rows += [(worker, *stay) for stay in placed]
    # In order of the key, which is faster.
    insert_rows(conn, "stays", ("worker", *Placed._fields), sorted(rows))
    conn.executemany("INSERT INTO worker_slots (worker, slots, began, ended) VALUES (?, ?, ?, ?)", workers)


@lru_cache(maxsize=1000)
def _decoded(told: str | None) -> Sequence[Any]:
    """Return the cores and the category of a task. Those of many are the same."""
    return json.loads(told) if told else (None, None)


def _cores(value: object) -> float:
    """Return a number of cores, 0 if it is not known, or one that no machine has."""
    return value if isinstance(value, (int, float)) and 1e-3 <= value <= 1e6 else 0


def place(stays: Iterable[Stay], last: float | None, anew: Iterable[float], *, single: bool) -> list[Placed]:
    """Put the stays on one worker into slots, each into the lowest that is free then, counted from 0.

    :param last: time of the worker's last event, None if it has none
    :param anew: times at which it started anew: what began before is over then
    :param single: whether what began before is also over when the next task comes

    A stay whose end no log tells ends at the first such time, or else with the last that is known of the worker.
    """
    ordered = sorted(stays, key=lambda stay: (stay.began, stay.key))
    ends = [stay.began if stay.ended is None else stay.ended for stay in ordered]
    limit = max(ends if last is None else [*ends, last], default=0)
    over = sorted({*anew, *((stay.began for stay in ordered) if single else ()), limit})
    placed: list[Placed] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for stay in ordered:
        while busy and busy[0][0] <= stay.began:
            heappush(free, heappop(busy)[1])
        slot = heappop(free) if free else len(busy)
        ended = stay.ended
        if ended is None:
            ended = over[min(bisect_right(over, stay.began), len(over) - 1)]
        ended = max(ended, stay.began)
        heappush(busy, (ended, slot))
        placed.append(Placed(slot, stay.began, ended, stay.span, stay.task, stay.app, int(stay.ended is not None)))
    return placed
