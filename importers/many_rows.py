"""Inserting many rows, given in columns, with few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

ROWS_AT_ONCE = 50
"""Rows that one statement inserts: that is more than twice as fast as a row at a time."""

CHUNK = 2000 * ROWS_AT_ONCE
"""Rows that are brought into order for inserting at a time: a bound on memory."""


def insert(conn: sqlite3.Connection, head: str, columns: Sequence[Sequence[Any] | int]) -> None:
    """Insert rows into what ``head`` names: ``INSERT INTO table (column, ...)``.

    They are given as columns of equal length, the first of them a sequence; a number stands for as many of it.
    """
    row = f"({', '.join(str(column) if isinstance(column, int) else '?' for column in columns)})"
    varying = [column for column in columns if not isinstance(column, int)]
    width, count = len(varying), len(varying[0])
    for start in range(0, count, CHUNK):
        many = (min(count - start, CHUNK) // ROWS_AT_ONCE) * ROWS_AT_ONCE
        values: list[Any] = [None] * (width * many)
        for place, column in enumerate(varying):
            values[place::width] = column[start : start + many]
        conn.executemany(
            f"{head} VALUES {', '.join([row] * ROWS_AT_ONCE)}",
            zip(*[iter(values)] * (width * ROWS_AT_ONCE), strict=True),
        )
        rest = [column[start + many : start + CHUNK] for column in varying]
        conn.executemany(f"{head} VALUES {row}", zip(*rest, strict=True))
