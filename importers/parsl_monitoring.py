"""Parsl's monitoring.db: seven tables, of any generation since 2022.

The spans made here carry exactly the first dnpc's events: workflow began and completed, task invoked and
returned, and a try's status rows. The rest goes into attributes, the ``parsl_*`` tables, and spans of new types:
blocks with their status rows, and nodes (HTEX managers) with their registration.

Times are naive local text, ``2026-11-23 01:34:57.099051``; each run has its own clock.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from errno import EAGAIN
from pathlib import Path
from typing import Any, TypeAlias

from importers.fingerprint import fingerprint_of
from importers.keys import surrogate_key, uuid_text
from importers.monitoring_tables import BLOCK, TABLES, TASK, WORKFLOW, Table
from importers.pattern import LATEST
from importers.readonly import open_readonly
from importers.rows import Batch, attributes_of, storable
from importers.runs import RUN_LOGS, Run, read_run, run_name
from importers.sources import Progress, Source
from importers.table_rows import chunks_of, is_wide
from importers.times import Clock, naive_seconds

NAME = "parsl_monitoring"

ROOTS = (TASK,)

IN_PARTS = True

WIDE_ROWS = True
"""To hand the rows of all tables from one process to another takes as long as to read them."""

Row = dict[str, Any]

Columns: TypeAlias = dict[str, list[Any]]
"""Rows of a table: the values of each column, and of 'rowid'."""

LARGE = 1 << 28
"""Bytes of a database in which wide values are looked for: to do so takes 3 % of an import's time."""

SPANS_KEPT = 500_000
"""Spans of a type that are known by their keys at a time: one takes some 250 bytes."""

_SECONDS_KEPT = 100_000
"""Seconds whose UTC is remembered: rows that lie close together in time do so in a table."""


def find(path: Path) -> Source | None:
    """Recognise a database by its name and first bytes; which run it holds is read from it."""
    if path.name != "monitoring.db" and path.suffix not in (".db", ".sqlite", ".sqlite3"):
        return None
    if path.name != "monitoring.db" and not _has_workflows(path):
        return None
    path = path.absolute()
    source = Source(NAME, path, storable(path.name), Run(_identity(path), None, None, ""))
    return replace(source, clocks=clocks_beside(path))


def _has_workflows(path: Path) -> bool:
    try:
        with open_readonly(path) as conn:
            return {"workflow", "task", "try", "status"} <= set(_table_names(conn))
    except sqlite3.Error:
        return False


def _table_names(conn: sqlite3.Connection) -> list[str]:
    return [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _identity(path: Path) -> str:
    """Return what tells this monitoring.db from another: its first run. It stays as runs are added.

    Raises OSError where another program has locked it.
    """
    try:
        with open_readonly(path) as conn:
            first = conn.execute("SELECT run_id FROM workflow ORDER BY time_began, run_id LIMIT 1").fetchone()
            return surrogate_key("monitoring.db", first[0] if first else None)
    except sqlite3.Error as error:
        _raise_if_locked(error)
        return surrogate_key("monitoring.db", path.name)


def _raise_if_locked(error: sqlite3.Error) -> None:
    """Raise OSError where it says that another program has locked a database: that passes, and is no damage."""
    if "locked" in str(error):
        raise BlockingIOError(EAGAIN, str(error)) from error


def clocks_beside(path: Path) -> dict[str, Clock]:
    """Return the clock of each run whose directory lies beside a monitoring.db."""
    runs = set()
    for log in sorted(log for name in RUN_LOGS for log in path.parent.glob(f"*/{name}")):
        with suppress(OSError):  # it is reported where that log is read
            runs.add(read_run(log.parent))
    return {run.key: run.clock for run in runs if run.clock is not None}


def files_of(source: Source) -> list[Path]:
    """Return the files that hold a database: rows that a run has just written may still be in its write-ahead log."""
    log = source.path.with_name(f"{source.path.name}-wal")
    return [source.path, *([log] if log.is_file() else [])]


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read every table that is there."""
    fingerprint, size = fingerprint_of(files_of(source), progress)
    try:
        with open_readonly(source.path) as conn:
            names = _table_names(conn)
            if "workflow" not in names:
                batch.format = "a database, but not of Parsl monitoring"
                batch.reject("no table 'workflow'", 0, ", ".join(names))
                return fingerprint
            batch.format = "monitoring.db " + _generation(conn)
            _Reader(source, batch, is_large=size >= LARGE).read(conn, names)
    except sqlite3.Error as error:
        _raise_if_locked(error)
        batch.format = batch.format or "not a database"
        batch.reject("the database can not be read", 0, f"{type(error).__name__}: {error}")
    return fingerprint


def _generation(conn: sqlite3.Connection) -> str:
    columns = {row[1] for row in conn.execute("PRAGMA table_info(resource)")}
    return "since 2024" if "psutil_cpu_num" in columns else "until 2024"


class _Times(dict[str, int]):
    """UTC microseconds by one clock of local seconds as text, ``2026-11-23 01:34:57``. KeyError for other text."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def __missing__(self, text: str) -> int:
        naive = naive_seconds(text)
        if naive is None:
            raise KeyError(text)
        if len(self) > _SECONDS_KEPT:
            self.clear()
        found = self[text] = round(self._clock.utc(naive) * 1_000_000)
        return found

    def all_utc(self, texts: list[Any]) -> list[float] | None:
        """Return local times as UTC seconds if all are written as Parsl writes them, to microseconds; else None."""
        try:
            if set(map(len, texts)) != {26} or {text[19] for text in texts} != {"."}:
                return None
            fractions = [text[20:] for text in texts]
            if not "".join(fractions).isdecimal():
                return None
            # An exact number of microseconds, divided once, is the nearest number of seconds that there is.
            return [(self[text[:19]] + int(part)) / 1_000_000 for text, part in zip(texts, fractions, strict=True)]
        except (KeyError, TypeError):
            return None

    def utc(self, text: Any) -> float | None:
        """Return the UTC seconds of a local time, however it is written; None where it is none."""
        naive = naive_seconds(str(text))
        return None if naive is None else self._clock.utc(naive)


class _Spans(dict[tuple[Any, ...], int]):
    """The spans of one type by run and key, as the database has them; 12 and '12' are the same.

    Those that were used lately: what comes up again later is another span to the batch, with the same surrogate key.
    """

    def __init__(self, batch: Batch, span_type: str) -> None:
        super().__init__()
        self._batch, self._span_type = batch, span_type

    def __missing__(self, key: tuple[Any, ...]) -> int:
        run, *parts = key
        alike = (run, *map(_number_or_text, parts))
        is_new = alike == key
        span = self._batch.new_span(self._span_type, *map(str, parts), run=run) if is_new else self[alike]
        if len(self) >= SPANS_KEPT:
            self.clear()
        self[key] = span
        return span


def _number_or_text(part: Any) -> int | str:
    """Return what stands for a part of a key: a number for its text, and text for all that is none."""
    if isinstance(part, int):
        return part
    text = str(part)
    is_number = text.isdecimal() and text.isascii() and len(text) <= 19
    return int(text) if is_number and str(int(text)) == text else text


class _EventTypes(dict[Any, int]):
    """The event types of a batch, by what the database calls them."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._batch = batch

    def __missing__(self, name: Any) -> int:
        found = self[name] = self._batch.event_type(str(name))
        return found


class _Reader:
    """Reads the tables of one monitoring.db into a batch, as columns of some thousand rows at a time."""

    def __init__(self, source: Source, batch: Batch, *, is_large: bool) -> None:
        self.source, self.batch, self._is_large = source, batch, is_large
        self._times: dict[str, _Times] = {}
        self._types = _EventTypes(batch)
        self._spans = {table.span: _Spans(batch, table.span) for table in TABLES.values()}
        self._known_uuids = bytearray()
        self._managers: set[int] = set()
        self._manager_events: list[tuple[int, float, int, int]] = []

    def read(self, conn: sqlite3.Connection, names: list[str]) -> None:
        """Read the tables in an order in which each knows the spans above it, and events come in order of spans."""
        events = {
            "workflow": self._workflow,
            "node": self._node,
            "block": self._block,
            "task": self._task,
            "try": self._try,
            "status": self._status,
            "resource": self._resource,
        }
        for name, add_events in events.items():
            if name not in names:
                continue
            table = TABLES[name]
            try:
                for columns in self._chunks(conn, name, table):
                    self.batch.records += len(columns["rowid"])
                    keys = zip(columns["run_id"], *(columns[part] for part in table.key), strict=True)
                    spans = list(map(self._spans[table.span].__getitem__, keys))
                    add_events(spans, columns)
                    del columns["rowid"]
                    self.batch.table(f"parsl_{name}", {"uuid": self._uuids(spans), **columns})
                    if self._is_large:
                        self.batch.hand_over_many()
            except sqlite3.Error as error:
                _raise_if_locked(error)
                # The rows before a damaged page have been read.
                self.batch.reject(f"table {name} can not be read further", 0, f"{type(error).__name__}: {error}")
            # Events in order of spans need not be sorted later, and a manager's come in many rows.
            self._add(sorted(self._manager_events))
            self._manager_events = []

    def _uuids(self, spans: list[int]) -> list[str]:
        """Return the surrogate keys of spans."""
        self.batch.make_uuids()
        new = len(self._known_uuids) // 16 - self.batch.first_span
        known = self._known_uuids
        known += b"".join(self.batch.uuids[new:])
        # Rows of a span lie together.
        texts = {span: uuid_text(bytes(known[16 * span : 16 * span + 16])) for span in set(spans)}
        return list(map(texts.__getitem__, spans))

    def _chunks(self, conn: sqlite3.Connection, name: str, table: Table) -> Iterator[Columns]:
        """Yield rows with every column of today, and what makes a row say something; times as UTC seconds."""
        present = {row[1] for row in conn.execute(f'PRAGMA table_info("{name}")')}
        if "run_id" not in present:
            self.batch.reject(f"table {name} without run_id", 0, name)
            return
        wanted = ", ".join(f'"{column}"' if column in present else "NULL" for column in table.columns)
        order = ", ".join(column for column in table.order.split(", ") if column in present)
        sql = f'SELECT rowid, run_id, {wanted} FROM "{name}" ORDER BY {order}, rowid'
        names = ("rowid", "run_id", *table.columns)
        wide = self._is_large and is_wide(conn, name, present.intersection(names[1:]))
        for rows in chunks_of(conn, sql, wide=wide):
            columns: Columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            columns = self._with(columns, ("run_id",), name)
            columns["run_id"] = [str(run) for run in columns["run_id"]]
            for column in table.times:
                columns[column] = self._utc(columns, column, name)
            columns = self._with(columns, (*table.key, *table.tells), name)
            if columns["rowid"]:
                yield columns
            if wide:
                self.batch.hand_over()

    def _with(self, columns: Columns, needed: tuple[str, ...], name: str) -> Columns:
        """Return the rows that have all of some columns; the others are kept as unmatched."""
        if not any(None in columns[column] for column in needed):
            return columns
        kept = []
        for row in zip(*columns.values(), strict=True):
            values = dict(zip(columns, row, strict=True))
            rowid = values.pop("rowid")
            if lacking := [column for column in needed if values[column] is None]:
                text = json.dumps(values, default=str)
                self.batch.reject(f"{name} without {' and '.join(lacking)}", rowid, text)
            else:
                kept.append(row)
        return dict(zip(columns, map(list, zip(*kept, strict=True)), strict=True)) if kept else {c: [] for c in columns}

    def _utc(self, columns: Columns, column: str, name: str) -> list[float | None]:
        """Return a column of times as UTC seconds, each by the clock of its run."""
        runs = columns["run_id"]
        # Rows come in order of runs.
        usual = self._clock(runs[0]).all_utc(columns[column]) if runs and runs[0] == runs[-1] else None
        if usual and min(usual) >= 0 and max(usual) <= LATEST:
            return [*usual]
        times: list[float | None] = []
        for run, text, rowid in zip(runs, columns[column], columns["rowid"], strict=True):
            found = None if text is None else self._clock(run).utc(text)
            if found is None and text is not None:
                self.batch.reject(f"{name}.{column} is no time", rowid, str(text))
            elif found is not None and not 0 <= found <= LATEST:
                self.batch.reject(f"{name}.{column} is a time that can't be", rowid, str(text))
                found = None
            times.append(found)
        return times

    def _clock(self, run: str) -> _Times:
        times = self._times.get(run)
        if times is None:
            clock = self.batch.run_clocks[run] = self.source.clocks.get(run, self.source.clock)
            times = self._times[run] = _Times(clock)
        return times

    def _events(self, spans: list[int], columns: Columns, *events: tuple[str, str]) -> None:
        """Add events of a span each: the column of the time, and the event's name. Rows without the time have none."""
        times = [columns[column] for column, _name in events]
        types = [self._types[name] for _column, name in events]
        added = [
            (span, time, event_type, rowid)
            for span, rowid, *at in zip(spans, columns["rowid"], *times, strict=True)
            for time, event_type in zip(at, types, strict=True)
            if time is not None
        ]
        self._add(added)

    def _add(self, events: list[tuple[int, float, int, int]]) -> None:
        if events:
            self.batch.events(*zip(*events, strict=True))

    def _named_events(self, spans: list[int], columns: Columns, name: str) -> None:
        """Add an event for each row, which a column names."""
        types = map(self._types.__getitem__, columns[name])
        self.batch.events(spans, columns["timestamp"], types, columns["rowid"])

    def _nest(self, superspans: Iterable[int], spans: list[int], keys: Iterable[str]) -> None:
        self.batch.subspans.update(zip(zip(superspans, spans, strict=True), keys, strict=True))

    def _workflows(self, columns: Columns) -> Iterator[int]:
        workflows = self._spans[WORKFLOW]
        return (workflows[run,] for run in columns["run_id"])

    def _annotate(self, spans: list[int], columns: Columns, names: tuple[str, ...], made: Callable[..., Row]) -> None:
        """Set attributes that ``made`` makes of columns: rows that are alike have them made once."""
        known: dict[tuple[Any, ...], Row] = {}
        attributes = self.batch.attributes
        for span, values in zip(spans, zip(*(columns[name] for name in names), strict=True), strict=True):
            found = known.get(values)
            if found is None:
                found = known[values] = attributes_of(made(*values))
            if found:
                attributes[span] = attributes[span] | found if span in attributes else found

    def _workflow(self, spans: list[int], columns: Columns) -> None:
        self._events(spans, columns, ("time_began", "began"), ("time_completed", "completed"))
        names = tuple(name for name in TABLES["workflow"].columns if "time" not in name)
        self._annotate(spans, columns, names, lambda *values: dict(zip(names, values, strict=True)))
        for run, name, folder in zip(columns["run_id"], columns["workflow_name"], columns["rundir"], strict=True):
            self.batch.run_names[run] = run_name(name, folder, run)

    def _task(self, spans: list[int], columns: Columns) -> None:
        self._events(spans, columns, ("task_time_invoked", "invoked"), ("task_time_returned", "returned"))
        self._nest(self._workflows(columns), spans, map(str, columns["task_id"]))
        names = ("task_func_name", "task_depends", "task_memoize", "task_fail_count", "task_fail_cost")
        self._annotate(spans, columns, names, _of_task)

    def _try(self, spans: list[int], columns: Columns) -> None:
        tasks, blocks = self._spans[TASK], self._spans[BLOCK]
        runs, numbers, tries = columns["run_id"], columns["task_id"], columns["try_id"]
        self._nest(map(tasks.__getitem__, zip(runs, numbers, strict=True)), spans, map(str, tries))
        names = ("task_executor", "block_id", "hostname", "task_joins", "task_fail_history")
        self._annotate(spans, columns, names, _of_try)
        places = zip(runs, columns["task_executor"], columns["block_id"], strict=True)
        self.batch.subspans.update(
            ((blocks[place], span), f"{task}/{number}")
            for place, span, task, number in zip(places, spans, numbers, tries, strict=True)
            if None not in place
        )

    def _status(self, spans: list[int], columns: Columns) -> None:
        self._named_events(spans, columns, "task_status_name")

    def _resource(self, spans: list[int], columns: Columns) -> None:
        """Resource rows are numbers over time: the view resource_sample reads them from parsl_resource."""

    def _node(self, spans: list[int], columns: Columns) -> None:
        """A row comes with each message of the manager: its first, and the one that ends it, are events."""
        registered, deactivated = self._types["registered"], self._types["deactivated"]
        new = {span: row for row, span in reversed([*enumerate(spans)]) if span not in self._managers}
        self._managers |= new.keys()
        times, rowids, active = columns["timestamp"], columns["rowid"], columns["active"]
        events = [(span, times[row], registered, rowids[row]) for span, row in new.items()]
        events += [(span, times[row], deactivated, rowids[row]) for row, span in enumerate(spans) if active[row] == 0]
        self._manager_events += [event for event in events if event[1] is not None]
        rows = sorted(new.values())
        firsts = {name: [column[row] for row in rows] for name, column in columns.items()}
        their = [spans[row] for row in rows]
        self._nest(self._workflows(firsts), their, map(str, firsts["uid"]))
        self._annotate(their, firsts, tuple(_NODE.values()), lambda *values: dict(zip(_NODE, values, strict=True)))

    def _block(self, spans: list[int], columns: Columns) -> None:
        self._named_events(spans, columns, "status")
        labels = zip(columns["executor_label"], columns["block_id"], strict=True)
        self._nest(self._workflows(columns), spans, (f"{label}/{block}" for label, block in labels))
        names = ("executor_label", "job_id")
        self._annotate(spans, columns, names, lambda executor, job: {"executor": executor, "job": job})


_NODE = {
    "host": "hostname",
    "block": "block_id",
    "cpus": "cpu_count",
    "memory": "total_memory",
    "workers": "worker_count",
    "python": "python_v",
}
"""The attributes of a node, and the columns that they are."""


def _of_task(app: Any, depends: Any, memoize: Any, fail_count: Any, fail_cost: Any) -> Row:
    return {
        "app": app,
        "depends": _numbers(depends) or None,
        "memoize": str(memoize) == "1" or None,
        "fail_count": fail_count or None,
        "fail_cost": fail_cost or None,
    }


def _of_try(executor: Any, block: Any, host: Any, joins: Any, failure: Any) -> Row:
    return {
        "executor": executor,
        "block": block,
        "host": host,
        "joins": _numbers(joins) or None,
        "failure": failure or None,
    }


def _numbers(text: Any) -> list[int]:
    """Read '7,9', the ids in task_depends and task_joins."""
    return [int(found[0]) for found in re.finditer(r"\d{1,18}", str(text or ""))]
