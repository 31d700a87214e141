"""Open a dnpc database for an import, all or nothing: a failed one leaves the old database whole.

A new database is built beside its place and then moved there. An existing one is extended in a single
transaction, in write-ahead mode, so that a Datasette that serves it keeps answering.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from importers import schema
from importers.store import Store


class StoreError(Exception):
    """The database can not be written; the message says what to do."""


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open a database for an import: committed when the block ends, unchanged when it raises.

    Raises StoreError where the file is something else, is locked, or can't be written.
    """
    new = not path.exists() or path.stat().st_size == 0
    building = path.with_name(f".{path.name}.{os.getpid()}.importing")
    conn: sqlite3.Connection | None = None
    try:
        _remove_leftovers(path)
        conn = sqlite3.connect(building if new else path, isolation_level=None)
        store = _begin_new(conn) if new else _begin_existing(conn, path)
        yield store
        conn.execute("PRAGMA analysis_limit = 400")
        conn.execute("ANALYZE")
        conn.execute("COMMIT")
        if new:
            conn.close()
            _publish(building, path)
    except sqlite3.Error as error:
        raise StoreError(_advice(path, error)) from error
    except OSError as error:
        raise StoreError(f"{path} can not be written: {error.strerror}. Choose another place with --db") from error
    finally:
        if conn is not None:
            _close(conn)
        if new:
            building.unlink(missing_ok=True)


def _begin_new(conn: sqlite3.Connection) -> Store:
    if sqlite3.sqlite_version_info < (3, 35):
        raise StoreError(f"SQLite 3.35 or later is needed; this Python has {sqlite3.sqlite_version}")
    # No journal: until it is moved to its place, nobody reads this file, and a failure discards it.
    for pragma in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        "cache_size = -200000",
    ):
        conn.execute(f"PRAGMA {pragma}")
    schema.create_tables(conn)
    conn.execute("BEGIN")
    return Store(conn, new=True)


def _begin_existing(conn: sqlite3.Connection, path: Path) -> Store:
    version = conn.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    if not {"spans", "events", "sources"} <= tables:
        raise StoreError(f"{path} is no dnpc database. Choose another place with --db")
    if version != schema.VERSION:
        raise StoreError(
            f"{path} was made by another version of dnpc (schema {version}, this one has {schema.VERSION}). "
            "Import the logs into a new database with --db"
        )
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("PRAGMA cache_size = -200000")
    conn.execute("BEGIN IMMEDIATE")
    return Store(conn, new=False)


def _close(conn: sqlite3.Connection) -> None:
    """Drop what is not committed, and go back to one file unless a reader holds the database open just now."""
    with closing(conn), suppress(sqlite3.Error):
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        conn.execute("PRAGMA busy_timeout = 0")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        conn.execute("PRAGMA journal_mode = DELETE")


def _remove_leftovers(path: Path) -> None:
    """Remove what imports that were killed had begun to build."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.importing"):
        pid = leftover.name.split(".")[-2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            leftover.unlink(missing_ok=True)
        except (ValueError, PermissionError):
            pass  # not made here, or by a process that still runs


def _publish(building: Path, path: Path) -> None:
    if path.exists() and path.stat().st_size:
        raise StoreError(f"{path} was made by another import meanwhile. Import again to add to it")
    with building.open("rb") as file:
        os.fsync(file.fileno())
    building.replace(path)


def _advice(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text:
        return f"{path} is locked by another program. Wait for it to end, or choose another place with --db"
    if "not a database" in text or "disk image is malformed" in text:
        return f"{path} is no SQLite database. Choose another place with --db"
    if "readonly" in text or "unable to open" in text:
        return f"{path} can not be written: {text}. Choose another place with --db"
    if "full" in text:
        return f"No space left for {path}. Make room, or choose another place with --db"
    return f"{path}: {text}"
