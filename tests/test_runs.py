"""The sample logs fit together, and tests.runs counts in the whole runs what is known of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.runs import DATA, Run, read_monitoring, read_run, shared_runs

HTEX = [
    "runinfo/000",
    "runinfo/001",
    "htex-chicago/000",
    "htex-crash/000",
    "two-htex/000",
]
MONITORED = [name for name in HTEX if name != "two-htex/000"] + ["runinfo/002", "workqueue/000", "taskvine/000"]


def launched_on_htex(run: Run) -> list[tuple[str, int]]:
    return [(x.executor, x.executor_task) for x in run.launches if x.executor_task is not None]


def check_htex(run: Run) -> None:
    """Check that each launch has exactly one event of each kind, under one manager."""
    launched = launched_on_htex(run)
    assert len(launched) == len(set(launched))
    events = Counter((e.executor, e.executor_task, e.layer, e.event) for e in run.htex)
    assert set(events.values()) == {1}
    assert len(events) == 8 * len(launched)
    for layer in ("interchange", "manager", "worker"):
        assert run.executor_tasks(layer) == set(launched)
    assert all(len(run.managers_of(*task)) == 1 for task in launched)


def check_monitored(folder: Path, run: Run) -> None:
    """Check that parsl.log and monitoring.db tell of the same tasks, tries and states."""
    assert run.run_id
    stored = read_monitoring(folder / "monitoring.db")[run.run_id]
    assert stored.tasks == run.tasks
    assert stored.state_counts() == run.state_counts()
    assert {(x.task, x.try_id) for x in run.launches} <= stored.tries


@pytest.mark.parametrize("name", HTEX)
def test_sample_has_every_layer_of_every_task(name: str) -> None:
    check_htex(read_run(DATA / name))


@pytest.mark.parametrize("name", MONITORED)
def test_sample_logs_and_monitoring_agree(name: str) -> None:
    check_monitored((DATA / name).parent, read_run(DATA / name))


def test_samples_have_every_kind_of_task() -> None:
    run = read_run(DATA / "runinfo" / "000")
    states = {s.state for s in run.states}
    assert {"exec_done", "failed", "fail_retryable", "dep_fail", "joining"} <= states
    assert run.dependencies and max(x.try_id for x in run.launches) == 1
    assert "memo_done" in {s.state for s in read_run(DATA / "runinfo" / "002").states}
    fewer = read_run(DATA / "htex-crash" / "000").state_counts()
    ended = sum(n for (_, _, state), n in fewer.items() if state in ("exec_done", "failed"))
    assert ended < len({task for task, _, _ in fewer})


@pytest.mark.parametrize(
    ("name", "tasks", "launches", "with_id", "states"),
    [
        ("parsl-2026-htex-json-threads/000", 309, 322, 319, 983),
        ("parsl-2026-htex-json-threads/001", 309, 320, 317, 975),
        ("parsl-2026-htex-json-threads/002", 309, 299, 0, 956),
        ("parsl-2026-workqueue/000", 206, 212, 210, 648),
        ("parsl-2026-taskvine/000", 123, 128, 127, 391),
    ],
)
def test_counts_of_the_whole_runs(name: str, tasks: int, launches: int, with_id: int, states: int) -> None:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    run = read_run(shared / name)
    found = (len(run.tasks), len(run.launches), len(launched_on_htex(run)), len(run.states))
    assert found == (tasks, launches, with_id, states)
    check_monitored((shared / name).parent, run)
    if run.htex:
        check_htex(run)
