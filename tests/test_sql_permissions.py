"""SQL of others: every address keeps to what Datasette allows, and nothing asked for writes or reads another file."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from datasette.app import Datasette
from datasette.utils import tilde_encode

from datasette_dnpc import plots, queries
from datasette_dnpc.pages import PAGES
from datasette_dnpc.render import shape
from datasette_dnpc.sql_files import page_sql
from datasette_dnpc.sql_files import queries as canned
from datasette_dnpc.sql_tables import tables_read
from importers.readonly import open_readonly
from tests.imports import dnpc, names_in

NEW = hasattr(Datasette, "add_query")
"""Whether this is Datasette 1.0, which has rules in its configuration."""

ROOT_ONLY = {"allow": {"id": "root"}}
SQL = "select 'a' as state, 1.0 as time, 1 as change, 0.5 as began, 1.5 as ended"


@pytest.fixture
def database(synthetic_db: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(synthetic_db, tmp_path / "own.sqlite3"))


def digest(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


async def served(database: Path, rule: dict[str, Any] | None = None) -> Datasette:
    rules = {"databases": {database.stem: rule}} if rule else {}
    settings = {"sql_time_limit_ms": 60_000}
    datasette = Datasette([str(database)], settings=settings, **{"config" if NEW else "metadata": rules})
    await datasette.invoke_startup()
    return datasette


async def status(datasette: Datasette, path: str, root: bool = False) -> int:
    cookies = {"ds_actor": datasette.sign({"a": {"id": "root"}}, "actor")} if root else {}
    response = await datasette.client.get(path, cookies=cookies, follow_redirects=True)
    return int(response.status_code)


def drawn() -> list[str]:
    return [name for name, query in canned().items() if shape(list(query.columns))]


def every_address(database: str) -> list[str]:
    """Return an address of each kind that shows something of the database."""
    pages = [f"/-/dnpc/{database}/{page.path}".rstrip("/") for page in PAGES.values()]
    answers = [f"/{database}/{name}{end}" for name in ("durations", "failures") for end in ("", ".json", ".csv")]
    pictures = [f"/{database}/durations.png", f"/{database}/durations.svg"]
    tables = [f"/{database}/events", f"/{database}/event.svg", f"/{database}/events.json"]
    return [*pages, *answers, *pictures, *tables]


@pytest.mark.asyncio
async def test_a_database_that_is_not_for_all(database: Path) -> None:
    datasette = await served(database, ROOT_ONLY)
    for address in every_address("own"):
        assert await status(datasette, address) == 403, address
    for address in (f"/-/dnpc/own/{page.path}".rstrip("/") for page in PAGES.values()):
        assert await status(datasette, address, root=True) == 200, address
    home = await datasette.client.get("/")
    assert "dnpc/own" not in home.text


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["", ".json", ".csv", ".png", ".svg"])
async def test_sql_that_is_not_for_all(database: Path, end: str) -> None:
    datasette, open_to_all = await served(database, {"allow_sql": False}), await served(database)
    places = [f"/own{end}?sql={quote(SQL)}", f"/own/events{end}?_where=1=1"]
    if NEW:
        places.append(f"/own/-/query{end}?sql={quote(SQL)}")
    for place in places:
        if end == ".csv" and "/events" in place:
            continue  # Datasette 0.65 sends its refusal in the middle of a stream
        refused = await status(datasette, place)
        assert refused in (400, 403), (place, refused)
        if "_where" not in place:
            assert await status(open_to_all, place) == 200, place
    # What is no SQL of the visitor's own is there.
    assert await status(datasette, "/own/durations.svg") == await status(datasette, "/own/durations.json") == 200
    for page in PAGES.values() if not end else ():
        assert await status(datasette, f"/-/dnpc/own/{page.path}".rstrip("/")) == 200


def made_of(page: str) -> list[str]:
    """Return canned queries that a page shows when nothing is asked for."""
    return {
        "runs": ["runs_overview"],
        "run": ["runs_overview", "run_phases"],
        "import": ["unmatched_report", "join_report"],
        "span": ["slowest_spans"],
        "sequences": ["event_steps"],
        "distributions": ["event_pairs"],
    }[page]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
async def test_a_query_that_is_not_for_all(database: Path, name: str) -> None:
    for query in made_of(name):
        # Datasette 1.0 wants the SQL with the rule.
        rule = {**ROOT_ONLY, "sql": canned()[query].sql} if NEW else ROOT_ONLY
        datasette = await served(database, {"queries": {query: rule}})
        for end in ("", ".json", *((".svg", ".png") if query in drawn() else ())):
            assert await status(datasette, f"/own/{query}{end}") == 403, (query, end)
        address = f"/-/dnpc/own/{PAGES[name].path}".rstrip("/")
        assert await status(datasette, address) == 403, query
        assert await status(datasette, address, root=True) == 200
        assert await status(datasette, "/own/blocks.json") == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("table", "refused"),
    [
        ("runs", set(PAGES)),
        ("unmatched", {"import"}),
    ],
)
async def test_a_table_that_is_not_for_all(database: Path, table: str, refused: set[str]) -> None:
    datasette = await served(database, {"tables": {table: ROOT_ONLY}})
    for name, page in PAGES.items():
        address = f"/-/dnpc/own/{page.path}".rstrip("/")
        assert await status(datasette, address) == (403 if name in refused else 200), name
    assert await status(datasette, "/-/dnpc/own/import", root=True) == 200
    for end in ("", ".json", ".svg"):
        assert await status(datasette, f"/own/{table}{end}") == 403


def test_what_sql_reads_is_known() -> None:
    assert tables_read("select key from spans") >= {"span_rows"}
    assert tables_read("select span_uuid from event where time > :time") >= {"events", "span_rows", "event_types"}
    assert tables_read("select name from sqlite_master") == frozenset()
    with pytest.raises(sqlite3.Error):
        tables_read("select nothing from nowhere")
    for name, query in {**canned(), **page_sql()}.items():
        assert tables_read(query.sql) & {
            "span_rows",
            "span_types",
            "runs",
            "sources",
            "records",
            "metrics",
            "variants",
        }, name


def harmful(folder: Path) -> list[str]:
    other = folder / "written.sqlite3"
    return [
        f"ATTACH DATABASE '{other}' AS other",
        f"ATTACH 'file:{other}?mode=rwc' AS other",
        "ATTACH ':memory:' AS other",
        f"VACUUM INTO '{other}'",
        "VACUUM",
        "INSERT INTO spans (uuid, type, key) VALUES ('x', 1, 'x')",
        "DELETE FROM spans",
        "UPDATE runs SET name = 'x'",
        "DROP TABLE events",
        "CREATE TABLE x (y)",
        "PRAGMA user_version = 7",
        "PRAGMA writable_schema = 1",
        "PRAGMA journal_mode = WAL",
        "REINDEX",
        "WITH x AS (SELECT 1) DELETE FROM spans",
        "SELECT load_extension('x')",
        f"SELECT writefile('{other}', 'x')",
        f"SELECT readfile('{other}')",
        "SELECT 1; DELETE FROM spans",
        "REPLACE INTO runs (id, key) VALUES (1, 'x')",
        "EXPLAIN DELETE FROM spans",
    ]


@pytest.mark.asyncio
async def test_sql_in_an_address_can_not_harm(database: Path, tmp_path: Path) -> None:
    datasette = await served(database)
    before, names = digest(database), names_in(tmp_path)
    for number, statement in enumerate(harmful(tmp_path)):
        sql = quote(statement)
        # Few are drawn, which takes longest.
        page = list(PAGES.values())[number % len(PAGES)]
        for place in (
            *(f"/own{end}?sql={sql}" for end in ("", ".json", ".svg")),
            f"/own/-/query.json?sql={sql}",
            f"/own/durations.json?run={sql}&span_type={sql}&sql={sql}",
            f"/own/unmatched.svg?_where={sql}&_plot={sql}",
            f"/-/dnpc/own/{page.path}?run={sql}&root_type={sql}&sql={sql}&key={sql}&app={sql}&part={sql}&page={sql}",
            f"/-/dnpc/own/span/{tilde_encode(statement)}",
            f"/-/dnpc/{tilde_encode(statement)}",
        ):
            response = await datasette.client.get(place, follow_redirects=True)
            assert response.status_code < 500, place
        assert (digest(database), names_in(tmp_path)) == (before, names), statement


@pytest.mark.parametrize("number", range(len(harmful(Path()))))
def test_sql_in_python_and_on_the_command_line_can_not_harm(database: Path, tmp_path: Path, number: int) -> None:
    before, names = digest(database), names_in(tmp_path)
    sql = harmful(tmp_path)[number]
    with pytest.raises(ValueError, match="is no query"):
        queries.rows(database, sql)
    for plot in (plots.states, plots.gantt, plots.histogram):
        # Some only fail for want of columns: they have changed nothing, as is seen below.
        with pytest.raises((sqlite3.Error, sqlite3.Warning, ValueError, TypeError)):
            plot(database, sql)
    queries.rows(database, "durations", run=sql, span_type=sql)
    for words in (("durations", "--run", sql), ("plot", sql, tmp_path / "x.svg"), ("graph", "--run", sql), (sql,)):
        result = dnpc(*words, "--db", database)
        assert result.exit_code in (0, 1, 2)
    assert digest(database) == before and names_in(tmp_path) == names


def test_a_connection_for_reading_reads_one_file(database: Path, tmp_path: Path) -> None:
    before = names_in(tmp_path)
    with open_readonly(database) as conn:
        assert conn.execute("SELECT count(*) > 0 FROM spans").fetchone() == (1,)
        for sql in harmful(tmp_path)[:4]:
            with pytest.raises(sqlite3.DatabaseError):
                conn.execute(sql)
        assert [name for _, name, _ in conn.execute("PRAGMA database_list")] == ["main"]
    assert names_in(tmp_path) == before


def test_the_statements_would_do_harm(database: Path, tmp_path: Path) -> None:
    """They are not refused for being wrong: with a connection that may write, most of them do something."""
    worked = 0
    for sql in harmful(tmp_path):
        with closing(sqlite3.connect(shutil.copy(database, tmp_path / "copy.sqlite3"), uri=True)) as conn:
            try:
                conn.execute(sql)
                worked += 1
            except (sqlite3.Error, sqlite3.Warning):
                continue
    assert worked > 12
