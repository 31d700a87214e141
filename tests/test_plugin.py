"""The plugin in Datasette, 0.65 and 1.0 alike."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.utils import parse_metadata

from datasette_dnpc.sql_files import queries
from tests import synthetic

ROOT = Path(__file__).parent.parent
NEW = hasattr(Datasette, "add_query")
"""Datasette 1.0, where configuration is no part of metadata."""


async def serve(*paths: Path, **settings: Any) -> Datasette:
    datasette = Datasette([str(path) for path in paths], **settings)
    await datasette.invoke_startup()
    return datasette


def configured(config: dict[str, Any]) -> dict[str, Any]:
    return {"config" if NEW else "metadata": config}


async def rows(datasette: Datasette, path: str) -> list[dict[str, Any]]:
    response = await datasette.client.get(path)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


@pytest.mark.asyncio
async def test_plugin_is_installed(synthetic_db: Path) -> None:
    datasette = await serve(synthetic_db)
    plugins = {plugin["name"]: plugin for plugin in await rows(datasette, "/-/plugins.json?all=1")}
    assert "datasette-dnpc" in plugins
    # Datasette only says which hooks it knows and found: none may be misspelt.
    assert {"prepare_connection", "register_output_renderer", "register_routes"} <= set(
        plugins["datasette-dnpc"]["hooks"]
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("name", list(queries()))
async def test_query_opens_from_the_bare_link(synthetic_db: Path, name: str) -> None:
    datasette = await serve(synthetic_db)
    found = await rows(datasette, f"/dnpc/{name}.json?_shape=array")
    assert 0 < len(found) < 1000
    assert list(found[0]) == list(queries()[name].columns)
    page = await datasette.client.get(f"/dnpc/{name}")
    assert page.status_code == 200
    assert queries()[name].title in page.text
    for param in queries()[name].params:
        assert f'name="{param}"' in page.text


@pytest.mark.asyncio
@pytest.mark.parametrize("name", list(queries()))
async def test_query_opens_on_an_empty_database(empty_db: Path, name: str) -> None:
    datasette = await serve(empty_db)
    assert await rows(datasette, f"/dnpc/{name}.json?_shape=array") == []
    assert (await datasette.client.get(f"/dnpc/{name}")).status_code == 200


@pytest.mark.asyncio
async def test_database_page_links_to_charts(synthetic_db: Path) -> None:
    datasette = await serve(synthetic_db)
    page = (await datasette.client.get("/dnpc")).text
    names = [name for name in queries() if f"/dnpc/{name}" in page]
    # 1.0 shows only the first few, and links to the rest.
    assert len(names) >= (5 if NEW else len(queries()))
    assert any(str(query.fragment).replace("&", "&amp;") in page for query in queries().values())


@pytest.mark.asyncio
async def test_other_databases_have_no_queries(other_db: Path, synthetic_db: Path) -> None:
    datasette = await serve(other_db, synthetic_db)
    assert (await datasette.client.get("/other/durations")).status_code == 404
    page = await datasette.client.get("/other")
    assert page.status_code == 200 and "dnpc/other" not in page.text.split("<section")[1]


@pytest.mark.asyncio
async def test_queries_are_there_whatever_the_name(hostile_db: Path) -> None:
    datasette = await serve(hostile_db)
    url = datasette.urls.query("a b.c'd", "durations", format="json")
    assert await rows(datasette, f"{url}?_shape=array")


@pytest.mark.asyncio
async def test_query_of_the_user_stays(synthetic_db: Path) -> None:
    own = {"databases": {"dnpc": {"queries": {"durations": {"sql": "select 1 as mine"}}}}}
    datasette = await serve(synthetic_db, **configured(own))
    for _ in range(2):
        assert await rows(datasette, "/dnpc/durations.json?_shape=array") == [{"mine": 1}]
    assert len(await rows(datasette, "/dnpc/slowest_spans.json?_shape=array")) == 30


@pytest.mark.asyncio
async def test_queries_answer_where_sql_is_not_allowed(synthetic_db: Path) -> None:
    datasette = await serve(synthetic_db, **configured({"databases": {"dnpc": {"allow_sql": False}}}))
    assert await rows(datasette, "/dnpc/durations.json?_shape=array")


@pytest.mark.asyncio
async def test_functions_are_in_sql(synthetic_db: Path) -> None:
    datasette = await serve(synthetic_db)
    sql = "select median(value) as m, surrogate_key('a', 1) as k from json_each('[1, 2, 9]')"
    response = await datasette.client.get("/dnpc.json", params={"sql": sql, "_shape": "array"}, follow_redirects=True)
    [row] = response.json()
    assert row["m"] == 2 and len(row["k"]) == 36


@pytest.mark.asyncio
async def test_metadata_file(synthetic_db: Path) -> None:
    metadata = parse_metadata((ROOT / "metadata.yml").read_text(encoding="utf-8"))
    datasette = await serve(synthetic_db, metadata=metadata)
    spans = (await datasette.client.get("/dnpc/spans")).text
    assert "Time of the first event" in spans
    # Foreign keys show names: not in a view, but in the table that it shows.
    kept = (await datasette.client.get("/dnpc/span_rows")).text
    assert ">demo.py 000</a>" in kept and f">{synthetic.TASK}</a>" in kept
    with closing(sqlite3.connect(synthetic_db)) as conn:
        names = {row[0] for row in conn.execute("SELECT name FROM sqlite_master")}
    tables = metadata["databases"]["dnpc"]["tables"]
    assert set(tables) <= names
    for name, about in tables.items():
        assert (await datasette.client.get(f"/dnpc/{name}")).status_code == 200
        with closing(sqlite3.connect(synthetic_db)) as conn:
            columns = {row[1] for row in conn.execute(f"PRAGMA table_info({name})")}
        mentioned = {about.get("label_column"), about.get("sort"), about.get("sort_desc")} - {None}
        assert mentioned | set(about.get("columns", {})) <= columns


def test_import_of_sql_files_needs_no_datasette() -> None:
    """`dnpc import` makes the views, and must start without Datasette and matplotlib."""
    code = (
        "import json, sys, datasette_dnpc.sql_files as files; files.views();"
        "sys.stdout.write(json.dumps(sorted(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert not {"datasette", "matplotlib", "numpy"} & set(json.loads(output.stdout))
