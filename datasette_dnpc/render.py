"""Results as .png and .svg in Datasette, for those whose columns make a known plot.

Where they make several, ``?_plot=NAME`` in the address chooses one, as ``dnpc plot QUERY FILE --as NAME`` does. The
names are those of ``SHAPES`` and ``MORE_SHAPES``: functions of ``plots``. Their options stand in the address with one
underscore before: ``?_most=5``.
"""

from __future__ import annotations

import asyncio
import io
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasette_dnpc.plot_options import keywords, of_plots
from datasette_dnpc.queries import Table
from datasette_dnpc.sql_files import queries

if TYPE_CHECKING:
    from datasette.app import Datasette
    from matplotlib.axes import Axes

SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("states", ("time", "state", "change")),
    ("states", ("since_run_began", "state", "spans")),
    ("states", ("time", "state", "spans")),
    ("states", ("root", "time", "state")),
    ("concurrency", ("since_run_began", "seconds", "mean_open", "max_open")),
    ("rate", ("since_run_began", "seconds", "state", "per_second")),
    ("histogram", ("from_seconds", "to_seconds", "spans")),
    ("steps", ("step", "mean", "cumulative")),
    ("utilisation", ("since_run_began", "seconds", "slots", "busy")),
    ("gantt", ("lane", "since_run_began", "duration")),
    ("gantt", ("lane", "began", "ended")),
    ("waterfall", ("since_root_began", "duration", "depth", "label")),
    ("timeline", ("began", "ended", "ending")),
    ("durations", ("since_run_began", "duration")),
    ("boxes", ("group", "p25", "p50", "p75")),
    ("type_graph", ("kind", "left_type", "right_type", "pairs")),
    ("chain", ("label", "seconds", "total")),
    ("stacked", ("app", "layer", "total")),
    ("stacked", ("executor", "layer", "slot_seconds")),
    ("stacked", ("run_name", "phase", "seconds")),
    ("stacked", ("app", "outcome", "tasks")),
    ("stacked", ("app", "state", "tries")),
    ("levels", ("since_run_began", "label", "share")),
    ("shares", ("label", "share", "resource")),
    ("parts", ("label", "in_both", "only_in_logs", "only_in_monitoring")),
    ("parts", ("label", "hits", "sent")),
    ("ranking", ("label", "duration")),
    ("timeline", ("began", "ended")),
    ("timeline", ("began", "duration")),
    ("events", ("time", "state")),
    ("events", ("time", "event_type")),
    ("events", ("time", "type")),
)
"""Function of ``plots`` and the columns it needs. The first that has them all is drawn."""

MORE_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("scatter", ("since_run_began", "duration")),
    ("density", ("since_run_began", "duration")),
    ("cumulative", ("duration",)),
    ("histogram", ("duration",)),
    ("boxes", ("duration",)),
    ("states", ("began", "ended", "state")),
    ("stream", ("time", "state", "change")),
    ("stream", ("since_run_began", "state", "spans")),
    ("stream", ("time", "state", "spans")),
    ("stream", ("root", "time", "state")),
    ("stream", ("began", "ended", "state")),
)
"""The same for what is drawn only where it is asked for by its name."""

CHOICE = "_plot"
"""Parameter of an address that names the plot. Datasette leaves names with one underscore before to others."""

# An .svg that is opened by itself is a document: it may load and run nothing.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}

# matplotlib keeps caches and settings for the whole process: one drawing at a time.
_drawing = threading.Lock()


_SAID = ("span_type", "root_type", "grouped_by", "start_event", "end_event", "start_state", "end_state", "run_name")
"""Columns whose value stands in the title, where it is the same in all rows."""


class NoPicture(Exception):
    """Rows that make no plot; the message says why."""


def shape(columns: Sequence[str]) -> str | None:
    """Return the name of the plot that these columns make, None if none does."""
    return next((name for name, needed in SHAPES if set(needed) <= set(columns)), None)


def shapes(columns: Sequence[str]) -> list[str]:
    """Return the names of all plots that these columns make, that which is drawn unasked first."""
    return list(dict.fromkeys(name for name, needed in SHAPES + MORE_SHAPES if set(needed) <= set(columns)))


def can_render(columns: Sequence[str], rows: Sequence[Any]) -> bool:
    """Tell Datasette whether to link to the plot."""
    return bool(rows) and shape(columns) is not None


def picture(
    data: Table,
    title: str,
    extension: str,
    truncated: bool = False,
    kind: str | None = None,
    options: Mapping[str, str | None] | None = None,
) -> bytes:
    """Return the plot that these rows make as the bytes of a PNG or SVG file; its title says what they have in common.

    :param extension: ``png`` or ``svg``
    :param truncated: whether there are more rows than these
    :param kind: name of the plot, one of those that ``shapes`` gives; else its first
    :param options: of the plot, as texts: see ``plot_options``

    Raises NoPicture where they make none, or not that.
    """
    kind = kind or shape(data.columns)
    if kind not in shapes(data.columns) or not data.rows:
        raise NoPicture(_refusal(data.columns, data.rows))
    title = ", ".join([title, *data.constant(*_SAID)])
    try:
        return draw(kind, data, title, extension, truncated, **keywords(kind, options or {}))
    except (ValueError, OverflowError, FloatingPointError) as error:
        # Numbers near the largest there are, for which matplotlib finds no axis, or options of no meaning.
        raise NoPicture(f"These rows can not be drawn: {error}") from None


def draw(kind: str, data: Table, title: str, extension: str, truncated: bool = False, **options: Any) -> bytes:
    """Return a drawn plot as the bytes of a PNG or SVG file, the same for the same rows.

    :param options: what else the function of ``plots`` takes
    """
    import matplotlib
    from matplotlib.figure import Figure

    from datasette_dnpc import plots
    from datasette_dnpc.plots.labels import printable

    plot: Callable[..., Axes] = getattr(plots, kind)
    with _drawing, warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "dnpc"}):
        # Letters of no installed font are drawn as boxes; that is no news for a server's log.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=_size(kind, data, **options), layout="constrained")
        plot(data, ax=figure.add_subplot(), **options)
        text = printable(title, _LONGEST_TITLE) + (" (first rows only)" if truncated else "")
        text += f" (a sample: 1 in {data.one_in})" if data.one_in > 1 else ""
        # The figure's title, not that of the axes: it has the room above long names, too.
        figure.suptitle(text, x=0.01, ha="left", fontsize="large", parse_math=False)
        file = io.BytesIO()
        metadata = {"Date": None} if extension == "svg" else {}
        figure.savefig(file, format=extension, dpi=100, metadata=metadata)
    return file.getvalue()


_LONGEST_TITLE = 100
"""Characters that have room above a picture."""

_NAMED = ("boxes", "chain", "gantt", "ranking", "steps", "timeline", "waterfall")
"""Plots that write a name beside each row, or lane of rows, if there are few."""


_LEAST_HEIGHT = {"chain": 2.5, "gantt": 3.0, "ranking": 2.5, "steps": 2.5, "waterfall": 2.5}
"""Inches, of plots whose few bars would be too high in a usual figure."""


def _size(kind: str, data: Table, **options: Any) -> tuple[float, float]:
    """Return width and height in inches."""
    if kind == "type_graph":
        from datasette_dnpc.plots.type_graph import size

        return size(data, **options)
    named = len(set(data.column("lane")) if kind == "gantt" else data.rows) if kind in _NAMED else 0
    named = named if named <= 40 else 0
    return 10, max(_LEAST_HEIGHT.get(kind, 4.5), 1 + 0.25 * named)


def _renderer(extension: str, content_type: str) -> dict[str, Any]:
    # Arguments are given by name, and only these are there in both 0.65 and 1.0.
    async def render(
        datasette: Datasette,
        columns: Sequence[str],
        rows: Sequence[Any],
        query_name: str | None,
        table: str | None,
        database: str,
        request: Any,
    ) -> Any:
        from datasette.utils.asgi import BadRequest, Response

        truncated = len(rows) >= int(datasette.setting("max_returned_rows"))
        data = Table(tuple(columns), [[_plain(row[name]) for name in columns] for row in rows])
        ours = queries().get(query_name or "")
        title = ours.title if ours else query_name or table or database
        # Datasette asks can_render for the link only: anyone may type the address. And 0.65
        # overwrites the status of a response, but not that of an exception.
        try:
            texts = {name: request.args.get(f"_{name}") for name in of_plots(shapes(columns))}
            kind = request.args.get(CHOICE)
            body = await asyncio.to_thread(picture, data, title, extension, truncated, kind, texts)
        except NoPicture as error:
            raise BadRequest(str(error)) from None
        return Response(body, content_type=content_type, headers=HEADERS)

    handler: Callable[..., Awaitable[Any]] = render
    return {"extension": extension, "render": handler, "can_render": can_render}


def _plain(value: Any) -> Any:
    """Return the label of a foreign key that Datasette has expanded, else the value."""
    return value.get("label", value.get("value")) if isinstance(value, dict) else value


def _refusal(columns: Sequence[str], rows: Sequence[Any]) -> str:
    fitting = shapes(columns)
    if not columns or (not rows and fitting):
        return "Nothing to draw: the query has no rows, or failed. Open it without .png or .svg."
    if fitting:
        return f"These columns make no such plot. What they make, with ?{CHOICE}=NAME: {', '.join(fitting)}"
    known = "; ".join(f"{name}: {', '.join(needed)}" for name, needed in SHAPES + MORE_SHAPES)
    return f"No plot for the columns {', '.join(columns)}. What can be drawn: {known}"


RENDERERS = [_renderer("png", "image/png"), _renderer("svg", "image/svg+xml")]
