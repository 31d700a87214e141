"""Bars in lanes over time, of workers' slots or of apps, in SVG that is part of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasette_dnpc.meanings import NOT_KNOWN, known
from datasette_dnpc.output import printable
from datasette_dnpc.pages.time_axis import TimeAxis
from datasette_dnpc.sql_functions import duration_text

Row = Mapping[str, Any]

LANE = 18
"""Height of a lane of one bar, in pixels."""

_LEAST_LANE, _MOST_HEIGHT = 2.0, 900.0
"""Pixels: where bars lie in many lanes, these are lower."""

_LEAST_WIDTH = 1.0
"""Units of the axis: a shorter bar would not be seen."""

_LONGEST_LABEL = 24


@dataclass(frozen=True)
class Bar:
    """One row of the query."""

    x: float
    """Units of the axis, as is ``width``."""
    width: float
    y: float
    """Pixels, as is ``height``."""
    height: float
    group: str
    """What its colour stands for."""
    share: float
    """How much of it a task was there, 0 to 1."""
    text: str
    """What it says of itself."""
    uuid: str | None
    """Surrogate key of its span; None if it is several stays."""
    began: float
    """Seconds since the run began."""
    ended: float


@dataclass(frozen=True)
class Lane:
    """What stands beside bars."""

    label: str
    short: str
    """The same, without its middle if it is long."""
    y: float
    height: float


@dataclass(frozen=True)
class Lanes:
    """The picture."""

    bars: list[Bar] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    height: float = 0.0

    @property
    def groups(self) -> list[str]:
        """Return what colours stand for: that of most bars first, what is not known last."""
        counts: dict[str, int] = {}
        for bar in self.bars:
            counts[bar.group] = counts.get(bar.group, 0) + 1
        return sorted(counts, key=lambda group: (group == NOT_KNOWN, -counts[group], group))


def by_slot(rows: Sequence[Row], axis: TimeAxis, colour: str) -> Lanes:
    """Return the lanes of rows of the query ``worker_gantt``, one for each slot.

    :param colour: column whose values have colours
    """
    numbers = {row["lane_number"]: str(row["lane"]) for row in rows}
    order = {number: place for place, number in enumerate(sorted(numbers))}
    lanes = [_lane(numbers[number], LANE * place, LANE) for number, place in order.items()]
    bars = [_bar(row, axis, colour, LANE * order[row["lane_number"]], LANE, _slot_text(row)) for row in rows]
    return Lanes(bars, lanes, LANE * len(lanes))


def by_app(rows: Sequence[Row], axis: TimeAxis, colour: str) -> Lanes:
    """Return the lanes of rows of the query ``gantt``: one for each app, as high as its spans lie over each other.

    :param colour: column whose values have colours
    """
    apps: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["app"] is None, row["app"] or "", row["since_run_began"])):
        apps.setdefault(NOT_KNOWN if row["app"] is None else str(row["app"]), []).append(row)
    tracks = {app: _tracks(of_app, axis) for app, of_app in apps.items()}
    deep = sum(max(found) + 1 for found in tracks.values())
    high = min(max(_MOST_HEIGHT / max(deep, 1), _LEAST_LANE), LANE)
    bars: list[Bar] = []
    lanes: list[Lane] = []
    y = 0.0
    for app, of_app in apps.items():
        bars += [
            _bar(row, axis, colour, y + high * track, high, _span_text(row))
            for row, track in zip(of_app, tracks[app], strict=True)
        ]
        height = max(high * (max(tracks[app]) + 1), float(LANE))
        lanes.append(_lane(app, y, height))
        y += height + 2
    return Lanes(bars, lanes, y)


def _tracks(rows: Iterable[Row], axis: TimeAxis) -> list[int]:
    """Return for rows in the order of their beginnings the lowest track that is free then."""
    free: list[float] = []
    found = []
    for row in rows:
        x, width = _extent(row, axis)
        track = next((number for number, end in enumerate(free) if end <= x), len(free))
        free[track:] = [x + width, *free[track + 1 :]]
        found.append(track)
    return found


def _extent(row: Row, axis: TimeAxis) -> tuple[float, float]:
    """Return where a bar begins, and how wide it is."""
    began = row["since_run_began"]
    x = axis.place(began)
    width = max(axis.place(began + (row["duration"] or 0.0)) - x, _LEAST_WIDTH)
    # One at the very end lies before it.
    return min(x, axis.place(axis.last) - width), width


def _bar(row: Row, axis: TimeAxis, colour: str, y: float, height: float, text: str) -> Bar:
    x, width = _extent(row, axis)
    duration = row["duration"] or 0.0
    busy = row.get("busy")
    share = 1.0 if busy is None or not duration else min(busy / duration, 1.0)
    gap = min(height / 6, 1.5)
    return Bar(
        round(x, 2),
        round(width, 2),
        round(y + gap, 2),
        round(height - 2 * gap, 2),
        known(row[colour]),
        share,
        text,
        row["uuid"],
        row["since_run_began"],
        row["since_run_began"] + duration,
    )


def _lane(label: str, y: float, height: float) -> Lane:
    label = printable(label)
    half = _LONGEST_LABEL // 2
    short = label if len(label) <= _LONGEST_LABEL else f"{label[: half - 2]}…{label[-half - 1 :]}"
    return Lane(label, short, round(y, 2), round(height, 2))


def _slot_text(row: Row) -> str:
    if row["stays"] == 1:
        return _text(row["task"], row["app"], row["outcome"], row["duration"])
    apps = row["app"] if row["apps"] == 1 else f"mostly {row['app']}, of {row['apps']} apps"
    busy = f"{duration_text(row['busy'])} busy of {duration_text(row['duration'])}"
    return _joined(f"{row['stays']:,} stays of tasks", apps, row["outcome"], busy)


def _span_text(row: Row) -> str:
    return _text(row["key"], row["app"], row["ending"], row["duration"])


def _text(key: object, app: object, outcome: object, duration: float | None) -> str:
    return _joined(key, app, outcome, duration_text(duration))


def _joined(*parts: object) -> str:
    return printable(", ".join(str(part) for part in parts if part is not None))
