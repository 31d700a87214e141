"""Plots of how much goes on over the time of a run: events per second, and how many spans are open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from datasette_dnpc.plots.drawing import axes, grouped, label_counts
from datasette_dnpc.plots.labels import colours, legend, note
from datasette_dnpc.plots.rows import Floats, Source, numbers, table
from datasette_dnpc.queries import Table

OTHERS = "other"
"""The state that stands for all that are not told apart."""


def rate(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many events a second there are over time, one line of steps for each state.

    Columns: ``since_run_began``, ``seconds`` (how long each part of the time lasts), ``per_second``, and ``state``,
    of which ``other`` is black and last; optionally ``of_events`` and ``of_states``, of how many these are.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_run_began", "seconds", "per_second")
    begin, seconds, height = drawn.values.T
    states = grouped(rows, drawn, ("state",))
    order = sorted(states, key=lambda state: (state == OTHERS, -float(height[states[state]].sum())))
    lines = []
    for state, colour in zip(order, colours(len(order)), strict=True):
        at = states[state]
        look = {"color": "black", "linestyle": ":"} if state == OTHERS else {"color": colour, "alpha": 0.8}
        edges, heights = _steps(begin[at], seconds[at], height[at])
        lines += ax.plot(edges, heights, drawstyle="steps-post", linewidth=1, **look)
    legend(ax, lines, order)
    ax.set_xlabel("seconds since the run began")
    ax.set_ylabel("events per second")
    ax.set_ylim(bottom=0)
    totals = [f"{total} {name}" for name in ("events", "states") for total in _totals(rows, f"of_{name}")]
    note(ax, drawn.note + "".join(f", {total}" for total in totals))
    return ax


def concurrency(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many spans are open over time: the mean as steps, below the most at once as an area.

    Columns: ``since_run_began`` and ``seconds`` (when each step begins and how long it lasts), ``mean_open`` and
    ``max_open``; optionally ``of_steps``, how often the number of open spans changes, ``of_spans`` and ``without``,
    how many spans are counted and how many are not.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_run_began", "seconds", "mean_open", "max_open")
    begin, seconds, mean, most = drawn.values.T
    blue = colours(1)[0]
    if (mean != most).any():
        edges, heights = _steps(begin, seconds, most)
        area = ax.fill_between(edges, heights, step="post", color=blue, alpha=0.25, linewidth=0)
        legend(ax, [area, Line2D([], [], color=blue)], ["most at once", "mean"])
    ax.plot(*_steps(begin, seconds, mean), drawstyle="steps-post", color=blue, linewidth=1)
    ax.set_xlabel("seconds since the run began")
    label_counts(ax, "spans open")
    ax.set_ylim(bottom=0)
    text = drawn.note
    for total in _totals(rows, "of_steps"):
        text += f" for {total} steps"
    text += "".join(f", {total} spans" for total in _totals(rows, "of_spans"))
    text += "".join(f", {total} left out" for total in _totals(rows, "without") if total != "0")
    note(ax, text)
    return ax


def _steps(begin: Floats, seconds: Floats, height: Floats) -> tuple[Floats, Floats]:
    """Return the edges of steps in order of time, and their heights; the last lasts its seconds."""
    order = np.argsort(begin, kind="stable")
    last = order[-1:]
    return np.append(begin[order], begin[last] + seconds[last]), np.append(height[order], height[last])


def _totals(rows: Table, name: str) -> list[str]:
    """Return what a column that is the same in every row says, with commas; nothing without it."""
    values = set(rows.column(name)) if rows.has(name) else set()
    return [f"{value:,}" for value in values if len(values) == 1 and isinstance(value, int)]
