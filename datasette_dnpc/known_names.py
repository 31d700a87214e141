"""What a database has that a parameter may name: told to who asked for something else, and so got no rows."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from datasette_dnpc.queries import select
from datasette_dnpc.sql_files import page_sql

NAMED = 6
"""Names that are told, those most like the one that was asked for first."""


class _Kind(NamedTuple):
    """What a parameter names, and SQL whose rows are each the names of one: the first is told, any does."""

    title: str
    sql: str


_CHOICES = f"SELECT name FROM ({page_sql()['task_choices'].sql}) WHERE kind = "
_SPAN_TYPE = _Kind("span type", "SELECT name FROM span_types ORDER BY name")

_RUN = _Kind("run", "SELECT coalesce(name, key), key FROM runs ORDER BY id DESC")

_KINDS = {
    "run": _RUN,
    "other": _RUN,
    "span_type": _SPAN_TYPE,
    "root_type": _SPAN_TYPE,
    "app": _Kind("app", _CHOICES + "'app'"),
    "executor": _Kind("executor", _CHOICES + "'executor'"),
}
"""Parameter of queries to what it names."""


def whole_run(conn: sqlite3.Connection, asked: str) -> str:
    """Return the key of the run whose key begins so, where that is one run and none has just this key or name."""
    rows = conn.execute(
        """SELECT key, ? IN (key, name) FROM runs WHERE ? IN (key, name) OR substr(key, 1, length(?)) = ?""",
        [asked] * 4,
    ).fetchall()
    return str(rows[0][0]) if asked and len(rows) == 1 and not rows[0][1] else asked


def missing(conn: sqlite3.Connection, params: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each parameter that names what the database does not have, and what it has instead."""
    for param, asked in params.items():
        if asked and (kind := _KINDS.get(param)):
            rows = select(conn, kind.sql, {"run": ""} if ":run" in kind.sql else {}).rows
            if not any(asked in row for row in rows):
                yield f"There is no {kind.title} {asked!r}. {_instead(asked, [row[0] for row in rows])}"


def _instead(asked: str, names: list[str]) -> str:
    if not names:
        return "There are none."
    shown = list(dict.fromkeys([*_like(asked, names), *names]))[:NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"There are {', '.join(map(repr, shown))}{more}."


def _like(asked: str, names: list[str]) -> Iterable[str]:
    return [*(name for name in names if asked.lower() in name.lower()), *difflib.get_close_matches(asked, names)]
