"""The graph of span types as a drawing: which are parts of which, and which tell of the same things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from datasette_dnpc.graph import FACET
from datasette_dnpc.output import shown_width
from datasette_dnpc.plots.drawing import axes
from datasette_dnpc.plots.labels import note, printable
from datasette_dnpc.plots.layers import Item, Layout, layout
from datasette_dnpc.plots.rows import Source, numbers, table
from datasette_dnpc.queries import Table

_FONT = 8.0
"""Points; all that follows is in inches."""
_CHAR, _LINE, _PAD, _BETWEEN, _MARGIN = 0.07, 0.15, 0.07, 1.0, 0.5

MOST_INCHES = 60.0
"""Of a drawing's width and height."""

_NARROWEST = 6.0
"""Inches: what is explained below has room."""

_LINE_LENGTH = 24
"""Characters of a line in a box."""

_LONGEST = 96
"""Characters of a name in a box."""

_Point: TypeAlias = "tuple[float, float]"


@dataclass(frozen=True)
class _Box:
    """A span type with the text of its box."""

    lines: list[str]

    @property
    def width(self) -> float:
        return max(map(shown_width, self.lines)) * _CHAR + 2 * _PAD

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD


@dataclass(frozen=True)
class _Line:
    """A relation of two span types."""

    left: str
    right: str
    pairs: int
    facet: bool


@dataclass(frozen=True)
class _Drawing:
    """Everything with its place, in inches from the upper left."""

    boxes: dict[str, _Box]
    lines: list[_Line]
    places: Layout
    edges: list[tuple[float, float]]
    """Left and right of each column."""
    width: float
    height: float
    note: str

    def box(self, name: str) -> tuple[float, float, _Box]:
        """Return left, middle height and the box."""
        box = self.boxes[name]
        left, right = self.edges[self.places.column[name]]
        return (left + right - box.width) / 2, self.places.height[(name,)], box


def type_graph(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
    types: Source | None = None,
) -> Axes:
    """Draw a box for each span type, with lines between them, parts to the right of what they are part of.

    Columns: those of the query ``span_type_relations``: ``kind``, ``left_type``, ``right_type`` and ``pairs`` (a
    count), optionally ``left_spans`` and ``right_spans`` (counts). An arrow goes from a type to its parts, a dashed
    line joins two accounts of one thing; the numbers are spans in the boxes and pairs of spans at the lines. New
    Axes have the ``size`` that the drawing wants.

    :param types: rows of ``span_type_summary``: ``span_type`` and ``spans``, of types without relations, too
    """
    rows, known = table(data, sql, params), None if types is None else table(types)
    drawing = _arranged(rows, known)
    if ax is None:
        ax = axes(None)
        ax.figure.set_size_inches(*size(rows, known))  # type: ignore[union-attr]
    room = ax.figure.bbox
    scale = min(1.0, room.width / ax.figure.dpi / drawing.width, room.height / ax.figure.dpi / drawing.height)
    ax.set_axis_off()
    ax.set_xlim(0, drawing.width)
    ax.set_ylim(drawing.height, -_PAD)
    taken: list[_Point] = []
    for line in drawing.lines:
        _draw_line(ax, drawing, line, scale, taken)
    for name in drawing.boxes:
        _draw_box(ax, drawing, name, scale)
    ax.text(
        0,
        drawing.height,
        "arrow: to the parts; dashed: two accounts of one thing; numbers: spans in the boxes, pairs at the lines",
        fontsize=_FONT * scale,
        color="0.4",
        va="bottom",
    )
    note(ax, drawing.note)
    return ax


def size(data: Table, types: Table | None = None) -> tuple[float, float]:
    """Return the width and height in inches which the drawing of these rows wants, with its title.

    Hundreds of types get no more than ``MOST_INCHES`` either way, with small letters.
    """
    drawing = _arranged(data, types)
    width, height = drawing.width + 0.2, drawing.height + _PAD + 0.6
    scale = min(1.0, MOST_INCHES / width, MOST_INCHES / height)
    return width * scale, height * scale


def _arranged(rows: Table, types: Table | None) -> _Drawing:
    drawn = numbers(rows, "pairs")
    records = rows.dicts()
    lines = [
        _Line(str(row["left_type"]), str(row["right_type"]), int(row["pairs"]), row["kind"] == FACET)
        for row in (records[index] for index in drawn.kept)
    ]
    boxes = _boxes(lines, records, types)
    inner = [line for line in lines if line.left != line.right]
    places = layout(
        {name: box.height for name, box in boxes.items()},
        [(line.left, line.right) for line in inner if not line.facet],
        [(line.left, line.right) for line in inner if line.facet],
    )
    widths = [0.0] * (max(places.column.values(), default=-1) + 1)
    for name, place in places.column.items():
        widths[place] = max(widths[place], boxes[name].width)
    edges, left = [], _MARGIN
    for width in widths:
        edges.append((left, left + width))
        left += width + _BETWEEN
    bottom = max((places.height[(name,)] + box.height / 2 for name, box in boxes.items()), default=0.0)
    bottom = max([bottom, *places.height.values()])
    return _Drawing(
        boxes,
        lines,
        places,
        edges,
        max(left - _BETWEEN + _MARGIN, _NARROWEST),
        bottom + 0.5,
        f"{drawn.note}, {len(boxes)} span types",
    )


def _boxes(lines: Sequence[_Line], records: Sequence[Mapping[str, Any]], types: Table | None) -> dict[str, _Box]:
    spans: dict[str, Any] = {}
    for known in types.dicts() if types else ():
        spans[str(known["span_type"])] = known["spans"]
    for row in records:
        for side in ("left", "right"):
            spans.setdefault(str(row[f"{side}_type"]), row.get(f"{side}_spans"))
    boxes = {}
    for name, count in spans.items():
        texts = _wrapped(printable(name, _LONGEST))
        if isinstance(count, int):
            texts.append(f"{count:,} span{'s' if count != 1 else ''}")
        texts += [
            f"{'another account' if line.facet else 'part'} of itself: {line.pairs:,}"
            for line in lines
            if line.left == line.right == name
        ]
        boxes[name] = _Box(texts)
    return boxes


def _wrapped(name: str) -> list[str]:
    """Break a name after its dots, or anywhere if it has none."""
    lines = [""]
    for word in name.replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1] + word) > _LINE_LENGTH:
            lines.append("")
        lines[-1] += word
    return [line[start : start + _LINE_LENGTH + 4] for line in lines for start in _starts(line)]


def _starts(line: str) -> range:
    return range(0, max(len(line), 1), _LINE_LENGTH + 4)


def _draw_box(ax: Axes, drawing: _Drawing, name: str, scale: float) -> None:
    left, middle, box = drawing.box(name)
    ax.add_patch(
        FancyBboxPatch(
            (left, middle - box.height / 2),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#eef3fa",
            edgecolor="#4a6fa5",
            zorder=3,
        )
    )
    ax.text(
        left + box.width / 2,
        middle,
        "\n".join(box.lines),
        fontsize=_FONT * scale,
        ha="center",
        va="center",
        parse_math=False,
        zorder=4,
    )


def _draw_line(ax: Axes, drawing: _Drawing, line: _Line, scale: float, taken: list[_Point]) -> None:
    if line.left == line.right:
        return
    way = drawing.places.ways.get((line.left, line.right)) if not line.facet else None
    curves = _curves(drawing, line, way) if way else [_within(drawing, line)]
    points = [curves[0][0], *(point for curve in curves for point in curve[1:])]
    codes = [Path.MOVETO, *([Path.CURVE4] * (len(points) - 1))]
    # A way goes from left to right; the arrow to the part.
    if way and way[0] != (line.left,):
        points.reverse()
    colour = "#b05a00" if line.facet else "0.35"
    ax.add_patch(
        FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-" if line.facet else "-|>",
            mutation_scale=9 * scale,
            linestyle="--" if line.facet else "-",
            linewidth=1,
            color=colour,
            zorder=1,
        )
    )
    text = f"{line.pairs:,}"
    x, y = _free(curves, taken, len(text))
    taken.append((x, y))
    ax.text(
        x,
        y,
        text,
        fontsize=_FONT * 0.9 * scale,
        color=colour,
        ha="center",
        va="center",
        zorder=2,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )


def _curves(drawing: _Drawing, line: _Line, way: Sequence[Item]) -> list[list[_Point]]:
    """Return the cubic curves of a line through its columns."""
    points: list[_Point] = []
    for place, item in enumerate(way):
        if len(item) > 1:
            points += [(edge, drawing.places.height[item]) for edge in drawing.edges[int(item[2])]]
            continue
        left, middle, box = drawing.box(item[0])
        outwards = place == 0
        y = middle + _port(drawing, item[0], line, outwards) * box.height * 0.7
        points.append((left + box.width if outwards else left, y))
    return [_bent(*pair) for pair in pairwise(points)]


def _bent(begin: _Point, end: _Point) -> list[_Point]:
    middle = (begin[0] + end[0]) / 2
    return [begin, (middle, begin[1]), (middle, end[1]), end]


def _port(drawing: _Drawing, name: str, line: _Line, outwards: bool) -> float:
    """Return where a line meets its box, -0.5 to 0.5 of its height: lines stand in the order of their next items."""
    here: Item = (name,)
    ways = {link: way for link, way in drawing.places.ways.items() if way[0 if outwards else -1] == here}
    order = sorted(ways, key=lambda link: drawing.places.height[ways[link][1 if outwards else -2]])
    return (order.index((line.left, line.right)) + 0.5) / len(order) - 0.5


def _within(drawing: _Drawing, line: _Line) -> list[_Point]:
    """Return the curve between two boxes of one column: straight if they touch, else round those between."""
    (left, upper, above), (other, lower, below) = sorted(
        (drawing.box(line.left), drawing.box(line.right)), key=lambda one: one[1]
    )
    column = drawing.places.column
    between = any(
        column[name] == column[line.left] and upper < drawing.places.height[(name,)] < lower for name in drawing.boxes
    )
    if between or not line.facet:
        # Parts to the right, accounts to the left, so that the two do not meet.
        begin, end = ((left, upper), (other, lower)) if line.facet else (
            (left + above.width, upper), (other + below.width, lower)
        )  # fmt: skip
        if not line.facet and drawing.box(line.left)[1] > drawing.box(line.right)[1]:
            begin, end = end, begin
        side = min(begin[0], end[0]) - 0.45 if line.facet else max(begin[0], end[0]) + 0.45
        return [begin, (side, begin[1]), (side, end[1]), end]
    x = left + above.width / 2
    begin, end = (x, upper + above.height / 2), (x, lower - below.height / 2)
    return [begin, begin, end, end]


def _free(curves: Sequence[Sequence[_Point]], taken: Sequence[_Point], length: int) -> _Point:
    """Return the point of the curves that is farthest from what is written already, if the middle ones are not free."""
    width = (length + 2) * _CHAR
    best, most = curves[-1][0], -1.0
    for x, y in _points(curves):
        distance = min((max(abs(x - a) / width, abs(y - b) / _LINE) for a, b in taken), default=9.0)
        if distance >= 1:
            return x, y
        if distance > most:
            best, most = (x, y), distance
    return best


def _points(curves: Sequence[Sequence[_Point]]) -> Iterator[_Point]:
    # Every other curve of a line passes a column, between its boxes.
    for at in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8):
        weights = np.array([(1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3])
        for curve in curves[::2]:
            x, y = weights @ np.array(curve)
            yield float(x), float(y)
