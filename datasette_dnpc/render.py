"""Results as .png and .svg in Datasette, for those whose columns make a known plot."""

from __future__ import annotations

import asyncio
import io
import threading
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from datasette_dnpc.queries import Table
from datasette_dnpc.sql_files import queries

if TYPE_CHECKING:
    from datasette.app import Datasette
    from matplotlib.axes import Axes

SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("states", ("since_run_began", "state", "spans")),
    ("states", ("time", "state", "spans")),
    ("histogram", ("from_seconds", "to_seconds", "spans")),
    ("steps", ("step", "mean", "cumulative")),
    ("durations", ("since_run_began", "duration")),
    ("ranking", ("label", "duration")),
    ("timeline", ("began", "ended")),
    ("timeline", ("began", "duration")),
    ("events", ("time", "state")),
    ("events", ("time", "event_type")),
    ("events", ("time", "type")),
)
"""Function of ``plots`` and the columns it needs. The first that has them all is drawn."""

# An .svg that is opened by itself is a document: it may load and run nothing.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}

# matplotlib keeps caches and settings for the whole process: one drawing at a time.
_drawing = threading.Lock()


class NoPicture(Exception):
    """Rows that make no plot; the message says why."""


def shape(columns: Sequence[str]) -> str | None:
    """Return the name of the plot that these columns make, None if none does."""
    return next((name for name, needed in SHAPES if set(needed) <= set(columns)), None)


def can_render(columns: Sequence[str], rows: Sequence[Any]) -> bool:
    """Tell Datasette whether to link to the plot."""
    return bool(rows) and shape(columns) is not None


def picture(data: Table, title: str, extension: str, truncated: bool = False) -> bytes:
    """Return the plot that these rows make as the bytes of a PNG or SVG file; its title says what they have in common.

    :param extension: ``png`` or ``svg``
    :param truncated: whether there are more rows than these

    Raises NoPicture where they make none.
    """
    kind = shape(data.columns)
    if kind is None or not data.rows:
        raise NoPicture(_refusal(data.columns, data.rows))
    title = ", ".join([title, *data.constant("span_type", "root_type", "start_event", "end_event", "run_name")])
    try:
        return draw(kind, data, title, extension, truncated)
    except (ValueError, OverflowError, FloatingPointError) as error:
        # Numbers near the largest there are: matplotlib finds no axis for them.
        raise NoPicture(f"These rows can not be drawn: {error}") from None


def draw(kind: str, data: Table, title: str, extension: str, truncated: bool = False) -> bytes:
    """Return a drawn plot as the bytes of a PNG or SVG file, the same for the same rows."""
    import matplotlib
    from matplotlib.figure import Figure

    from datasette_dnpc import plots
    from datasette_dnpc.plots.labels import printable

    plot: Callable[..., Axes] = getattr(plots, kind)
    with _drawing, warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "dnpc"}):
        # Letters of no installed font are drawn as boxes; that is no news for a server's log.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(10, _height(kind, data)), layout="constrained")
        ax = plot(data, ax=figure.add_subplot())
        text = printable(title) + (" (first rows only)" if truncated else "")
        ax.set_title(text, loc="left", parse_math=False)
        file = io.BytesIO()
        metadata = {"Date": None} if extension == "svg" else {}
        figure.savefig(file, format=extension, dpi=100, metadata=metadata)
    return file.getvalue()


def _height(kind: str, data: Table) -> float:
    """Return inches: rows that are named want some room each."""
    named = len(data.rows) if kind in ("ranking", "steps", "timeline") and len(data.rows) <= 40 else 0
    return max(4.5, 1 + 0.25 * named)


def _renderer(extension: str, content_type: str) -> dict[str, Any]:
    # Arguments are given by name, and only these are there in both 0.65 and 1.0.
    async def render(
        datasette: Datasette,
        columns: Sequence[str],
        rows: Sequence[Any],
        query_name: str | None,
        table: str | None,
        database: str,
    ) -> Any:
        from datasette.utils.asgi import BadRequest, Response

        truncated = len(rows) >= int(datasette.setting("max_returned_rows"))
        data = Table(tuple(columns), [[_plain(row[name]) for name in columns] for row in rows])
        ours = queries().get(query_name or "")
        title = ours.title if ours else query_name or table or database
        # Datasette asks can_render for the link only: anyone may type the address. And 0.65
        # overwrites the status of a response, but not that of an exception.
        try:
            body = await asyncio.to_thread(picture, data, title, extension, truncated)
        except NoPicture as error:
            raise BadRequest(str(error)) from None
        return Response(body, content_type=content_type, headers=HEADERS)

    handler: Callable[..., Awaitable[Any]] = render
    return {"extension": extension, "render": handler, "can_render": can_render}


def _plain(value: Any) -> Any:
    """Return the label of a foreign key that Datasette has expanded, else the value."""
    return value.get("label", value.get("value")) if isinstance(value, dict) else value


def _refusal(columns: Sequence[str], rows: Sequence[Any]) -> str:
    if not columns or (not rows and shape(columns)):
        return "Nothing to draw: the query has no rows, or failed. Open it without .png or .svg."
    known = "; ".join(f"{name}: {', '.join(needed)}" for name, needed in SHAPES)
    return f"No plot for the columns {', '.join(columns)}. What can be drawn: {known}"


RENDERERS = [_renderer("png", "image/png"), _renderer("svg", "image/svg+xml")]
