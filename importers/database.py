"""Open a dnpc database for an import, all or nothing: a failed one leaves the old database whole.

A new database is built beside its place and then moved there. An existing one is extended in a single
transaction, in write-ahead mode, so that a Datasette that serves it keeps answering.
"""

from __future__ import annotations

import glob
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from importers import schema
from importers.beside import is_alive, remove_leftovers
from importers.recognise import refusal
from importers.store import Store

WORK = "reading"
"""Ends the name of the folder beside a database in which workers of Parsl put the rows that they have read."""


class StoreError(Exception):
    """The database can not be written; the message says what to do."""


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open a database for an import: committed when the block ends, unchanged when it raises.

    Raises StoreError where the file is something else, is locked, or can't be written.
    """
    # A link to a database is a name of it: what belongs to the database lies beside the file.
    place = Path(os.path.realpath(path))
    building = place.with_name(f".{place.name}.{os.getpid()}.importing")
    new = ours = False
    conn: sqlite3.Connection | None = None
    try:
        new = not _has_content(place)
        _remove_leftovers(place)
        conn = sqlite3.connect(building if new else place, isolation_level=None)
        if not new and (why := refusal(conn, path)):
            raise StoreError(why)
        ours = True
        store = _begin_new(conn) if new else _begin_existing(conn)
        yield store
        conn.execute("PRAGMA analysis_limit = 400")
        conn.execute("ANALYZE")
        conn.execute("COMMIT")
        if new:
            conn.close()
            _publish(building, place)
    except sqlite3.Error as error:
        raise StoreError(_advice(path, error)) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path} can not be written: {why}. Choose another place with --db") from error
    finally:
        if conn is not None:
            _close(conn)
        if new:
            with suppress(OSError):  # a file system that may only be read has none
                building.unlink(missing_ok=True)
        elif ours:
            _make_one_file(place)


def _begin_new(conn: sqlite3.Connection) -> Store:
    if sqlite3.sqlite_version_info < (3, 35):
        raise StoreError(f"SQLite 3.35 or later is needed; this Python has {sqlite3.sqlite_version}")
    # No journal: until it is moved to its place, nobody reads this file, and a failure discards it.
    # Pages of twice the usual size hold a hundredth more, and are that much faster to fill.
    for pragma in (
        "page_size = 8192",
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        "cache_size = -200000",
        # As some systems have it, what is deleted is overwritten: here, that was copied.
        "secure_delete = OFF",
    ):
        conn.execute(f"PRAGMA {pragma}")
    schema.create_tables(conn)
    conn.execute("BEGIN")
    return Store(conn, new=True)


def _begin_existing(conn: sqlite3.Connection) -> Store:
    # Where others have it open since an import before, it may be in that mode still.
    if conn.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        # To change the mode is to write the first page, and what is killed amid that leaves no journal behind: who
        # may only read could not read a database with one.
        conn.execute("PRAGMA journal_mode = MEMORY")
        conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("PRAGMA cache_size = -200000")
    conn.execute("BEGIN IMMEDIATE")
    return Store(conn, new=False)


def _close(conn: sqlite3.Connection) -> None:
    """Drop what is not committed."""
    with closing(conn), suppress(sqlite3.Error):
        if conn.in_transaction:
            conn.execute("ROLLBACK")


def _make_one_file(path: Path) -> None:
    """Go back from write-ahead mode to one file; where a reader holds the database open, have all of it in that one."""
    with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as conn:
        # So that it takes no memory that is a file: there may be no space left for one.
        conn.execute("PRAGMA locking_mode = EXCLUSIVE")
        conn.execute("PRAGMA journal_mode = MEMORY")
        # SQLite leaves it where there was no space for all of it. While the lock is held, nobody else uses it.
        conn.execute("BEGIN EXCLUSIVE")
        if conn.execute("PRAGMA journal_mode").fetchone() == ("memory",):
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _has_content(path: Path) -> bool:
    """Tell whether there is a file that is not empty.

    Raises OSError, and StoreError for a device or a pipe: these look empty, and a database would take their place.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a regular file. Choose another place with --db")
    return found.st_size > 0


def _remove_leftovers(path: Path) -> None:
    """Remove what imports that were killed had begun to build."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.importing"):
        if leftover.name.split(".")[-2].isdigit() and not _is_in_use(leftover, path):
            with suppress(OSError):  # another user's
                leftover.unlink()
    remove_leftovers(path, WORK)


def _is_in_use(building: Path, path: Path) -> bool:
    """Tell whether an import is at work on a file that is to become the database at ``path``."""
    with suppress(OSError):
        if building.samefile(path):
            return False  # killed after it had given its file both names
    if not _has_content(building):
        # Just made, and not locked yet. This process has made none.
        return is_alive(int(building.name.split(".")[-2]))
    # The lock tells more than a process id, which another process may have by now, or one on another machine.
    try:
        with closing(sqlite3.connect(building, timeout=0, isolation_level=None)) as conn:
            conn.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        return "locked" in str(error)
    return False


def _publish(building: Path, path: Path) -> None:
    """Move a new database to its place at once, unless another import has made one there meanwhile."""
    with building.open("rb") as file:
        os.fsync(file.fileno())
    if _has_content(path):
        raise _made_meanwhile(path)
    # A database that was deleted may have left these behind; SQLite would take them for this one's.
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    try:
        # Unlike a move, this never takes the place of a file that is there.
        path.hardlink_to(building)
    except FileExistsError:
        if _has_content(path):
            raise _made_meanwhile(path) from None
        building.replace(path)
    except OSError:
        building.replace(path)  # a file system without hard links


def _made_meanwhile(path: Path) -> StoreError:
    return StoreError(f"{path} was made by another import meanwhile. Import again to add to it")


_SPACE = (
    "Make room for it on the disk and in your quota, and in $SQLITE_TMPDIR or /tmp for what SQLite sorts, "
    "or choose another place with --db"
)

_ADVICE = {
    "locked": "is locked by another program. Wait for it to end, or choose another place with --db",
    "not a database": "is no SQLite database. Choose another place with --db",
    "malformed": "is damaged: {error}. Import the logs into a new database with --db",
    "readonly": "can not be written: {error}. Choose another place with --db",
    "unable to open": "can not be written: {error}. Choose another place with --db",
    "full": f"can not be written: {{error}}. {_SPACE}",
    # So SQLite calls an exceeded quota or limit of a file's size, too.
    "disk I/O error": f"can not be written: {{error}}. {_SPACE}",
}
"""What is in the text of SQLite's error to what to say of the database."""


def _advice(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    found = next((advice for words, advice in _ADVICE.items() if words in text), None)
    return f"{path} {found.format(error=text)}" if found else f"{path}: {text}"
