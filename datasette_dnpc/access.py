"""Permission checks, for Datasette 0.65 and 1.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.app import Datasette

Actor = dict[str, Any] | None


TABLES = ("spans", "events")
"""What every page shows rows of: who may not see these tables may see none."""


async def may_view(datasette: Datasette, actor: Actor, database: str) -> bool:
    """Tell whether an actor may see what every page shows of a database."""
    for table in TABLES:
        if not await may_view_table(datasette, actor, database, table):
            return False
    return True


async def may_view_table(datasette: Datasette, actor: Actor, database: str, table: str) -> bool:
    """Tell whether an actor may see a table or view."""
    if hasattr(datasette, "allowed"):
        from datasette.resources import DatabaseResource, TableResource

        of_database = DatabaseResource(database)
        return bool(
            await datasette.allowed(action="view-database", resource=of_database, actor=actor)
            and await datasette.allowed(action="view-table", resource=TableResource(database, table), actor=actor)
        )
    return await _is_visible(datasette, actor, database, ("view-table", (database, table)))


async def may_view_query(datasette: Datasette, actor: Actor, database: str, query: str) -> bool:
    """Tell whether an actor may see the result of a canned query."""
    if hasattr(datasette, "allowed"):
        from datasette.resources import QueryResource

        return bool(await datasette.allowed(action="view-query", resource=QueryResource(database, query), actor=actor))
    return await _is_visible(datasette, actor, database, ("view-query", (database, query)))


async def _is_visible(datasette: Datasette, actor: Actor, database: str, of_what: tuple[str, tuple[str, str]]) -> bool:
    """Ask Datasette 0.65 whether an actor may see a part of a database."""
    permissions = [of_what, ("view-database", database), "view-instance"]
    visible, _ = await datasette.check_visibility(actor, permissions=permissions)
    return bool(visible)


async def may_query(datasette: Datasette, actor: Actor, database: str) -> bool:
    """Tell whether an actor may run SQL of their own on a database."""
    if hasattr(datasette, "allowed"):
        from datasette.resources import DatabaseResource

        return bool(await datasette.allowed(action="execute-sql", resource=DatabaseResource(database), actor=actor))
    return bool(await datasette.permission_allowed(actor, "execute-sql", resource=database, default=True))
