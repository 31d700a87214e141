"""Parsl's monitoring.db: seven tables, of any generation since 2022.

The spans made here carry exactly the first dnpc's events: workflow began and completed, task invoked and
returned, and a try's status rows. The rest goes into attributes, the ``parsl_*`` tables, and spans of new types:
blocks with their status rows, and nodes (HTEX managers) with their registration.

Times are naive local text, ``2026-11-23 01:34:57.099051``; each run has its own clock.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from errno import EAGAIN
from pathlib import Path
from typing import Any

from importers.keys import surrogate_key
from importers.monitoring_tables import BLOCK, TABLES, TASK, WORKFLOW, Table
from importers.pattern import LATEST
from importers.readonly import open_readonly
from importers.rows import Batch, storable
from importers.runs import RUN_LOGS, Run, read_run, run_name
from importers.sources import Progress, Source
from importers.times import Clock, clock_of_offset, naive_seconds

NAME = "parsl_monitoring"

ROOTS = (TASK,)

Row = dict[str, Any]


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
    return {run.key: clock_of_offset(run.utc_offset) for run in runs if run.utc_offset is not None}


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read every table that is there."""
    fingerprint = hashlib.sha1(usedforsecurity=False)
    # Rows that a run has just written may still be in the write-ahead log beside it.
    log = source.path.with_name(f"{source.path.name}-wal")
    for path in (source.path, *([log] if log.is_file() else [])):
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                fingerprint.update(chunk)
                progress(len(chunk))
    try:
        with open_readonly(source.path) as conn:
            names = _table_names(conn)
            if "workflow" not in names:
                batch.format = "a database, but not of Parsl monitoring"
                batch.reject("no table 'workflow'", 0, ", ".join(names))
                return fingerprint.hexdigest()
            batch.format = "monitoring.db " + _generation(conn)
            _Reader(source, batch).read(conn, names)
    except sqlite3.Error as error:
        _raise_if_locked(error)
        batch.format = batch.format or "not a database"
        batch.reject("the database can not be read", 0, f"{type(error).__name__}: {error}")
    return fingerprint.hexdigest()


def _generation(conn: sqlite3.Connection) -> str:
    columns = {row[1] for row in conn.execute("PRAGMA table_info(resource)")}
    return "since 2024" if "psutil_cpu_num" in columns else "until 2024"


class _Reader:
    """Reads the tables of one monitoring.db into a batch."""

    def __init__(self, source: Source, batch: Batch) -> None:
        self.source, self.batch = source, batch
        self.clocks: dict[str, Clock] = {}

    def read(self, conn: sqlite3.Connection, names: list[str]) -> None:
        """Read the tables in an order in which each knows the spans above it."""
        events = {
            "workflow": self._workflow,
            "task": self._task,
            "try": self._try,
            "status": self._status,
            "resource": self._resource,
            "node": self._node,
            "block": self._block,
        }
        for name, table in TABLES.items():
            if name not in names:
                continue
            try:
                for rowid, row in self._rows(conn, name, table):
                    lacking = [column for column in (*table.key, *table.tells) if row[column] is None]
                    if lacking:
                        text = json.dumps(row, default=str)
                        self.batch.reject(f"{name} without {' and '.join(lacking)}", rowid, text)
                        continue
                    self.batch.records += 1
                    span = self.batch.span(table.span, *(str(row[part]) for part in table.key), run=row["run_id"])
                    events[name](span, row, rowid)
                    self._copy(span, name, table, row)
            except sqlite3.Error as error:
                _raise_if_locked(error)
                # The rows before a damaged page have been read.
                self.batch.reject(f"table {name} can not be read further", 0, f"{type(error).__name__}: {error}")

    def _rows(self, conn: sqlite3.Connection, name: str, table: Table) -> Iterator[tuple[int, Row]]:
        """Yield rows with every column of today, times as UTC seconds."""
        present = {row[1] for row in conn.execute(f'PRAGMA table_info("{name}")')}
        if "run_id" not in present:
            self.batch.reject(f"table {name} without run_id", 0, name)
            return
        wanted = ["run_id", *(column for column in table.columns if column in present)]
        missing = dict.fromkeys(column for column in table.columns if column not in present)
        columns = ", ".join(f'"{column}"' for column in wanted)
        order = ", ".join(column for column in table.order.split(", ") if column in present)
        for rowid, *values in conn.execute(f'SELECT rowid, {columns} FROM "{name}" ORDER BY {order}'):
            row: Row = missing | dict(zip(wanted, values, strict=True))
            if row["run_id"] is None:
                self.batch.reject(f"{name} without run_id", rowid, json.dumps(row, default=str))
                continue
            run = row["run_id"] = str(row["run_id"])
            clock = self._clock(run)
            for column in table.times:
                row[column] = self._time(clock, row[column], rowid, f"{name}.{column}")
            yield rowid, row

    def _clock(self, run: str) -> Clock:
        clock = self.clocks.get(run)
        if clock is None:
            clock = self.clocks[run] = self.source.clocks.get(run, self.source.clock)
            self.batch.run_clocks[run] = clock
        return clock

    def _time(self, clock: Clock, text: Any, rowid: int, column: str) -> float | None:
        if text is None:
            return None
        naive = naive_seconds(str(text))
        if naive is None:
            self.batch.reject(f"{column} is no time", rowid, str(text))
            return None
        time = clock.utc(naive)
        if not 0 <= time <= LATEST:
            self.batch.reject(f"{column} is a time that can't be", rowid, str(text))
            return None
        return time

    def _copy(self, span: int, name: str, table: Table, row: Row) -> None:
        rows = self.batch.table(f"parsl_{name}", ("run_id", *table.columns))
        rows.append((span, row["run_id"], *(row[column] for column in table.columns)))

    def _event(self, span: int, time: float | None, name: str, rowid: int) -> None:
        if time is not None:
            self.batch.event(span, time, name, rowid)

    def _workflow(self, span: int, row: Row, rowid: int) -> None:
        self._event(span, row["time_began"], "began", rowid)
        self._event(span, row["time_completed"], "completed", rowid)
        self.batch.annotate(span, **{name: row[name] for name in TABLES["workflow"].columns if "time" not in name})
        self.batch.run_names[row["run_id"]] = run_name(row["workflow_name"], row["rundir"], row["run_id"])

    def _task(self, span: int, row: Row, rowid: int) -> None:
        run = row["run_id"]
        self._event(span, row["task_time_invoked"], "invoked", rowid)
        self._event(span, row["task_time_returned"], "returned", rowid)
        self.batch.subspan(self.batch.span(WORKFLOW, run=run), span, str(row["task_id"]))
        self.batch.annotate(
            span,
            app=row["task_func_name"],
            depends=_numbers(row["task_depends"]) or None,
            memoize=str(row["task_memoize"]) == "1" or None,
            fail_count=row["task_fail_count"] or None,
            fail_cost=row["task_fail_cost"] or None,
        )

    def _try(self, span: int, row: Row, rowid: int) -> None:
        task = self.batch.span(TASK, str(row["task_id"]), run=row["run_id"])
        self.batch.subspan(task, span, str(row["try_id"]))
        self.batch.annotate(
            span,
            executor=row["task_executor"],
            block=row["block_id"],
            host=row["hostname"],
            joins=_numbers(row["task_joins"]) or None,
            failure=row["task_fail_history"] or None,
        )
        if row["block_id"] is not None and row["task_executor"] is not None:
            block = self.batch.span(BLOCK, str(row["task_executor"]), str(row["block_id"]), run=row["run_id"])
            self.batch.subspan(block, span, f"{row['task_id']}/{row['try_id']}")

    def _status(self, span: int, row: Row, rowid: int) -> None:
        self._event(span, row["timestamp"], str(row["task_status_name"]), rowid)

    def _resource(self, span: int, row: Row, rowid: int) -> None:
        """Resource rows are numbers over time: the view resource_sample reads them from parsl_resource."""

    def _node(self, span: int, row: Row, rowid: int) -> None:
        """A row comes with each message of the manager: its first, and the one that ends it, are events."""
        seen = self.batch.attributes.get(span)
        if seen is None:
            self._event(span, row["timestamp"], "registered", rowid)
            self.batch.subspan(self.batch.span(WORKFLOW, run=row["run_id"]), span, str(row["uid"]))
            self.batch.annotate(
                span,
                host=row["hostname"],
                block=row["block_id"],
                cpus=row["cpu_count"],
                memory=row["total_memory"],
                workers=row["worker_count"],
                python=row["python_v"],
            )
        if row["active"] == 0:
            self._event(span, row["timestamp"], "deactivated", rowid)

    def _block(self, span: int, row: Row, rowid: int) -> None:
        self._event(span, row["timestamp"], str(row["status"]), rowid)
        self.batch.subspan(
            self.batch.span(WORKFLOW, run=row["run_id"]),
            span,
            f"{row['executor_label']}/{row['block_id']}",
        )
        self.batch.annotate(span, executor=row["executor_label"], job=row["job_id"])


def _numbers(text: Any) -> list[int]:
    """Read '7,9', the ids in task_depends and task_joins."""
    return [int(number) for number in re.findall(r"\d{1,18}", str(text or ""))]
