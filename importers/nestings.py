"""Storing which spans lie in which others: see ``schema`` for what is kept of a name."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from importers.many_rows import insert


def name_within(key: str, name: str) -> str | int:
    """Return what is kept of a subspan's name: where it begins in the subspan's key, counted from 1, or all of it."""
    # SQLite finds nothing behind a NUL.
    return len(key) - len(name) + 1 if key.endswith(name) and "\0" not in key else name


def put(
    conn: sqlite3.Connection, rows: Sequence[tuple[int, int, str | int]], notes: dict[tuple[int, int], str]
) -> None:
    """Put spans into others: superspan, subspan, what is kept of its name there; and how that is known, by pair.

    A nesting that is there already stays as it is.
    """
    conn.executemany(
        """INSERT OR IGNORE INTO subspan_notes (superspan, subspan, note) SELECT ?1, ?2, ?3
           WHERE NOT EXISTS (SELECT 1 FROM subspan_rows WHERE superspan = ?1 AND subspan = ?2)""",
        [(*pair, note) for pair, note in notes.items()],
    )
    insert(
        conn,
        "INSERT OR IGNORE INTO subspan_rows (superspan, subspan, name)",
        list(zip(*sorted(rows), strict=True)) or [()],
    )
