"""What failed tries said, as the query failures and the page of a run tell it, against monitoring.db."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from datasette.app import Datasette

from datasette_dnpc import queries
from tests.imports import dnpc
from tests.runs import DATA
from tests.test_pages_why_failed import failed_tries
from tests.test_site import address, cells, get


def imported(path: Path, *logs: Path) -> Path:
    assert dnpc("import", *logs, "--db", path, "--quiet").exit_code == 0
    return path


def said(monitoring: Path) -> dict[tuple[str, str, str], set[str]]:
    """Return run, app and state to the first lines of what such tries said."""
    with closing(sqlite3.connect(monitoring)) as conn:
        apps = {(run, task): app for run, task, app in conn.execute("SELECT run_id, task_id, task_func_name FROM task")}
    found: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for (run, task), tries in failed_tries(monitoring).items():
        for _, state, message in tries:
            found[run, apps[run, task], state] |= {message.splitlines()[0]} if message else set()
    return dict(found)


@pytest.mark.parametrize("only", ["", "monitoring.db"], ids=["all logs", "monitoring.db alone"])
@pytest.mark.parametrize("sample", ["runinfo", "htex-chicago", "workqueue"])
def test_messages_are_those_of_monitoring(tmp_path: Path, sample: str, only: str) -> None:
    database = imported(tmp_path / "dnpc.sqlite3", DATA / sample / only)
    expected = said(DATA / sample / "monitoring.db")
    assert expected
    for run in {key[0] for key in expected}:
        found: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        counted: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        for row in queries.rows(database, "failures", run=run):
            key = run, row["app"], row["state"]
            found[key] |= {row["message"]} - {None}
            counted[key] += row["messages"]
        for key, messages in expected.items():
            if key[0] == run:
                assert found[key] <= messages and bool(found[key]) == bool(messages)
                assert min(messages, default=None) == min(found[key], default=None)
                assert counted[key] == len(messages)


def test_no_message_without_monitoring(tmp_path: Path) -> None:
    database = imported(tmp_path / "dnpc.sqlite3", *(DATA / "workqueue").rglob("parsl.log"))
    rows = queries.rows(database, "failures")
    assert rows and {(row["message"], row["messages"]) for row in rows} == {(None, 0)}


@pytest.mark.asyncio
async def test_page_shows_the_first_line_escaped_and_cut(tmp_path: Path) -> None:
    database = imported(tmp_path / "dnpc.sqlite3", DATA / "workqueue")
    text = "<script>alert(1)</script>" + 900 * "é" + "\r\nsecond line"
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute(
            """UPDATE spans SET attributes = json_object('failure', ?)
               WHERE type = (SELECT id FROM span_types WHERE name = 'parsl.monitoring.try')
                   AND json_extract(attributes, '$.failure') IS NOT NULL""",
            [text],
        )
    page = await get(Datasette([str(database)]), address(database, "run") + "?part=layers")
    rows = list(cells(page, "Failures"))
    assert rows and {row[-1] for row in rows} - {""} == {text[:300]}
    assert "<script>alert" not in page and "second line" not in page
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute(
            "UPDATE spans SET attributes = json_object('failure', ?) WHERE json_extract(attributes, '$.failure') > ''",
            ["short\r\nsecond line"],
        )
    assert {row["message"] for row in queries.rows(database, "failures")} == {"short"}
