"""Plots of single spans and steps: lines and bars from a beginning to an end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.plots.drawing import axes, draw_by_group, line_width, name_bars, name_places, since_first
from datasette_dnpc.plots.labels import colours, note, printable
from datasette_dnpc.plots.rows import Floats, Numbers, Source, numbers, said_total, sample_note, table
from datasette_dnpc.queries import Table

MOST_LINES = 5000
"""Lines that are kept as such in an .svg; more of them are one image in it."""

MOST_NAMED = 40
"""Rows of a waterfall whose names have room."""

MOST_IN_TREE = 20_000
"""Spans that the query ``waterfall`` looks at."""

_NAME_SIZE = 7.0
"""Points of the letters of these names."""


def timeline(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
    by: str | None = None,
) -> Axes:
    """Draw one horizontal line a span, the first to begin at the top.

    Columns: ``began`` and ``ended``, or ``began`` and ``duration``, in seconds; optionally ``ending``, ``state``,
    ``type`` or ``span_type`` to colour by, and ``label`` or ``key`` to name a few rows. Where ``since_run_began`` and
    ``duration`` are there, the axis is the time of the run: spans of several runs, years apart, lie on one. Where there
    are more spans than rows, ``of_spans`` says how many.

    :param by: another column to colour by, such as ``app``

    Raises ValueError where there is no column ``by``.
    """
    rows, ax = table(data, sql, params), axes(ax)
    if by is not None and not rows.has(by):
        raise ValueError(f"there is no column {by!r} to colour by; there are {', '.join(rows.columns)}")
    spans, begin, end, xlabel = _times(rows)
    order = np.lexsort((end, begin))
    places = np.empty(len(order))
    places[order] = np.arange(len(order))
    many = len(order) > MOST_LINES
    line_colours: list[Any] = [None] * len(order)

    def colour(at: list[int], of_group: Any) -> None:
        for place in at:
            line_colours[place] = of_group

    draw_by_group(ax, rows, spans, (by,) if by else ("ending", "state", "type", "span_type"), colour)
    # All at once: group by group, the last would cover the others where lines are closer than pixels.
    ax.hlines(places, begin, end, colors=line_colours, linewidth=line_width(len(order)), rasterized=many)
    # A line of no length is not drawn: its point shows that something was there.
    ax.plot(begin, places, ".", color="0.3", markersize=min(4.0, 400 / max(len(order), 1)), rasterized=many)
    name_places(ax, rows, spans, places)
    ax.set_xlabel(xlabel)
    note(ax, spans.note + sample_note(rows) + (", more than there are pixels" if many else ""))
    return ax


def _times(rows: Table) -> tuple[Numbers, Floats, Floats, str]:
    """Return the spans that have times, when they began and ended, and what that axis is called."""
    if rows.has("since_run_began", "duration"):
        spans = numbers(rows, "since_run_began", "duration")
        return spans, spans.values[:, 0], spans.values.sum(axis=1), "seconds since the run began"
    if rows.has("ended"):
        spans = numbers(rows, "began", "ended")
        return spans, *since_first(*spans.values.T)
    spans = numbers(rows, "began", "duration")
    return spans, *since_first(spans.values[:, 0], spans.values.sum(axis=1))


def waterfall(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a span of a tree, in the order of the rows, with a tick for each of its events.

    Columns: ``since_root_began`` and ``duration`` in seconds, ``depth`` (levels below the root), ``label`` (a text,
    indented); optionally ``is_facet`` (1 for another account of what stands above it: a paler bar), ``event_times``
    (JSON list of seconds since the root began), and ``of_spans``, how many spans the tree has. Bars are coloured by
    ``depth``. A span of a single event is its tick only.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_root_began", "duration", "depth")
    begin, duration, depth = drawn.values.T
    facets = rows.column("is_facet") if rows.has("is_facet") else [0] * len(rows.rows)
    places = np.arange(len(begin))
    # The first level has the first colour, whatever is shown below it.
    palette = colours(10)
    for place, index in enumerate(drawn.kept):
        colour = palette[int(depth[place]) % len(palette)]
        ax.barh(place, duration[place], left=begin[place], height=0.7, color=colour, alpha=0.4 if facets[index] else 1)
    ticks = _event_ticks(rows, drawn)
    ax.plot([time for time, _ in ticks], [place for _, place in ticks], "|", color="0.1", markersize=7)
    _name_tree(ax, rows, drawn)
    ax.set_ylim(max(len(places), 1) - 0.4, -0.6)
    # Bars stick to the edge of the axes; the first ticks would then lie on its line.
    ax.use_sticky_edges = False
    ax.margins(x=0.01)
    ax.set_xlabel("seconds since the first event of the root or of what is below it")
    total = said_total(rows, "of_spans") or 0
    more = " or more" if total >= MOST_IN_TREE else ""
    note(ax, drawn.note + (f", the first of {total:,}{more} spans" if total > len(rows.rows) else ""))
    return ax


def _event_ticks(rows: Table, drawn: Numbers) -> list[tuple[float, int]]:
    """Return time and place of each event: where no list of them is there, begin and end of each span."""
    if not rows.has("event_times"):
        ends = ((begin, begin + duration) for begin, duration, _ in drawn.values.tolist())
        return [(time, place) for place, both in enumerate(ends) for time in both]
    texts = rows.column("event_times")
    return [(time, place) for place, index in enumerate(drawn.kept) for time in json.loads(texts[index] or "[]")]


def _name_tree(ax: Axes, rows: Table, drawn: Numbers) -> None:
    """Write the names to the left, all from the same edge on, so that what is indented shows."""
    if len(drawn.kept) > MOST_NAMED:
        ax.set_yticks([])
        return
    labels = [printable(text) for text in drawn.of(rows, "label")]
    ax.set_yticks(range(len(labels)), labels, parse_math=False, fontfamily="monospace", fontsize=_NAME_SIZE, ha="left")
    # A letter of this font is 0.602 of its size wide.
    ax.tick_params(axis="y", pad=0.61 * _NAME_SIZE * max(map(len, labels), default=0) + 8)


def steps(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the steps of a sequence one below the other, each beginning where the one before ends.

    Columns: ``step`` (a text), ``mean`` and ``cumulative`` in seconds; a bar is a mean. Optionally ``roots`` and
    ``of_roots``, over how many roots the means are, and how many there are.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "mean", "cumulative")
    mean, cumulative = drawn.values.T
    places = np.arange(len(mean))
    ax.barh(places, mean, left=cumulative - mean, color=colours(1)[0])
    name_bars(ax, drawn.of(rows, "step"))
    ax.set_xlabel("mean seconds since the first event; each bar ends at its event")
    roots, total = said_total(rows, "roots") or 0, said_total(rows, "of_roots") or 0
    note(ax, drawn.note + (f", means over a sample of {roots:,} of {total:,} roots" if total > roots else ""))
    return ax


def ranking(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a row, in their order: ``label`` (a text) and ``duration`` in seconds."""
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "duration")
    places = np.arange(len(drawn.kept))
    ax.barh(places, drawn.values[:, 0], color=colours(1)[0])
    name_bars(ax, drawn.of(rows, "label"))
    ax.set_xlabel("duration (s)")
    note(ax, drawn.note)
    return ax
