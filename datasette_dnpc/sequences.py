"""Event sequences computed from rows: variants and the statistics of their steps."""

from __future__ import annotations

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
