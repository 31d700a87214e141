"""The time axis that the charts of a run share: what part of the run it shows, where a time lies, its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH = 1000
"""Units of the axis in a picture; the page gives it its size."""

TICKS = 6
"""Most parts into which ticks divide the axis: their texts fit beside each other in 300 pixels."""

_CLOSEST = 1e-6
"""Seconds: no log has finer times."""

_UNITS = ((7200, 3600, "h"), (300, 60, "min"), (0, 1, "s"))
"""From how many seconds on, how many seconds a unit has, and its name."""

_OF_SIXTY = (1, 2, 5, 10, 15, 30)


@dataclass(frozen=True)
class Tick:
    """One time that the axis names."""

    place: float
    """In per cent of the axis."""
    text: str
    """With its unit."""


@dataclass(frozen=True)
class TimeAxis:
    """A part of a run, in seconds since the run began."""

    first: float
    last: float
    """After ``first``."""
    whole: float
    """How long the run is."""

    @property
    def seconds(self) -> float:
        """How long the part is."""
        return self.last - self.first

    @property
    def is_whole(self) -> bool:
        """Whether it shows all of the run."""
        return self.first <= 0 and self.last >= self.whole

    def place(self, time: float) -> float:
        """Return where a time lies, in units of ``WIDTH``; what is outside lies at the border."""
        return WIDTH * min(max((time - self.first) / self.seconds, 0.0), 1.0)

    def ticks(self) -> list[Tick]:
        """Return the times to name: round ones."""
        per_unit, unit = next((size, name) for least, size, name in _UNITS if self.last >= least)
        step = _round_step(self.seconds / per_unit / TICKS, unit != "s")
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        number = math.ceil(self.first / per_unit / step - 1e-9)
        found = []
        while number * step * per_unit <= self.last + 1e-9 * self.seconds:
            place = self.place(number * step * per_unit) * 100 / WIDTH
            found.append(Tick(place, f"{number * step:,.{digits}f} {unit}"))
            number += 1
        return found

    def zoomed(self, factor: float) -> TimeAxis:
        """Return the part around the same middle that is so many times as long."""
        return self._within((self.first + self.last - self.seconds * factor) / 2, self.seconds * factor)

    def moved(self, share: float) -> TimeAxis:
        """Return the part of the same length that lies so many lengths later."""
        return self._within(self.first + self.seconds * share, self.seconds)

    def _within(self, first: float, seconds: float) -> TimeAxis:
        seconds = min(max(seconds, _CLOSEST), self.whole)
        first = min(max(first, 0.0), self.whole - seconds)
        return TimeAxis(first, first + seconds, self.whole)

    def arguments(self) -> dict[str, str]:
        """Return what an address says of it: nothing where it is the whole run."""
        return {} if self.is_whole else {"from": self._text(self.first), "to": self._text(self.last)}

    def _text(self, time: float) -> str:
        """Return a time with as many digits as can be seen."""
        digits = min(max(3 - math.floor(math.log10(self.seconds)), 0), 6)
        return f"{time:.{digits}f}"


def _round_step(least: float, of_sixty: bool) -> float:
    """Return the next larger round number; below 60 minutes or in hours one that divides them well."""
    steps: Iterator[float] = (mantissa * 10.0**power for power in range(-7, 10) for mantissa in (1, 2, 5))
    if of_sixty and least > 0.5:
        steps = iter((*_OF_SIXTY, 60, 120, 240, 480, *(1000.0 * 2**power for power in range(30))))
    return next(step for step in steps if step >= least)


def part_of_run(whole: float, first: str, last: str) -> TimeAxis:
    """Return the part of a run that an address asks for; what is no number, or leaves nothing, counts as not asked for.

    :param whole: seconds from the run's first event to its last
    """
    whole = max(whole, _CLOSEST)
    began, ended = _number(first), _number(last)
    began = 0.0 if began is None else max(began, 0.0)
    ended = whole if ended is None else min(ended, whole)
    if ended - began < _CLOSEST:
        return TimeAxis(0.0, whole, whole)
    return TimeAxis(began, ended, whole)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
