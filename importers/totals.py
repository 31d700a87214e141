"""Counts, sums and samples of what a run holds, so that questions about millions of spans need not read them all.

Kept for each run: how many spans of each type there are and how long they last, how many roots go through each variant,
what became of the tasks of each app, and a random sample of the spans. Made again for the runs that an import touches.
Together they take about a byte for each event.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

TABLES = """
/* How many spans of each type a run has, and how long they last. Seconds. */
CREATE TABLE span_totals (
    run INTEGER REFERENCES runs(id),
    type INTEGER NOT NULL REFERENCES span_types(id),
    spans INTEGER NOT NULL,
    with_events INTEGER NOT NULL,  -- those that have an event
    lasting INTEGER NOT NULL,      -- those that last longer than no time
    seconds REAL NOT NULL,         -- sum of their durations
    longest REAL,
    began REAL,                    -- the first event of any
    ended REAL                     -- the last
);

/* How many roots of a run go through each variant. Seconds. */
CREATE TABLE variant_totals (
    variant INTEGER NOT NULL REFERENCES variants(id),
    run INTEGER NOT NULL,
    roots INTEGER NOT NULL,
    seconds REAL NOT NULL,         -- sum of their durations
    longest REAL NOT NULL,
    example INTEGER NOT NULL REFERENCES span_rows(id),
    slowest INTEGER NOT NULL REFERENCES span_rows(id),   -- of those that last longest one
    PRIMARY KEY (variant, run)
) WITHOUT ROWID;

/* What became of the Parsl tasks of each app and executor, and where their time went. Seconds, in all and at most. */
CREATE TABLE task_totals (
    run INTEGER NOT NULL REFERENCES runs(id),
    app TEXT,
    executor TEXT,
    outcome TEXT NOT NULL,
    tasks INTEGER NOT NULL,
    lasting INTEGER NOT NULL,      -- those of which beginning and end are known
    tries INTEGER NOT NULL,
    retries INTEGER NOT NULL,      -- tries after the first of each task
    seconds REAL NOT NULL,
    example INTEGER,               -- the least number of such a task in the run
    in_submit REAL, in_retry REAL, in_queue REAL, in_transfer REAL, in_dispatch REAL, in_run REAL, in_return REAL,
    most_in_submit REAL, most_in_retry REAL, most_in_queue REAL, most_in_transfer REAL, most_in_dispatch REAL,
    most_in_run REAL, most_in_return REAL
);

/* How many tasks each worker had, and for how long. Seconds. */
CREATE TABLE worker_totals (
    worker INTEGER NOT NULL PRIMARY KEY REFERENCES span_rows(id),
    tasks INTEGER NOT NULL,
    busy REAL NOT NULL,            -- in which it had any task
    task_seconds REAL NOT NULL,    -- sum over its tasks
    first_task REAL NOT NULL,      -- when its first task began
    last_task REAL NOT NULL        -- when the last of its tasks was over
);

/* Spans drawn by lot, 1 in 8. A span is in the samples of 1 in 8, of 1 in 16 and so on up to 1 in one_in. Which they
   are depends on nothing but their keys, so they are the same in every database. */
CREATE TABLE drawn (
    type INTEGER NOT NULL REFERENCES span_types(id),
    run INTEGER NOT NULL,          -- 0: of no run
    one_in INTEGER NOT NULL,
    span INTEGER NOT NULL REFERENCES span_rows(id),
    PRIMARY KEY (type, run, one_in, span)
) WITHOUT ROWID;
"""

INDEXES = """
CREATE INDEX span_totals_type ON span_totals(type);
CREATE INDEX variant_totals_run ON variant_totals(run);
CREATE INDEX task_times_run ON task_times(run);
"""

_LAYERS = ("in_submit", "in_retry", "in_queue", "in_transfer", "in_dispatch", "in_run", "in_return")

# A uuid is a hash, so each further bit of it that is 0 leaves half of the spans.
_BOUNDS = ("1", "08", "04", "02", "01", "008", "004", "002", "001", "0008", "0004", "0002", "0001", "00008")

_SPANS = """
    INSERT INTO span_totals (run, type, spans, with_events, lasting, seconds, longest, began, ended)
    SELECT
        run, type, count(*), count(began), total(ended > began), total(iif(ended > began, ended - began, 0)),
        max(iif(ended > began, ended - began, NULL)), min(began), max(ended)
    FROM span_types
    CROSS JOIN spans ON spans.type = span_types.id AND spans.run IS ?
    GROUP BY span_types.id -- in which order they come: not sorted
"""

_VARIANTS = """
    INSERT INTO variant_totals (variant, run, roots, seconds, longest, example, slowest)
    WITH
    roots AS MATERIALIZED (
        SELECT sequences.variant, spans.run, spans.id, sequences.ended - sequences.began AS seconds
        FROM (SELECT DISTINCT root_type FROM variants) AS kept
        CROSS JOIN spans ON spans.run = ? AND spans.type = kept.root_type
        CROSS JOIN sequences ON sequences.root = spans.id
    ),
    -- Where there is one max and no min, the id is that of its row.
    slow AS MATERIALIZED (SELECT variant, max(seconds) AS longest, id FROM roots GROUP BY variant)
    SELECT variant, roots.run, count(*), total(roots.seconds), slow.longest, min(roots.id), slow.id
    FROM roots
    JOIN slow USING (variant)
    GROUP BY variant
"""

_TASKS = f"""
    INSERT INTO task_totals
    SELECT
        task_times.run, app, executor, outcome, count(*), count(task_times.ended - task_times.began), sum(tries),
        sum(max(tries - 1, 0)), total(task_times.ended - task_times.began), min(cast(spans.key AS INTEGER)),
        {", ".join(f"sum({layer})" for layer in _LAYERS)}, {", ".join(f"max({layer})" for layer in _LAYERS)}
    FROM task_times
    CROSS JOIN spans ON spans.id = task_times.task
    WHERE task_times.run = ?
    GROUP BY app, executor, outcome
"""

_WORKERS = """
    INSERT INTO worker_totals (worker, tasks, busy, task_seconds, first_task, last_task)
    SELECT
        worker, count(*), sum(max(0, ended - max(began, coalesce(busy_until, began)))), sum(ended - began), min(began),
        max(ended)
    FROM (
        SELECT worker, began, ended, max(ended) OVER (
            PARTITION BY worker ORDER BY began, ended, span ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS busy_until
        FROM stays
        WHERE worker IN (SELECT worker FROM worker_slots CROSS JOIN spans ON spans.id = worker WHERE run = ?)
    )
    GROUP BY worker
"""

_DRAWN = f"""
    INSERT INTO drawn (type, run, one_in, span)
    -- So that the text of each is made once, not for each comparison.
    WITH few AS MATERIALIZED (
        SELECT span_rows.type, coalesce(span_rows.run, 0) AS run, span_rows.id, span_rows.uuid
        FROM span_types
        CROSS JOIN span_rows ON span_rows.type = span_types.id AND span_rows.run IS ?
        -- Most are told by the number.
        WHERE (uuid_low IS NULL OR uuid_high BETWEEN 0 AND 0x1fffffffffffffff) AND uuid < '2'
    )
    SELECT type, run, 8 << ({" + ".join(f"(uuid < '{bound}')" for bound in _BOUNDS)}), id FROM few
    ORDER BY 1, 2, 3, 4
"""


def update(conn: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Bring the totals and the sample of these runs up to date, and drop those of runs that are no more."""
    for table in ("span_totals", "variant_totals", "task_totals"):
        conn.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT id FROM runs) OR run IS NULL")
    conn.execute("DELETE FROM drawn WHERE run NOT IN (SELECT id FROM runs)")
    conn.execute("DELETE FROM worker_totals WHERE worker NOT IN (SELECT worker FROM stays)")
    types = "SELECT id FROM span_types"
    for run in (*sorted(runs), None):
        for table in ("span_totals", "task_totals"):
            conn.execute(f"DELETE FROM {table} WHERE run IS ?", [run])
        conn.execute("DELETE FROM variant_totals WHERE run IS ?", [run])
        conn.execute("DELETE FROM worker_totals WHERE (SELECT run FROM spans WHERE id = worker) IS ?", [run])
        conn.execute(f"DELETE FROM drawn WHERE type IN ({types}) AND run IS ?", [run or 0])
        for sql in (_SPANS, _VARIANTS, _TASKS, _WORKERS, _DRAWN):
            conn.execute(sql, [run])
