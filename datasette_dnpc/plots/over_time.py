"""Plots of many spans over the time of a run: events, and how many spans are in each state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from datasette_dnpc.meanings import OTHERS_COLOUR
from datasette_dnpc.plots.drawing import axes, label_counts, since_first
from datasette_dnpc.plots.labels import legend, note, printable, state_colours
from datasette_dnpc.plots.rows import Floats, Source, numbers, table
from datasette_dnpc.plots.state_counts import Changes, changes_of, matching
from datasette_dnpc.queries import Table
from datasette_dnpc.stacking import stacking

MOST_STATES = 9
"""Areas of their own in ``states``: as many as there are colours that are easily told apart."""

COLUMNS = 2000
"""Steps that ``states`` draws at most: about twice the pixels that a usual figure is wide."""

_SINCE_RUN_BEGAN = "seconds since the run began"


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
    order: Sequence[str] = (),
    hide: Sequence[str] = (),
    only: Sequence[str] = (),
    colours: Mapping[str, Any] | None = None,
    most: int = MOST_STATES,
    baseline: str = "zero",
    start: Sequence[str] = (),
    cut: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw how many spans are in each state over time, one stacked area a state, as steps.

    Rows of any of these shapes, with times in seconds; the first whose columns are there is taken:

    - changes: ``time``, ``state``, ``change``, as of query ``state_changes``
    - counts at some times: ``time``, ``state``, ``spans``, as of ``states_over_time``
    - one row for each event: ``root``, ``time``, ``state``, as of view ``root_event`` and query ``root_events``;
      a root is in the state of its latest event, and stays in that of its last
    - one row for each interval: ``began``, ``ended`` (None: it goes on), ``state``, as of view ``state_interval``

    Events and intervals may have a ``weight`` to add up instead of counting 1. ``since_run_began`` may stand for
    ``time``, and where both are there, the time axis is that of the run. States are named as they are or by their
    event type only, the part after the last slash; ``%`` stands for any text.

    :param order: states to draw first, the lowest first; the others follow as ``stacking`` puts them
    :param hide: states not to draw; :param only: states to draw, no others
    :param colours: state to a colour of matplotlib; the others have colours of their own
    :param most: areas of their own; states beyond, with the least over the time, are one area together
    :param baseline: ``zero``, or for a streamgraph ``sym``, ``wiggle`` or ``weighted_wiggle``
    :param start: of events only: a root counts from its first event that comes into one of these states
    :param cut: of events only: it no longer counts from its first event after that which comes into one of these

    Up to 2000 moments are drawn exactly. Of more, each of 2000 even columns is as high as the counts in its time in the
    mean, so that areas are exact; the note says so. ``state_steps`` returns all.

    Raises ValueError for rows of no such shape, and for options that make no sense.
    """
    rows, ax = table(data, sql, params), axes(ax)
    changes = changes_of(rows, start, cut)
    hidden = set(matching(changes.names, hide))
    if only:
        hidden |= set(changes.names) - set(matching(changes.names, only))
    changes, text = changes.without(hidden), changes.note
    if hidden:
        text += f"; {len(hidden)} of {len(hidden) + len(changes.names)} states hidden"
    times, counts = changes.exact()
    if len(times) > COLUMNS:
        text += f"; {len(times):,} moments in {COLUMNS:,} columns, as high as their mean"
        last = times[-1]
        times, counts = changes.means(COLUMNS)
        times, counts = np.append(times, last), np.hstack([counts, counts[:, -1:]])
    areas = _areas(changes, times, counts, order, most)
    times, xlabel = _time_axis(rows, times)
    if len(times):
        drawn = ax.stackplot(
            times,
            [area.counts for area in areas],
            colors=_state_colours(areas, colours or {}),
            baseline=baseline,  # type: ignore[arg-type]
            step="post",
        )
        legend(ax, list(reversed(drawn)), [area.name for area in reversed(areas)])
    ax.set_xlabel(xlabel)
    label_counts(ax, "spans" if baseline == "zero" else "spans, as height")
    note(ax, text)
    return ax


def stream(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw what ``states`` does as a streamgraph: to both sides of the axis, not on it.

    :param options: those of ``states``
    """
    return states(data, sql, params, ax=ax, **{"baseline": "sym", **options})


@dataclass(frozen=True)
class _Area:
    """One area of a stack, from below."""

    name: str
    counts: Floats
    others: bool = False
    """Whether it is several states together."""


def _areas(changes: Changes, times: Floats, counts: Floats, order: Sequence[str], most: int) -> list[_Area]:
    """Put the states in order, with those beyond ``most`` as one area on top."""
    if most < 0:
        raise ValueError(f"most is {most}, and wants a number of states")
    names = changes.names
    lasts = np.diff(times, append=times[-1:] + (times[-1:] <= times[:1]))
    totals = dict(zip(names, counts @ lasts, strict=True))
    common = set(sorted(names, key=lambda name: (-totals[name], name))[:most])
    # As parts of the whole time, as on the pages.
    whole = times[-1:] - times[:1]
    places = ((times - times[:1]) / np.where(whole, whole, 1)).tolist()
    usual = stacking(
        (name, spans, since, until)
        for name, of_state in zip(names, counts.tolist(), strict=True)
        for spans, since, until in zip(of_state, places, places[1:] + places[-1:], strict=True)
    )
    # Without any moment, none has a place.
    place_of = dict.fromkeys(names, 0) | {name: place for place, name in enumerate(usual)}
    asked = [name for pattern in order for name in sorted(matching(names, [pattern]))]
    rank = {name: place for place, name in enumerate(dict.fromkeys(asked))}
    line = {name: place for place, name in enumerate(names)}
    shown = sorted(common, key=lambda name: (rank.get(name, len(rank)), place_of[name]))
    areas = [_Area(name, counts[line[name]]) for name in shown]
    rest = [line[name] for name in names if name not in common]
    return [*areas, _Area(f"{len(rest)} others", counts[rest].sum(axis=0), True)] if rest else areas


def _state_colours(areas: list[_Area], chosen: Mapping[str, Any]) -> list[Any]:
    """Return a colour for each: chosen ones, else those that mean the same everywhere."""
    by_name = state_colours([area.name for area in areas if not area.others])
    names = list(by_name)
    for pattern, colour in chosen.items():
        by_name.update(dict.fromkeys(matching(names, [pattern]), colour))
    return [OTHERS_COLOUR if area.others else by_name[area.name] for area in areas]


def _time_axis(rows: Table, times: Floats) -> tuple[Floats, str]:
    """Return the times as they are drawn, and what the axis is called."""
    first = Table(rows.columns, rows.rows[:1000])
    both = numbers(first, "time", "since_run_began") if rows.has("time", "since_run_began") else None
    if both is not None and len(both.kept):
        # The one is rounded, and the other exact, so that this is when the run began, nearly.
        return times - (both.values[0, 0] - both.values[0, 1]), _SINCE_RUN_BEGAN
    if rows.has("since_run_began") and not rows.has("time"):
        return times, _SINCE_RUN_BEGAN
    times, _, label = since_first(times, times)
    return times, label
