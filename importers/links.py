"""What ties formats together, made from the rows once everything is read.

All links of a run are made again whenever rows are added to it, so they do not depend on the order in
which its logs came. A join needs no state but the spans: those that tell of one thing in one run have the
same local key, or one names the other's key in its attributes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from importers import (
    cctools,
    cloudwatch,
    funcx_client,
    funcx_endpoint,
    htex,
    manager_links,
    metric_lines,
    parsl_blocks,
    parsl_log,
    parsl_tracing,
)
from importers import monitoring_tables as monitoring

FACETS = (
    (monitoring.WORKFLOW, parsl_log.WORKFLOW),
    (monitoring.TASK, parsl_log.TASK),
    (monitoring.TRY, parsl_log.TRY),
    (monitoring.BLOCK, parsl_blocks.BLOCK),
    (monitoring.NODE, htex.MANAGER[0]),
    (parsl_log.WORKFLOW, parsl_tracing.WORKFLOW),
    (parsl_log.TASK, parsl_tracing.TASK),
    (parsl_log.TRY, parsl_tracing.TRY),
)
"""Span types that are two accounts of one thing, with the same local key: in order monitoring, log, trace."""

_SAME_KEY = "b.key = a.key"
_EXECUTOR_TASK = (
    "b.key = json_extract(a.attributes, '$.executor') || '/' || json_extract(a.attributes, '$.executor_task')"
)
_OF_SUCH_AN_EXECUTOR = """json_extract(a.attributes, '$.executor_task') IS NOT NULL
AND json_extract(a.attributes, '$.executor') IN (
    SELECT substr(key, 1, instr(key, '/') - 1) FROM spans WHERE run = :run AND type = :other)"""
_METRIC = "a.key = json_extract(b.attributes, '$.id')"
_BLOCK = "a.key = json_extract(b.attributes, '$.executor') || '/' || json_extract(b.attributes, '$.block')"


class Nesting(NamedTuple):
    """A superspan type (a) and a subspan type (b), how they join, and the layers between that go first.

    ``expects`` says which superspans should have such a subspan, and ``inner_expects`` which subspans should lie in
    such a superspan; in both, a is the span that is asked about. ``named_inside`` is set where the subspan names its
    superspan, not the other way round: then the superspan is what is looked up.
    """

    outer: str
    inner: str
    on: str
    between: tuple[str, ...] = ()
    expects: str = "true"
    named_inside: bool = False
    inner_expects: str = "true"


def _task_layers() -> Iterable[Nesting]:
    """A try holds the outermost layer whose log is there, and so on inwards: worker_debug=False leaves just one."""
    for position, inner in enumerate(htex.TASKS):
        outer_layers = htex.TASKS[:position]
        yield Nesting(parsl_log.TRY, inner, _EXECUTOR_TASK, outer_layers, _OF_SUCH_AN_EXECUTOR)
        for outer_position, outer in enumerate(outer_layers):
            yield Nesting(outer, inner, _SAME_KEY, outer_layers[outer_position + 1 :])


NESTINGS = (
    *_task_layers(),
    *(
        Nesting(parsl_log.TRY, executor_task, _EXECUTOR_TASK, (), _OF_SUCH_AN_EXECUTOR)
        for executor_task in cctools.EXECUTOR_TASK.values()
    ),
    Nesting(parsl_blocks.BLOCK, htex.MANAGER[0], _BLOCK, named_inside=True),
    Nesting(monitoring.BLOCK, htex.MANAGER[0], _BLOCK, named_inside=True),
    Nesting(parsl_blocks.EXECUTOR, metric_lines.STRATEGY, _METRIC, expects="false", named_inside=True),
    Nesting(parsl_log.TASK, metric_lines.COUNTED_DEPS, _METRIC, expects="false", named_inside=True),
    Nesting(parsl_log.TASK, metric_lines.GATHERED_DEPS, _METRIC, expects="false", named_inside=True),
)

_FUNCX_TASK = "b.key = json_extract(a.attributes, '$.funcx_task')"
_HAS_FUNCX_TASK = "json_extract(a.attributes, '$.funcx_task') IS NOT NULL"
# A task whose manager's workers are known by their logs: '/' comes just before '0'.
_HAS_WORKERS = f"""EXISTS (
    SELECT 1 FROM spans w WHERE w.run = a.run
    AND w.type = (SELECT id FROM span_types WHERE name = '{funcx_endpoint.WORKER[0]}')
    AND w.key > json_extract(a.attributes, '$.manager') || '/'
    AND w.key < json_extract(a.attributes, '$.manager') || '0')"""
_HAS_ENDPOINT = f"""EXISTS (
    SELECT 1 FROM spans e WHERE e.run = a.run
    AND e.type = (SELECT id FROM span_types WHERE name = '{funcx_endpoint.TASK[0]}'))"""

# What other programs submitted to an endpoint, and what ran on other managers, lacks nothing.
_FUNCX = (
    Nesting(
        funcx_endpoint.TASK[0],
        funcx_endpoint.WORKER_TASK[0],
        _SAME_KEY,
        expects=_HAS_WORKERS,
        inner_expects=_HAS_ENDPOINT,
    ),
    Nesting(
        funcx_client.SUBMIT[0],
        funcx_endpoint.WORKER_TASK[0],
        _FUNCX_TASK,
        (funcx_endpoint.TASK[0],),
        expects=_HAS_FUNCX_TASK,
        inner_expects="false",
    ),
    Nesting(
        funcx_client.SUBMIT[0],
        funcx_endpoint.TASK[0],
        _FUNCX_TASK,
        expects=_HAS_FUNCX_TASK,
        inner_expects="false",
    ),
)

EVERYWHERE: tuple[Nesting, ...] = (
    *_FUNCX,
    Nesting(funcx_client.SUBMIT[0], cloudwatch.TASK, _FUNCX_TASK, expects=_HAS_FUNCX_TASK, inner_expects="false"),
)
"""Nestings by identifiers that are unique everywhere, such as UUIDs: the two spans may be of different runs.

The innermost go first: a run that holds spans of another changes with what is found below these.
"""


def link(conn: sqlite3.Connection, runs: Iterable[int], made: Set[int] = frozenset()) -> set[int]:
    """Make the facets and nestings of these runs, and count the joins made and missing.

    ``made`` are those of them that are new: they have no nestings to forget.
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
                _nest(conn, (run, run), nesting, types[nesting.outer], types[nesting.inner], between, [run], made)
                if not between:
                    _count(
                        conn,
                        run,
                        "subspan",
                        types[nesting.outer],
                        types[nesting.inner],
                        nesting.expects,
                        nesting.inner_expects,
                    )
        manager_links.link(conn, run, types)
        for outer, inner in manager_links.JOINED:
            if {types.get(outer), types.get(inner)} <= present:
                _count(conn, run, "subspan", types[outer], types[inner])
    for nesting in EVERYWHERE:
        runs |= set(_link_everywhere(conn, runs, nesting, types, made))
    return runs


def _link_everywhere(
    conn: sqlite3.Connection, touched: set[int], nesting: Nesting, types: dict[str, int], made: Set[int]
) -> Iterator[int]:
    """Make one nesting between any two runs of which one was touched, and yield the runs that hold its superspans."""
    if nesting.outer not in types or nesting.inner not in types:
        return
    outer, inner = types[nesting.outer], types[nesting.inner]
    between = [types[name] for name in nesting.between if name in types]
    outer_runs, inner_runs, between_runs = (
        _runs_with(conn, [outer]),
        _runs_with(conn, [inner]),
        _runs_with(conn, between),
    )
    # A layer between two runs may be in a third.
    between_is_touched = not touched.isdisjoint(between_runs)
    changed = set()
    for run in outer_runs:
        others = [other for other in inner_runs if between_is_touched or run in touched or other in touched]
        for other in others:
            _nest(conn, (run, other), nesting, outer, inner, between, between_runs, made)
        if others:
            changed |= {run, *others}
            yield run
    for run in sorted(changed):
        conn.execute(
            "DELETE FROM joins WHERE run = ? AND (left_type, right_type) IN (VALUES (?, ?), (?, ?))",
            [run, outer, inner, inner, outer],
        )
        if not between_runs:
            _count(conn, run, "subspan", outer, inner, nesting.expects, nesting.inner_expects)


def _runs_with(conn: sqlite3.Connection, types: list[int]) -> list[int]:
    """Return the ids of the runs that have spans of some types, in order."""
    marks = ", ".join(map(str, types))
    return [run for (run,) in conn.execute(f"SELECT DISTINCT run FROM spans WHERE type IN ({marks}) ORDER BY run")]


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
    conn: sqlite3.Connection,
    runs: tuple[int, int],
    nesting: Nesting,
    outer: int,
    inner: int,
    between: list[int],
    between_runs: list[int],
    made: Set[int],
) -> None:
    """Put the subspans of one run into the superspans of another, or of the same, unless a layer between has them.

    Runs that were ``made`` just now have no such nestings to be forgotten.
    """
    values = {"run": runs[0], "inner_run": runs[1], "outer": outer, "inner": inner}
    # CROSS JOIN keeps this order of loops: without statistics, SQLite may take the other, which is quadratic.
    loops = "spans b CROSS JOIN spans a" if nesting.named_inside else "spans a CROSS JOIN spans b"
    between_ids, between_run_ids = ", ".join(map(str, between)), ", ".join(map(str, between_runs))
    is_alone = f"""NOT EXISTS (
        SELECT 1 FROM spans c WHERE c.run IN ({between_run_ids}) AND c.type IN ({between_ids}) AND c.key = b.key)"""
    if made.isdisjoint(runs):
        conn.execute(
            """DELETE FROM subspan_rows WHERE superspan IN (SELECT id FROM spans WHERE run = :run AND type = :outer)
               AND EXISTS (SELECT 1 FROM spans WHERE id = subspan AND type = :inner AND run = :inner_run)""",
            values,
        )
    conn.execute(
        # Often a layer between has all of them, which is told without finding the superspan of each.
        f"""INSERT OR IGNORE INTO subspan_rows (superspan, subspan, name)
            SELECT a.id, b.id, instr(b.key, '/') + 1
            FROM {loops} ON b.run = :inner_run AND b.type = :inner AND {nesting.on}
            WHERE a.run = :run AND a.type = :outer AND {is_alone}
            AND EXISTS (SELECT 1 FROM spans b WHERE b.run = :inner_run AND b.type = :inner AND {is_alone})""",
        values,
    )


_JOINED = {
    "subspan": (("subspan_rows", "superspan", "subspan"), ("subspan_rows", "subspan", "superspan")),
    "facet": (("facets", "left", "right"), ("facets", "right", "left")),
}
"""For each kind of join, as seen from its left and from its right: table, this side, other side."""


def _count(
    conn: sqlite3.Connection,
    run: int,
    kind: str,
    left: int,
    right: int,
    expects: str = "true",
    right_expects: str = "true",
) -> None:
    """Count the joins of two types, once from either side. Only spans that should have one can lack it.

    A span belongs to the source of its first event, or of its first sample where it has no events.
    """
    from_left, from_right = _JOINED[kind]
    for this, other, (table, here, there), expected in (
        (left, right, from_left, expects),
        (right, left, from_right, right_expects),
    ):
        conn.execute(
            # With a limit, SQLite keeps to the inner query: else it puts the searches in place of each of their names.
            f"""INSERT OR IGNORE INTO joins (run, source, kind, left_type, right_type, made, missing)
                SELECT :run, source, :kind, :this, :other, sum(joined), sum(NOT joined)
                FROM (SELECT coalesce(
                                 (SELECT source FROM events WHERE span = a.id LIMIT 1),
                                 (SELECT source FROM samples WHERE span = a.id ORDER BY time LIMIT 1)) AS source,
                             CASE
                                 WHEN EXISTS (SELECT 1 FROM {table} CROSS JOIN spans b ON b.id = {table}.{there}
                                              WHERE {table}.{here} = a.id AND b.type = :other) THEN 1
                                 WHEN {expected} THEN 0
                             END AS joined
                      FROM spans a WHERE a.run = :run AND a.type = :this LIMIT -1)
                WHERE source IS NOT NULL AND joined IS NOT NULL GROUP BY source""",
            {"run": run, "kind": kind, "this": this, "other": other},
        )
