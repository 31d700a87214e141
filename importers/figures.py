"""Figures of event sequences: one implementation for the import, SQL functions and pages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, repeat
from math import fsum, sqrt
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
    for ordered in _steps(times):
        mean = fsum(ordered) / len(ordered)
        cumulative += mean
        yield StepFigures(mean, ordered[0], percentile(ordered, 50), percentile(ordered, 95), ordered[-1], cumulative)


def _steps(times: Sequence[Sequence[float]]) -> Iterator[list[float]]:
    """Yield the seconds of each step, sorted."""
    for now, before in zip(times, [*times[:1], *times[:-1]], strict=True):
        yield sorted(map(sub, now, before))


CLASS_WIDTH = 1.02
"""How much more seconds the next class of them has."""

# The clock of no log is finer than the first, and no step takes longer than the last.
_BOUNDS = [*accumulate(repeat(CLASS_WIDTH, 2000), lambda bound, width: bound * width, initial=1e-6)]


class StepOfRun(NamedTuple):
    """How long one event came after the event before it, over the roots of one run: enough to put runs together."""

    roots: int
    seconds: float
    """Sum over the roots."""
    min: float
    p50: float
    p95: float
    max: float
    classes: dict[int, int]
    """How many steps there are of each class: class 0 is up to 1 microsecond, each other 2 per cent above the last."""


def steps_of_run(times: Sequence[Sequence[float]]) -> Iterator[StepOfRun]:
    """Yield what is to be kept of each step of a run; ``times`` as in ``step_figures``."""
    for ordered in _steps(times):
        middle, high = percentile(ordered, 50), percentile(ordered, 95)
        yield StepOfRun(len(ordered), fsum(ordered), ordered[0], middle, high, ordered[-1], _classes(ordered))


def _classes(ordered: list[float]) -> dict[int, int]:
    """Count sorted seconds by class: a search for each class that has any."""
    found: dict[int, int] = {}
    place = 0
    while place < len(ordered):
        of_next = bisect_left(_BOUNDS, ordered[place], hi=len(_BOUNDS) - 1)
        beyond = bisect_right(ordered, _BOUNDS[of_next], place) if of_next < len(_BOUNDS) - 1 else len(ordered)
        found[of_next] = beyond - place
        place = beyond
    return found


def step_figures_of_runs(steps: Iterable[Sequence[StepOfRun]]) -> Iterator[StepFigures]:
    """Yield the figures of each step over several runs, given what is kept of it for each of them.

    Exact, but for p50 and p95, which are right to 1 per cent or a microsecond. The order of runs does not count.
    """
    cumulative = 0.0
    for runs in steps:
        roots = sum(run.roots for run in runs)
        mean = fsum(run.seconds for run in runs) / roots
        cumulative += mean
        least, most = min(run.min for run in runs), max(run.max for run in runs)
        if len(runs) == 1:
            middle, high = runs[0].p50, runs[0].p95
        else:
            classes: Counter[int] = Counter()
            for run in runs:
                classes.update(run.classes)
            middle, high = (min(max(_of_classes(classes, percent), least), most) for percent in (50, 95))
        yield StepFigures(mean, least, middle, high, most, cumulative)


def _of_classes(classes: dict[int, int], percent: float) -> float:
    """Return a percentile as ``percentile`` does, of seconds of which only their class is known."""
    numbers = sorted(classes)
    beyond = [*accumulate(classes[number] for number in numbers)]
    position = (beyond[-1] - 1) * percent / 100
    below = int(position)
    first, second = (
        _seconds_of(numbers[bisect_right(beyond, place)]) for place in (below, min(below + 1, beyond[-1] - 1))
    )
    return first + (second - first) * (position - below)


def _seconds_of(number: int) -> float:
    """Return what stands for all seconds of a class."""
    return sqrt(_BOUNDS[number - 1] * _BOUNDS[number]) if number else 0.0
