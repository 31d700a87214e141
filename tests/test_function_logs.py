"""What an executor task did on its worker lies in the task of the manager that carried it out, as in the first dnpc."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imports import import_logs, query
from tests.managers import MANAGER, executor_lines, made, parsl_log, transactions, write

TASKS = made(3)
EVENTS = ("START", "POSTIMPORT", "EXECUTEFUNCTION", "DONE")

ABOVE = """
SELECT remote.key, above_type.name, above.key
FROM spans AS remote
JOIN span_types AS remote_type ON remote_type.id = remote.type
    AND remote_type.name = 'parsl.executors.workqueue.executor_task.remote'
JOIN subspans ON subspans.subspan = remote.id
JOIN spans AS above ON above.id = subspans.superspan
JOIN span_types AS above_type ON above_type.id = above.type
ORDER BY 1, 2"""


def write_run(folder: Path) -> None:
    write(folder / "parsl.log", parsl_log(executor_lines(TASKS)))
    for task in TASKS:
        began = task.time("running") + 0.02
        lines = [f"{began + 0.01 * place:.6f} {event}\n" for place, event in enumerate(EVENTS)]
        noise = f"{began:.6f} META_PATH numpy\n"
        write(folder / f"WorkQueueExecutor/function_data/{task.number:04d}/log", "".join(lines) + noise)


def manager_log(folder: Path) -> Path:
    return write(folder / "WorkQueueExecutor/transaction_log", transactions(TASKS))


@pytest.mark.parametrize("manager_comes", ["first", "with it", "last"])
def test_it_is_in_the_managers_task(tmp_path: Path, manager_comes: str) -> None:
    write_run(tmp_path / "000")
    if manager_comes == "first":
        import_logs(tmp_path / "d.db", manager_log(tmp_path / "000"))
    elif manager_comes == "with it":
        manager_log(tmp_path / "000")
    import_logs(tmp_path / "d.db", tmp_path / "000")
    if manager_comes == "last":
        import_logs(tmp_path / "d.db", manager_log(tmp_path / "000"))
    tasks = [(f"WorkQueueExecutor/{task.number}", f"{MANAGER}/{task.manager}") for task in TASKS]
    assert query(tmp_path / "d.db", ABOVE) == [(key, "workqueue.task", manager_task) for key, manager_task in tasks]
    states = query(
        tmp_path / "d.db",
        """SELECT span_types.name || '/' || event_types.name FROM spans AS root
           JOIN descendants ON descendants.root = root.id JOIN events ON events.span = descendants.span
           JOIN spans AS below ON below.id = descendants.span JOIN span_types ON span_types.id = below.type
           JOIN event_types ON event_types.id = events.type
           WHERE root.type = (SELECT id FROM span_types WHERE name = 'parsl.rundir.task') AND root.key = '0'
           ORDER BY events.time""",
    )
    layers = [state for (state,) in states]
    remote = [f"parsl.executors.workqueue.executor_task.remote/{event}" for event in EVENTS]
    assert [state for state in layers if state in remote] == remote
    running, retrieval = layers.index("workqueue.task/RUNNING"), layers.index("workqueue.task/WAITING_RETRIEVAL")
    assert all(running <= layers.index(state) <= retrieval for state in remote)


def test_without_the_managers_log_it_is_in_the_executor_task(tmp_path: Path) -> None:
    write_run(tmp_path / "000")
    import_logs(tmp_path / "d.db", tmp_path / "000")
    assert query(tmp_path / "d.db", ABOVE) == [
        (key, "parsl.executors.workqueue.executor_task", key)
        for key in (f"WorkQueueExecutor/{task.number}" for task in TASKS)
    ]
