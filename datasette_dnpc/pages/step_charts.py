"""Charts of the steps of a variant: how each is spread, on one axis of durations, and where each lies in the mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

from datasette_dnpc.pages.value_axis import ValueAxis, axis_of
from datasette_dnpc.sequences import Bins, Step

BINS = 60
"""Into how many the axis is divided: some five pixels each."""

WIDE = 20
"""How many times as long as the shortest the longest must be for a logarithmic axis."""

CHARACTER = 2.7
"""Per cent of the chart that a character on its axis takes up, where the chart is as narrow as it gets."""

NO_TIME = 6.0
"""Per cent of a logarithmic axis, at its left, for steps that take no time."""

_LEAST_HEIGHT = 5.0
"""Per cent: one root of thousands can be seen, too."""


@dataclass(frozen=True)
class Spread:
    """How one step is spread: places in per cent of the chart, from the left."""

    path: str
    """The ``d`` of an SVG path: a bar for each bin, up from the bottom of a square of 100, the fullest to its top."""
    bars: int
    least: float
    median: float
    p95: float
    most: float


@dataclass(frozen=True)
class StepAxis:
    """The axis of durations that all steps of a variant share."""

    axis: ValueAxis
    left: float
    """Per cent of the chart that lie before it."""

    @property
    def bins(self) -> Bins:
        """Return the bins that the axis is divided into."""
        return Bins(self.axis.low, self.axis.high, self.axis.log, BINS)

    def place(self, seconds: float) -> float:
        """Return where a duration lies, in per cent of the chart; what takes no time lies before a logarithmic axis."""
        if self.axis.log and seconds <= 0:
            return self.left / 2
        return self.left + (100 - self.left) * self.axis.place(seconds) / 100

    def ticks(self) -> list[tuple[float, str]]:
        """Return place and text of each duration to name."""
        named = [(self.left + (100 - self.left) * place / 100, text) for place, text in self.axis.ticks()]
        if self.left:
            zero = (self.left / 2, "0")
            named = [zero, *(tick for tick in named if _fit([zero, tick]))]
        # At last there is but one.
        return next(some for every in count(1) if _fit(some := named[::every]))

    def spread(self, step: Step, counted: Mapping[int, int]) -> Spread:
        """Return how a step is spread.

        :param counted: bin to roots; bin -1 has those that take no time
        """
        most = max(counted.values(), default=0)
        bars = [
            (*self._edges(number), max(100 * roots / most, _LEAST_HEIGHT)) for number, roots in sorted(counted.items())
        ]
        figures = step.figures
        return Spread(
            "".join(f"M{x:.2f} 100V{100 - height:.1f}H{end:.2f}V100Z" for x, end, height in bars),
            len(bars),
            *(self.place(seconds) for seconds in (figures.min, figures.p50, figures.p95, figures.max)),
        )

    def _edges(self, number: int) -> tuple[float, float]:
        if number < 0:
            return 0.15 * self.left, 0.85 * self.left
        width = (100 - self.left) / BINS
        return self.left + number * width, self.left + (number + 1) * width


def axis_of_steps(steps: Sequence[Step]) -> StepAxis | None:
    """Return the axis for the steps of a variant, logarithmic if they are of very different lengths; None without any.

    :param steps: the first event first, which ends no step
    """
    figures = [step.figures for step in steps[1:]]
    if not figures:
        return None
    longest = max(one.max for one in figures)
    if longest <= 0:
        return StepAxis(axis_of(0.0, 0.0, False), 0.0)
    # Where the least is no time at all, the next figure tells what the axis must begin with.
    shortest = min(seconds for one in figures for seconds in one[:5] if seconds > 0)
    log = longest > WIDE * shortest
    no_time = log and any(one.min <= 0 for one in figures)
    return StepAxis(axis_of(shortest if log else 0.0, longest, log), NO_TIME if no_time else 0.0)


def _fit(ticks: Sequence[tuple[float, str]]) -> bool:
    """Tell whether texts in the middle of their places lie beside each other, with a character between two."""
    return all(
        after[0] - before[0] >= CHARACTER * (len(before[1]) / 2 + 1 + len(after[1]) / 2)
        for before, after in pairwise(ticks)
    )


@dataclass(frozen=True)
class Bar:
    """Where one step lies in the mean, in per cent of the time of all: each begins where the one before ends."""

    left: float
    width: float


def in_turn(steps: Sequence[Step]) -> Iterator[Bar]:
    """Yield a bar for each event."""
    total = steps[-1].figures.cumulative if steps else 0.0

    def place(time: float) -> float:
        return min(max(100 * time / total, 0.0), 100.0) if total > 0 else 0.0

    for step in steps:
        start = place(step.figures.cumulative - step.figures.mean)
        yield Bar(start, place(step.figures.cumulative) - start)
