"""Plots of how long spans took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter

from datasette_dnpc.plots.drawing import axes, draw_by_group, grouped, label_counts
from datasette_dnpc.plots.labels import colours, data_text, legend, note, printable
from datasette_dnpc.plots.rows import Floats, Numbers, Source, above_zero, counted_note, numbers, sample_note, table
from datasette_dnpc.queries import Table

GROUPS = ("group", "run_name", "run")
"""Columns to group by where none is named: the first that is there."""

LOG_RATIO = 100
"""Durations are on a logarithmic axis if their largest is over so many times their lower quartile."""

MOST_GROUPS = 9
"""Lines of their own in ``cumulative``: the largest groups; the others are one line together."""

MOST_BOXES = 40
"""Boxes that have room: the largest groups."""

_FEWEST_BOXES = 5

MOST_POINTS = 2000
"""Points of one line in ``cumulative``: of more durations, so many at even shares."""

LOG_COUNTS = 20
"""Spans in a cell of ``density`` above which the scale of colours is logarithmic."""

_CELLS = (10, 80)
"""Fewest and most cells of ``density`` from left to right; upwards there are half as many."""

_LONGEST_GROUP = 30
"""Characters of a group's name."""

_Style: TypeAlias = Literal["-", "--", "-.", ":"]

_MARKS: tuple[tuple[str, str, _Style], ...] = (
    ("mean", "mean", "--"),
    ("p50", "median", "-"),
    ("p95", "95 %", "-."),
    ("max", "maximum", ":"),
)
"""Column, what it is called, and how its line looks."""

_Parameters: TypeAlias = "Mapping[str, Any] | None"


def durations(data: Source, sql: str | None = None, params: _Parameters = None, *, ax: Axes | None = None) -> Axes:
    """Draw one point a span: when it started against how long it took.

    Columns: ``since_run_began`` and ``duration`` in seconds; optionally ``run_name`` or ``run``,
    to colour by, and ``of_spans``, of how many spans these are a sample. The axis of durations is logarithmic by
    the rule of ``is_wide``.
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
    if is_wide(duration):
        ax.set_yscale("log")
    ax.set_xlabel("seconds since the run began")
    ax.set_ylabel("duration (s)")
    note(ax, drawn.note + sample_note(rows))
    return ax


scatter = durations
"""The same by the name of its kind."""


def density(
    data: Source,
    sql: str | None = None,
    params: _Parameters = None,
    *,
    ax: Axes | None = None,
    log: bool | None = None,
) -> Axes:
    """Draw how many spans started when and took how long, by colour: of many, single points would hide each other.

    Columns: as of ``durations``. A cell has the colour of its number of spans, one without any has none; the scale
    of colours is logarithmic where a cell has over ``LOG_COUNTS``. More spans make smaller cells.

    :param log: whether the axis of durations is logarithmic, and so are its cells; spans of no or negative duration
        are then left out. None: by the rule of ``is_wide``
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "since_run_began", "duration")
    log, drawn = _scale(ax, "y", drawn, log, first=1)
    if drawn.kept:
        start, duration = drawn.values.T
        cells = int(np.clip(np.sqrt(len(start)), *_CELLS))
        x, y = _edges(start, cells), _edges(duration, cells // 2, log)
        counts, _, _ = np.histogram2d(start, duration, bins=(x, y))
        many = counts.max() > LOG_COUNTS
        scale = LogNorm(1, counts.max()) if many else Normalize(0, counts.max())
        mesh = ax.pcolormesh(x, y, np.ma.masked_equal(counts.T, 0), norm=scale, cmap="viridis")
        ticks = None if many else MaxNLocator(integer=True)
        bar = ax.figure.colorbar(mesh, ax=ax, label="spans in a cell", ticks=ticks, format="{x:,.0f}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("seconds since the run began")
    ax.set_ylabel("duration (s)")
    note(ax, drawn.note + sample_note(rows))
    return ax


def cumulative(
    data: Source,
    sql: str | None = None,
    params: _Parameters = None,
    *,
    ax: Axes | None = None,
    by: str | None = None,
    log: bool | None = None,
) -> Axes:
    """Draw which share of the spans took at most so long: one line a group, with its median and 95 % marked.

    Columns: ``duration`` in seconds; optionally one to group by, and ``of_spans``. Where there are more groups
    than ``MOST_GROUPS``, the smaller ones are one line together.

    :param by: column to group by; None: the first of ``GROUPS`` that is there
    :param log: whether the axis is logarithmic; spans of no or negative duration are then left out. None: by
        the rule of ``is_wide``
    """
    rows, ax = table(data, sql, params), axes(ax)
    drawn = numbers(rows, "duration")
    _, drawn = _scale(ax, "x", drawn, log)
    groups = grouped(rows, drawn, _names(rows, by))
    largest = sorted(groups, key=lambda name: (-len(groups[name]), name))[:MOST_GROUPS]
    lines = {name: groups[name] for name in largest}
    if rest := [place for name in groups.keys() - lines.keys() for place in groups[name]]:
        lines[f"{len(groups) - len(lines)} others"] = rest
    texts, handles = [], []
    for (name, places), colour in zip(lines.items(), [*colours(len(largest)), "0.6"], strict=False):
        ordered = np.sort(drawn.values[places, 0])
        at = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_POINTS)).astype(int))
        share = 100 * (at + 1) / len(ordered)
        # From nothing, at the shortest duration.
        handles += ax.step([ordered[0], *ordered[at]], [0, *share], where="post", color=colour)
        marks = np.percentile(ordered, [50, 95])
        ax.plot(marks, [50, 95], "o", color=colour, markersize=4)
        group = f"{printable(name, _LONGEST_GROUP)}: " if name else ""
        texts.append(f"{group}median {marks[0]:.4g} s, 95 % {marks[1]:.4g} s")
    for percent in (50, 95):
        ax.axhline(percent, color="0.8", linewidth=0.8, linestyle=":", zorder=0)
    if texts:
        legend(ax, handles, texts)
    ax.set_ylim(0, 102)
    ax.set_xlabel("duration (s)")
    ax.set_ylabel("spans that took at most so long (%)")
    note(ax, drawn.note + sample_note(rows))
    return ax


def histogram(
    data: Source,
    sql: str | None = None,
    params: _Parameters = None,
    *,
    ax: Axes | None = None,
    bins: int = 40,
    log: bool | None = None,
) -> Axes:
    """Draw how many spans took how long, with mean, median, 95 % and maximum marked.

    Columns: either bins, ``from_seconds``, ``to_seconds`` and ``spans`` (a count), and optionally ``mean``,
    ``p50``, ``p95`` and ``max`` in seconds, the same in each row; or ``duration`` in seconds, one row a span, of
    which the bins and marks are made here. Optionally ``of_spans``.

    :param bins: number of bins to make of durations
    :param log: of durations: whether axis and bins are logarithmic; spans of no or negative duration are then left
        out. None: by the rule of ``is_wide``
    """
    rows, ax = table(data, sql, params), axes(ax)
    if rows.has("from_seconds", "to_seconds", "spans"):
        text, marks = _draw_bins(ax, rows)
    else:
        text, marks = _bin_durations(ax, rows, bins, log)
    _mark(ax, marks)
    ax.set_xlabel("duration (s)")
    label_counts(ax, "spans")
    note(ax, text)
    return ax


def _draw_bins(ax: Axes, rows: Table) -> tuple[str, dict[str, float]]:
    """Draw rows that are bins; return the note and the marks by column."""
    drawn = numbers(rows, "from_seconds", "to_seconds", "spans")
    low, high, count = drawn.values.T
    # The last bin may reach far, to the slowest span: shown as wide as the others.
    width = np.minimum(high - low, np.median(high - low) if len(low) else 0)
    ax.bar(low, count, np.where(width > 0, width, 1e-9), align="edge", color="0.75", edgecolor="white")
    if len(low) and high[-1] - low[-1] > width[-1]:
        data_text(ax, low[-1] + width[-1], count[-1], f"to {high[-1]:.4g} s")
    columns = [column for column, _, _ in _MARKS if rows.has(column)]
    marks = {column: float(numbers(rows, column).values[0, 0]) for column in columns if numbers(rows, column).kept}
    return drawn.note + counted_note(rows, count.sum()), marks


def _bin_durations(ax: Axes, rows: Table, bins: int, log: bool | None) -> tuple[str, dict[str, float]]:
    """Draw bins of durations; return the note and the marks by column."""
    drawn = numbers(rows, "duration")
    log, drawn = _scale(ax, "x", drawn, log)
    if not drawn.kept:
        return drawn.note + sample_note(rows), {}
    values = drawn.values[:, 0]
    counts, edges = np.histogram(values, bins=_edges(values, bins, log))
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color="0.75", edgecolor="white")
    p50, p95 = np.percentile(values, [50, 95])
    return drawn.note + sample_note(rows), {"mean": values.mean(), "p50": p50, "p95": p95, "max": values.max()}


def _mark(ax: Axes, marks: Mapping[str, float]) -> None:
    """Draw a line at each mark, and tell its value; one beyond the bars has no line."""
    handles, texts = [], []
    right = max((bar.get_x() + bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)), default=0)
    found = [(marks[column], name, style) for column, name, style in _MARKS if column in marks]
    for (value, name, style), colour in zip(found, colours(len(found)), strict=True):
        beyond = value > right * (1 + 1e-9)
        if not beyond:
            ax.axvline(value, color=colour, linestyle=style, linewidth=1.5)
        handles.append(Line2D([], [], color=colour, linestyle="" if beyond else style))
        texts.append(f"{name} {value:.4g} s{', in the last bin' if beyond else ''}")
    if texts:
        legend(ax, handles, texts)


def boxes(
    data: Source,
    sql: str | None = None,
    params: _Parameters = None,
    *,
    ax: Axes | None = None,
    by: str | None = None,
    log: bool | None = None,
) -> Axes:
    """Draw one box a group: from lower to upper quartile, with a line at the median.

    Columns: either ``group`` and ``p25``, ``p50``, ``p75`` in seconds, and optionally ``p5`` and ``p95`` (the
    ends of the whiskers), ``min``, ``max`` and ``mean`` (points), ``spans`` (a count, beside the name), one row a
    group; or ``duration`` in seconds, one row a span, and optionally one to group by. Drawn are at most
    ``MOST_BOXES``: of rows that are groups the first, else the groups with most spans.

    :param by: column to group durations by; None: the first of ``GROUPS`` that is there
    :param log: whether the axis is logarithmic; groups or spans that reach to zero or below are then left out.
        None: by the rule of ``is_wide``
    """
    rows, ax = table(data, sql, params), axes(ax)
    if rows.has("group", "p25", "p50", "p75"):
        groups, text = rows, ""
    else:
        groups, text = _quartiles(rows, _names(rows, by), log)
    columns = [name for name in ("min", "p5", "p25", "p50", "p75", "p95", "max", "mean") if groups.has(name)]
    drawn = numbers(groups, *columns)
    _, drawn = _scale(ax, "x", drawn, log)
    kept = drawn.kept[:MOST_BOXES]
    at = {name: drawn.values[: len(kept), place] for place, name in enumerate(columns)}
    places = np.arange(len(kept))
    for low, high in (("p5", "p25"), ("p75", "p95")):
        if {low, high} <= at.keys():
            ax.hlines(places, at[low], at[high], colors="0.3", linewidth=1)
    ax.barh(places, at["p75"] - at["p25"], left=at["p25"], height=0.6, color=colours(1)[0], alpha=0.4)
    ax.vlines(at["p50"], places - 0.3, places + 0.3, colors=colours(1)[0], linewidth=2)
    for name, look in (("mean", "D"), ("min", "|"), ("max", "|")):
        if name in at:
            ax.plot(at[name], places, look, color="0.3", markersize=4)
    names = [printable(groups.column("group")[index], _LONGEST_GROUP) for index in kept]
    if groups.has("spans"):
        counts = groups.column("spans")
        names = [f"{name} ({_count(counts[index])})" for name, index in zip(names, kept, strict=True)]
    ax.set_yticks(places, names, parse_math=False)
    # The first at the top; few boxes are no higher than many.
    middle, half = (len(kept) - 1) / 2, max(len(kept), _FEWEST_BOXES) / 2
    ax.set_ylim(middle + half, middle - half)
    ax.set_xlabel("duration (s)")
    _explain(ax, at)
    note(ax, _boxes_note(text, rows, groups, drawn, kept))
    return ax


def _boxes_note(text: str, rows: Table, groups: Table, drawn: Numbers, kept: Sequence[int]) -> str:
    """Return the note on spans, if there is one, or on groups; with what is not shown."""
    if not text:
        shown = Table(groups.columns, [groups.rows[index] for index in kept])
        text = drawn.note
        if groups.has("spans"):
            text += counted_note(rows, numbers(shown, "spans").values.sum())
    total = groups.column("of_groups")[0] if groups.has("of_groups") and groups.rows else len(drawn.kept)
    return text if total == len(kept) else f"{text}, the first {len(kept)} of {_count(total)} groups"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(value)


def _explain(ax: Axes, at: Mapping[str, Floats]) -> None:
    """Say what box and marks mean."""
    colour = colours(1)[0]
    parts: list[tuple[Any, str, bool]] = [
        (Patch(color=colour, alpha=0.4), "25 to 75 %", True),
        (Line2D([], [], color=colour, linewidth=2), "median", True),
        (Line2D([], [], color="0.3", linewidth=1), "5 to 95 %", {"p5", "p95"} <= at.keys()),
        (Line2D([], [], color="0.3", marker="D", markersize=4, linestyle=""), "mean", "mean" in at),
        (Line2D([], [], color="0.3", marker="|", markersize=6, linestyle=""), "least, most", "max" in at),
    ]
    legend(ax, [one for one, _, there in parts if there], [text for _, text, there in parts if there])


def _quartiles(rows: Table, names: tuple[str, ...], log: bool | None) -> tuple[Table, str]:
    """Return a row a group of durations, those with most spans first, and the note on the durations."""
    drawn = numbers(rows, "duration")
    if log:
        drawn = above_zero(drawn)
    groups = grouped(rows, drawn, names)
    columns = ("group", "spans", "min", "p5", "p25", "p50", "p75", "p95", "max", "mean")
    found = []
    for name, places in groups.items():
        values = drawn.values[places, 0]
        figures = np.percentile(values, [0, 5, 25, 50, 75, 95, 100])
        found.append((name or "all", len(values), *map(float, figures), float(values.mean())))
    return Table(columns, sorted(found, key=lambda row: (-row[1], row[0]))), drawn.note + sample_note(rows)


def is_wide(values: Floats) -> bool:
    """Tell whether durations want a logarithmic axis.

    They do if all are above zero, and the largest is over ``LOG_RATIO`` times the lower quartile: on an even axis
    a quarter of the spans would then lie in its first per cent.
    """
    return bool(len(values)) and bool(values.min() > 0 and values.max() > LOG_RATIO * np.percentile(values, 25))


def _scale(ax: Axes, axis: str, drawn: Numbers, log: bool | None, first: int = 0) -> tuple[bool, Numbers]:
    """Make an axis logarithmic or not; return which, and the rows that can be drawn on it.

    :param first: the first column that is on this axis; those after it are, too
    """
    if log is None:
        log = is_wide(drawn.values[:, first:])
    elif log:
        drawn = above_zero(drawn, first)
    if log and drawn.kept:
        ax.set(**{f"{axis}scale": "log"})
    return log, drawn


def _edges(values: Floats, count: int, log: bool = False) -> Floats:
    """Return the limits of so many even cells; of one value, which has no width, some around it."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        half = abs(low) / 20 or 0.5
        return np.array([low - half, high + half])
    found = np.geomspace(low, high, count + 1) if log else np.linspace(low, high, count + 1)
    # Rounding must leave no value outside.
    found[0], found[-1] = low, high
    return found


def _names(rows: Table, by: str | None) -> tuple[str, ...]:
    """Return the columns to group by; raise ValueError for one that is not there."""
    if by is None:
        return GROUPS
    if not rows.has(by):
        raise ValueError(f"no column {by} to group by. There are: {', '.join(rows.columns)}")
    return (by,)
