"""The pages: ``/-/dnpc/DATABASE`` and below. Plain HTML, of which scripts only make more.

``PAGES`` lists them in the order of the navigation; ``frame`` tells how to add one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from datasette_dnpc.access import Actor, may_view
from datasette_dnpc.canned import is_dnpc
from datasette_dnpc.pages import distributions, event_sequences, import_report, run, runs, span, why
from datasette_dnpc.pages.frame import Page, other_version, page_url, route

if TYPE_CHECKING:
    from datasette.app import Datasette

PAGES: dict[str, Page] = {
    page.name: page
    for page in (runs.PAGE, run.PAGE, event_sequences.PAGE, distributions.PAGE, span.PAGE, import_report.PAGE)
}
"""Every page by name, in the order of the navigation."""

ROUTES: list[tuple[str, Callable[..., Awaitable[Any]]]] = [
    *(route(page) for page in PAGES.values()),
    (why.PATTERN, why.answer),
]


OTHER_VERSION = "Made by another version of dnpc"
"""What leads to the page that tells what to do with such a database."""


async def database_links(datasette: Datasette, database: str) -> list[dict[str, str]]:
    """Return the entries of a database's own menu."""
    if not await is_dnpc(datasette.get_database(database)):
        if await other_version(datasette.get_database(database)) is None:
            return []
        return [{"href": page_url(datasette, database), "label": OTHER_VERSION}]
    return [{"href": page_url(datasette, database, page.name), "label": page.title} for page in PAGES.values()]


async def menu(datasette: Datasette, actor: Actor) -> list[dict[str, str]]:
    """Return the entries of the main menu: all pages of a database, or of several the first of each."""
    visible = [
        (name, database)
        for name, database in list(datasette.databases.items())
        if not name.startswith("_") and await may_view(datasette, actor, name)
    ]
    names = [name for name, database in visible if await is_dnpc(database)]
    others = [name for name, database in visible if name not in names and await other_version(database) is not None]
    pages = list(PAGES.values())
    return [
        {"href": page_url(datasette, name, page.name), "label": f"{page.title}: {name}"}
        for name in names
        for page in (pages if len(names) == 1 else pages[:1])
    ] + [{"href": page_url(datasette, name), "label": f"{OTHER_VERSION}: {name}"} for name in others]
