"""The page of a task says what became of it, and of each try that failed what monitoring.db has on it."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from datasette.app import Datasette

from importers.keys import surrogate_key
from tests.imports import dnpc

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parent / "data"
STATES = ("failed", "fail_retryable", "dep_fail")
TYPES = ("parsl.rundir", "parsl.monitoring")


def failed_tries(monitoring: Path) -> dict[tuple[str, int], list[tuple[str, str, str]]]:
    """Return run and task to key, state and message of each try that failed, as monitoring.db has them."""
    found = defaultdict(list)
    with closing(sqlite3.connect(monitoring)) as conn:
        for run, task, attempt, message, state in conn.execute(
            f"""SELECT run_id, task_id, try_id, task_fail_history, task_status_name
                FROM try JOIN status USING (run_id, task_id, try_id)
                WHERE task_status_name IN {STATES} ORDER BY try_id"""
        ):
            found[run, task].append((f"{task}/{attempt}", state, message or ""))
    return dict(found)


def tasks(monitoring: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(monitoring)) as conn:
        return conn.execute("SELECT run_id, task_id FROM task").fetchall()


async def told(datasette: Datasette, uuid: str) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the outcome, and key, state and message of the tries in the page's table of those that failed."""
    page = (await datasette.client.get(f"/-/dnpc/dnpc/span/{uuid}")).text
    outcome = re.search(r"<dt>Outcome</dt><dd[^>]*>([^<]*)<", page)
    table = page.partition('aria-label="Tries that failed"')[2].partition("</table>")[0]
    rows = re.findall(r'">([^<]*)</a></th><td>(\w+)</td><td[^>]*>[^<]*</td><td[^>]*>([^<]*)</td>', table)
    return outcome[1] if outcome else "", [(key, state, unescape(message)) for key, state, message in rows]


@pytest.mark.parametrize("sample", ["htex-chicago", "htex-crash", "workqueue"])
async def test_page_of_a_task_says_why_it_failed(tmp_path: Path, sample: str) -> None:
    database = tmp_path / "dnpc.sqlite3"
    dnpc("import", DATA / sample, "--db", database, "--quiet")
    datasette = Datasette([str(database)])
    failed = failed_tries(DATA / sample / "monitoring.db")
    assert failed
    for run, task in tasks(DATA / sample / "monitoring.db"):
        expected = failed.get((run, task), [])
        for account in TYPES:
            outcome, rows = await told(datasette, surrogate_key(f"{account}.task", run, task))
            assert rows == expected
            assert (outcome in ("failed", "dependency failed")) == any(state != STATES[1] for _, state, _ in expected)
        for key, state, message in expected:
            number = key.partition("/")[2]
            for account in TYPES:
                _, rows = await told(datasette, surrogate_key(f"{account}.try", run, task, int(number)))
                assert rows == [(key, state, message)]


async def test_a_message_is_escaped_and_cut(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    dnpc("import", DATA / "workqueue", "--db", database, "--quiet")
    text = "<script>alert(1)</script>" + 5000 * "é"
    with closing(sqlite3.connect(database)) as conn:
        [(uuid,)] = conn.execute(
            """SELECT spans.uuid FROM spans JOIN span_types ON span_types.id = type
               WHERE name = 'parsl.monitoring.try' AND json_extract(attributes, '$.failure') IS NOT NULL LIMIT 1"""
        )
        conn.execute("UPDATE spans SET attributes = json_object('failure', ?) WHERE uuid = ?", [text, uuid])
        conn.commit()
    datasette = Datasette([str(database)])
    page = (await datasette.client.get(f"/-/dnpc/dnpc/span/{uuid}")).text
    assert "<script>alert" not in page
    [(_, _, message)] = (await told(datasette, uuid))[1]
    assert message == text[:1000]


async def test_failures_of_a_run_lead_to_the_tasks(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    dnpc("import", DATA / "workqueue", "--db", database, "--quiet")
    datasette = Datasette([str(database)])
    page = (await datasette.client.get("/-/dnpc/dnpc/run?part=layers")).text
    links = re.findall(r'<a href="([^"#]*outcome=[^"#]*)[^"]*" aria-label="(\d+):', page)
    found: set[tuple[str, str]] = set()
    for link, count in links:
        path, _, arguments = unescape(link).partition("?")
        rows = (await datasette.client.get(f"{path}.json?_shape=array&{arguments}")).json()
        assert len(rows) == int(count)
        found |= {(str(row["task"]), row["outcome"]) for row in rows}
    expected = {
        (str(task), "failed" if state == "failed" else "dependency failed")
        for (_, task), tries in failed_tries(DATA / "workqueue" / "monitoring.db").items()
        for _, state, _ in tries
        if state != "fail_retryable"
    }
    assert found == expected and len(links) > 1
