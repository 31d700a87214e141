"""Plots of resources and of other wholes of which a part is used, had or lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.plots.drawing import axes, draw_by_group, name_bars
from datasette_dnpc.plots.labels import colours, legend, note
from datasette_dnpc.plots.rows import Numbers, Source, numbers, said_total, table
from datasette_dnpc.queries import Table

MOST_BARS = 25
"""Bars whose names can be read below each other; the first are drawn."""


class Parts(NamedTuple):
    """Columns of counts that add up to a whole."""

    pieces: tuple[str, ...]
    label: str
    """What the axis says of the counts."""


PARTS = (
    Parts(("in_both", "only_in_logs", "only_in_monitoring"), "how many the logs or monitoring tell of"),
    Parts(("sent", "hits"), "uses of a file: sent, or there already"),
)
"""Those that are known. The first that rows have is drawn."""


def shares(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a row, in their order: how much was used of what was given, with a line where that is all.

    Columns: ``label`` (a text); ``share``, 1 for all; optionally ``resource``, which has a colour for each.
    Of more than 25 rows the first are drawn.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn, text = _first_bars(numbers(rows, "share"))

    def bars(places: list[int], colour: Any) -> None:
        ax.barh(places, 100 * drawn.values[places, 0], color=colour)

    draw_by_group(ax, rows, drawn, ("resource",), bars)
    ax.axvline(100, color="0.2", linewidth=1, linestyle="dashed")
    name_bars(ax, drawn.of(rows, "label"))
    ax.set_xlabel("used of what was given (%), the line is all")
    note(ax, text)
    return ax


def levels(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a line over time for each label: how much is used of what there is.

    Columns: ``since_run_began`` in seconds; ``share``, 1 for all; ``label`` (a text); optionally ``of_nodes``, of how
    many nodes those are that are shown, with ``node``.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_run_began", "share")

    def line(places: list[int], colour: Any) -> None:
        seconds, share = drawn.values[places].T
        ax.plot(seconds, 100 * share, color=colour, linewidth=1.2)

    draw_by_group(ax, rows, drawn, ("label",), line)
    ax.axhline(100, color="0.2", linewidth=1, linestyle="dashed")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("seconds since the run began")
    ax.set_ylabel("used of what there is (%)")
    note(ax, drawn.note + _nodes_note(rows, drawn))
    return ax


def parts(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar a row, in their order, in pieces that add up: what monitoring has and lost, what caches had.

    Columns: ``label`` (a text) and the counts of one of ``PARTS``. Of more than 25 rows the first are drawn.

    Raises ValueError where the rows have none of these columns.
    """
    rows, ax = table(data, sql, params), axes(ax)
    known = next((each for each in PARTS if rows.has(*each.pieces)), None)
    if known is None:
        wanted = "; ".join(", ".join(each.pieces) for each in PARTS)
        raise ValueError(f"these rows make no bars in pieces, which want columns like: {wanted}")
    drawn, text = _first_bars(numbers(rows, *known.pieces))
    places, left = np.arange(len(drawn.kept)), np.zeros(len(drawn.kept))
    handles = []
    for piece, colour in zip(drawn.values.T, colours(len(known.pieces)), strict=True):
        handles.append(ax.barh(places, piece, left=left, color=colour))
        left += piece
    legend(ax, handles, [name.replace("_", " ") for name in known.pieces])
    name_bars(ax, drawn.of(rows, "label"))
    ax.set_xlabel(known.label)
    note(ax, text)
    return ax


def _first_bars(drawn: Numbers) -> tuple[Numbers, str]:
    """Return those that there is room for, and what the note says."""
    shown = Numbers(drawn.values[:MOST_BARS], drawn.kept[:MOST_BARS], drawn.left_out, drawn.of_rows)
    without = len(drawn.kept) - len(shown.kept)
    return shown, drawn.note + (f"; the first {len(shown.kept):,} of these are drawn" if without else "")


def _nodes_note(rows: Table, drawn: Numbers) -> str:
    total = said_total(rows, "of_nodes")
    nodes = rows.column("node") if rows.has("node") else []
    shown = len({nodes[index] for index in drawn.kept}) if nodes else 0
    return f", {shown:,} of {total:,} nodes" if total and shown else ""
