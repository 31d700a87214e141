"""Why a canned query has no rows, for its page in Datasette: ``/-/dnpc/DATABASE/why/QUERY?PARAMETERS``, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasette_dnpc.access import may_view_query, may_view_table
from datasette_dnpc.canned import is_dnpc
from datasette_dnpc.no_rows import why
from datasette_dnpc.pages.frame import database_of, reason_tables
from datasette_dnpc.sql_files import queries

if TYPE_CHECKING:
    from datasette.app import Datasette

PATTERN = r"^/-/dnpc/(?P<database>[^/]+)/why/(?P<query>[^/]+)$"


async def answer(datasette: Datasette, request: Any) -> Any:
    """Answer with an object whose ``why`` is the reason in sentences, empty where there is none to tell."""
    from datasette.utils import tilde_decode
    from datasette.utils.asgi import Forbidden, NotFound, Response

    query = queries().get(tilde_decode(request.url_vars["query"]))
    database = await database_of(datasette, request)
    who = (datasette, request.actor, database.name)
    if query is None or not await is_dnpc(database):
        raise NotFound("There is no such query")
    if not await may_view_query(*who, query.name) or not all(
        [await may_view_table(*who, one) for one in reason_tables()]
    ):
        raise Forbidden("You do not have permission to view all that the reason is made of")
    params = {name: str(request.args.get(name) or "") for name in query.params}
    return Response.json({"why": await database.execute_fn(lambda conn: why(conn, query, params))})


def scripts(datasette: Datasette, request: Any, table: str | None) -> list[str]:
    """Return the address of the script that shows the reason, on pages of the canned queries."""
    name = request.path.rpartition("/")[2] if request and table is None else ""
    return [str(datasette.urls.static_plugins("datasette_dnpc", "no_rows.js"))] if name in queries() else []
