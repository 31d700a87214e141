"""Parts that several plots share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from datasette_dnpc.meanings import NOT_KNOWN, NOT_KNOWN_COLOUR, known
from datasette_dnpc.plots.labels import colours, legend, printable, state_colours
from datasette_dnpc.plots.rows import Floats, Numbers
from datasette_dnpc.queries import Table
from datasette_dnpc.sql_functions import iso_time

_EPOCH_FROM = 1e8
"""Times above this are seconds since 1970 (from 1973 on); below, since some beginning."""


def axes(ax: Axes | None) -> Axes:
    """Return the Axes to draw into: those given, else new ones of pyplot."""
    if ax is not None:
        return ax
    # Only a notebook needs pyplot and its global figures; a server must not have them.
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def since_first(begin: Floats, end: Floats) -> tuple[Floats, Floats, str]:
    """Count seconds from the first one where they are seconds since 1970."""
    if not len(begin) or begin.min() < _EPOCH_FROM:
        return begin, end, "time (s)"
    first = float(begin.min())
    return begin - first, end - first, f"seconds since {iso_time(first)}"


def grouped(rows: Table, drawn: Numbers, names: tuple[str, ...]) -> dict[str, list[int]]:
    """Return text to places in ``drawn.values``, by the first of these columns that is there; else all as ``''``."""
    name = next((name for name in names if rows.has(name)), None)
    texts = rows.column(name) if name else None
    groups: dict[str, list[int]] = {}
    for place, index in enumerate(drawn.kept):
        groups.setdefault(known(texts[index]) if texts else "", []).append(place)
    return groups


_STATES = ("state", "outcome", "ending")
"""Columns that are such."""


def draw_by_group(
    ax: Axes,
    rows: Table,
    drawn: Numbers,
    names: tuple[str, ...],
    draw: Callable[[list[int], Any], object],
) -> None:
    """Call ``draw(indexes, colour)`` for each group of rows, with a legend if there are several.

    States, outcomes and endings have the colours that mean the same everywhere, and what is not known is grey.
    """
    groups = grouped(rows, drawn, names)
    of_states = next((name for name in names if rows.has(name)), None) in _STATES
    chosen = state_colours(groups) if of_states else dict(zip(groups, colours(len(groups)), strict=True))
    palette = list((chosen | ({NOT_KNOWN: NOT_KNOWN_COLOUR} if NOT_KNOWN in groups else {})).values())
    for places, colour in zip(groups.values(), palette, strict=True):
        draw(places, colour)
    if len(groups) > 1:
        handles = [Line2D([], [], color=colour, linewidth=4) for colour in palette]
        legend(ax, handles, list(groups))


def label_counts(ax: Axes, text: str) -> None:
    """Name the axis upwards, on which there are whole numbers only."""
    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_ylabel(text)


def line_width(count: int) -> float:
    """Return a width in points with which the lines of a usual figure just do not touch."""
    return float(np.clip(250 / max(count, 1), 0.3, 8))


MOST_NAMES = 80
"""Names beside bars that are drawn: more can't be read, and take longer than all else."""

_LARGE_NAMES = 15
"""Names that have room in letters of the usual size."""


def name_bars(ax: Axes, names: Sequence[object]) -> None:
    """Name bars that are one below the other, from 0 on; of too many, every so-many-th."""
    every = len(names) // MOST_NAMES + 1
    texts = [printable(name) for name in names[::every]]
    size = "medium" if len(texts) <= _LARGE_NAMES else "x-small"
    ax.set_yticks(range(0, len(names), every), texts, parse_math=False, fontsize=size)
    ax.invert_yaxis()


def name_places(ax: Axes, rows: Table, spans: Numbers, places: Floats) -> None:
    """Name the lines of a timeline where there is room for names."""
    name = next((name for name in ("label", "key") if rows.has(name)), None)
    ax.invert_yaxis()
    if name and len(places) <= 40:
        ax.set_yticks(places, [printable(text) for text in spans.of(rows, name)], parse_math=False)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(places):,} spans, the first to begin at the top")
