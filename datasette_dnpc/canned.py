"""The canned queries, for the two ways in which Datasette 0.65 and 1.0 take them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from datasette_dnpc.sql_files import SqlFile, queries, views
from importers.schema import VERSION

if TYPE_CHECKING:
    from datasette.app import Datasette
    from datasette.database import Database

TABLES = frozenset({"drawn", "events", "span_totals", "span_types", "spans", "steps", "subspans", "variants"})
"""What tells a dnpc database from others, together with the views."""


async def is_dnpc(database: Database) -> bool:
    """Tell whether a database has the tables and views that the queries read, as this version of dnpc makes them."""
    if database.name.startswith("_"):
        return False
    names = set(await database.table_names()) | set(await database.view_names())
    if not TABLES | set(views()) <= names:
        return False
    return bool((await database.execute("PRAGMA user_version")).single_value() == VERSION)


def description_html(query: SqlFile) -> str:
    """Return what the query's page says above the SQL: parameters and columns with units."""
    parts = [f"<p>{escape(query.description)}</p>"]
    for title, pairs in (("Parameters", query.params), ("Columns", query.columns)):
        if pairs:
            items = "".join(
                f"<li><code>{escape(name)}</code>: {escape(meaning)}</li>" for name, meaning in pairs.items()
            )
            parts.append(f"<details><summary>{title}</summary><ul>{items}</ul></details>")
    return "".join(parts)


def _settings(query: SqlFile) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "sql": query.sql,
        "title": query.title,
        "description_html": description_html(query),
        "hide_sql": True,
    }
    if query.fragment:
        settings["fragment"] = query.fragment
    return settings


async def canned_queries_of(datasette: Datasette, database: str) -> dict[str, dict[str, Any]]:
    """Return the queries as Datasette 0.65's hook wants them, none for other databases."""
    if not await is_dnpc(datasette.get_database(database)):
        return {}
    # The configuration's own query of a name counts, so it is not offered twice.
    own = datasette.metadata("queries", database=database, fallback=False) or {}
    offered = {}
    for name, query in queries().items():
        # One without SQL says more of ours: who may see it, for example.
        told = own.get(name, {})
        if isinstance(told, dict) and "sql" not in told:
            offered[name] = {**_settings(query), "params": list(query.params), **told}
    return offered


async def add_queries(datasette: Datasette) -> None:
    """Store the queries in Datasette 1.0; do nothing in 0.65, which asks by its hook."""
    if not hasattr(datasette, "add_query"):
        return
    for database in list(datasette.databases.values()):
        if not await is_dnpc(database):
            continue
        for name, query in queries().items():
            stored = await datasette.get_query(database.name, name)
            # A user's own query of this name stays; what an earlier version of the plugin stored does not.
            if stored is None or stored.source == "plugin":
                await datasette.add_query(
                    database.name,
                    name,
                    **_settings(query),
                    parameters=list(query.params),
                    is_trusted=True,
                    source="plugin",
                    replace=True,
                )
