"""Plots of tasks: parts of a whole for each app or executor, and chains of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.meanings import FAILED_COLOURS, LAYERS, PHASES, known
from datasette_dnpc.plots.drawing import axes, name_bars
from datasette_dnpc.plots.labels import colours, legend, note
from datasette_dnpc.plots.rows import Source, numbers, said_total, table

MOST_BARS = 40
"""Bars whose names can be read below each other."""


class Stack(NamedTuple):
    """The columns that make stacked bars: a bar for each of one, in pieces by another, as long as a third says."""

    bar: str
    piece: str
    amount: str
    label: str
    """What the axis says of the amount."""


STACKS = (
    Stack("app", "layer", "total", "seconds in each layer, sum over the tasks"),
    Stack("executor", "layer", "slot_seconds", "seconds, sum over the slots"),
    Stack("run_name", "phase", "seconds", "seconds of the run"),
    Stack("app", "outcome", "tasks", "tasks"),
    Stack("app", "state", "tries", "tries"),
)
"""Those that are known. The first that rows have is drawn."""

_OWN_COLOURS = {
    "busy": "0.85",
    "done": "tab:blue",
    "memoized": "tab:cyan",
    "failed": FAILED_COLOURS[0],
    "dependency failed": "tab:orange",
    "dep_fail": "tab:orange",
    "fail_retryable": "#f2c14e",
    "unfinished": "tab:gray",
    **LAYERS,
    **PHASES,
}
"""Of pieces that mean the same in every plot; pale is what is only there to compare with."""


def stacked(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar for each app, executor or run, in pieces of one colour for each layer and the like; longest first.

    Columns: those of one of ``STACKS``, such as ``app``, ``outcome`` and ``tasks``. Rows of one bar and piece add up.
    Of more than 40 bars the longest are drawn.

    Raises ValueError where the rows have none of these columns.
    """
    rows, ax = table(data, sql, params), axes(ax)
    stack = next((each for each in STACKS if rows.has(*each[:3])), None)
    if stack is None:
        wanted = "; ".join(", ".join(each[:3]) for each in STACKS)
        raise ValueError(f"these rows make no stacked bars, which want columns like: {wanted}")
    drawn = numbers(rows, stack.amount)
    bars, pieces = rows.column(stack.bar), rows.column(stack.piece)
    amounts: dict[tuple[str, str], float] = {}
    lengths: dict[str, float] = {}
    for index, (amount,) in zip(drawn.kept, drawn.values, strict=True):
        bar, piece = known(bars[index]), known(pieces[index])
        amounts[bar, piece] = amounts.get((bar, piece), 0.0) + amount
        lengths[bar] = lengths.get(bar, 0.0) + amount
    names = sorted(lengths, key=lambda bar: (-lengths[bar], bar))[:MOST_BARS]
    kinds = sorted({piece for _bar, piece in amounts})
    places, left = np.arange(len(names)), np.zeros(len(names))
    handles = []
    for kind, colour in zip(kinds, colours(len(kinds)), strict=True):
        widths = np.array([amounts.get((bar, kind), 0.0) for bar in names], float)
        handles.append(ax.barh(places, widths, left=left, color=_OWN_COLOURS.get(kind, colour)))
        left += widths
    name_bars(ax, names)
    # A last piece of no length would leave the longest bar no room.
    ax.set_xlim(0, 1.04 * left.max(initial=0) or 1)
    ax.set_xlabel(stack.label)
    ax.set_ylabel(stack.bar.removesuffix("_name"))
    if handles:
        legend(ax, handles, kinds)
    shorter = len(lengths) - len(names)
    note(ax, drawn.note + (f", without the {shorter:,} shortest of {len(lengths):,} bars" if shorter else ""))
    return ax


def chain(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tasks of a chain one below the other, each from where the one before ends.

    Columns: ``label`` (a text); ``seconds`` that the task adds, and ``total`` seconds up to its end; optionally
    ``of_tasks``, how many tasks there are, shown or not.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "seconds", "total")
    seconds, total = drawn.values.T
    places = np.arange(len(seconds))
    ax.barh(places, seconds, left=total - seconds, color=colours(1)[0])
    if len(places) <= MOST_BARS:
        name_bars(ax, drawn.of(rows, "label"))
    else:
        ax.set_ylabel("position in the chain")
        ax.invert_yaxis()
    ax.set_xlabel("seconds along the chain")
    count = said_total(rows, "of_tasks") or 0
    note(ax, drawn.note + (f", the last of a chain of {count:,} tasks" if count > len(rows.rows) else ""))
    return ax
