"""Plots of workers: what was in their slots, and how many of these were busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from datasette_dnpc.plots.drawing import axes, draw_by_group, label_counts, since_first
from datasette_dnpc.plots.labels import colours, legend, note, printable
from datasette_dnpc.plots.rows import Floats, Numbers, Source, numbers, said_total, table
from datasette_dnpc.queries import Table

MOST_NAMED = 40
"""Lanes whose names have room."""

MOST_LABELS = 9
"""Areas of their own in ``utilisation``: the first labels; the others are one area together."""

_LONGEST = 30
"""Characters of a label in the legend."""

_LONGEST_LANE = 40
"""Characters of a lane's name."""

FAINTEST = 0.25
"""How opaque a row is that was busy for next to none of its time."""


def gantt(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a lane for each slot of a worker, with what was in it over time; where there is nothing, it was idle.

    Columns: ``lane`` (a text; from above in their order in the rows), and ``since_run_began`` or ``began``, with
    ``duration`` or ``ended``, in seconds. Optionally ``app``, ``outcome`` or ``state`` to colour by. Of rows that
    are several stays of tasks: ``busy``, seconds in which one was there, which makes them as opaque as they were
    busy; ``stays``, how many; ``of_stays``, how many there are in all; ``of_lanes`` the same for lanes.
    """
    rows, ax = table(data, sql, params), axes(ax)
    start = "since_run_began" if rows.has("since_run_began") else "began"
    length = "duration" if rows.has("duration") else "ended"
    drawn = numbers(rows, start, length)
    begin = drawn.values[:, 0]
    begin, end, xlabel = since_first(begin, drawn.values[:, 1] + (begin if length == "duration" else 0))
    if start == "since_run_began":
        xlabel = "seconds since the run began"
    texts = rows.column("lane")
    lanes = {lane: place for place, lane in enumerate(dict.fromkeys(texts[index] for index in drawn.kept))}
    places = np.array([lanes[texts[index]] for index in drawn.kept], float)
    opaque = _share_busy(rows, drawn, end - begin)

    def draw(at: list[int], colour: Any) -> None:
        boxes = _boxes(begin[at], end[at], places[at])
        faces = np.tile(to_rgba(colour), (len(at), 1))
        faces[:, 3] = opaque[at]
        # The edge shows what is too short to have a face.
        ax.add_collection(PolyCollection(list(boxes), facecolors=faces, edgecolors=faces, linewidths=0.3))

    draw_by_group(ax, rows, drawn, ("app", "outcome", "state"), draw)
    ax.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    ax.autoscale(axis="x")
    if len(lanes) <= MOST_NAMED:
        ax.set_yticks(range(len(lanes)), [printable(lane, _LONGEST_LANE) for lane in lanes], parse_math=False)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(lanes):,} slots of workers")
    ax.set_xlabel(xlabel)
    note(ax, drawn.note + _merged_note(rows, drawn, len(lanes)))
    return ax


def _boxes(begin: Floats, end: Floats, places: Floats) -> Floats:
    """Return the corners of a box for each row, as an array of shape (rows, 4, 2)."""
    x = np.stack([begin, end, end, begin], axis=1)
    y = places[:, None] + np.array([-0.4, -0.4, 0.4, 0.4])
    return np.stack([x, y], axis=2)


def _share_busy(rows: Table, drawn: Numbers, lengths: Floats) -> Floats:
    """Return how opaque each row is: fully, unless something was there for only a part of its time."""
    if not rows.has("busy"):
        return np.ones(len(lengths))
    values = rows.column("busy")
    busy = np.array([values[index] if isinstance(values[index], (int, float)) else np.inf for index in drawn.kept])
    share: Floats = np.divide(busy, lengths, out=np.ones(len(lengths)), where=lengths > 0)
    return share.clip(FAINTEST, 1)


def _merged_note(rows: Table, drawn: Numbers, lanes: int) -> str:
    """Say how many stays of tasks the rows are of, and which lanes are left out."""
    text = ""
    if rows.has("stays", "of_stays") and drawn.kept:
        counts = rows.column("stays")
        stays = sum(counts[index] for index in drawn.kept)
        merged = sum(counts[index] > 1 for index in drawn.kept)
        text += f", {stays:,} of {rows.column('of_stays')[0]:,} stays of tasks"
        text += f"; {merged:,} rows are several, the fainter the less busy" if merged else ""
    total = said_total(rows, "of_lanes") or 0
    if drawn.kept and total > lanes:
        text += f"; {lanes:,} of {total:,} lanes"
    return text


def utilisation(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many slots are busy over time, one stacked area a label, and how many there are, as a line of steps.

    Columns: ``since_run_began`` and ``seconds``, beginning and length of a part of the time; ``slots`` and ``busy``,
    means over that part; optionally ``label``, and ``of_labels``, how many there are, shown or not. All labels have the
    same parts.
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_run_began", "seconds", "slots", "busy")
    names = [str(rows.column("label")[index]) if rows.has("label") else "busy" for index in drawn.kept]
    begins, parts = np.unique(drawn.values[:, 0], return_inverse=True)
    order = list(dict.fromkeys(names))
    if len(order) > MOST_LABELS:
        others = f"{len(order) - MOST_LABELS} others"
        names = [name if name in order[:MOST_LABELS] else others for name in names]
        order = [*order[:MOST_LABELS], others]
    counts = np.zeros((len(order) + 1, len(begins)))
    lines = np.array([order.index(name) for name in names], int)
    np.add.at(counts, (lines, parts), drawn.values[:, 3])
    np.add.at(counts, (np.full(len(parts), len(order)), parts), drawn.values[:, 2])
    if len(begins):
        last = drawn.values[:, :2].sum(axis=1).max()
        # What holds from the last beginning holds to its end.
        edges, counts = np.append(begins, last), np.column_stack([counts, counts[:, -1]])
        palette = [*colours(min(len(order), MOST_LABELS)), "0.7"][: len(order)]
        ax.stackplot(edges, counts[:-1], colors=palette, step="post", alpha=0.8)
        ax.step(edges, counts[-1], where="post", color="0.2", linewidth=1.2)
        handles = [Line2D([], [], color=colour, linewidth=4) for colour in reversed(palette)]
        legend(
            ax,
            [Line2D([], [], color="0.2", linewidth=1.2), *handles],
            ["slots", *(f"busy: {printable(name, _LONGEST)}" if rows.has("label") else name for name in order[::-1])],
        )
    ax.set_ylim(bottom=0)
    ax.set_xlabel("seconds since the run began")
    label_counts(ax, "slots of workers")
    note(ax, drawn.note + _labels_note(rows) + _busy_note(drawn.values))
    return ax


def _labels_note(rows: Table) -> str:
    """Say how many labels the rows are of, where there are more."""
    total = said_total(rows, "of_labels") or 0
    shown = len(set(rows.column("label"))) if rows.has("label") else 0
    return f", {shown:,} of {total:,} labels" if total > shown else ""


def _busy_note(values: Floats) -> str:
    """Say which share of the slots' time is busy; the columns are beginning, seconds, slots, busy."""
    slots, busy = (float((values[:, 1] * values[:, column]).sum()) for column in (2, 3))
    return f"; {100 * busy / slots:.3g} % busy: {busy:,.1f} of {slots:,.1f} slot seconds" if slots > 0 else ""
