"""The ids of spans by their uuids: where there are many, most of them in a temporary table."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

IN_MEMORY = 500_000
"""Spans that are kept in memory, where one takes some 150 bytes; in the table, which is on disk, it takes 40."""

_CACHE = "PRAGMA temp.cache_size = -50000"
_NO_CACHE = "PRAGMA temp.cache_size = 0"


class SpanIds:
    """A mapping of uuids to ids that grows in memory to ``IN_MEMORY`` spans, and from there on disk."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._recent: dict[bytes, int] = {}
        self._has_table = False

    def update(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        """Add spans that are not known yet."""
        self._recent.update(pairs)
        if len(self._recent) > IN_MEMORY:
            self._put_away()

    def clear(self) -> None:
        """Forget all spans, and give back their memory."""
        self._recent = {}
        if self._has_table:
            self._conn.execute("DROP TABLE temp.span_ids")
            self._conn.execute(_NO_CACHE)
            self._has_table = False

    def _put_away(self) -> None:
        if not self._has_table:
            self._conn.execute(_CACHE)
            self._conn.execute("CREATE TEMP TABLE span_ids (uuid PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID")
            self._has_table = True
        # In order of uuids, each page of the table is changed once.
        self._conn.executemany("INSERT OR IGNORE INTO temp.span_ids VALUES (?, ?)", sorted(self._recent.items()))
        self._recent = {}

    def isdisjoint(self, uuids: Collection[bytes]) -> bool:
        """Tell whether none of some spans is known."""
        if not self._recent.keys().isdisjoint(uuids):
            return False
        return not self._has_table or all(self._stored(uuid) is None for uuid in sorted(uuids))

    def get(self, uuid: bytes) -> int | None:
        """Return the id of a span, or None where it is not known."""
        found = self._recent.get(uuid)
        return self._stored(uuid) if found is None and self._has_table else found

    def _stored(self, uuid: bytes) -> int | None:
        row = self._conn.execute("SELECT id FROM temp.span_ids WHERE uuid = ?", [uuid]).fetchone()
        return None if row is None else int(row[0])
