"""Plots of many spans over the time of a run: events, and how many spans are in each state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.plots.drawing import axes, since_first
from datasette_dnpc.plots.labels import colours, legend, note, printable
from datasette_dnpc.plots.rows import Source, numbers, table

MOST_STATES = 9
"""Areas of their own in ``states``: as many as there are colours that are easily told apart."""


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
    rows, ax = table(data, sql, params), axes(ax)
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
    rows, ax = table(data, sql, params), axes(ax)
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
