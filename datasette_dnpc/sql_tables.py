"""Which tables some SQL reads, be it through views: as SQLite itself says it."""

from __future__ import annotations

import sqlite3
import threading
from functools import cache

from datasette_dnpc.sql_files import create_views
from datasette_dnpc.sql_functions import register
from importers.schema import create_indexes, create_tables


@cache
def tables_read(sql: str) -> frozenset[str]:
    """Return the tables and views of a dnpc database that a SELECT reads, those that its views read included.

    Raises sqlite3.Error where it can't be run.
    """
    with _asking:
        empty = _empty()
        empty.read.clear()
        empty.conn.execute(f"EXPLAIN {sql}", _Nothing())
        return frozenset(empty.read & empty.names)


_asking = threading.Lock()


class _Empty:
    """A database without rows, which notes what is read of it."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        # Whichever thread asks, it is one at a time.
        self.conn = sqlite3.connect(":memory:", check_same_thread=False)
        create_tables(self.conn)
        create_indexes(self.conn)
        create_views(self.conn)
        register(self.conn)
        names = self.conn.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        self.names = frozenset(name for (name,) in names)
        self.conn.set_authorizer(self._note)

    def _note(self, action: int, name: str | None, column: str | None, place: str | None, view: str | None) -> int:
        if action == sqlite3.SQLITE_READ and name:
            self.read.add(name)
        return sqlite3.SQLITE_OK


_empty = cache(_Empty)


class _Nothing(dict[str, None]):
    """Every parameter, as NULL."""

    def __missing__(self, name: str) -> None:
        return None
