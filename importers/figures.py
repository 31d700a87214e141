"""Figures of event sequences: one implementation for the import, SQL functions and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum
from operator import sub
from typing import NamedTuple


def percentile(ordered: list[float], percent: float) -> float:
    """Return a percentile of sorted, non-empty numbers, interpolated linearly between the two nearest.

    ``percent`` is of 0 to 100; the position is ``(n - 1) * percent / 100``: Hyndman and Fan's type 7 (The
    American Statistician 50, 1996), the default of numpy and R.
    """
    position = (len(ordered) - 1) * percent / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


class StepFigures(NamedTuple):
    """How long one event came after the event before it, over all roots of a variant. Seconds."""

    mean: float
    min: float
    p50: float
    p95: float
    max: float
    cumulative: float
    """Sum of the means up to here."""


def step_figures(times: Sequence[Sequence[float]]) -> Iterator[StepFigures]:
    """Yield the figures of each step, that to the first event being 0 seconds.

    ``times[position][i]`` is when the i-th root had the event at that position, in seconds.
    """
    cumulative = 0.0
    for now, before in zip(times, [*times[:1], *times[:-1]], strict=True):
        ordered = sorted(map(sub, now, before))
        mean = fsum(ordered) / len(ordered)
        cumulative += mean
        yield StepFigures(mean, ordered[0], percentile(ordered, 50), percentile(ordered, 95), ordered[-1], cumulative)
