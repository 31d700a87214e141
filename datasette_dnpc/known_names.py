"""What a database has that a parameter may name: told to who asked for something else, and so got no rows."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from datasette_dnpc.queries import select
from datasette_dnpc.sql_files import page_sql

SHOWN = 6
"""Names that are told, those most like the one that was asked for first."""


class Named(NamedTuple):
    """What a parameter names, and SQL whose rows are each the names of one: the first is told, any does."""

    title: str
    sql: str


_CHOICES = f"SELECT name FROM ({page_sql()['task_choices'].sql}) WHERE kind = "
_SPAN_TYPE = Named("span type", "SELECT name FROM span_types ORDER BY name")

_RUN = Named("run", "SELECT coalesce(name, key), key FROM runs ORDER BY id DESC")

# Or a state, which is named by both.
_EVENT_TYPE = Named(
    "event type",
    "SELECT event_types.name, span_types.name || '/' || event_types.name FROM event_types CROSS JOIN span_types",
)

NAMED = {
    "run": _RUN,
    "other": _RUN,
    "span_type": _SPAN_TYPE,
    "root_type": _SPAN_TYPE,
    "app": Named("app", _CHOICES + "'app'"),
    "executor": Named("executor", _CHOICES + "'executor'"),
    "outcome": Named("outcome", "SELECT DISTINCT outcome FROM task_totals ORDER BY outcome"),
    "worker": Named("worker", "SELECT key FROM worker_slots JOIN spans ON spans.id = worker ORDER BY key"),
    **dict.fromkeys(("start_event", "end_event", "cut_event", "start_state", "end_state", "state"), _EVENT_TYPE),
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
        if asked and (kind := NAMED.get(param)):
            rows = select(conn, kind.sql, {"run": ""} if ":run" in kind.sql else {}).rows
            if not any(asked in row for row in rows):
                names = list(dict.fromkeys(row[0] for row in rows))
                yield f"There is no {kind.title} {asked!r}. There are {instead(asked, names)}."


def instead(asked: str, names: list[str]) -> str:
    """Return some of the names, those most like what was asked for first, and how many more there are."""
    if not names:
        return "none"
    shown = list(dict.fromkeys([*_like(asked, names), *names]))[:SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"{', '.join(map(repr, shown))}{more}"


def _like(asked: str, names: list[str]) -> Iterable[str]:
    return [*(name for name in names if asked.lower() in name.lower()), *difflib.get_close_matches(asked, names)]
