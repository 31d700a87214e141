"""Plots of single spans and steps: lines and bars from a beginning to an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.plots.drawing import axes, draw_by_group, line_width, name_places, since_first
from datasette_dnpc.plots.labels import colours, note, printable
from datasette_dnpc.plots.rows import Source, numbers, table


def timeline(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal line a span, the first to begin at the top.

    Columns: ``began`` and ``ended``, or ``began`` and ``duration``, in seconds; optionally
    ``state``, ``type`` or ``span_type`` to colour by, and ``label`` or ``key`` to name a few rows.
    """
    rows, ax = table(data, sql, params), axes(ax)
    if rows.has("ended"):
        spans = numbers(rows, "began", "ended")
        begin, end = spans.values.T
    else:
        spans = numbers(rows, "began", "duration")
        begin, end = spans.values[:, 0], spans.values.sum(axis=1)
    begin, end, xlabel = since_first(begin, end)
    order = np.lexsort((end, begin))
    places = np.empty(len(order))
    places[order] = np.arange(len(order))
    draw_by_group(
        ax,
        rows,
        spans,
        ("state", "type", "span_type"),
        lambda at, colour: ax.hlines(places[at], begin[at], end[at], colors=colour, linewidth=line_width(len(order))),
    )
    # A line of no length is not drawn: its point shows that something was there.
    ax.plot(begin, places, ".", color="0.3", markersize=min(4.0, 400 / max(len(order), 1)))
    name_places(ax, rows, spans, places)
    ax.set_xlabel(xlabel)
    note(ax, spans.note)
    return ax


def steps(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the steps of a sequence one below the other, each beginning where the one before ends.

    Columns: ``step`` (a text), ``mean`` and ``cumulative`` in seconds; a bar is a mean.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "mean", "cumulative")
    mean, cumulative = drawn.values.T
    texts = rows.column("step")
    places = np.arange(len(mean))
    ax.barh(places, mean, left=cumulative - mean, color=colours(1)[0])
    labels = [printable(texts[index]) for index in drawn.kept]
    ax.set_yticks(places, labels, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("mean seconds since the first event; each bar ends at its event")
    note(ax, drawn.note)
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
    texts = rows.column("label")
    places = np.arange(len(drawn.kept))
    ax.barh(places, drawn.values[:, 0], color=colours(1)[0])
    labels = [printable(texts[index]) for index in drawn.kept]
    ax.set_yticks(places, labels, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("duration (s)")
    note(ax, drawn.note)
    return ax
