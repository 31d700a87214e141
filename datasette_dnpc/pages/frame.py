"""What all pages share: addresses, checks, the navigation, and the SQL that a page was made of.

A page is one module with a function from a ``Visit`` to what its template shows, the template, which extends
``dnpc_page.html``, and an entry in ``pages.PAGES``. All rows come through the visit, which notes the SQL
for the end of the page.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette_dnpc.access import may_query, may_view, may_view_query, may_view_table
from datasette_dnpc.canned import is_dnpc
from datasette_dnpc.known_names import NAMED
from datasette_dnpc.no_rows import KINDS, why
from datasette_dnpc.output import printable
from datasette_dnpc.queries import no_answer
from datasette_dnpc.sql_files import SqlFile, by_topic, page_sql, queries
from datasette_dnpc.sql_functions import duration_text, iso_time
from datasette_dnpc.sql_tables import tables_read
from importers.recognise import TABLES

if TYPE_CHECKING:
    from datasette.app import Datasette
    from datasette.database import Database

Context = dict[str, Any]
"""What a template shows, by name."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One kind of page."""

    name: str
    """For links in templates and in Python: ``visit.url(name)``."""
    title: str
    """What it is called in the navigation."""
    path: str
    """The last part of its address, after the database: empty, or one word."""
    template: str
    context: Callable[[Visit], Awaitable[Context]]
    """Returns what the template shows, or raises what Datasette answers with, such as NotFound."""
    run: bool = False
    """Whether it takes a run as an argument, so that links from one page to the other keep it."""
    has_item: bool = False
    """Whether one thing may be named after ``path`` in the address: ``visit.item``."""


@dataclass(frozen=True)
class Source:
    """Some SQL that a page was made of."""

    title: str
    sql: str
    href: str
    """Address of its page, empty where the visitor may not run SQL."""
    data: dict[str, str]
    """Address of its rows by format."""
    params: dict[str, Any]
    """What was asked for, where the address does not say it."""


@dataclass
class Visit:
    """A request for a page of a dnpc database by somebody who may see it."""

    datasette: Datasette
    database: Database
    request: Any
    page: Page
    sources: list[Source] = field(default_factory=list)
    error: str = ""
    """What went wrong, in a sentence: the page says so, and has status 503."""
    run_key: str = ""
    """Key of the run that a page is about: links to other pages ask for it, else for that of the address."""
    samples: dict[str, int] = field(default_factory=dict)
    """Title of each query that looked at a sample to one in how many that is: the page says so."""
    _may_query: bool = False
    _queries: set[str] = field(default_factory=set)
    _tables: set[str] = field(default_factory=set)

    @property
    def run(self) -> str:
        """Return the run that links to other pages keep, empty if there is none."""
        return self.run_key or self.argument("run")

    def argument(self, name: str) -> str:
        """Return an argument of the address, empty if there is none."""
        return str(self.request.args.get(name) or "")

    def number(self, name: str, least: int = 1, most: int = 1_000_000, default: int = 1) -> int:
        """Return a whole number of the address, within limits."""
        try:
            return min(max(int(self.argument(name)), least), most)
        except ValueError:
            return default

    @property
    def item(self) -> str:
        """What stands after the page's name in the address, empty if nothing does."""
        from datasette.utils import tilde_decode

        return str(tilde_decode(self.request.url_vars.get("item") or ""))

    def url(self, name: str, item: object = "", **arguments: object) -> str:
        """Return the address of a page of this database."""
        return page_url(self.datasette, self.database.name, name, str(item), **arguments)

    def query_url(self, name: str, format: str = "", /, **params: object) -> str:
        """Return the address of a canned query, where a chart of it is drawn at once, or of its rows as JSON or CSV."""
        given = {key: value for key, value in params.items() if value not in ("", None)}
        if format == "json":
            given["_shape"] = "array"
        query = urlencode(given)
        address = str(self.datasette.urls.query(self.database.name, name, format=format or None))
        # Datasette 1.0 asks for parameters unless there is a query string.
        fragment = queries()[name].fragment if not format else None
        return address + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")

    def queries_by_topic(self, **params: object) -> dict[str, list[tuple[SqlFile, str]]]:
        """Return the canned queries of each topic that take these parameters, with their addresses."""
        taking = {
            topic: [one for one in found if one.params.keys() >= params.keys()] for topic, found in by_topic().items()
        }
        return {
            topic: [(query, self.query_url(query.name, **params)) for query in found] for topic, found in taking.items()
        }

    def span_url(self, uuid: str) -> str:
        """Return the address of the page of one span."""
        return self.url("span", uuid)

    async def ask(self, name: str, /, **params: object) -> list[Row]:
        """Return the rows of a canned query; its SQL is noted for the page, and a sample that it took unasked."""
        query = queries()[name]
        self.note_query(name, **params)
        found = await self._rows(query.sql, {**dict.fromkeys(query.params, ""), **params})
        if "sample" not in params:
            self.note_sample(query, found)
        return found

    async def read(self, name: str, /, **params: object) -> list[Row]:
        """Return the rows of SQL in the folder ``sql/pages``; it is noted for the page."""
        file = page_sql()[name]
        self.note_sql(file, params)
        return await self._rows(file.sql, params)

    async def _rows(self, sql: str, params: Mapping[str, object]) -> list[Row]:
        result = await self.database.execute(sql, params)
        return [dict(row) for row in result.rows]

    async def why(self, name: str, rows: Sequence[Row] | None, asked: Mapping[str, object]) -> str:
        """Return why a canned query has no rows, where it has none and that can be told; else empty text.

        :param asked: what people asked for; what is no parameter of the query is left out
        """
        if rows is None or rows:
            return ""
        self._tables |= reason_tables()
        query = queries()[name]
        params = {key: str(asked[key] or "") for key in query.params if key in asked}
        return str(await self.database.execute_fn(lambda conn: why(conn, query, params)))

    def note_query(self, name: str, /, **params: object) -> None:
        """Note a canned query for the page."""
        self._queries.add(name)
        data = {format.upper(): self.query_url(name, format, **params) for format in ("json", "csv")}
        title, sql = queries()[name].title, queries()[name].sql
        self.sources.append(Source(title, sql, self.query_url(name, **params), data, {}))

    def note_sample(self, query: SqlFile, rows: Sequence[Row]) -> None:
        """Note that the rows of a canned query are of a sample, where they are."""
        one_in = max((row.get("one_in") or 1 for row in rows), default=1)
        if one_in > 1:
            self.samples[query.title] = max(one_in, self.samples.get(query.title, 1))

    def note_sql(self, file: SqlFile, params: Mapping[str, object]) -> None:
        """Note other SQL for the page."""
        href = ""
        if self._may_query:
            asked = urlencode({"sql": file.sql, **{name: "" if v is None else v for name, v in params.items()}})
            href = f"{self.datasette.urls.database(self.database.name)}?{asked}"
        self.sources.append(Source(file.title, file.sql, href, {}, dict(params)))

    async def may_be_shown(self) -> bool:
        """Tell whether the visitor may see each canned query and table that the page was made of."""
        who = (self.datasette, self.request.actor, self.database.name)
        tables = self._tables.union(*(tables_read(source.sql) for source in self.sources))
        for query in sorted(self._queries):
            if not await may_view_query(*who, query):
                return False
        for table in sorted(tables):
            if not await may_view_table(*who, table):
                return False
        return True

    @contextmanager
    def within_limit(self) -> Iterator[None]:
        """Turn an interruption by Datasette's time limit into the page's error message."""
        from datasette.database import QueryInterrupted

        try:
            yield
        except (QueryInterrupted, sqlite3.OperationalError) as problem:
            if "interrupt" not in str(problem):
                raise
            limit = self.datasette.setting("sql_time_limit_ms")
            self.error = (
                f"This took longer than Datasette's time limit of {limit} ms. Choose one run, or"
                f" start Datasette with a longer one: --setting sql_time_limit_ms {10 * int(limit)}"
            )


@cache
def reason_tables() -> frozenset[str]:
    """Return the tables that a reason for no rows may tell names of."""
    asked = [kind.sql for kind in KINDS.values()] + [named.sql for named in NAMED.values()]
    return frozenset[str]().union(*map(tables_read, asked))


def page_url(datasette: Datasette, database: str, name: str = "runs", item: str = "", /, **arguments: object) -> str:
    """Return the address of a page of a database; arguments that are empty are left out.

    :param name: of the page
    :param item: what it is about, such as the uuid of a span
    """
    from datasette.utils import tilde_encode

    from datasette_dnpc.pages import PAGES

    route = tilde_encode(datasette.get_database(database).route)
    parts = [route, PAGES[name].path, tilde_encode(item) if item else ""]
    address = str(datasette.urls.path("/-/dnpc/" + "/".join(filter(None, parts))))
    query = urlencode({key: value for key, value in arguments.items() if value not in ("", None)})
    return f"{address}?{query}" if query else address


def route(page: Page) -> tuple[str, Callable[..., Awaitable[Any]]]:
    """Return what Datasette's hook ``register_routes`` wants for a page."""
    path = f"/{page.path}" if page.path else ""
    item = "(?:/(?P<item>[^/]+))?" if page.has_item else ""
    return rf"^/-/dnpc/(?P<database>[^/]+){path}{item}$", _view(page)


def _view(page: Page) -> Callable[..., Awaitable[Any]]:
    # Datasette gives arguments by name.
    async def view(datasette: Datasette, request: Any) -> Any:
        return await _answer(datasette, request, page)

    return view


async def database_of(datasette: Datasette, request: Any) -> Database:
    """Return the database that an address names. Raises NotFound, and Forbidden where the visitor may not view it."""
    from datasette.utils import tilde_decode
    from datasette.utils.asgi import Forbidden, NotFound

    try:
        database = datasette.get_database(route=tilde_decode(request.url_vars["database"]))
    except KeyError:
        raise NotFound("Database not found") from None
    if not await may_view(datasette, request.actor, database.name):
        raise Forbidden("You do not have permission to view this database")
    return database


async def _answer(datasette: Datasette, request: Any, page: Page) -> Any:
    from datasette.utils.asgi import Forbidden, Response

    from datasette_dnpc.pages import PAGES

    database = await database_of(datasette, request)
    if not await is_dnpc(database):
        return await _no_pages(datasette, database, request)
    visit = Visit(datasette, database, request, page)
    visit._may_query = await may_query(datasette, request.actor, database.name)
    context: Context = {}
    with visit.within_limit():
        context = await page.context(visit)
    if not await visit.may_be_shown():
        raise Forbidden("You do not have permission to view all that this page is made of")
    shared: Context = {
        "page": page,
        "pages": PAGES.values(),
        "visit": visit,
        "database": database.name,
        "database_file": file_name(database),
        "error": visit.error,
        "made_of": visit.sources,
        "path": visit.url(page.name, visit.item),
        "duration_text": duration_text,
        "iso_time": iso_time,
        "printable": _printable,
        "json_text": json_text,
    }
    html = await datasette.render_template(page.template, {**shared, **context}, request=request)
    return Response.html(_without_hiding(html), status=503 if visit.error else 200)


async def _no_pages(datasette: Datasette, database: Database, request: Any) -> Any:
    """Answer for a database without pages: one of another version of dnpc gets a page that says what to do."""
    from datasette.utils.asgi import NotFound, Response

    why = await other_version(database)
    if why is None:
        raise NotFound("This database was not made by dnpc")
    context = {"database": database.name, "why": why}
    html = await datasette.render_template("dnpc_other_version.html", context, request=request)
    return Response.html(html, status=404)


async def other_version(database: Database) -> str | None:
    """Say why a database that another version of dnpc made has no pages, and the way out; None for all others."""
    if database.name.startswith("_") or not {*await database.table_names(), *await database.view_names()} >= TABLES:
        return None
    why: str | None = await database.execute_fn(lambda conn: no_answer(conn, Path(file_name(database))))
    return why


def file_name(database: Database) -> str:
    """Return the name of a database's file, without its folder."""
    return Path(database.path).name if database.path else str(database.name)


_HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Texts go over several lines.
_SHOWN = re.compile(r'>[^<]*|\b(?:title|aria-label|alt)="[^"]*"', re.DOTALL)


def _without_hiding(html: str) -> str:
    """Replace in what a page shows the characters of names that control a terminal, or turn text round.

    The values of fields and links stay as they are: they ask for just these names.
    """
    if not _HIDING.search(html):
        return html
    return _SHOWN.sub(lambda shown: _HIDING.sub("\N{REPLACEMENT CHARACTER}", shown[0]), html)


def _printable(value: object) -> str:
    """Return text without characters that hide or turn round what stands near them."""
    return "" if value is None else printable(str(value), keep="\n")


def json_text(value: Any) -> str:
    """Return a value out of JSON as text: a text as it is, else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
