"""The rows of a table of SQLite, some thousand at a time: also of one that is damaged, or has values without end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

CHUNK = 2_000
"""Rows that are read at a time, and turned into columns: much faster than one row after the other.

More at a time do not fit a processor's cache.
"""

WIDE = 1_000
"""Characters of a value from which on it counts how much is in the rows of its table, not only how many they are."""

MUCH = 1 << 22
"""Characters in rows with wide values that are read at a time, if one row has not more."""


def is_wide(conn: sqlite3.Connection, name: str, columns: Iterable[str]) -> bool:
    """Tell whether a table has values so long that few rows are much, or may have: it is damaged."""
    # What is neither text nor a blob is less than all text, and is not asked for its length.
    wide = " OR ".join(f'("{column}" >= \'\' AND length("{column}") >= {WIDE})' for column in columns)
    try:
        return bool(conn.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}" WHERE {wide})').fetchone()[0])
    except sqlite3.Error:
        return True


def _until_much(rows: Iterable[Any], most: int) -> Iterator[Any]:
    """Yield so many rows at most, and fewer once there is much in them."""
    much = 0
    for row in islice(rows, most):
        yield row
        much += sum(len(value) for value in row if isinstance(value, (str, bytes)))
        if much >= MUCH:
            return


def chunks_of(conn: sqlite3.Connection, sql: str, *, wide: bool) -> Iterator[list[Any]]:
    """Yield rows, some thousand at a time, or fewer of a table that is wide.

    Those before a row that can't be read come, and then its sqlite3.Error.
    """
    some = _until_much if wide else islice
    read, lenient = 0, conn.text_factory
    # What reads text that is not UTF-8, too, takes longer: it reads on where the other stops.
    for factory in (str, lenient):
        failure: sqlite3.Error | None = None
        cursor = conn.execute(f"{sql} LIMIT -1 OFFSET {read}")
        while failure is None:
            rows: list[Any] = []
            conn.text_factory = factory
            try:
                rows.extend(some(cursor, CHUNK))
            except sqlite3.Error as error:
                failure = error
            conn.text_factory = lenient
            if rows:
                read += len(rows)
                yield rows
            elif failure is None:
                return
    if failure is not None:
        raise failure
