"""Import logs and read back all that the database holds, for tests of the importers."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from click.testing import CliRunner, Result

from importers import (
    line_reader,
    logfile,
    manager_statistics,
    parsl_log,
    submit_scripts,
    taskgraph,
    transactions,
    workqueue_debug,
)
from importers.cli import main
from importers.pipeline import Summary, import_paths
from importers.rows import Batch
from importers.sources import Progress
from importers.times import Clock

Rows = list[tuple[Any, ...]]

# Rows without the ids that only this database gives, so that databases made in other ways can be compared.
READABLE = {
    "runs": "SELECT key, name, utc_offset FROM runs",
    "sources": """SELECT sources.key, importer, path, format, runs.key, size, fingerprint, records, events, unmatched,
                         first_time, last_time, clock
                  FROM sources LEFT JOIN runs ON runs.id = sources.run""",
    "span": "SELECT * FROM span",
    "event": "SELECT * FROM event",
    "subspan": "SELECT * FROM subspan",
    "facet": "SELECT * FROM facet",
    "spans": "SELECT uuid, runs.key, spans.key, began, ended, note FROM spans LEFT JOIN runs ON runs.id = run",
    "attributes": """SELECT uuid, json_each.key, json_each.value FROM spans, json_each(attributes)
                     WHERE json_each.key NOT IN (SELECT value FROM json_each('["depends", "joins"]'))""",
    "samples": """SELECT uuid, metrics.name, time, value, sources.key FROM samples
                  JOIN spans ON spans.id = span JOIN metrics ON metrics.id = metric
                  JOIN sources ON sources.id = source""",
    "unmatched": """SELECT sources.key, reason, template, count, offset, text
                    FROM unmatched JOIN sources ON sources.id = source""",
    "clocks": """SELECT sources.key, runs.key, zone, evidence FROM clocks
                 JOIN sources ON sources.id = source JOIN runs ON runs.id = clocks.run""",
    "joins": """SELECT runs.key, sources.key, kind, l.name, r.name, made, missing FROM joins
                JOIN runs ON runs.id = joins.run JOIN sources ON sources.id = source
                JOIN span_types l ON l.id = left_type JOIN span_types r ON r.id = right_type""",
    "descendants": """SELECT a.uuid, b.uuid FROM descendants
                      JOIN spans a ON a.id = root JOIN spans b ON b.id = span""",
    "variants": """SELECT span_types.name, sequence, events, spans FROM variants
                   JOIN span_types ON span_types.id = root_type""",
    "sequences": """SELECT uuid, sequence, sequences.began, sequences.ended FROM sequences
                    JOIN spans ON spans.id = root JOIN variants ON variants.id = variant""",
    "task_times": """SELECT a.uuid, b.uuid, runs.key, app, executor, tries, outcome, t.began, t.ended,
                            in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return,
                            chain_seconds, c.uuid
                     FROM task_times t JOIN spans a ON a.id = task JOIN runs ON runs.id = t.run
                     LEFT JOIN spans b ON b.id = monitoring LEFT JOIN spans c ON c.id = chain_needs""",
    "task_needs": """SELECT a.uuid, joins, b.uuid FROM task_needs
                     JOIN spans a ON a.id = task JOIN spans b ON b.id = needs""",
    "stays": """SELECT a.uuid, b.uuid, c.uuid, slot, stays.began, stays.ended, ended_logged FROM stays
                JOIN spans a ON a.id = span JOIN spans b ON b.id = worker JOIN spans c ON c.id = task""",
    "worker_slots": """SELECT uuid, slots, worker_slots.began, worker_slots.ended
                       FROM worker_slots JOIN spans ON spans.id = worker""",
    "steps": """SELECT span_types.name, sequence, steps.* FROM steps
                JOIN variants ON variants.id = variant JOIN span_types ON span_types.id = root_type""",
    "state_counts": """SELECT span_types.name, runs.key, time, state, spans FROM state_counts
                       JOIN span_types ON span_types.id = root_type JOIN runs ON runs.id = run""",
}

MONITORING_TABLES = ("workflow", "task", "try", "status", "resource", "node", "block")


def import_logs(database: Path, *paths: Path, clock: Clock | None = None, **options: Any) -> Summary:
    """Import as the command does, without its views."""
    return import_paths(paths, database, clock=clock, **options)


def dnpc(*arguments: object) -> Result:
    """Run the command ``dnpc``. What it did not foresee fails the test, with its traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.output
    return result


def on_a_terminal(*arguments: object, **environment: str) -> str:
    """Run ``dnpc`` on a pseudo terminal, and return what it showed there."""
    ours, its = pty.openpty()
    words = [sys.executable, "-m", "importers.cli", *map(str, arguments)]
    with subprocess.Popen(words, stdin=its, stdout=its, stderr=its, close_fds=True, env=os.environ | environment):
        os.close(its)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # so Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return shown.decode()


def names_in(folder: Path) -> list[str]:
    """Return the names of all that lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as conn:
        yield conn


def query(database: Path, sql: str, *params: object) -> Rows:
    """Return the rows of one query."""
    with opened(database) as conn:
        return conn.execute(sql, params).fetchall()


def readable(database: Path, *without: str) -> dict[str, Rows]:
    """Return all rows, sorted, with names and keys for ids; ``without`` names tables to leave out."""
    with opened(database) as conn:
        found = {name: conn.execute(sql).fetchall() for name, sql in READABLE.items() if name not in without}
        for name in MONITORING_TABLES:
            found[f"parsl_{name}"] = conn.execute(f"SELECT * FROM parsl_{name}").fetchall()
    found["steps"] = [row[:2] + row[3:] for row in found["steps"]]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def every_row(database: Path) -> dict[str, Rows]:
    """Return all rows as they are, ids included, but for the time of the import."""
    with opened(database) as conn:
        names = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        tables = [name for (name,) in names.fetchall()]
        found = {}
        for name in tables:
            columns = [row[1] for row in conn.execute(f"PRAGMA table_info({name})") if row[1] != "imported_at"]
            listed = ", ".join(f'"{column}"' for column in columns)
            found[name] = sorted(conn.execute(f"SELECT {listed} FROM {name}").fetchall(), key=repr)
    return found


def differences(left: dict[str, Rows], right: dict[str, Rows]) -> dict[str, tuple[Rows, Rows]]:
    """Return for each table that differs the first rows which only one side has: empty where all is equal."""
    assert left.keys() == right.keys()
    found = {}
    for name, rows in left.items():
        if rows != right[name]:
            ours, theirs = set(map(repr, rows)), set(map(repr, right[name]))
            only_left = [row for row in rows if repr(row) not in theirs]
            only_right = [row for row in right[name] if repr(row) not in ours]
            found[name] = (only_left[:2], only_right[:2])
    return found


def copied(folder: Path, to: Path) -> Path:
    """Copy a folder of logs, so that a test may change it."""
    return Path(copytree(folder, to))


def rewrite(folder: Path, change: Callable[[Path, bytes], bytes | None]) -> None:
    """Rewrite every HTEX and parsl log under a folder; None removes the file."""
    for path in sorted(folder.rglob("*.*log")):
        if path.stem in ("parsl", "interchange", "manager") or path.stem.startswith("worker_"):
            changed = change(path, path.read_bytes())
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)


def read_in_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Make the importers read logs in blocks of so few bytes."""

    def blocks(path: Path, fingerprint: Any, batch: Batch, progress: Progress) -> Iterator[logfile.Block]:
        return logfile.blocks(path, fingerprint, batch, progress, size)

    for module in (
        line_reader,
        parsl_log,
        manager_statistics,
        submit_scripts,
        taskgraph,
        workqueue_debug,
    ):
        monkeypatch.setattr(module, "blocks", blocks)
    monkeypatch.setattr(transactions, "BLOCK", size)
    monkeypatch.setattr(parsl_log, "BLOCKS_AT_ONCE", 3)


def text_of(entry: dict[str, Any]) -> str:
    """Return one record of a jsonlog."""
    return json.dumps(entry, ensure_ascii=False) + "\n"
