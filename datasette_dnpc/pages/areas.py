"""Counts over time as a small picture: areas one on the other, in SVG that is part of the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasette_dnpc.meanings import OTHERS_COLOUR, few_state_colours
from datasette_dnpc.stacking import stacking

OTHER = "other"
"""What the queries call states that have no area of their own."""

WIDTH, HEIGHT = 220, 44
"""Units of the picture's own; the page gives it its size."""


@dataclass(frozen=True)
class Area:
    """What one state takes up: ``path`` is the ``d`` of an SVG path."""

    state: str
    path: str


@dataclass(frozen=True)
class Areas:
    """The picture."""

    areas: list[Area]
    most: float
    """What the full height stands for."""
    seconds: float
    """What the full width stands for."""


def areas(rows: Iterable[Mapping[str, Any]], order: Sequence[str], within: tuple[float, float] | None = None) -> Areas:
    """Return the areas of rows with ``time``, ``state`` and ``spans``: the first of the order lies at the bottom.

    A count holds until the next time, so the edges are steps.

    :param within: first and last time of the picture, up to which the last count holds; None: those of the rows
    """
    counts: defaultdict[float, dict[str, float]] = defaultdict(dict)
    for row in rows:
        counts[row["time"]][row["state"]] = row["spans"]
    times = sorted(counts)
    first, last = within or ((times[0], times[-1]) if times else (0.0, 0.0))
    seconds = last - first
    most = max((sum(found.values()) for found in counts.values()), default=0)
    if not most or not seconds:
        return Areas([], most, seconds)
    places = [WIDTH * min(max((time - first) / seconds, 0.0), 1.0) for time in times] + [float(WIDTH)]
    below: list[float] = [0] * len(places)
    drawn = []
    for state in order:
        numbers = [counts[time].get(state, 0) for time in times]
        above = [base + number for base, number in zip(below, numbers + numbers[-1:], strict=True)]
        if above != below:
            drawn.append(Area(state, _path(places, below, above, most)))
        below = above
    return Areas(drawn, most, seconds)


def _path(places: list[float], below: list[float], above: list[float], most: float) -> str:
    there = _steps(places, above, most)
    back = [(x, y) for x, y in reversed(_steps(places, below, most))]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in there + back) + "Z"


def _steps(places: list[float], values: list[float], most: float) -> list[tuple[float, float]]:
    """Return the corners of a line that keeps each value until the next place."""
    corners = []
    for i, value in enumerate(values):
        y = HEIGHT * (1 - value / most)
        corners.append((places[i], y))
        if i + 1 < len(places):
            corners.append((places[i + 1], y))
    return corners


def order_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the states of rows with ``run``, ``time``, ``state`` and ``spans`` in one order for all runs' pictures."""
    rows = list(rows)
    times: defaultdict[str, set[float]] = defaultdict(set)
    for row in rows:
        times[row["run"]].add(row["time"])
    # A time as part of its run, so that a long run does not count for more, to when the next one is.
    held: dict[tuple[str, float], tuple[float, float]] = {}
    for run, found in times.items():
        first, whole = min(found), max(found) - min(found) or 1
        places = sorted(found)
        for time, following in zip(places, [*places[1:], places[-1]], strict=True):
            held[run, time] = (time - first) / whole, (following - first) / whole
    return stacking((row["state"], row["spans"], *held[row["run"], row["time"]]) for row in rows)


def area_colours(order: Iterable[str]) -> dict[str, str]:
    """Return a CSS colour for each of the states, and for those that are counted together as ``OTHER``."""
    return few_state_colours(state for state in order if state != OTHER) | {OTHER: OTHERS_COLOUR}
