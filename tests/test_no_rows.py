"""Who gets no rows is told why: nothing was imported, no log tells of it, it has another name, or it did not happen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from datasette.app import Datasette
from playwright.sync_api import Page

from datasette_dnpc import queries as answers
from datasette_dnpc.no_rows import KINDS, why
from datasette_dnpc.sql_files import SqlFileError, create_views, parse, queries
from importers.cli import main
from tests import test_browser
from tests.imports import import_logs, query
from tests.managers import log_alone
from tests.runs import DATA
from tests.test_browser import served

browser, page = test_browser.browser, test_browser.page
ABOUT = [name for name, query in queries().items() if query.about]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of HTEX with monitoring, and one of Work Queue of which only the manager's log tells."""
    path = tmp_path_factory.mktemp("none") / "runs.sqlite3"
    alone = log_alone(path.parent)
    import_logs(path, DATA / "runinfo", alone, finish=create_views)
    return path


def told(database: Path, name: str, **params: str) -> str:
    """Return what the command says where it has no rows."""
    options = [word for key, value in params.items() for word in (f"--{key.replace('_', '-')}", value)]
    result = CliRunner().invoke(main, [name.replace("_", "-"), "--db", str(database), "--format", "csv", *options])
    assert result.exit_code == 0 and result.stdout.count("\n") == 1, result.output
    return result.stderr.removeprefix("No rows.").strip()


def manager(database: Path) -> str:
    ((key,),) = query(database, "SELECT key FROM runs WHERE name LIKE 'Work Queue%'")
    return str(key)


def runs_of(database: Path, kind: str) -> set[int]:
    return {run for (run,) in query(database, KINDS[kind].sql)}


def test_what_queries_are_about_is_known() -> None:
    assert {name for query in queries().values() for name in query.about} == KINDS.keys()


@pytest.mark.parametrize("name", [name for name in ABOUT if "run" in queries()[name].params])
def test_what_has_rows_is_not_said_to_be_untold(database: Path, name: str) -> None:
    """And the other way round: where no log tells of it, there are no rows."""
    for number, key in query(database, "SELECT id, key FROM runs"):
        untold = [kind for kind in queries()[name].about if number not in runs_of(database, kind)]
        rows = answers.rows(database, name, run=key)
        assert not (rows and untold)
        if not rows:
            with closing(sqlite3.connect(database)) as conn:
                reason = why(conn, queries()[name], {"run": key})
            assert reason.startswith("No log of this run tells of") == bool(untold), reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_without_it(tmp_path: Path, kind: str) -> None:
    """Of no run, of one that has it not, and of the runs that have."""
    [name, *_] = [name for name in ABOUT if queries()[name].about[0] == kind] or ["dependencies"]
    path = tmp_path / "metric.sqlite3"
    log = tmp_path / "app.log"
    log.write_text("1662000000.5 METRIC STEP began\n1662000001.5 METRIC STEP ended\n")
    with closing(sqlite3.connect(path)) as conn:
        from importers.schema import create_indexes, create_tables

        create_tables(conn)
        create_indexes(conn)
        create_views(conn)
        conn.execute("INSERT INTO runs (key, name) VALUES ('r', 'a run')")
        assert f"No log that was imported tells of {KINDS[kind].what}: " in why(conn, queries()[name], {})
        conn.execute("DELETE FROM runs")
        assert why(conn, queries()[name], {}).startswith("No run is in this database.")


def test_runs_that_have_it_are_named(database: Path) -> None:
    reason = told(database, "tasks", run=manager(database))
    assert reason.startswith("No log of this run tells of tasks of Parsl: parsl.log or monitoring.db would.")
    names = [name for (name,) in query(database, "SELECT name FROM runs WHERE name NOT LIKE 'Work Queue%'")]
    assert len(names) > 1 and all(repr(name) in reason for name in names)


def test_what_did_not_happen(database: Path) -> None:
    assert told(database, "unmatched_report", run=manager(database)) == "Everything was understood."
    # Where it is asked for less, that may be why.
    assert told(database, "unmatched_report", source="no such") == "Nothing fits source 'no such'."


def test_filters_that_leave_nothing(database: Path) -> None:
    ((app,), *_) = query(database, "SELECT DISTINCT app FROM task_totals WHERE outcome = 'done' ORDER BY app")
    ((outcome,), *_) = query(
        database,
        "SELECT DISTINCT outcome FROM task_totals WHERE outcome NOT IN (SELECT outcome FROM task_totals WHERE app = ?)",
        app,
    )
    reason = told(database, "tasks", app=app, outcome=outcome, rows="3")
    assert reason == f"Nothing fits app {app!r} and outcome {outcome!r} together."
    assert told(database, "transfers_by_file", direction="sideways") == "Nothing fits direction 'sideways'."


def test_names_of_events_outcomes_and_workers(database: Path) -> None:
    assert told(database, "durations", start_event="lunched").startswith(
        "There is no event type 'lunched'. There are '"
    )
    assert "'launched'" in told(database, "durations", start_event="lunched")
    assert told(database, "tasks", outcome="don").startswith("There is no outcome 'don'. There are 'done'")
    assert told(database, "worker_gantt", worker="9").startswith("There is no worker '9'. There are '")
    # A state is no event type, but known.
    reason = told(database, "event_pairs", start_state="parsl.rundir.try/launched", end_state="no such")
    assert reason.startswith("There is no event type 'no such'.") and reason.count("There is no") == 1


def test_tags_in_the_head_of_a_query() -> None:
    head = "/*\n@title T\n@description D\n@about tasks\n    workers\n@none Nothing happened.\n*/\nselect 1"
    file = parse("x", head)
    assert (file.about, file.none) == (("tasks", "workers"), "Nothing happened.")
    assert parse("x", "/*\n@title T\n@description D\n*/\nselect 1").none == ""
    with pytest.raises(SqlFileError, match="wants one @none"):
        parse("x", head.replace("@none", "@none Twice.\n@none"))


async def asked(datasette: Datasette, path: str, status: int = 200) -> str:
    await datasette.invoke_startup()
    response = await datasette.client.get(path)
    assert response.status_code == status, response.text
    return str(json.loads(response.text)["why"]) if status == 200 else ""


@pytest.mark.asyncio
async def test_route_tells_what_the_command_tells(database: Path) -> None:
    datasette = Datasette([str(database)])
    for name, params in (
        ("tasks", {"run": manager(database)}),
        ("slowest_spans", {"app": "no such"}),
        ("unmatched_report", {"run": manager(database)}),
    ):
        path = f"/-/dnpc/runs/why/{name}?" + "&".join(f"{key}={value}" for key, value in params.items())
        with closing(sqlite3.connect(database)) as conn:
            assert await asked(datasette, path) == why(conn, queries()[name], params) != ""
    await asked(datasette, "/-/dnpc/runs/why/no_such_query", 404)
    await asked(datasette, "/-/dnpc/no_such_database/why/tasks", 404)


@pytest.mark.asyncio
@pytest.mark.parametrize("hidden", ["queries", "tables"])
async def test_route_tells_nothing_of_what_is_not_for_all(database: Path, hidden: str) -> None:
    new = hasattr(Datasette, "add_query")
    # Datasette 1.0 wants the SQL with the rule.
    rule: dict[str, object] = {"allow": False, "sql": queries()["tasks"].sql} if new else {"allow": False}
    what = {"queries": {"tasks": rule}, "tables": {"task_totals": {"allow": False}}}[hidden]
    option = "config" if new else "metadata"
    datasette = Datasette([str(database)], **{option: {"databases": {"runs": {hidden: what}}}})
    await asked(datasette, "/-/dnpc/runs/why/tasks?run=x", 403)


@pytest.mark.asyncio
async def test_page_of_a_run_says_why(database: Path) -> None:
    datasette = Datasette([str(database)])
    await datasette.invoke_startup()

    async def shown(arguments: str) -> str:
        response = await datasette.client.get(f"/-/dnpc/runs/run/{manager(database)}?{arguments}")
        return unescape(response.text)

    assert "No log of this run tells of blocks: parsl.log or monitoring.db would." in await shown("part=blocks")
    assert "No log of this run tells of tasks of Parsl: " in await shown("part=layers")
    of_app = await shown("app=<b>no+such")
    assert of_app.count("There is no app '<b>no such'. There are '") == 2
    hostile = await datasette.client.get(f"/-/dnpc/runs/run/{manager(database)}?app=<b>no+such")
    assert "<b>no" not in hostile.text


@pytest.fixture(scope="module")
def site(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(database, tmp_path_factory.mktemp("server") / "log") as address:
        yield f"{address}/runs"


@pytest.mark.browser
def test_page_of_a_query_says_why(page: Page, site: str, database: Path) -> None:
    page.goto(f"{site}/tasks?app=%3Cb%3Eno+such")
    page.wait_for_selector(".dnpc-why")
    assert page.inner_text(".dnpc-why") == told(database, "tasks", app="<b>no such")
    with page.expect_response(lambda response: "no_rows.js" in response.url):
        page.goto(f"{site}/tasks?app=")
    assert page.query_selector(".dnpc-why") is None and page.query_selector("table")
