"""An axis of durations, even or logarithmic, with round numbers to name."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST_TICKS = 4
"""Of an even axis; below so many powers of ten, a logarithmic one has ticks between them."""

_MOST_POWERS = 8
"""Ticks of a logarithmic axis."""

_SMALL_UNITS = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))


@dataclass(frozen=True)
class ValueAxis:
    """From ``low`` to ``high``; if ``log``, both are above 0."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, in per cent of the axis; what is outside lies at the border."""
        low, high = self._on(self.low), self._on(self.high)
        if self.log and value <= 0:
            return 0.0
        return 100 * min(max((self._on(value) - low) / (high - low), 0.0), 1.0)

    def _on(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[tuple[float, str]]:
        """Return place and text of each value to name."""
        values = self._powers() if self.log else self._steps()
        return [(self.place(value), seconds_text(value)) for value in values]

    def _steps(self) -> list[float]:
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span))
        step = next(
            size for size in (power, power / 2, power / 5, power / 10) if math.floor(span / size) >= _LEAST_TICKS
        )
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _powers(self) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for mantissas in ((1,), (1, 3), (1, 2, 5)):
            values = [
                mantissa * 10.0**power
                for power in range(first, last + 1)
                for mantissa in mantissas
                if self.low * 0.999999 <= mantissa * 10.0**power <= self.high * 1.000001
            ]
            if len(values) >= _LEAST_TICKS:
                break
        # Of a short piece even steps say more.
        return values[:: math.ceil(len(values) / _MOST_POWERS)] if len(values) > 1 else self._steps()


def axis_of(least: float, most: float, log: bool) -> ValueAxis:
    """Return an axis for these values: an even one begins at 0 unless there are values below; one value has room."""
    if log:
        return ValueAxis(least / 1.5, most * 1.5, True) if least < most else ValueAxis(least / 10, most * 10, True)
    low, high = min(least, 0.0), max(most, 0.0)
    if low == high:
        high = low + 1.0
    room = 0.03 * (high - low)
    return ValueAxis(low - (room if low < 0 else 0), high + room)


def seconds_text(value: float) -> str:
    """Return a round number of seconds with the unit that makes it short: ``20 ms``, ``1,500 s``."""
    if value == 0:
        return "0 s"
    size, unit = max((one for one in _SMALL_UNITS if one[0] <= abs(value) * 1.000001), default=_SMALL_UNITS[0])
    return f"{value / size:,.10g} {unit}"
