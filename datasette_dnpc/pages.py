"""The page of event sequences: ``/-/dnpc/DATABASE/sequences``. Plain HTML without scripts."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette_dnpc.access import Actor, may_view
from datasette_dnpc.canned import is_dnpc
from datasette_dnpc.sequences import Step
from datasette_dnpc.sequences_data import Choice, Sequences, TooManyEventsError, choose, read
from datasette_dnpc.sql_files import FOLDER, load, queries
from datasette_dnpc.sql_functions import duration_text

if TYPE_CHECKING:
    from datasette.app import Datasette
    from datasette.database import Database

# The golden angle: successive hues are far apart, however many there are.
_HUE_STEP = 137.508
_HUE_SHIFT = 30


def page_url(datasette: Datasette, database: str) -> str:
    """Return the address of the page of one database."""
    from datasette.utils import tilde_encode

    route = tilde_encode(datasette.get_database(database).route)
    return str(datasette.urls.path(f"/-/dnpc/{route}/sequences"))


async def sequences_page(datasette: Datasette, request: Any) -> Any:
    """Answer a request for the page."""
    from datasette.utils import tilde_decode
    from datasette.utils.asgi import Forbidden, NotFound, Response

    try:
        database = datasette.get_database(route=tilde_decode(request.url_vars["database"]))
    except KeyError:
        raise NotFound("Database not found") from None
    if not await may_view(datasette, request.actor, database.name):
        raise Forbidden("You do not have permission to view this database")
    if not await is_dnpc(database):
        raise NotFound("This database was not made by dnpc: it lacks its tables or views")
    arguments = {name: request.args.get(name) or "" for name in ("root_type", "run", "variant")}
    context = await _context(datasette, database, arguments)
    html = await datasette.render_template("dnpc_sequences.html", context, request=request)
    return Response.html(html, status=503 if context["error"] else 200)


async def _context(datasette: Datasette, database: Database, arguments: dict[str, str]) -> dict[str, Any]:
    from datasette.database import QueryInterrupted

    error = ""
    choice, found = Choice([], [], None, None), Sequences(live=False)
    try:
        choice = await choose(database, arguments["root_type"], arguments["run"])
        found = await read(database, choice, arguments["variant"])
    except TooManyEventsError:
        error = "One span of this type has too many events below it to show them as a sequence."
    except (QueryInterrupted, sqlite3.OperationalError) as problem:
        if "interrupt" not in str(problem):
            raise
        limit = datasette.setting("sql_time_limit_ms")
        error = (
            f"This took longer than Datasette's time limit of {limit} ms. Choose one run, or"
            f" start Datasette with a longer one: --setting sql_time_limit_ms {10 * int(limit)}"
        )
    path = page_url(datasette, database.name)
    return {
        "database": database.name,
        "database_file": Path(database.path).name if database.path else database.name,
        "choice": choice,
        "found": found,
        "error": error,
        "path": path,
        "variant_url": lambda number: f"{path}?{_query(choice, variant=number)}#steps",
        "colours": _colours(state for variant in found.variants for state in variant.states),
        "bars": _bars(found.steps),
        "links": _links(datasette, database.name, choice, found),
        "sql": _sql(found),
        "duration_text": duration_text,
        "span_url": lambda number: datasette.urls.row(database.name, "spans", str(number)),
    }


def _query(choice: Choice, **more: object) -> str:
    """Return the query string which asks for the same root type and run again."""
    values: dict[str, object] = {}
    if choice.root_type:
        values["root_type"] = choice.root_type["name"]
    if choice.run:
        values["run"] = choice.run["key"]
    return urlencode({**values, **more})


def _links(datasette: Datasette, database: str, choice: Choice, found: Sequences) -> list[tuple[str, str, str]]:
    """Return (text, address of the canned query, address of its JSON)."""
    if found.live or found.chosen is None:
        return []
    root_type = choice.root_type["name"] if choice.root_type else ""
    wanted = (
        ("event_sequences", _query(choice)),
        ("event_steps", urlencode({"root_type": root_type, "variant": found.chosen.id})),
        ("states_over_time", _query(choice)),
    )
    return [
        (
            queries()[name].title,
            f"{datasette.urls.query(database, name)}?{query}#{queries()[name].fragment}",
            f"{datasette.urls.query(database, name, format='json')}?{query}&_shape=array",
        )
        for name, query in wanted
    ]


def _sql(found: Sequences) -> list[tuple[str, str]]:
    """Return (title, SQL) of what the page shows."""
    if found.live:
        file = load(FOLDER / "pages")["live_events"]
        return [(file.title, file.sql)]
    return [(queries()[name].title, queries()[name].sql) for name in ("event_sequences", "event_steps")]


def _colours(states: Iterable[str]) -> dict[str, str]:
    """Return a CSS colour for each state: hues near each other for a span type, lightness by turns for its events."""
    hues: dict[str, float] = {}
    events: dict[str, int] = {}
    colours: dict[str, str] = {}
    for state in dict.fromkeys(states):
        span_type = state.rpartition("/")[0]
        hue = hues.setdefault(span_type, (210 + len(hues) * _HUE_STEP) % 360)
        events[span_type] = events.get(span_type, -1) + 1
        place = events[span_type]
        # The four lightnesses come again, in another hue.
        colours[state] = f"hsl({(hue + place // 4 * _HUE_SHIFT) % 360:.0f} 55% {42 + place % 4 * 10}%)"
    return colours


def _bars(steps: list[Step]) -> list[dict[str, str]]:
    """Return where each step's mean lies on the common time axis, in per cent of it."""
    total = steps[-1].figures.cumulative if steps else 0
    if total <= 0:
        return [{"left": "0", "width": "0"} for _ in steps]
    return [
        {
            "left": f"{100 * (step.figures.cumulative - step.figures.mean) / total:.3f}",
            "width": f"{100 * step.figures.mean / total:.3f}",
        }
        for step in steps
    ]


async def database_links(datasette: Datasette, database: str) -> list[dict[str, str]]:
    """Return the entries of a database's own menu."""
    if not await is_dnpc(datasette.get_database(database)):
        return []
    return [{"href": page_url(datasette, database), "label": "Event sequences"}]


async def menu(datasette: Datasette, actor: Actor) -> list[dict[str, str]]:
    """Return the entries of the main menu: one for each dnpc database that may be seen."""
    return [
        {"href": page_url(datasette, name), "label": f"Event sequences: {name}"}
        for name, database in list(datasette.databases.items())
        if await is_dnpc(database) and await may_view(datasette, actor, name)
    ]


ROUTES: list[tuple[str, Callable[..., Awaitable[Any]]]] = [(r"^/-/dnpc/(?P<database>[^/]+)/sequences$", sequences_page)]
