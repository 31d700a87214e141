"""Plots of rows: the same code serves notebooks and the .png and .svg of Datasette.

    from datasette_dnpc import plots
    plots.durations("dnpc.sqlite3", "durations", {"span_type": "parsl.monitoring.try"})
    plots.timeline(conn, "select began, ended, type from span_duration where run = 'x'")

Each takes rows, or a database and SQL (see ``rows.table``), and optionally Axes to draw
into. It returns the Axes and neither shows nor saves. Times are seconds. Each plot
says how many rows it drew, and how many it left out and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.drawing import draw_by_group, line_width, name_places, since_first
from datasette_dnpc.labels import colours, data_text, legend, note, printable
from datasette_dnpc.rows import Source, numbers, table

MOST_STATES = 9
"""Areas of their own in ``states``: as many as there are colours that are easily told apart."""


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
    rows, ax = table(data, sql, params), _axes(ax)
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


def events(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one mark an event, in a row for each ``state``, ``event_type`` or ``type``.

    Columns: ``time`` in seconds, and one of those three.
    """
    rows, ax = table(data, sql, params), _axes(ax)
    drawn = numbers(rows, "time")
    name = next(name for name in ("state", "event_type", "type") if rows.has(name))
    texts = rows.column(name)
    times, _, xlabel = since_first(drawn.values[:, 0], drawn.values[:, 0])
    kinds = list(dict.fromkeys(str(texts[index]) for index in drawn.kept))
    at = {kind: place for place, kind in enumerate(kinds)}
    ax.plot(times, [at[str(texts[index])] for index in drawn.kept], "|", markersize=9)
    ax.set_yticks(range(len(kinds)), [printable(kind) for kind in kinds], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    note(ax, drawn.note)
    return ax


def durations(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one point a span: when it started against how long it took.

    Columns: ``since_run_began`` and ``duration`` in seconds; optionally ``run_name`` or ``run``,
    to colour by, and ``of_spans``, of how many spans these are a sample.
    """
    rows, ax = table(data, sql, params), _axes(ax)
    drawn = numbers(rows, "since_run_began", "duration")
    start, duration = drawn.values.T
    draw_by_group(
        ax,
        rows,
        drawn,
        ("run_name", "run"),
        lambda at, colour: ax.plot(start[at], duration[at], ".", color=colour, alpha=0.6),
    )
    ax.set_xlabel("seconds since the run began")
    ax.set_ylabel("duration (s)")
    text = drawn.note
    if rows.has("of_spans") and rows.rows:
        text += f", of {rows.column('of_spans')[0]} spans"
    note(ax, text)
    return ax


def histogram(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw rows which are bins: ``from_seconds``, ``to_seconds`` and ``spans`` (a count)."""
    rows, ax = table(data, sql, params), _axes(ax)
    bins = numbers(rows, "from_seconds", "to_seconds", "spans")
    low, high, count = bins.values.T
    # The last bin may reach far, to the slowest span: shown as wide as the others.
    width = np.minimum(high - low, np.median(high - low) if len(low) else 0)
    ax.bar(low, count, np.where(width > 0, width, 1e-9), align="edge", edgecolor="white")
    if len(low) and high[-1] - low[-1] > width[-1]:
        data_text(ax, low[-1], count[-1], f" to {high[-1]:.4g} s")
    ax.set_xlabel("duration (s)")
    ax.set_ylabel("spans")
    note(ax, bins.note)
    return ax


def states(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many spans are in each state over time, one stacked area a state.

    Columns: ``since_run_began`` or ``time`` in seconds, ``state``, ``spans`` (a count).
    """
    rows, ax = table(data, sql, params), _axes(ax)
    time_name = "since_run_began" if rows.has("since_run_began") else "time"
    drawn = numbers(rows, time_name, "spans")
    texts = rows.column("state")
    names = [str(texts[index]) for index in drawn.kept]
    # Many states have few spans at any time: together they are one area.
    totals: Counter[str] = Counter()
    for name, count in zip(names, drawn.values[:, 1], strict=True):
        totals[name] += count
    common = {name for name, _ in totals.most_common(MOST_STATES)}
    others = f"{len(totals) - len(common)} others"
    names = [name if name in common else others for name in names]
    # In the order in which the states are first entered, so that work flows upwards.
    entered = dict.fromkeys(names, np.inf)
    for name, (time, count) in zip(names, drawn.values, strict=True):
        if count:
            entered[name] = min(time, entered[name])
    order = sorted(entered, key=lambda name: (name == others, entered[name], name))
    times, columns = np.unique(drawn.values[:, 0], return_inverse=True)
    counts = np.zeros((len(order), len(times)))
    lines = np.array([order.index(name) for name in names], int)
    np.add.at(counts, (lines, columns), drawn.values[:, 1])
    palette = [*colours(min(len(order), MOST_STATES)), "0.8"]
    if len(times):
        areas = ax.stackplot(times, counts, colors=palette)
        legend(ax, list(reversed(areas)), list(reversed(order)))
    ax.set_xlabel("seconds since the run began" if time_name != "time" else "time (s)")
    ax.set_ylabel("spans")
    note(ax, drawn.note)
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
    rows, ax = table(data, sql, params), _axes(ax)
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
    rows, ax = table(data, sql, params), _axes(ax)
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


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    # Only a notebook needs pyplot and its global figures; a server must not have them.
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
