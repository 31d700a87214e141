"""Event sequences: what is below each root, in which order its events came, and how long each step took.

Kept for task-like root types, so that pages open at once. Made again for the runs that an import touches,
and for the variants that their roots had or have.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import accumulate, repeat

from importers import task_table
from importers.many_rows import insert_rows
from importers.roots import Roots, Sequence, StateNames
from importers.steps import Steps

GRID = 120
"""Times at which the roots in each state are counted, from the first event of the run's roots to the last."""


def update(conn: sqlite3.Connection, runs: Iterable[int], root_types: Iterable[str]) -> None:
    """Bring descendants, variants, sequences, steps, state counts and tasks up to date for these runs.

    They are kept for these types of root, and for those that have some already: an import that does not name
    a format has its rows no less. A type of root that is new has them made for every run.
    """
    types = dict(conn.execute("SELECT name, id FROM span_types").fetchall())
    kept = {root_type for (root_type,) in conn.execute("SELECT DISTINCT root_type FROM variants")}
    updated: set[int] = set()
    for root_type in sorted(kept | {types[name] for name in root_types if name in types}):
        variants = _Variants(conn, root_type)
        every = conn.execute("SELECT DISTINCT run FROM spans WHERE type = ?", [root_type])
        for run in sorted(runs if root_type in kept else {run for (run,) in every}):
            _descend(conn, run, root_type)
            variants.forget(run)
            roots = Roots(conn, run, root_type)
            variants.add(roots)
            _count_states(conn, roots, variants)
            task_table.update(conn, roots)
            updated.add(run)
        variants.summarise()
    task_table.relate(conn, updated)


def forget(conn: sqlite3.Connection, run: int) -> None:
    """Drop what is kept of the roots of a run, whose spans are about to be dropped."""
    roots = "SELECT root FROM sequences JOIN spans ON spans.id = root WHERE spans.run = ?"
    types = conn.execute(f"SELECT DISTINCT type FROM spans WHERE id IN ({roots})", [run]).fetchall()
    for (root_type,) in types:
        variants = _Variants(conn, root_type)
        variants.forget(run)
        variants.summarise()
    conn.execute("DELETE FROM descendants WHERE root IN (SELECT id FROM spans WHERE run = ?)", [run])
    conn.execute("DELETE FROM state_counts WHERE run = ?", [run])
    task_table.forget(conn, run)


_OTHER_ACCOUNTS = """
UNION SELECT below.root, facets.right FROM below JOIN facets ON facets.left = below.span
UNION SELECT below.root, facets.left FROM below JOIN facets ON facets.right = below.span
"""


def _descend(conn: sqlite3.Connection, run: int, root_type: int) -> None:
    values = {"run": run, "type": root_type}
    conn.execute(
        "DELETE FROM descendants WHERE root IN (SELECT id FROM spans WHERE run = :run AND type = :type)",
        values,
    )
    # Many databases have no facets, and to look for them takes an eighth of the time.
    has_facets = conn.execute("SELECT 1 FROM facets").fetchone()
    conn.execute(
        f"""INSERT INTO descendants (root, span)
            WITH RECURSIVE below(root, span) AS (
                SELECT id, id FROM spans WHERE run = :run AND type = :type
                UNION SELECT below.root, subspans.subspan FROM below JOIN subspans ON subspans.superspan = below.span
                {_OTHER_ACCOUNTS if has_facets else ""}
                ORDER BY 1 -- root by root, whose rows lie together
            )
            SELECT root, span FROM below""",
        values,
    )


def _count_states(conn: sqlite3.Connection, roots: Roots, variants: _Variants) -> None:
    """Count the roots whose latest event is each state, at GRID times from the first event to the last."""
    conn.execute("DELETE FROM state_counts WHERE run = ? AND root_type = ?", [roots.run, roots.root_type])
    if not roots.alike:
        return
    first, last = min(min(alike.times) for alike in roots.alike), max(max(alike.times) for alike in roots.alike)
    grid = sorted({first + (last - first) * i / (GRID - 1) for i in range(GRID - 1)} | {last})
    changes: dict[int, list[int]] = defaultdict(lambda: [0] * len(grid))
    for alike in roots.alike:
        before: int | None = None
        for state, times in zip(alike.sequence, alike.by_place(), strict=True):
            # An event counts from the first grid time at or after it.
            for place, events in Counter(map(bisect_left, repeat(grid), times)).items():
                changes[state][place] += events
                if before is not None:
                    changes[before][place] -= events
            before = state
    conn.executemany(
        "INSERT INTO state_counts (root_type, run, time, state, spans) VALUES (?, ?, ?, ?, ?)",
        (
            (roots.root_type, roots.run, time, variants.names[state], spans)
            for state, steps in changes.items()
            for time, spans in zip(grid, accumulate(steps), strict=True)
        ),
    )


class _Variants:
    """The variants of one root type, and what changes about them in this import."""

    def __init__(self, conn: sqlite3.Connection, root_type: int) -> None:
        self._conn, self._root_type = conn, root_type
        self.names = StateNames(conn)
        self._ids: dict[Sequence, int] = {}
        self._before: dict[int, int] = {}
        """How many roots each variant had that changes."""
        self._change: Counter[int] = Counter()
        self._steps = Steps(conn)

    def forget(self, run: int) -> None:
        """Drop the sequences of a run's roots, whose events may have changed."""
        dropped = self._conn.execute(
            """DELETE FROM sequences WHERE root IN (SELECT id FROM spans WHERE run = ? AND type = ?)
               RETURNING variant""",
            [run, self._root_type],
        )
        roots = Counter(variant for (variant,) in dropped.fetchall())
        for variant in roots.keys() - self._before.keys():
            row = self._conn.execute("SELECT spans FROM variants WHERE id = ?", [variant]).fetchone()
            self._before[variant] = row[0]
        self._change.subtract(roots)
        self._steps.forget(roots, run)

    def add(self, roots: Roots) -> None:
        """Find the variant of each root of a run."""
        rows: list[Iterator[tuple[int, int, float, float]]] = []
        for alike in roots.alike:
            variant = self._ids.get(alike.sequence) or self._make(alike.sequence)
            length = len(alike.sequence)
            rows.append(zip(alike.ids, repeat(variant), alike.times[::length], alike.times[length - 1 :: length]))
            self._change[variant] += len(alike.ids)
            self._steps.add(variant, roots.run, alike.times, length)
        insert_rows(self._conn, "sequences", ("root", "variant", "began", "ended"), merge(*rows))

    def _make(self, sequence: Sequence) -> int:
        text = json.dumps([self.names[code] for code in sequence])
        key = [self._root_type, text]
        self._conn.execute(
            "INSERT OR IGNORE INTO variants (root_type, sequence, events, spans) VALUES (?, ?, ?, 0)",
            [*key, len(sequence)],
        )
        found = self._conn.execute("SELECT id, spans FROM variants WHERE root_type = ? AND sequence = ?", key)
        variant, before = found.fetchone()
        self._before.setdefault(variant, before)
        self._ids[sequence] = int(variant)
        return self._ids[sequence]

    def summarise(self) -> None:
        """Count the roots of each changed variant and measure its steps; drop variants that nothing has."""
        for variant, before in sorted(self._before.items()):
            roots = before + self._change[variant]
            self._conn.execute(
                """UPDATE variants
                   SET spans = :roots, example = (SELECT min(root) FROM sequences WHERE variant = :variant)
                   WHERE id = :variant""",
                {"roots": roots, "variant": variant},
            )
            if roots:
                row = self._conn.execute("SELECT sequence FROM variants WHERE id = ?", [variant]).fetchone()
                self._steps.measure(variant, json.loads(row[0]), roots, before)
            else:
                self._conn.execute("DELETE FROM steps WHERE variant = ?", [variant])
        self._conn.execute("DELETE FROM variants WHERE spans = 0")
