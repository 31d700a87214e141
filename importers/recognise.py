"""Whether a database is one of dnpc's, and of a version that this one can use; if not, what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from importers.schema import VERSION

TABLES = frozenset({"events", "runs", "sources", "spans"})
"""What a database of dnpc had in every version."""


OF_MONITORING = frozenset({"workflow", "task", "try", "status"})
"""What tells a monitoring.db of Parsl, which is a log, from other databases."""


def refusal(conn: sqlite3.Connection, path: Path) -> str | None:
    """Say why a database can not be used, and the way out; None where it can.

    Raises sqlite3.DatabaseError where it can't be read: ``unreadable`` says what to do.
    """
    names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    if names >= OF_MONITORING:
        return (
            f"{path} is no dnpc database: it is a monitoring.db of Parsl, to be imported as logs are, with "
            f"dnpc import {path}. Choose another with --db"
        )
    if missing := sorted(TABLES - names):
        return f"{path} is no dnpc database: it has no table or view {', '.join(missing)}. Choose another with --db"
    version = conn.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return None
    upgrade = "Upgrade dnpc, or import" if version > VERSION else "Import"
    return (
        f"{path} was made by another version of dnpc (schema {version}, this one has {VERSION}). "
        f"{upgrade} the logs into a new database with --db"
    )


def unreadable(path: Path, error: sqlite3.Error) -> str:
    """Say what an error means that arose while a database was read."""
    text = str(error)
    if "not a database" in text:
        return f"{path} is no dnpc database: {text}. Choose another with --db"
    if "malformed" in text:
        return f"{path} is damaged: {text}. Import the logs into a new database with --db"
    return f"{path} can not be read: {text}"
