"""The tables of a dnpc database, in one place.

Times are REAL seconds since 1970, UTC. Integer ids are local to one database file:
join databases by ``uuid``, never by ``id``.

Spans are kept in ``span_rows`` in little space, and read and written as the view ``spans``; so are subspans.
"""

from __future__ import annotations

import sqlite3

from importers import totals

VERSION = 6
"""Kept in ``PRAGMA user_version``: raised when the tables change their meaning."""

ATTRIBUTES = """iif(
        attributes_shared IS NULL,
        attributes_own,
        (
            SELECT
                head
                || coalesce(
                    iif(
                        first = '',
                        attributes_own,
                        replace(replace(replace(attributes_own, char(1), first), char(2), second), char(3), third)
                    ),
                    ''
                )
                || tail
            FROM attribute_texts WHERE id = attributes_shared
        )
    )"""
"""The attributes of a row of span_rows, as JSON text."""

TABLES = """
/* One execution in whose scope local ids are unique: a Parsl run, a lone manager log. */
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,      -- the run id, or what stands for it
    name TEXT,                     -- for people: 'run_htex.py 000 (2cf25028)'
    utc_offset REAL                -- seconds east of UTC at first, as the run's own logs show it
);

/* One log file that was read. */
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,      -- surrogate key: the same file from another folder is the same source
    importer TEXT NOT NULL,
    path TEXT NOT NULL,            -- relative to the folder that holds the runs
    format TEXT NOT NULL,          -- the dialect found in it
    run INTEGER REFERENCES runs(id),
    size INTEGER NOT NULL,         -- bytes
    fingerprint TEXT NOT NULL,     -- of the whole content
    records INTEGER NOT NULL,      -- records that gave rows
    events INTEGER NOT NULL,
    unmatched INTEGER NOT NULL,
    first_time REAL,
    last_time REAL,
    clock TEXT NOT NULL,           -- how its times were read as UTC
    imported_at REAL NOT NULL
);

CREATE TABLE span_types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE event_types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

/* What the attributes of many spans have in common, kept once. Each has its own text between head and tail. */
CREATE TABLE attribute_texts (
    id INTEGER PRIMARY KEY,
    head TEXT NOT NULL,
    tail TEXT NOT NULL,
    first TEXT NOT NULL,           -- what the character 1 stands for in the own text; '' where it is not there
    second TEXT NOT NULL,          -- the character 2
    third TEXT NOT NULL,
    UNIQUE (head, tail, first, second, third)
);

/* A timed thing, as it is kept. The view spans has the same rows, easier to read. */
CREATE TABLE span_rows (
    id INTEGER PRIMARY KEY,
    uuid_high INTEGER NOT NULL,    -- the first half of the uuid as a number; all of it as text if uuid_low is NULL
    uuid_low INTEGER,              -- the other half
    type INTEGER NOT NULL REFERENCES span_types(id),
    run INTEGER REFERENCES runs(id),
    key TEXT NOT NULL,
    began REAL,
    ended REAL,
    attributes_shared INTEGER REFERENCES attribute_texts(id),
    attributes_own TEXT,           -- all of the attributes, or what is between head and tail
    uuid TEXT GENERATED ALWAYS AS (iif(
        uuid_low IS NULL,
        uuid_high,
        printf(
            '%08x-%04x-%04x-%04x-%012x',
            uuid_high >> 32 & 0xffffffff, uuid_high >> 16 & 0xffff, uuid_high & 0xffff,
            uuid_low >> 48 & 0xffff, uuid_low & 0xffffffffffff
        )
    )) VIRTUAL
);

/* A time and a type in a span. Clustered, so that a span's events lie together in time order. */
CREATE TABLE events (
    span INTEGER NOT NULL REFERENCES span_rows(id),
    time REAL NOT NULL,
    type INTEGER NOT NULL REFERENCES event_types(id),
    n INTEGER NOT NULL,            -- 0, or counts events alike in span, time and type
    source INTEGER NOT NULL REFERENCES sources(id),
    -- Where its record starts in the source: byte, or rowid.
    offset INTEGER,
    PRIMARY KEY (span, time, type, n)
) WITHOUT ROWID;

/* Nesting, as it is kept. The view subspans has the same rows, easier to read. */
CREATE TABLE subspan_rows (
    superspan INTEGER NOT NULL REFERENCES span_rows(id),
    subspan INTEGER NOT NULL REFERENCES span_rows(id),
    name NOT NULL,                 -- of the subspan in the superspan; a number: where in the subspan's key that begins
    PRIMARY KEY (superspan, subspan)
) WITHOUT ROWID;
CREATE TABLE subspan_notes (
    superspan INTEGER NOT NULL,
    subspan INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (superspan, subspan)
) WITHOUT ROWID;

/* Two accounts of one thing. Undirected. */
CREATE TABLE facets (
    left INTEGER NOT NULL REFERENCES span_rows(id),
    right INTEGER NOT NULL REFERENCES span_rows(id),
    note TEXT,
    PRIMARY KEY (left, right)
) WITHOUT ROWID;

CREATE TABLE metrics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    unit TEXT
);

/* Numeric series beside spans. */
CREATE TABLE samples (
    span INTEGER NOT NULL REFERENCES span_rows(id),
    metric INTEGER NOT NULL REFERENCES metrics(id),
    time REAL NOT NULL,
    value REAL,
    source INTEGER NOT NULL REFERENCES sources(id),
    PRIMARY KEY (span, metric, time)
) WITHOUT ROWID;

/* What was not understood: the first of each kind, with a count. */
CREATE TABLE unmatched (
    source INTEGER NOT NULL REFERENCES sources(id),
    reason TEXT NOT NULL,
    template TEXT NOT NULL,        -- the text with its variable parts replaced
    count INTEGER NOT NULL,
    offset INTEGER NOT NULL,       -- of the first
    text TEXT NOT NULL,            -- of the first
    PRIMARY KEY (source, reason, template)
) WITHOUT ROWID;

/* Raw JSON log records, kept whole. */
CREATE TABLE records (
    source INTEGER NOT NULL REFERENCES sources(id),
    offset INTEGER NOT NULL,
    record TEXT NOT NULL,          -- JSON
    PRIMARY KEY (source, offset)
) WITHOUT ROWID;

/* How the naive local times of one run in one source were turned into UTC. */
CREATE TABLE clocks (
    source INTEGER NOT NULL REFERENCES sources(id),
    run INTEGER NOT NULL REFERENCES runs(id),
    zone TEXT NOT NULL,            -- a zone name, or 'UTC-05:00, UTC-06:00 from 2026-11-01 07:00:00 UTC'
    evidence TEXT NOT NULL,        -- 'log': the run's own log; 'option': --timezone; 'machine'
    PRIMARY KEY (source, run)
) WITHOUT ROWID;

/* Joins between the accounts of different logs, counted for each source. */
CREATE TABLE joins (
    run INTEGER NOT NULL REFERENCES runs(id),
    source INTEGER NOT NULL REFERENCES sources(id),
    kind TEXT NOT NULL,            -- 'subspan' or 'facet'
    left_type INTEGER NOT NULL REFERENCES span_types(id),   -- spans that this source tells of
    right_type INTEGER NOT NULL REFERENCES span_types(id),  -- what they join to
    made INTEGER NOT NULL,         -- spans with such a join
    missing INTEGER NOT NULL,      -- spans without, though the other account has been imported
    PRIMARY KEY (run, source, kind, left_type, right_type)
) WITHOUT ROWID;
"""

PARSL_TABLES = """
/* Copies of monitoring.db, with times as UTC seconds and the uuid of the span each row tells of. */
CREATE TABLE parsl_workflow (
    run_id TEXT NOT NULL PRIMARY KEY, uuid TEXT NOT NULL,
    workflow_name TEXT, workflow_version TEXT, time_began REAL, time_completed REAL,
    host TEXT, user TEXT, rundir TEXT,
    tasks_failed_count INTEGER, tasks_completed_count INTEGER
);
CREATE TABLE parsl_task (
    run_id TEXT NOT NULL, task_id INTEGER NOT NULL, uuid TEXT NOT NULL,
    task_depends TEXT, task_func_name TEXT, task_memoize TEXT, task_hashsum TEXT,
    task_inputs TEXT, task_outputs TEXT, task_stdin TEXT, task_stdout TEXT, task_stderr TEXT,
    task_time_invoked REAL, task_time_returned REAL, task_fail_count INTEGER, task_fail_cost REAL,
    PRIMARY KEY (run_id, task_id)
) WITHOUT ROWID;
CREATE TABLE parsl_try (
    run_id TEXT NOT NULL, task_id INTEGER NOT NULL, try_id INTEGER NOT NULL, uuid TEXT NOT NULL,
    block_id TEXT, hostname TEXT, task_executor TEXT,
    task_try_time_launched REAL, task_try_time_running REAL, task_try_time_returned REAL,
    task_fail_history TEXT, task_joins TEXT,
    PRIMARY KEY (run_id, task_id, try_id)
) WITHOUT ROWID;
CREATE TABLE parsl_status (
    run_id TEXT NOT NULL, task_id INTEGER NOT NULL, task_status_name TEXT NOT NULL,
    timestamp REAL NOT NULL, try_id INTEGER, uuid TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id, task_status_name, timestamp)
) WITHOUT ROWID;
CREATE TABLE parsl_resource (
    run_id TEXT NOT NULL, task_id INTEGER NOT NULL, try_id INTEGER NOT NULL, timestamp REAL NOT NULL,
    uuid TEXT NOT NULL, resource_monitoring_interval REAL,
    psutil_process_pid INTEGER, psutil_process_memory_percent REAL, psutil_process_children_count REAL,
    psutil_process_time_user REAL, psutil_process_time_system REAL,
    psutil_process_memory_virtual REAL, psutil_process_memory_resident REAL,
    psutil_process_disk_read REAL, psutil_process_disk_write REAL, psutil_process_status TEXT,
    psutil_cpu_num TEXT, psutil_process_num_ctx_switches_voluntary REAL,
    psutil_process_num_ctx_switches_involuntary REAL,
    PRIMARY KEY (run_id, task_id, try_id, timestamp)
) WITHOUT ROWID;
CREATE TABLE parsl_node (
    run_id TEXT NOT NULL, id INTEGER NOT NULL, uuid TEXT NOT NULL,
    hostname TEXT, uid TEXT, block_id TEXT, cpu_count INTEGER, total_memory INTEGER,
    active INTEGER, worker_count INTEGER, python_v TEXT, timestamp REAL, last_heartbeat REAL,
    PRIMARY KEY (run_id, id)
) WITHOUT ROWID;
CREATE TABLE parsl_block (
    run_id TEXT NOT NULL, executor_label TEXT NOT NULL, block_id TEXT NOT NULL, timestamp REAL NOT NULL,
    uuid TEXT NOT NULL, job_id TEXT, status TEXT,
    PRIMARY KEY (run_id, block_id, executor_label, timestamp)
) WITHOUT ROWID;
"""

DERIVED_TABLES = """
/* Everything below a root, the root itself included: subspans downwards, facets either way.
   Kept for task-like root types; made again for each root that an import touches. */
CREATE TABLE descendants (
    root INTEGER NOT NULL REFERENCES span_rows(id),
    span INTEGER NOT NULL REFERENCES span_rows(id),
    PRIMARY KEY (root, span)
) WITHOUT ROWID;

/* A distinct sequence of span_type/event_type among the roots of one type. */
CREATE TABLE variants (
    id INTEGER PRIMARY KEY,
    root_type INTEGER NOT NULL REFERENCES span_types(id),
    sequence TEXT NOT NULL,        -- JSON list of 'span_type/event_type'
    events INTEGER NOT NULL,       -- length of the sequence
    spans INTEGER NOT NULL,        -- how many roots have it
    example INTEGER REFERENCES span_rows(id),
    UNIQUE (root_type, sequence)
);

/* One row per root: its variant, first and last event. */
CREATE TABLE sequences (
    root INTEGER NOT NULL PRIMARY KEY REFERENCES span_rows(id),
    variant INTEGER NOT NULL REFERENCES variants(id),
    began REAL NOT NULL,
    ended REAL NOT NULL
);

/* One event of a variant to the next, over all its roots. Seconds. Where these are more than 2000, and of several runs,
   p50 and p95 are right to 1 per cent or a microsecond; all else is exact. */
CREATE TABLE steps (
    variant INTEGER NOT NULL REFERENCES variants(id),
    position INTEGER NOT NULL,     -- 0 is the first event, whose step is 0 seconds
    span_type TEXT NOT NULL,
    event_type TEXT NOT NULL,
    mean REAL NOT NULL, min REAL NOT NULL, p50 REAL NOT NULL, p95 REAL NOT NULL, max REAL NOT NULL,
    cumulative REAL NOT NULL,      -- sum of the means up to here
    PRIMARY KEY (variant, position)
) WITHOUT ROWID;

/* The same over the roots of one run, for variants with more than 2000 roots: see importers/steps.py. Seconds. */
CREATE TABLE run_steps (
    variant INTEGER NOT NULL REFERENCES variants(id),
    run INTEGER NOT NULL REFERENCES runs(id),
    position INTEGER NOT NULL,
    roots INTEGER NOT NULL,
    seconds REAL NOT NULL,         -- sum over the roots
    min REAL NOT NULL, p50 REAL NOT NULL, p95 REAL NOT NULL, max REAL NOT NULL,
    classes TEXT NOT NULL,         -- JSON: how many last up to a microsecond (0), 1.02 (1), 1.02 * 1.02 (2) ...
    PRIMARY KEY (variant, run, position)
) WITHOUT ROWID;

/* How many roots of a type are in each state at times on an even grid.
   The state of a root is its latest event; it stays in the state of its last one. */
CREATE TABLE state_counts (
    root_type INTEGER NOT NULL REFERENCES span_types(id),
    run INTEGER NOT NULL,
    time REAL NOT NULL,
    state TEXT NOT NULL,           -- span_type/event_type of the latest event
    spans INTEGER NOT NULL,
    PRIMARY KEY (root_type, run, time, state)
) WITHOUT ROWID;

/* One row per Parsl task, though both its log and monitoring may tell of it: see importers/task_table.py. Seconds. */
CREATE TABLE task_times (
    task INTEGER PRIMARY KEY REFERENCES span_rows(id),   -- the log's account, or monitoring's where there is no other
    monitoring INTEGER REFERENCES span_rows(id),         -- monitoring's account
    run INTEGER NOT NULL REFERENCES runs(id),
    app TEXT,
    executor TEXT,                 -- label, of the last try that came to one
    tries INTEGER NOT NULL,
    outcome TEXT NOT NULL,         -- done, memoized, failed, dependency failed, unfinished
    began REAL,
    ended REAL,
    in_submit REAL, in_retry REAL, in_queue REAL, in_transfer REAL, in_dispatch REAL, in_run REAL, in_return REAL,
    chain_seconds REAL,            -- run time of the longest chain that ends with it; NULL if it needs no task
    chain_needs INTEGER REFERENCES span_rows(id)         -- the task before it on that chain
);

/* Which Parsl task needs which: those that it depends on, and the inner tasks of a join app. */
CREATE TABLE task_needs (
    task INTEGER NOT NULL REFERENCES task_times(task),
    joins INTEGER NOT NULL,        -- 0: it can only start when the other has ended; 1: a join app, the other is inner
    needs INTEGER NOT NULL REFERENCES task_times(task),
    PRIMARY KEY (task, joins, needs)
) WITHOUT ROWID;

/* When which task was on which worker, and in which of its slots: the lowest that was free. Clustered, so that what
   was in a slot lies together in time order. */
CREATE TABLE stays (
    worker INTEGER NOT NULL REFERENCES span_rows(id),
    slot INTEGER NOT NULL,         -- counted from 0
    began REAL NOT NULL,
    ended REAL NOT NULL,
    span INTEGER NOT NULL REFERENCES span_rows(id),      -- of the task, or of its attempt
    task INTEGER NOT NULL REFERENCES span_rows(id),      -- of Parsl, or of the manager where no log tells of Parsl's
    app TEXT,                      -- of that task, or its category
    ended_logged INTEGER NOT NULL, -- 0 where no log tells of the end, which is then the latest that it can be
    PRIMARY KEY (worker, slot, began, ended, span)
) WITHOUT ROWID;

/* How many tasks each worker had place for at once, and the first and the last that is known of it. */
CREATE TABLE worker_slots (
    worker INTEGER NOT NULL PRIMARY KEY REFERENCES span_rows(id),
    slots INTEGER NOT NULL,
    began REAL,
    ended REAL
);
"""

NOTES = """
/* What the importer remarked. In rows that are there already, an added column takes no space. */
ALTER TABLE events ADD COLUMN note TEXT;
ALTER TABLE span_rows ADD COLUMN note TEXT;
"""

INDEXES = """
CREATE UNIQUE INDEX spans_uuid ON span_rows(uuid);
CREATE INDEX spans_type_run_key ON span_rows(type, run, key);
CREATE INDEX subspan_rows_subspan ON subspan_rows(subspan);
CREATE INDEX facets_right ON facets(right);
CREATE INDEX sequences_variant ON sequences(variant);
CREATE INDEX descendants_span ON descendants(span);
/* The few notes there are. */
CREATE INDEX spans_note ON span_rows(note) WHERE note IS NOT NULL;
CREATE INDEX facets_note ON facets(note) WHERE note IS NOT NULL;
/* Of CloudWatch rows, which are kept whole as JSON. */
CREATE INDEX records_task ON records(json_extract(record, '$."@message".log.task_id'));
CREATE INDEX records_event ON records(
    json_extract(record, '$."@message".log.name'), json_extract(record, '$."@message".log.message'));
"""

UNPACKED = f"""
/* A timed thing. */
CREATE VIEW spans AS
SELECT
    id,
    uuid,                          -- unique: surrogate_key(type, run key, local key parts...)
    type,
    run,
    key,                           -- the local key, readable: 'htex_Local/17'
    began,                         -- time of its first event
    ended,                         -- time of its last event
    {ATTRIBUTES} AS attributes,     -- JSON object
    note
FROM span_rows;

/* Spans can be written to like a table. */
CREATE TRIGGER spans_insert INSTEAD OF INSERT ON spans BEGIN
    INSERT INTO span_rows (id, uuid_high, type, run, key, began, ended, attributes_own, note)
    VALUES (NEW.id, NEW.uuid, NEW.type, NEW.run, NEW.key, NEW.began, NEW.ended, NEW.attributes, NEW.note);
END;
CREATE TRIGGER spans_update INSTEAD OF UPDATE ON spans BEGIN
    UPDATE span_rows
    SET id = NEW.id, type = NEW.type, run = NEW.run, key = NEW.key, began = NEW.began, ended = NEW.ended,
        note = NEW.note
    WHERE id = OLD.id;
    UPDATE span_rows SET uuid_high = NEW.uuid, uuid_low = NULL WHERE id = NEW.id AND NEW.uuid IS NOT OLD.uuid;
    UPDATE span_rows SET attributes_shared = NULL, attributes_own = NEW.attributes
    WHERE id = NEW.id AND NEW.attributes IS NOT OLD.attributes;
END;
CREATE TRIGGER spans_delete INSTEAD OF DELETE ON spans BEGIN
    DELETE FROM span_rows WHERE id = OLD.id;
END;

/* Nesting, a DAG: a task is in its try and on its worker. */
CREATE VIEW subspans AS
SELECT
    superspan,
    subspan,
    iif(                           -- the name of the subspan in the superspan
        typeof(name) = 'integer',
        (SELECT substr(key, name) FROM span_rows WHERE id = subspan),
        name
    ) AS key,
    (
        SELECT note FROM subspan_notes
        WHERE subspan_notes.superspan = subspan_rows.superspan AND subspan_notes.subspan = subspan_rows.subspan
    ) AS note
FROM subspan_rows;

/* They can be written to like a table. */
CREATE TRIGGER subspans_insert INSTEAD OF INSERT ON subspans BEGIN
    INSERT INTO subspan_rows (superspan, subspan, name) VALUES (NEW.superspan, NEW.subspan, CAST(NEW.key AS TEXT));
    INSERT INTO subspan_notes SELECT NEW.superspan, NEW.subspan, NEW.note WHERE NEW.note IS NOT NULL;
END;
CREATE TRIGGER subspans_update INSTEAD OF UPDATE ON subspans BEGIN
    DELETE FROM subspans WHERE superspan = OLD.superspan AND subspan = OLD.subspan;
    INSERT INTO subspans (superspan, subspan, key, note) VALUES (NEW.superspan, NEW.subspan, NEW.key, NEW.note);
END;
CREATE TRIGGER subspans_delete INSTEAD OF DELETE ON subspans BEGIN
    DELETE FROM subspan_rows WHERE superspan = OLD.superspan AND subspan = OLD.subspan;
END;
CREATE TRIGGER subspan_rows_delete AFTER DELETE ON subspan_rows BEGIN
    DELETE FROM subspan_notes WHERE superspan = OLD.superspan AND subspan = OLD.subspan;
END;
"""

# The first dnpc's four tables: SQL that was written against them runs unchanged.
VIEWS = """
CREATE VIEW span AS
SELECT spans.uuid, span_types.name AS type, spans.note
FROM spans JOIN span_types ON span_types.id = spans.type;

CREATE VIEW event AS
SELECT spans.uuid || printf('/%.6f/%s/%d', events.time, event_types.name, events.n) AS uuid,
       spans.uuid AS span_uuid, events.time, event_types.name AS type, events.note
FROM events
JOIN spans ON spans.id = events.span
JOIN event_types ON event_types.id = events.type;

CREATE VIEW subspan AS
SELECT super.uuid AS superspan_uuid, sub.uuid AS subspan_uuid, subspans.key, subspans.note
FROM subspans
JOIN spans AS super ON super.id = subspans.superspan
JOIN spans AS sub ON sub.id = subspans.subspan;

CREATE VIEW facet AS
SELECT l.uuid AS left_uuid, r.uuid AS right_uuid, facets.note
FROM facets
JOIN spans AS l ON l.id = facets.left
JOIN spans AS r ON r.id = facets.right;
"""


def create_tables(conn: sqlite3.Connection) -> None:
    """Create every table of an empty database. Indexes and views come last: see ``create_indexes``."""
    conn.executescript(TABLES + PARSL_TABLES + DERIVED_TABLES + totals.TABLES)
    conn.execute(f"PRAGMA user_version = {VERSION}")


def pack(conn: sqlite3.Connection) -> None:
    """Copy tables that were filled row by row, before there are indexes and views, so that their pages are full.

    SQLite leaves an eighth of such pages empty. The pages that the copies leave behind are used by the indexes.
    """
    for table in ("events", "subspan_rows"):
        (definition,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
        conn.execute(f"ALTER TABLE {table} RENAME TO loose_{table}")
        conn.execute(definition)
        conn.execute(f"INSERT INTO {table} SELECT * FROM loose_{table}")
        conn.execute(f"DROP TABLE loose_{table}")


def create_indexes(conn: sqlite3.Connection) -> None:
    """Create indexes and views, once the first rows are in: faster than keeping them up."""
    conn.executescript(NOTES + INDEXES + totals.INDEXES + UNPACKED + VIEWS)
