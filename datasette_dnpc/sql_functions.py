"""SQL functions that SQLite lacks: keys, percentiles, sequences, readable times.

``register(conn)`` adds them to any ``sqlite3`` connection. The aggregates skip NULLs
and whatever is not a number, as SQLite's own do with NULL; the scalars answer NULL
to what they cannot read. None raises: SQLite would only say "user-defined function
raised exception" and lose the whole query for one bad row.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Protocol

from importers.figures import percentile
from importers.keys import surrogate_key

Value = str | int | float | bytes | None
"""What SQLite hands to a function."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso_time(seconds: Value) -> str | None:
    """Return seconds since 1970 as UTC text with microseconds: ``2026-11-23T01:34:57.099051Z``."""
    if not isinstance(seconds, (int, float)):
        return None
    try:
        time = _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def duration_text(seconds: Value) -> str | None:
    """Return a duration in seconds for people: ``35.2 ms``, ``1.234 s``, ``2 min 03.4 s``."""
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        return None
    text = _positive_duration_text(abs(seconds))
    # A figure which rounds to zero has no sign.
    return f"-{text}" if seconds < 0 and text != "0 s" else text


def _positive_duration_text(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    # Each limit is where the text would round up to the next unit.
    if seconds < 0.9995e-6:
        return f"{seconds * 1e9:.0f} ns" if seconds >= 0.5e-9 else "0 s"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.9995:
        return f"{seconds:.3f} s"
    if seconds < 3599.95:
        minutes, tenths = divmod(round(seconds * 10), 600)
        return f"{minutes} min {tenths / 10:04.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h"


def natural_log(number: Value) -> float | None:
    """Return the natural logarithm; None for what has none. SQLite has it only where it was built so."""
    return math.log(number) if isinstance(number, (int, float)) and 0 < number < math.inf else None


def exponential(number: Value) -> float | None:
    """Return e to the power of a number; None where that is no number, or larger than any."""
    return math.exp(number) if isinstance(number, (int, float)) and number < 709 else None


class _Numbers:
    """Collects the numbers of a group. Storing first and looking after is what is fast."""

    def __init__(self) -> None:
        self._values: list[Value] = []
        # A bound list method, called once a row: half the time of a method in Python.
        self.step: Callable[..., None] = self._values.append

    def numbers(self) -> list[float]:
        return [value for value in self._values if isinstance(value, (int, float))]


class Median(_Numbers):
    """``median(x)``: the middle of the numbers, or the mean of the middle two. NULL if none."""

    def finalize(self) -> float | None:
        """Return the result of one group."""
        ordered = sorted(self.numbers())
        return percentile(ordered, 50) if ordered else None


class _Percentiles(_Numbers):
    """Collects numbers and the percentiles wanted of them."""

    def __init__(self) -> None:
        super().__init__()
        self._percents: tuple[Value, ...] | None = None
        self._mixed = False
        self.step = self._take

    def _take(self, value: Value, *percents: Value) -> None:
        self._values.append(value)
        if percents != self._percents:
            self._mixed = self._mixed or self._percents is not None
            self._percents = percents

    def results(self) -> list[float | None]:
        """Return each percentile; None where it is out of range or not one for the whole group."""
        ordered = sorted(self.numbers())
        return [
            percentile(ordered, percent)
            if ordered and not self._mixed and isinstance(percent, (int, float)) and 0 <= percent <= 100
            else None
            for percent in self._percents or ()
        ]


class Percentile(_Percentiles):
    """``percentile(x, p)``: see ``importers.figures``. p is of 0 to 100 and one for the whole group."""

    def finalize(self) -> float | None:
        """Return the result of one group."""
        return next(iter(self.results()), None)


class Percentiles(_Percentiles):
    """``percentiles(x, p, q, ...)``: JSON list of several percentiles, sorting only once."""

    def finalize(self) -> str:
        """Return the result of one group."""
        return json.dumps(self.results())


class StandardDeviation(_Numbers):
    """``stdev(x)``: of a sample, so divided by n - 1. NULL for fewer than two numbers."""

    def finalize(self) -> float | None:
        """Return the result of one group."""
        numbers = self.numbers()
        if len(numbers) < 2:
            return None
        # Two passes: the one-pass formula loses everything on times near 1.8e9. An infinite
        # number has no deviation, and makes fsum or the squares fail.
        try:
            mean = math.fsum(numbers) / len(numbers)
            squares = math.fsum((number - mean) ** 2 for number in numbers)
        except (OverflowError, ValueError):
            return None
        return math.sqrt(squares / (len(numbers) - 1))


class EventSequence:
    """``event_sequence(time, text)``: JSON list of the texts in time order, at one time by text.

    Rows whose time is not a number or whose text is NULL are left out. So the list
    depends on the rows alone, never on the order in which SQLite visits them.
    """

    def __init__(self) -> None:
        """Begin a group."""
        self._rows: list[tuple[Value, Value]] = []

    def step(self, time: Value, text: Value) -> None:
        """Take one row."""
        self._rows.append((time, text))

    def finalize(self) -> str | None:
        """Return the result of one group; NULL if no row counts."""
        rows = sorted(
            (time, text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
            for time, text in self._rows
            if isinstance(time, (int, float)) and text is not None
        )
        return json.dumps([text for _, text in rows], ensure_ascii=False) if rows else None


class Aggregate(Protocol):
    """What ``sqlite3.create_aggregate`` wants: also ``step``, of any number of arguments."""

    def finalize(self) -> str | float | None:
        """Return the result of one group."""


SCALARS: dict[str, tuple[int, Callable[..., str | float | None]]] = {
    "surrogate_key": (-1, surrogate_key),
    "iso_time": (1, iso_time),
    "duration_text": (1, duration_text),
    "ln": (1, natural_log),
    "exp": (1, exponential),
}
"""SQL name to number of arguments, -1 for any, and function."""

AGGREGATES: dict[str, tuple[int, Callable[[], Aggregate]]] = {
    "median": (1, Median),
    "percentile": (2, Percentile),
    "percentiles": (-1, Percentiles),
    "stdev": (1, StandardDeviation),
    "event_sequence": (2, EventSequence),
}
"""SQL name to number of arguments and class."""


def register(conn: sqlite3.Connection) -> None:
    """Add every function of this module to a connection."""
    for name, (arguments, function) in SCALARS.items():
        conn.create_function(name, arguments, function, deterministic=True)
    for name, (arguments, aggregate) in AGGREGATES.items():
        conn.create_aggregate(name, arguments, aggregate)  # type: ignore[arg-type]
