"""Databases of an older or newer dnpc, and of other programs: refused by all that reads or writes, with the way out."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from datasette.app import Datasette

from datasette_dnpc import plots, queries
from datasette_dnpc.commands import names
from importers.schema import VERSION
from tests.imports import dnpc, names_in
from tests.runs import DATA

LOG = DATA / "two-htex"

VERSIONS = "another version of dnpc (schema {}, this one has {})"

WAY_OUT = {
    "older": f"{VERSIONS.format(VERSION - 1, VERSION)}. Import the logs into a new database",
    "newer": f"{VERSIONS.format(VERSION + 1, VERSION)}. Upgrade dnpc, or import the logs into a new database",
    "first": "is no dnpc database: it has no table",
    "others": "is no dnpc database: it is a monitoring.db of Parsl",
    "served": "is no dnpc database: it has no table",
}


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, synthetic_db: Path) -> Path:
    kind, path = request.param, tmp_path / "dnpc.sqlite3"
    if kind in ("older", "newer"):
        shutil.copy(synthetic_db, path)
    elif kind == "others":
        shutil.copy(DATA / "runinfo" / "monitoring.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        if kind in ("older", "newer"):
            conn.execute(f"PRAGMA user_version = {VERSION + (1 if kind == 'newer' else -1)}")
        elif kind == "first":
            for table in ("span", "event", "subspan", "facet"):
                conn.execute(f"CREATE TABLE {table} (uuid)")
        elif kind == "served":
            # In write-ahead mode, as other programs keep theirs.
            conn.execute("PRAGMA journal_mode = WAL")
            conn.execute("CREATE TABLE spans (id)")
    return path


every_kind = pytest.mark.parametrize(("database", "kind"), [(kind, kind) for kind in WAY_OUT], indirect=["database"])


@every_kind
def test_every_command(database: Path, kind: str) -> None:
    content = database.read_bytes()
    others = {
        "graph": ["graph"],
        "plan": ["plan", "durations"],
        "plot": ["plot", "durations", str(database.parent / "x.png")],
    }
    commands = [
        ["import", str(LOG)],
        ["import", str(LOG), "--jobs", "2"],
        ["sources"],
        ["sources", "--check"],
        ["serve"],
    ]
    commands += [others.get(name, [name]) for found in names().values() for name in found]
    assert len(commands) > 40
    for words in commands:
        result = dnpc(*words, "--db", database)
        assert result.exit_code == 1, words
        [line] = result.output.splitlines()
        assert line.startswith(f"Error: {database} ") and WAY_OUT[kind] in line and "--db" in line, words
    assert database.read_bytes() == content
    # Who may only read can not remove what SQLite itself makes for that in write-ahead mode.
    assert set(names_in(database.parent)) <= {database.name, *(f"{database.name}-{end}" for end in ("wal", "shm"))}


@every_kind
@pytest.mark.parametrize(
    "ask",
    [
        lambda path: queries.rows(path, "slowest_spans"),
        lambda path: queries.rows(str(path), "states_over_time"),
        lambda path: plots.durations(path, "durations"),
        lambda path: plots.states(str(path), "states_over_time"),
    ],
)
def test_scripts(database: Path, kind: str, ask: Callable[[Path], object]) -> None:
    with pytest.raises(queries.NoAnswer) as refused:
        ask(database)
    assert WAY_OUT[kind] in str(refused.value)


def test_sql_of_ones_own_reads_any_database(tmp_path: Path) -> None:
    """Only what the canned queries say is dnpc's."""
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as conn, conn:
        conn.execute("CREATE TABLE jobs (began REAL, ended REAL)")
        conn.execute("INSERT INTO jobs VALUES (1, 2)")
    assert plots.timeline(tmp_path / "other.sqlite3", "SELECT began, ended FROM jobs")


@every_kind
@pytest.mark.asyncio
async def test_datasette(database: Path, kind: str) -> None:
    """It serves the tables as of any database, but neither pages nor queries that would be wrong."""
    datasette = Datasette([str(database)])
    await datasette.invoke_startup()
    assert (await datasette.client.get("/dnpc")).status_code == 200
    page = await datasette.client.get("/-/dnpc/dnpc")
    assert page.status_code == 404
    assert (WAY_OUT[kind] if kind in ("older", "newer") else "This database was not made by dnpc") in unescape(
        page.text
    )
    assert (await datasette.client.get("/dnpc/slowest_spans.json")).status_code == 404


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1, 2**31 - 1, -1])
def test_an_import_looks_at_the_version_first(tmp_path: Path, version: int) -> None:
    database = tmp_path / "dnpc.sqlite3"
    assert dnpc("import", LOG, "--db", database).exit_code == 0
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (VERSION,)
        conn.execute(f"PRAGMA user_version = {version}")
    content = database.read_bytes()
    result = dnpc("import", DATA / "runinfo", "--db", database)
    assert result.exit_code == 1 and f"schema {version}, this one has {VERSION}" in result.output
    assert database.read_bytes() == content
    # The way out.
    assert dnpc("import", LOG, "--db", tmp_path / "new.sqlite3").exit_code == 0
