"""Event sequences: what is below each root, in which order its events came, and how long each step took.

Kept for task-like root types, so that pages open at once. Made again for the runs that an import touches,
and for the variants that their roots had or have.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from operator import itemgetter

from importers.formats import root_types

GRID = 120
"""Times at which the roots in each state are counted, from the first event of the run's roots to the last."""

Sequence = tuple[int, ...]
"""A variant: the number of a (span type, event type) pair for each event."""


def update(conn: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Bring descendants, variants, sequences, steps and state counts up to date for these runs."""
    types = dict(conn.execute("SELECT name, id FROM span_types").fetchall())
    variants = _Variants(conn)
    for root_type in [types[name] for name in root_types() if name in types]:
        for run in sorted(runs):
            _descend(conn, run, root_type)
            variants.forget(run, root_type)
            _follow(conn, run, root_type, variants)
    variants.summarise()


def _descend(conn: sqlite3.Connection, run: int, root_type: int) -> None:
    values = {"run": run, "type": root_type}
    conn.execute("DELETE FROM descendants WHERE root IN (SELECT id FROM spans WHERE run = :run AND type = :type)", values)
    conn.execute(
        """INSERT INTO descendants (root, span)
           WITH RECURSIVE below(root, span) AS (
               SELECT id, id FROM spans WHERE run = :run AND type = :type
               UNION SELECT below.root, subspans.subspan FROM below JOIN subspans ON subspans.superspan = below.span
               UNION SELECT below.root, facets.right FROM below JOIN facets ON facets.left = below.span
               UNION SELECT below.root, facets.left FROM below JOIN facets ON facets.right = below.span
           )
           SELECT root, span FROM below ORDER BY root, span""",
        values,
    )


def _root_events(conn: sqlite3.Connection, run: int, root_type: int) -> Iterator[tuple[int, float, int, int]]:
    """Yield (root, time, span type, event type) of every root of a run, in time order within each root."""
    return conn.execute(
        """SELECT descendants.root, events.time, below.type, events.type
           FROM spans AS root
           JOIN descendants ON descendants.root = root.id
           JOIN spans AS below ON below.id = descendants.span
           JOIN events ON events.span = below.id
           WHERE root.run = ? AND root.type = ?
           ORDER BY descendants.root, events.time""",
        [run, root_type],
    )


def _follow(conn: sqlite3.Connection, run: int, root_type: int, variants: _Variants) -> None:
    """Find the variant of each root of a run, and count the roots in each state over time."""
    entered: list[tuple[float, int, int]] = []
    sequences = []
    for root, group in groupby(_root_events(conn, run, root_type), key=itemgetter(0)):
        events = [(time, variants.pair(span_type, event_type)) for _root, time, span_type, event_type in group]
        if any(a[0] == b[0] for a, b in zip(events, events[1:])):
            # Events at one time come in order of their names, so that the variant does not depend on ids.
            events.sort(key=lambda event: (event[0], variants.names[event[1]]))
        states = [state for _time, state in events]
        sequences.append((root, variants.add(root_type, tuple(states), root), events[0][0], events[-1][0]))
        entered += [(time, state, 1) for time, state in events]
        entered += [(time, state, -1) for (_, state), (time, _) in zip(events, events[1:])]
    conn.executemany("INSERT INTO sequences (root, variant, began, ended) VALUES (?, ?, ?, ?)", sequences)
    _count_states(conn, run, root_type, entered, variants)


def _count_states(
    conn: sqlite3.Connection, run: int, root_type: int, changes: list[tuple[float, int, int]], variants: _Variants
) -> None:
    """Count the roots whose latest event is each state, at GRID times.

    ``changes`` holds (time, state, +1 or -1). A change counts from the first grid time at or after it.
    """
    conn.execute("DELETE FROM state_counts WHERE run = ? AND root_type = ?", [run, root_type])
    if not changes:
        return
    first, last = min(changes)[0], max(changes)[0]
    grid = sorted({first + (last - first) * i / (GRID - 1) for i in range(GRID - 1)} | {last})
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * len(grid))
    for time, state, change in changes:
        counts[state][bisect_left(grid, time)] += change
    conn.executemany(
        "INSERT INTO state_counts (root_type, run, time, state, spans) VALUES (?, ?, ?, ?, ?)",
        (
            (root_type, run, time, variants.names[state], spans)
            for state, steps in counts.items()
            for time, spans in zip(grid, accumulate(steps), strict=True)
        ),
    )


class _Variants:
    """The variants in the database, by root type and sequence."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._span_types = dict(conn.execute("SELECT id, name FROM span_types").fetchall())
        self._event_types = dict(conn.execute("SELECT id, name FROM event_types").fetchall())
        self._pairs: dict[tuple[int, int], int] = {}
        self.names: list[str] = []
        self._ids: dict[tuple[int, Sequence], int] = {}
        self._changed: set[int] = set()

    def pair(self, span_type: int, event_type: int) -> int:
        """Return the number of a pair; ``names`` has its 'span_type/event_type'."""
        number = self._pairs.get((span_type, event_type))
        if number is None:
            number = self._pairs[span_type, event_type] = len(self.names)
            self.names.append(f"{self._span_types[span_type]}/{self._event_types[event_type]}")
        return number

    def add(self, root_type: int, sequence: Sequence, example: int) -> int:
        """Return the id of a variant, made on first mention."""
        variant = self._ids.get((root_type, sequence))
        if variant is None:
            text = json.dumps([self.names[pair] for pair in sequence])
            self._conn.execute(
                "INSERT OR IGNORE INTO variants (root_type, sequence, events, spans, example) VALUES (?, ?, ?, 0, ?)",
                [root_type, text, len(sequence), example],
            )
            (variant,) = self._conn.execute(
                "SELECT id FROM variants WHERE root_type = ? AND sequence = ?", [root_type, text]
            ).fetchone()
            self._ids[root_type, sequence] = variant
            self._changed.add(variant)
        return int(variant)

    def forget(self, run: int, root_type: int) -> None:
        """Drop the sequences of a run's roots, whose events may have changed."""
        dropped = self._conn.execute(
            """DELETE FROM sequences WHERE root IN (SELECT id FROM spans WHERE run = ? AND type = ?)
               RETURNING variant""",
            [run, root_type],
        )
        self._changed |= {variant for (variant,) in dropped.fetchall()}

    def summarise(self) -> None:
        """Count the roots of each changed variant and measure its steps; drop variants that nothing has."""
        for variant in sorted(self._changed):
            self._conn.execute("DELETE FROM steps WHERE variant = ?", [variant])
            self._conn.execute(
                """UPDATE variants SET (spans, example) =
                   (SELECT count(*), min(root) FROM sequences WHERE variant = variants.id) WHERE id = ?""",
                [variant],
            )
        self._conn.execute("DELETE FROM variants WHERE spans = 0")
        for variant, times in self._times():
            self._steps(variant, times)

    def _times(self) -> Iterator[tuple[int, list[list[float]]]]:
        """Yield each changed variant with the times of each of its roots' events."""
        marks = ", ".join(map(str, sorted(self._changed)))
        rows = self._conn.execute(
            f"""SELECT sequences.variant, sequences.root, events.time
                FROM sequences
                JOIN descendants ON descendants.root = sequences.root
                JOIN events ON events.span = descendants.span
                WHERE sequences.variant IN ({marks})
                ORDER BY sequences.variant, sequences.root, events.time"""
        )
        for variant, of_variant in groupby(rows, key=itemgetter(0)):
            yield variant, [[row[2] for row in root] for _root, root in groupby(of_variant, key=itemgetter(1))]

    def _steps(self, variant: int, times: list[list[float]]) -> None:
        (text,) = self._conn.execute("SELECT sequence FROM variants WHERE id = ?", [variant]).fetchone()
        cumulative = 0.0
        previous = [root[0] for root in times]
        rows = []
        for position, (name, now) in enumerate(zip(json.loads(text), zip(*times))):
            span_type, event_type = name.split("/", 1)
            durations = sorted(b - a for a, b in zip(previous, now))
            mean = sum(durations) / len(durations)
            cumulative += mean
            middle, high = quantile(durations, 0.5), quantile(durations, 0.95)
            rows.append(
                (variant, position, span_type, event_type, mean, durations[0], middle, high, durations[-1], cumulative)
            )
            previous = list(now)
        self._conn.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values, interpolated linearly between the two nearest.

    The position is ``share * (n - 1)``: Hyndman and Fan's type 7, the default of numpy and R.
    """
    position = share * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


