"""Why a query has no rows, where that can be known: told to who asked, with the way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from datasette_dnpc.known_names import instead, missing
from datasette_dnpc.sql_files import SqlFile


class Kind(NamedTuple):
    """Something that a log tells of, or does not."""

    what: str
    """As the end of a sentence: no log tells of it."""
    logs: str
    """Which logs do."""
    sql: str
    """Returns the id of each run of which one does."""


def _of_types(*names: str) -> str:
    """Return SQL for the runs that have spans of any of these types."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"SELECT run FROM span_totals WHERE type IN (SELECT id FROM span_types WHERE name IN ({listed}))"


_TASKS = "SELECT run FROM task_totals"
_STAYS = "SELECT spans.run FROM worker_totals JOIN spans ON spans.id = worker_totals.worker"
_SAMPLES = "SELECT id AS run FROM runs WHERE EXISTS (SELECT 1 FROM parsl_resource WHERE run_id = runs.key)"

_OF_PARSL = "parsl.log or monitoring.db would"
_OF_WORKERS = (
    "of HighThroughputExecutor worker_*.log would, of Work Queue transaction_log, of TaskVine transactions,"
    " of Globus Compute the logs of its workers"
)
_OF_MONITORING = "monitoring.db would, with resource_monitoring_enabled=True"

KINDS = {
    "blocks": Kind("blocks", _OF_PARSL, _of_types("parsl.rundir.block", "parsl.monitoring.block")),
    "dependencies": Kind(
        "tasks that need others",
        _OF_PARSL,
        "SELECT DISTINCT run FROM task_needs CROSS JOIN task_times ON task_times.task = task_needs.task",
    ),
    "records": Kind(
        "CloudWatch",
        "the result of a query of CloudWatch Logs Insights, as a .json file, would",
        "SELECT run FROM sources WHERE id IN (SELECT source FROM records)",
    ),
    "resources": Kind(
        "resources of tasks",
        f"transaction_log or transactions of a manager would, or {_OF_MONITORING}",
        f"{_of_types('workqueue.task', 'taskvine.task')} UNION {_SAMPLES}",
    ),
    "roots": Kind(
        "tasks or anything like them",
        "a log of Parsl, of a manager or of Globus Compute would",
        "SELECT run FROM variant_totals",
    ),
    "samples": Kind("resources that processes used", _OF_MONITORING, _SAMPLES),
    "stays": Kind("tasks on workers", _OF_WORKERS, _STAYS),
    "stays_or_tasks": Kind("tasks of Parsl or on workers", _OF_PARSL, f"{_STAYS} UNION {_TASKS}"),
    "tasks": Kind("tasks of Parsl", _OF_PARSL, _TASKS),
    "transfers": Kind(
        "transfers of files",
        "transaction_log of Work Queue, or transactions of TaskVine, would",
        _of_types("workqueue.transfer", "taskvine.transfer", "taskvine.cache_update"),
    ),
    "workers": Kind("workers", _OF_WORKERS, "SELECT spans.run FROM worker_slots JOIN spans ON spans.id = worker"),
}
"""What a query may be about: the tag ``@about`` of its file."""

NO_FILTERS = frozenset(
    {"run", "sample", "rows", "bins", "buckets", "lanes", "pieces", "states", "by", "order", "scale"}
)
"""Parameters that leave some rows, whatever is asked for."""


def why(conn: sqlite3.Connection, query: SqlFile, params: Mapping[str, str]) -> str:
    """Return why a query has no rows, in sentences; empty where it can not be told.

    :param params: what it was asked, each as text, empty if not

    Raises sqlite3.Error where the database can't be read.
    """
    for reasons in (_unknown, _empty, _untold, _unfit):
        if found := " ".join(reasons(conn, query, params)):
            return found
    return ""


def _unknown(conn: sqlite3.Connection, query: SqlFile, params: Mapping[str, str]) -> Iterator[str]:
    return missing(conn, params)


def _empty(conn: sqlite3.Connection, query: SqlFile, params: Mapping[str, str]) -> Iterator[str]:
    if not conn.execute("SELECT 1 FROM runs").fetchone():
        yield "No run is in this database. Put one into it with: dnpc import PATH --db FILE"


def _untold(conn: sqlite3.Connection, query: SqlFile, params: Mapping[str, str]) -> Iterator[str]:
    run = params.get("run", "")
    for kind in (KINDS[name] for name in query.about):
        told = conn.execute(
            f"SELECT coalesce(name, key), ? IN (key, name) FROM runs WHERE id IN ({kind.sql}) ORDER BY id DESC", [run]
        ).fetchall()
        if not told:
            yield f"No log that was imported tells of {kind.what}: {kind.logs}."
        elif run and not any(asked for _, asked in told):
            names = [str(name) for name, _ in told]
            yield f"No log of this run tells of {kind.what}: {kind.logs}."
            yield f"Runs of which one does: {instead(run, names)}."


def _unfit(conn: sqlite3.Connection, query: SqlFile, params: Mapping[str, str]) -> Iterator[str]:
    asked = [f"{name} {value!r}" for name, value in params.items() if value and name not in NO_FILTERS]
    if asked:
        yield f"Nothing fits {' and '.join(asked)}{' together' if len(asked) > 1 else ''}."
    elif query.none:
        yield query.none
