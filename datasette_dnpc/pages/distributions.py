"""The page of distributions: ``/-/dnpc/DATABASE/distributions``. How long from one event to another, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datasette_dnpc.pages.frame import Context, Page, Row, Visit
from datasette_dnpc.pages.time_axis import TimeAxis
from datasette_dnpc.pages.value_axis import ValueAxis, axis_of
from datasette_dnpc.sql_functions import duration_text

FILTERS = ("run", "app", "executor")

REGION = ("shortest", "longest", "from_start", "to_start")
"""Arguments of the address and parameters of the queries: durations, and starts since the run began; seconds."""

ATTRIBUTES = 30
"""Rows of the ranking; the query has more."""

SLOWEST = 50
"""Spans of the region in the table; the query has more."""

MARKS = (("mean", "mean"), ("p50", "median"), ("p95", "95 %"), ("max", "longest"))
"""Columns of the histogram that are marked in the charts, and what they are called."""

POINTS = 900
"""Spans of the scatter chart."""

SAMPLED = 30_000
"""Of more roots, a sample gives the points, unless those of the app asked for, or in both states, are too few in it."""

_CLOSEST = 1e-6


async def _context(visit: Visit) -> Context:
    types = await visit.read("root_types")
    if not types:
        return {"types": types}
    states = await visit.read("pair_states", root_type=visit.argument("root_type"), run=visit.argument("run"))
    asked = _asked(visit, states)
    region = {name: text for name in REGION if (text := _number(visit.argument(name)))}
    context: Context = {
        "types": types,
        "runs": await visit.read("runs", run=visit.argument("run")),
        "choices": await visit.read("task_choices", run=asked.get("run", "")),
        "states": [row["state"] for row in states],
        "kept": any(row["kept"] for row in states),
        "asked": asked,
        "region": region,
        "duration": duration_text,
    }
    scale = visit.argument("scale")
    # The page shows what was read before Datasette's time limit, if one query takes longer.
    with visit.within_limit():
        # One after the other: at once, each would take longer, and the limit is on each.
        bins = await visit.ask("pair_histogram", **asked, **region, scale=scale)
        points = await _points(visit, asked, bins[0]["of_spans"]) if bins else []
        if points:
            chosen = {**asked, **{name: points[0][name] for name in ("root_type", "start_state", "end_state")}}
            context |= {"asked": chosen, "picture": picture(points, bins, region), "bins": bins}
            context["whole"] = visit.url("distributions", **chosen, scale=scale)
            slow = {"shortest": f"{bins[0]['p95']:.7g}"}
            context["slow"] = visit.url("distributions", **chosen, scale=scale, **slow) + "#charts"
            if region:
                asked_for = {**chosen, **region}
                context["ranking"] = await visit.ask("attribute_ranking", **asked_for, rows=ATTRIBUTES)
                context["slowest"] = await visit.ask("event_pairs", **asked_for, order="slowest", rows=SLOWEST)
    return context


PAGE = Page("distributions", "Distributions", "distributions", "dnpc_distributions.html", _context, run=True)


async def _points(visit: Visit, asked: dict[str, str], of_spans: int) -> list[Row]:
    """Return rows of ``event_pairs``, of as many roots as there is room for: of so many spans if there are fewer."""
    # The query draws what it shows by lot, and so does a sample: of one that is large enough, it shows the same rows.
    points = await visit.ask("event_pairs", **asked, rows=POINTS, sample=SAMPLED)
    return points if len(points) >= min(POINTS, of_spans) else await visit.ask("event_pairs", **asked, rows=POINTS)


def _asked(visit: Visit, states: Sequence[Row]) -> dict[str, str]:
    """Return what the queries are asked for: a state that this root type does not have counts as not asked for."""
    asked = {name: visit.argument(name) for name in ("root_type", *FILTERS)}
    there = {row["state"] for row in states}
    for name in ("start_state", "end_state"):
        asked[name] = visit.argument(name) if visit.argument(name) in there else ""
    for name in ("start_which", "end_which"):
        asked[name] = visit.argument(name) if visit.argument(name) in ("first", "last") else ""
    return {name: value for name, value in asked.items() if value}


def _number(text: str) -> str:
    """Return the text of a number, empty if it is none."""
    try:
        return text.strip() if math.isfinite(float(text)) else ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class Point:
    """One root in the scatter chart: places in per cent from the lower left."""

    uuid: str
    text: str
    x: float
    y: float
    inside: bool


@dataclass(frozen=True)
class Bar:
    """One bin of the histogram: places in per cent from the lower left."""

    text: str
    y: float
    height: float
    width: float
    inside: float
    """Width of the part inside the region."""


@dataclass(frozen=True)
class Box:
    """The region in the scatter chart, in per cent from the lower left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """Scatter chart and histogram on one axis of durations."""

    x: TimeAxis
    y: ValueAxis
    points: list[Point]
    bars: list[Bar]
    most: int
    """Roots in the highest bin."""
    marks: list[tuple[str, str, float, float]]
    """Column, what it is called, its value in seconds, and its place in per cent."""
    box: Box | None
    undrawn: int
    """Points that a logarithmic axis has no place for."""


def picture(points: Sequence[Row], bins: Sequence[Row], region: dict[str, str]) -> Picture:
    """Return the charts of rows of ``event_pairs`` and of ``pair_histogram``, neither empty."""
    first = bins[0]
    log = first["scale"] == "log"
    y = axis_of(first["from_seconds"], bins[-1]["to_seconds"], log)
    starts = first["first_start"], first["last_start"]
    begins = min(starts[0], 0.0) if starts[0] < starts[1] / 2 else starts[0]
    ends = max(starts[1], begins + _CLOSEST)
    room = 0.02 * (ends - begins)
    x = TimeAxis(begins - (room if begins else 0), ends + room, ends + room)
    limits = {name: float(text) for name, text in region.items()}
    drawn = [row for row in points if row["duration"] > 0 or not log]
    most = max(row["spans"] for row in bins)
    return Picture(
        x,
        y,
        [
            Point(
                row["uuid"],
                f"{row['key']}: {duration_text(row['duration'])}",
                x.place(row["since_run_began"]) / 10,
                y.place(row["duration"]),
                bool(region) and _is_inside(row, limits),
            )
            for row in drawn
        ],
        [_bar(row, y, most, bool(region)) for row in bins],
        most,
        [(column, name, first[column], y.place(first[column])) for column, name in MARKS],
        _box(x, y, limits) if region else None,
        len(points) - len(drawn),
    )


def _is_inside(row: Row, limits: dict[str, float]) -> bool:
    duration, start = float(row["duration"]), float(row["since_run_began"])
    return limits.get("shortest", -math.inf) <= duration <= limits.get("longest", math.inf) and limits.get(
        "from_start", -math.inf
    ) <= start <= limits.get("to_start", math.inf)


def _bar(row: Row, y: ValueAxis, most: int, region: bool) -> Bar:
    low, high = y.place(row["from_seconds"]), y.place(row["to_seconds"])
    text = f"{row['spans']:,} from {duration_text(row['from_seconds'])} to {duration_text(row['to_seconds'])}"
    inside = f", {row['inside']:,} of them in the region" if region else ""
    # One value alone is a bin of no height.
    height = max(high - low, 1.0)
    share = 100 * row["inside"] / most if region else 0.0
    return Bar(text + inside, low, height, 100 * row["spans"] / most, share)


def _box(x: TimeAxis, y: ValueAxis, limits: dict[str, float]) -> Box:
    left = x.place(limits.get("from_start", x.first)) / 10
    right = x.place(limits.get("to_start", x.last)) / 10
    low, high = y.place(limits.get("shortest", y.low)), y.place(limits.get("longest", y.high))
    return Box(left, low, max(right - left, 0.0), max(high - low, 0.0))
