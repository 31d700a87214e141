"""Query plans: what SQLite does for a question, and which large tables it reads as a whole for that.

with open_dnpc(path) as conn:
    print("\\n".join(plan(conn, "select * from root_event where root = 17")))
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from datasette_dnpc import sql_files
from datasette_dnpc.sql_functions import register

_OF_SPANS = ("descendants", "drawn", "events", "facets", "samples", "sequences", "span_rows", "subspan_rows")
_OF_TASKS = ("stays", "task_times")

LARGE = frozenset(_OF_SPANS + _OF_TASKS)
"""Tables that grow with the events of a database: to read one as a whole takes the longer the more is imported."""


def plan(conn: sqlite3.Connection, sql: str, params: Mapping[str, Any] | None = None) -> list[str]:
    """Return the plan of a SELECT, or of the canned query or view of that name: a line a step, indented by two each.

    :param params: of the SQL or query, each of which may be left out

    Raises sqlite3.Error where SQLite can't prepare it.
    """
    register(conn)
    sql, values = _with_values(sql, params or {})
    depths: dict[int, int] = {}
    lines = []
    for step, parent, _, text in conn.execute(f"EXPLAIN QUERY PLAN {sql}", values):
        depths[step] = depths.get(parent, -1) + 1
        lines.append("  " * depths[step] + text)
    return lines


def scans(conn: sqlite3.Connection, sql: str, params: Mapping[str, Any] | None = None) -> set[str]:
    """Return the large tables of which a plan reads every row, or every entry of an index, once or more often.

    Takes and raises what ``plan`` does.
    """
    register(conn)
    sql, values = _with_values(sql, params or {})
    # An index of some rows only is small.
    some = "type = 'index' AND sql LIKE '% WHERE %'"
    trees = dict(conn.execute(f"SELECT rootpage, tbl_name FROM sqlite_master WHERE NOT coalesce({some}, 0)").fetchall())
    cursors: dict[int, str] = {}
    found = set()
    # The plan names tables as the SQL does; the program that it becomes tells which they are.
    for _, code, cursor, page, *_ in conn.execute(f"EXPLAIN {sql}", values):
        if code == "OpenRead":
            cursors[cursor] = trees.get(page, "")
        elif code in ("Rewind", "Last", "Count"):
            found.add(cursors.get(cursor, ""))
    return found & LARGE


def _with_values(sql: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if query := sql_files.queries().get(sql):
        return query.sql, {name: params.get(name, "") for name in query.params}
    if sql in sql_files.views():
        return f'SELECT * FROM "{sql}"', {}
    return sql, {name: params.get(name, "") for name in re.findall(r":(\w+)", sql)}
