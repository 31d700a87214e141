"""How long each step of a variant took over all its roots, whichever runs these are of.

Where roots are few, the times of all are looked at. Of a variant with more, each run is measured once, and what is kept
of runs is put together: to add a run to many does not have the events of the others read again.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, groupby
from operator import itemgetter

from importers.figures import StepFigures, StepOfRun, step_figures, step_figures_of_runs, steps_of_run
from importers.roots import by_place

FEW = 2000
"""Roots of a variant up to which p50 and p95 are those of all its roots, also where these are of several runs.

What is kept depends on how many roots there are, not on how they came: the same logs give the same rows.
"""

_COLUMNS = ", ".join(StepOfRun._fields)


class Steps:
    """The steps of variants. ``add`` each run's times of a variant, then ``measure`` the variant once."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._held: defaultdict[int, dict[int, array[float]]] = defaultdict(dict)
        """Times of the roots of a variant, by run: of all that were added, as long as these are few."""

    def forget(self, variants: Iterable[int], run: int) -> None:
        """Drop what is kept of a run's roots of some variants."""
        self._conn.executemany(
            "DELETE FROM run_steps WHERE variant = ? AND run = ?", ((variant, run) for variant in variants)
        )

    def add(self, variant: int, run: int, times: array[float], length: int) -> None:
        """Add the times of all roots that a run has of a variant, one root after the other, so many of each."""
        held = self._held[variant]
        held[run] = times
        if sum(map(len, held.values())) > FEW * length:
            self._keep(variant, length)

    def measure(self, variant: int, names: list[str], roots: int, before: int) -> None:
        """Make the rows of a variant again, which has so many roots now, and had ``before`` this import."""
        length = len(names)
        if roots <= FEW:
            if before > FEW:
                self._conn.execute("DELETE FROM run_steps WHERE variant = ?", [variant])
            held = self._held.pop(variant, {})
            if sum(map(len, held.values())) < roots * length:
                # Other runs have it too: their times are in the database.
                held = self._stored(variant)
            times = array("d", chain(*held.values()))
            self._put(variant, names, step_figures(by_place(times, length)))
            return
        if 0 < before <= FEW:
            # Those of before are not measured by themselves yet.
            self._held[variant] = self._stored(variant)
        self._keep(variant, length)
        self._put(variant, names, step_figures_of_runs(self._kept(variant)))

    def _keep(self, variant: int, length: int) -> None:
        """Measure the runs whose times are held."""
        for run, times in self._held.pop(variant, {}).items():
            self._conn.executemany(
                f"INSERT INTO run_steps (variant, run, position, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (variant, run, position, *step[:-1], json.dumps(step.classes, separators=(",", ":")))
                    for position, step in enumerate(steps_of_run(by_place(times, length)))
                ),
            )

    def _kept(self, variant: int) -> Iterable[list[StepOfRun]]:
        """Yield what is kept of each step for each run."""
        rows = self._conn.execute(
            f"SELECT position, {_COLUMNS} FROM run_steps WHERE variant = ? ORDER BY position", [variant]
        )
        for _position, runs in groupby(rows, key=itemgetter(0)):
            yield [
                StepOfRun._make((*figures, {int(number): count for number, count in json.loads(classes).items()}))
                for _position, *figures, classes in runs
            ]

    def _stored(self, variant: int) -> dict[int, array[float]]:
        """Return the times of the roots of a variant by run, of runs that were not measured."""
        rows = self._conn.execute(
            """SELECT spans.run, events.time
               FROM sequences
               CROSS JOIN spans ON spans.id = sequences.root
               CROSS JOIN descendants ON descendants.root = sequences.root
               CROSS JOIN events ON events.span = descendants.span
               WHERE sequences.variant = :variant
                   AND spans.run NOT IN (SELECT run FROM run_steps WHERE variant = :variant)
               ORDER BY sequences.root, events.time""",
            {"variant": variant},
        )
        found: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))
        for run, time in rows:
            found[run].append(time)
        return found

    def _put(self, variant: int, names: list[str], steps: Iterable[StepFigures]) -> None:
        self._conn.execute("DELETE FROM steps WHERE variant = ?", [variant])
        self._conn.executemany(
            """INSERT INTO steps (variant, position, span_type, event_type, mean, min, p50, p95, max, cumulative)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                (variant, position, *name.split("/", 1), *figures)
                for position, (name, figures) in enumerate(zip(names, steps, strict=True))
            ),
        )
