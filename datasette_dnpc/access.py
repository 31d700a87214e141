"""Permission checks, for Datasette 0.65 and 1.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.app import Datasette

Actor = dict[str, Any] | None


TABLES = ("spans", "events")
"""What the page shows rows of: who may not see these tables may not see it."""


async def may_view(datasette: Datasette, actor: Actor, database: str) -> bool:
    """Tell whether an actor may see what the page shows of a database."""
    if hasattr(datasette, "allowed"):
        from datasette.resources import DatabaseResource, TableResource

        may = [await datasette.allowed(action="view-database", resource=DatabaseResource(database), actor=actor)]
        may += [
            await datasette.allowed(action="view-table", resource=TableResource(database, table), actor=actor)
            for table in TABLES
        ]
        return all(may)
    for table in TABLES:
        permissions = [("view-table", (database, table)), ("view-database", database), "view-instance"]
        visible, _ = await datasette.check_visibility(actor, permissions=permissions)
        if not visible:
            return False
    return True


async def may_query(datasette: Datasette, actor: Actor, database: str) -> bool:
    """Tell whether an actor may run SQL of their own on a database."""
    if hasattr(datasette, "allowed"):
        from datasette.resources import DatabaseResource

        return bool(await datasette.allowed(action="execute-sql", resource=DatabaseResource(database), actor=actor))
    return bool(await datasette.permission_allowed(actor, "execute-sql", resource=database, default=True))
