"""Links from cells of Datasette's own tables and results to the pages."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from datasette_dnpc.canned import is_dnpc
from datasette_dnpc.pages.frame import page_url

if TYPE_CHECKING:
    from datasette.app import Datasette
    from datasette.database import Database

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_SECONDS = 5.0
"""How long it is remembered whether a database is one of dnpc's: a page has many cells."""

_known: WeakKeyDictionary[Database, tuple[float, bool]] = WeakKeyDictionary()


async def span_link(datasette: Datasette, database: str, table: str | None, value: Any) -> Any:
    """Return the surrogate key of a span as a link to its page, or None for any other value.

    :param table: in which it stands; None for the result of a query
    """
    from markupsafe import Markup

    if not isinstance(value, str) or not _UUID.fullmatch(value) or not _tells_of_spans(table):
        return None
    if not await _is_dnpc(datasette.get_database(database)):
        return None
    return Markup('<a href="{}">{}</a>').format(page_url(datasette, database, "span", value), value)


def _tells_of_spans(table: str | None) -> bool:
    """Tell whether the column uuid of a table, or of a query's result, has keys of spans."""
    return table in (None, "span", "span_rows", "spans") or table.startswith("parsl_")


async def _is_dnpc(database: Database) -> bool:
    now = time.monotonic()
    asked, answer = _known.get(database, (-_SECONDS, False))
    if now - asked >= _SECONDS:
        answer = await is_dnpc(database)
        _known[database] = (now, answer)
    return answer
