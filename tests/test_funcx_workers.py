"""Which task was on which worker of a funcX endpoint, and when: what the queries about workers read."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasette_dnpc import queries
from tests.imports import dnpc, query
from tests.test_funcx import ENDPOINT, MANAGER, endpoint_folder, endpoint_rows

TASKS = range(6)


@pytest.mark.parametrize("compute", [False, True])
def test_tasks_of_workers(tmp_path: Path, compute: bool) -> None:
    database = tmp_path / "dnpc.sqlite3"
    folder = endpoint_folder(tmp_path / "endpoint", TASKS, compute=compute)
    dnpc("import", folder, "--db", database, "--quiet", "--timezone", "+02:00")
    events, nested = endpoint_rows(TASKS, compute=compute)
    times = {(key, event): time for span_type, key, event, time in events if span_type == "funcx.worker.task"}
    on = {
        key: worker
        for outer, worker, inner, key, _ in nested
        if (outer, inner) == ("funcx.worker", "funcx.worker.task")
    }
    expected = {(on[key], key, times[key, "worker.received"], times[key, "worker.completed"]) for key in on}
    assert len(expected) == len(TASKS)
    found = query(
        database,
        """SELECT workers.key, tasks.key, stays.began, stays.ended, stays.ended_logged, slot, whole.key, types.name
           FROM stays JOIN spans AS workers ON workers.id = worker JOIN spans AS tasks ON tasks.id = span
           JOIN spans AS whole ON whole.id = task JOIN span_types AS types ON types.id = whole.type""",
    )
    assert {row[:4] for row in found} == expected
    assert {row[4:6] for row in found} == {(1, 0)}
    # What the next task was doing while a worker was idle is what the endpoint knows of it.
    assert {row[6:] for row in found} == {(key, "funcx.endpoint.task") for key in on}
    rows = queries.rows(database, "workers")
    overview = queries.rows(database, "runs_overview", run=ENDPOINT)
    assert overview[0]["workers"] == len(rows) == len(set(on.values()))
    assert all(row["worker"].startswith(MANAGER) and row["tasks"] > 0 for row in rows)
    assert sum(row["task_seconds"] for row in rows) == pytest.approx(sum(end - begin for _, _, begin, end in expected))
