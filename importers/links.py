"""What ties formats together, made from the rows once everything is read.

All links of a run are made again whenever rows are added to it, so they do not depend on the order in
which its logs came. A join needs no state but the spans: those that tell of one thing in one run have the
same local key, or one names the other's key in its attributes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from importers import htex, parsl_log
from importers import monitoring_tables as monitoring

FACETS = (
    (monitoring.WORKFLOW, parsl_log.WORKFLOW),
    (monitoring.TASK, parsl_log.TASK),
    (monitoring.TRY, parsl_log.TRY),
    (monitoring.BLOCK, parsl_log.BLOCK),
    (monitoring.NODE, htex.MANAGER[0]),
)
"""Span types that are two accounts of one thing, with the same local key: monitoring first, log second."""

_SAME_KEY = "b.key = a.key"
_EXECUTOR_TASK = (
    "b.key = json_extract(a.attributes, '$.executor') || '/' || json_extract(a.attributes, '$.executor_task')"
)
_BLOCK = "a.key = json_extract(b.attributes, '$.executor') || '/' || json_extract(b.attributes, '$.block')"


class Nesting(NamedTuple):
    """A superspan type (a) and a subspan type (b), how they join, and the layers between that go first.

    ``expects`` says which superspans should have such a subspan.
    """

    outer: str
    inner: str
    on: str
    between: tuple[str, ...] = ()
    expects: str = "true"


def _task_layers() -> Iterable[Nesting]:
    """A try holds the outermost layer whose log is there, and so on inwards: worker_debug=False leaves just one."""
    for position, inner in enumerate(htex.TASKS):
        outer_layers = htex.TASKS[:position]
        expects = "json_extract(a.attributes, '$.executor_task') IS NOT NULL"
        yield Nesting(parsl_log.TRY, inner, _EXECUTOR_TASK, outer_layers, expects)
        for outer_position, outer in enumerate(outer_layers):
            yield Nesting(outer, inner, _SAME_KEY, outer_layers[outer_position + 1 :])


NESTINGS = (
    *_task_layers(),
    Nesting(parsl_log.BLOCK, htex.MANAGER[0], _BLOCK),
    Nesting(monitoring.BLOCK, htex.MANAGER[0], _BLOCK),
)


EVERYWHERE: tuple[Nesting, ...] = ()
"""Nestings by identifiers that are unique everywhere, such as UUIDs: the two spans may be of different runs."""


def link(conn: sqlite3.Connection, runs: Iterable[int]) -> set[int]:
    """Make the facets and nestings of these runs, and count the joins made and missing.

    Returns the ids of the runs whose spans may have got others below them: these, and those that hold them.
    """
    types: dict[str, int] = dict(conn.execute("SELECT name, id FROM span_types").fetchall())
    runs = set(runs)
    for run in sorted(runs):
        present = {row[0] for row in conn.execute("SELECT DISTINCT type FROM spans WHERE run = ?", [run])}
        conn.execute("DELETE FROM joins WHERE run = ?", [run])
        for left, right in FACETS:
            if {types.get(left), types.get(right)} <= present:
                _facet(conn, run, types[left], types[right])
        for nesting in NESTINGS:
            if {types.get(nesting.outer), types.get(nesting.inner)} <= present:
                between = [types[name] for name in nesting.between if types.get(name) in present]
                _nest(conn, (run, run), nesting, types[nesting.outer], types[nesting.inner], between)
                if not between:
                    _count(conn, run, "subspan", types[nesting.outer], types[nesting.inner], nesting.expects)
    holding = {run for nesting in EVERYWHERE for run in _link_everywhere(conn, runs, nesting, types)}
    return runs | holding


def _link_everywhere(
    conn: sqlite3.Connection, touched: set[int], nesting: Nesting, types: dict[str, int]
) -> Iterator[int]:
    """Make one nesting between any two runs of which one was touched, and yield the runs that hold its superspans."""
    if nesting.outer not in types or nesting.inner not in types:
        return
    outer, inner = types[nesting.outer], types[nesting.inner]
    outer_runs, inner_runs = (
        [run for (run,) in conn.execute("SELECT DISTINCT run FROM spans WHERE type = ? ORDER BY run", [span_type])]
        for span_type in (outer, inner)
    )
    for run in outer_runs:
        others = [other for other in inner_runs if run in touched or other in touched]
        for other in others:
            _nest(conn, (run, other), nesting, outer, inner, [])
        if others:
            for counted in {run, *others}:
                conn.execute(
                    "DELETE FROM joins WHERE run = ? AND (left_type, right_type) IN (VALUES (?, ?), (?, ?))",
                    [counted, outer, inner, inner, outer],
                )
                _count(conn, counted, "subspan", outer, inner, nesting.expects)
            yield run


def _facet(conn: sqlite3.Connection, run: int, left: int, right: int) -> None:
    values = {"run": run, "left": left, "right": right}
    conn.execute(
        """INSERT OR IGNORE INTO facets (left, right)
           SELECT a.id, b.id FROM spans a CROSS JOIN spans b ON b.run = a.run AND b.type = :right AND b.key = a.key
           WHERE a.run = :run AND a.type = :left""",
        values,
    )
    _count(conn, run, "facet", left, right)


def _nest(
    conn: sqlite3.Connection, runs: tuple[int, int], nesting: Nesting, outer: int, inner: int, between: list[int]
) -> None:
    """Put the subspans of one run into the superspans of another, or of the same."""
    values = {"run": runs[0], "inner_run": runs[1], "outer": outer, "inner": inner}
    # CROSS JOIN keeps this order of loops: without statistics, SQLite may take the other, which is quadratic.
    between_ids = ", ".join(map(str, between))
    conn.execute(
        """DELETE FROM subspans WHERE superspan IN (SELECT id FROM spans WHERE run = :run AND type = :outer)
           AND EXISTS (SELECT 1 FROM spans WHERE id = subspan AND type = :inner AND run = :inner_run)""",
        values,
    )
    conn.execute(
        f"""INSERT OR IGNORE INTO subspans (superspan, subspan, key)
            SELECT a.id, b.id, substr(b.key, instr(b.key, '/') + 1)
            FROM spans a CROSS JOIN spans b ON b.run = :inner_run AND b.type = :inner AND {nesting.on}
            WHERE a.run = :run AND a.type = :outer AND NOT EXISTS (
                SELECT 1 FROM spans c WHERE c.run = b.run AND c.type IN ({between_ids}) AND c.key = b.key)""",
        values,
    )


_JOINED = {
    "subspan": (("subspans", "superspan", "subspan"), ("subspans", "subspan", "superspan")),
    "facet": (("facets", "left", "right"), ("facets", "right", "left")),
}
"""For each kind of join, as seen from its left and from its right: table, this side, other side."""


def _count(conn: sqlite3.Connection, run: int, kind: str, left: int, right: int, expects: str = "true") -> None:
    """Count the joins of two types, once from either side. A span belongs to the source of its first event."""
    from_left, from_right = _JOINED[kind]
    for this, other, (table, here, there), expected in (
        (left, right, from_left, expects),
        (right, left, from_right, "true"),
    ):
        conn.execute(
            f"""INSERT OR IGNORE INTO joins (run, source, kind, left_type, right_type, made, missing)
                SELECT :run, source, :kind, :this, :other, sum(joined), sum(NOT joined)
                FROM (SELECT (SELECT source FROM events WHERE span = a.id LIMIT 1) AS source,
                             EXISTS (SELECT 1 FROM {table} CROSS JOIN spans b ON b.id = {table}.{there}
                                     WHERE {table}.{here} = a.id AND b.type = :other) AS joined
                      FROM spans a WHERE a.run = :run AND a.type = :this AND {expected})
                WHERE source IS NOT NULL GROUP BY source""",
            {"run": run, "kind": kind, "this": this, "other": other},
        )
