"""Parsl itself runs a small workflow; its logs are imported as a user's are."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importers.keys import surrogate_key

pytestmark = pytest.mark.live

SCRIPT = Path(__file__).with_name("live_workflow.py")

MONITORING_TASK, MONITORING_TRY = "parsl.monitoring.task", "parsl.monitoring.try"
RUNDIR_TASK, RUNDIR_TRY = "parsl.rundir.task", "parsl.rundir.try"
INTERCHANGE = "parsl.executor.htex.interchange.task"
MANAGER = "parsl.executor.htex.manager.task"
WORKER = "parsl.executor.htex.worker.task"

BELOW = """
WITH RECURSIVE below(span) AS (
    SELECT id FROM spans WHERE uuid = ?
    UNION SELECT subspan FROM below JOIN subspans ON superspan = below.span
    UNION SELECT right FROM below JOIN facets ON left = below.span
    UNION SELECT left FROM below JOIN facets ON right = below.span
)
SELECT span_types.name FROM below
JOIN spans ON spans.id = below.span
JOIN span_types ON span_types.id = spans.type
"""

IN_RUN = """
SELECT spans.key FROM spans
JOIN span_types ON span_types.id = spans.type
JOIN runs ON runs.id = spans.run
WHERE span_types.name = ? AND runs.key = ?
"""

# Tasks of a layer, and how many of them lie in a span of the component that did the work.
INSIDE = """
SELECT count(DISTINCT task.id), count(DISTINCT CASE WHEN owner_type.name = ? THEN task.id END)
FROM spans AS task
JOIN span_types AS task_type ON task_type.id = task.type
LEFT JOIN subspans ON subspans.subspan = task.id
LEFT JOIN spans AS owner ON owner.id = subspans.superspan
LEFT JOIN span_types AS owner_type ON owner_type.id = owner.type
WHERE task_type.name = ?
"""


def run_process(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a process with the commands of this environment on PATH, as an activated one has."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done


@dataclass
class Live:
    """What a workflow said of its runs, and the database made of its logs."""

    runs: list[dict[str, Any]]
    conn: sqlite3.Connection

    def below(self, span_type: str, run_id: str, task: int) -> Counter[str]:
        """Return how many spans of each type belong to a task, itself included."""
        uuid = surrogate_key(span_type, run_id, task)
        return Counter(name for (name,) in self.conn.execute(BELOW, [uuid]))

    def keys(self, span_type: str, run_id: str) -> list[str]:
        """Return the keys of a run's spans of a type, sorted."""
        return sorted(key for (key,) in self.conn.execute(IN_RUN, [span_type, run_id]))


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run the workflow that the parameter names, import its runinfo, open the database."""
    folder = tmp_path_factory.mktemp(request.param)
    script = shutil.copy(SCRIPT, folder)
    runinfo, database = folder / "runinfo", folder / "dnpc.sqlite3"
    printed = run_process([sys.executable, str(script), request.param, str(runinfo)], folder).stdout
    command = [sys.executable, "-m", "importers.cli", "import", str(runinfo)]
    run_process([*command, "--db", str(database), "--quiet"], folder)
    with closing(sqlite3.connect(database)) as conn:
        yield Live(json.loads(printed), conn)


@pytest.mark.parametrize("live", ["monitored"], indirect=True)
def test_every_task_is_found_with_all_its_layers(live: Live) -> None:
    (run,) = live.runs
    states = Counter((task["app"], task["state"], task["tries"]) for task in run["tasks"])
    assert states == {
        ("add", "exec_done", 1): 16,  # ten plain, three dependent, three inside the join
        ("flaky", "exec_done", 2): 1,
        ("bad", "failed", 2): 1,
        ("add", "dep_fail", 1): 1,
        ("fan", "exec_done", 1): 1,
    }
    for task in run["tasks"]:
        found = live.below(MONITORING_TASK, run["run_id"], task["task"])
        if task["app"] == "fan":  # runs in Parsl's own thread, and its inner tasks lie in it
            assert all(found[x] for x in (MONITORING_TASK, MONITORING_TRY, RUNDIR_TASK, RUNDIR_TRY))
            continue
        assert (found[MONITORING_TASK], found[RUNDIR_TASK]) == (1, 1), task
        assert found[MONITORING_TRY] == task["tries"], task
        sent = 0 if task["state"] == "dep_fail" else task["tries"]
        layers = [found[x] for x in (INTERCHANGE, MANAGER, WORKER)]
        assert layers == [sent] * 3, task
        assert found[RUNDIR_TRY] == task["tries"] or not sent, task
    assert len(live.keys(MONITORING_TASK, run["run_id"])) == len(run["tasks"])
    assert len(live.keys(RUNDIR_TASK, run["run_id"])) == len(run["tasks"])


@pytest.mark.parametrize("live", ["monitored"], indirect=True)
@pytest.mark.parametrize("component", ["manager", "worker"])
def test_tasks_lie_in_the_component_that_did_them(live: Live, component: str) -> None:
    owner = f"parsl.executor.htex.{component}"
    ((tasks, owned),) = live.conn.execute(INSIDE, [owner, f"{owner}.task"])
    assert tasks == owned == 20  # 16 adds, and two tries each of flaky and bad


@pytest.mark.parametrize("live", ["two"], indirect=True)
def test_two_workflows_in_one_process_are_kept_apart(live: Live) -> None:
    assert len(live.runs) == 2
    for run, label in zip(live.runs, ("first", "second"), strict=True):
        run_id = run["run_id"]
        assert [task["task"] for task in run["tasks"]] == list(range(5))
        assert live.keys(RUNDIR_TASK, run_id) == [str(n) for n in range(5)]
        for layer in (INTERCHANGE, MANAGER, WORKER):
            assert live.keys(layer, run_id) == [f"{label}/{n}" for n in range(1, 6)]
        for task in run["tasks"]:
            found = live.below(RUNDIR_TASK, run_id, task["task"])
            layers = (RUNDIR_TASK, RUNDIR_TRY, INTERCHANGE, MANAGER, WORKER)
            assert found == dict.fromkeys(layers, 1), task


@pytest.mark.parametrize("live", ["quiet"], indirect=True)
def test_workers_are_linked_where_the_layers_between_log_nothing(live: Live) -> None:
    (run,) = live.runs
    assert len(run["tasks"]) == 5
    for task in run["tasks"]:
        found = live.below(RUNDIR_TASK, run["run_id"], task["task"])
        assert found == dict.fromkeys((RUNDIR_TASK, RUNDIR_TRY, WORKER), 1), task
    assert live.keys(INTERCHANGE, run["run_id"]) == []
