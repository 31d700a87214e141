"""Plots of how long spans took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.plots.drawing import axes, draw_by_group
from datasette_dnpc.plots.labels import data_text, note
from datasette_dnpc.plots.rows import Source, numbers, table


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
    rows, ax = table(data, sql, params), axes(ax)
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
    rows, ax = table(data, sql, params), axes(ax)
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
