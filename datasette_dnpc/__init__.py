"""Datasette plugin: canned queries, SQL functions, plots and pages for dnpc databases.

Hook implementations only; the work is done in the other modules of this package.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from datasette.app import Datasette

# Datasette's own hookimpl is this same marker. Making it here keeps Datasette out of
# `dnpc import`, which reads datasette_dnpc.sql_files and so runs this module.
hookimpl = pluggy.HookimplMarker("datasette")


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Add the SQL functions to every connection."""
    from datasette_dnpc.sql_functions import register

    register(conn)


# Datasette 1.0 has no such hook: there `startup` adds the queries.
@hookimpl(optionalhook=True)
def canned_queries(datasette: Datasette, database: str) -> Callable[[], Awaitable[dict[str, dict[str, Any]]]]:
    """Offer the queries on databases which have dnpc's tables (Datasette 0.65)."""
    from datasette_dnpc.canned import canned_queries_of

    return lambda: canned_queries_of(datasette, database)


@hookimpl
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    """Store the queries for databases which have dnpc's tables (Datasette 1.0)."""
    from datasette_dnpc.canned import add_queries

    return lambda: add_queries(datasette)


@hookimpl
def register_output_renderer() -> list[dict[str, Any]]:
    """Offer .png and .svg of results that can be drawn."""
    from datasette_dnpc.render import RENDERERS

    return RENDERERS


@hookimpl
def register_routes() -> list[tuple[str, Callable[..., Awaitable[Any]]]]:
    """Serve the pages."""
    from datasette_dnpc.pages import ROUTES

    return ROUTES


@hookimpl
def extra_js_urls(table: str | None, request: Any, datasette: Datasette) -> list[str]:
    """Have the page of a canned query say why there are no rows."""
    from datasette_dnpc.pages.why import scripts

    return scripts(datasette, request, table)


@hookimpl
def render_cell(
    value: Any, column: str, table: str | None, database: str, datasette: Datasette
) -> Callable[[], Awaitable[Any]] | None:
    """Link the surrogate key of a span to its page."""
    # This is asked of every cell, so most of them get no further than this.
    if column != "uuid":
        return None
    from datasette_dnpc.pages.cells import span_link

    return lambda: span_link(datasette, database, table, value)


@hookimpl
def database_actions(datasette: Datasette, database: str) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Link to the pages from the database's menu."""
    from datasette_dnpc.pages import database_links

    return lambda: database_links(datasette, database)


@hookimpl
def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Link to the pages of each dnpc database from the main menu."""
    from datasette_dnpc.pages import menu

    return lambda: menu(datasette, actor)
