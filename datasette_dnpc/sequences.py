"""Event sequences computed from rows: variants and the statistics of their steps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from importers.figures import StepFigures, step_figures


@dataclass(frozen=True)
class Step:
    """One event to the next, over all roots of a variant."""

    state: str
    """span_type/event_type of the event that ends the step."""
    figures: StepFigures


@dataclass(frozen=True)
class LiveVariant:
    """A distinct sequence of states, and the roots which have it."""

    states: tuple[str, ...]
    roots: list[int]
    times: list[list[float]]
    """Of each root, its events' times in order: seconds since 1970."""

    @property
    def durations(self) -> list[float]:
        """Seconds from first to last event of each root."""
        return [times[-1] - times[0] for times in self.times]


@dataclass(frozen=True)
class Bins:
    """Bins of one width, or of one ratio, for durations in seconds."""

    low: float
    high: float
    """Where the last ends: above ``low``, which on a logarithmic scale is above 0."""
    log: bool
    number: int

    def of(self, seconds: float) -> int:
        """Return the number of a duration's bin, from 0 on; -1 if it has no place on a logarithmic scale."""
        if self.log and seconds <= 0:
            return -1
        if self.log:
            place = math.log(seconds / self.low) / math.log(self.high / self.low)
        else:
            place = (seconds - self.low) / (self.high - self.low)
        return min(max(int(self.number * place), 0), self.number - 1)


def variants(rows: Iterable[tuple[int, float, str]]) -> list[LiveVariant]:
    """Group rows of (root, time, state), ordered so, into variants: the common ones first."""
    found: dict[tuple[str, ...], LiveVariant] = {}
    for root, group in groupby(rows, key=itemgetter(0)):
        events = list(group)
        states = tuple(state for _, _, state in events)
        variant = found.setdefault(states, LiveVariant(states, [], []))
        variant.roots.append(root)
        variant.times.append([time for _, time, _ in events])
    return sorted(found.values(), key=lambda variant: (-len(variant.roots), variant.states))


def steps(variant: LiveVariant, most: int) -> list[Step]:
    """Return the statistics of the first steps."""
    states = variant.states[:most]
    by_position = [[times[position] for times in variant.times] for position in range(len(states))]
    return [Step(state, figures) for state, figures in zip(states, step_figures(by_position), strict=True)]


def step_bins(variant: LiveVariant, most: int, bins: Bins) -> list[dict[int, int]]:
    """Return for each of the first events how many roots are in each bin by the step up to it; the first ends none."""
    counted: list[dict[int, int]] = [{}]
    for position in range(1, min(most, len(variant.states))):
        counted.append(dict(Counter(bins.of(times[position] - times[position - 1]) for times in variant.times)))
    return counted
