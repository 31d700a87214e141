"""Which block a worker of Work Queue is of, or why that is not told."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from importers import links
from importers.database import open_store
from importers.manager_links import CONTRADICTION
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from importers.worker_blocks import CONTRADICTION as BLOCK_CONTRADICTION
from tests.imports import Rows, copied, import_logs, query
from tests.managers import (
    HOST,
    LOGS,
    OTHER_HOST,
    OTHER_WORKER,
    START,
    WORK_QUEUE,
    executor_lines,
    made,
    parsl_log,
    record,
    run_folder,
    transactions,
    write,
)


def contradictions(database: Path) -> Rows:
    sql = "SELECT reason, count, text FROM unmatched WHERE reason IN (?, ?) ORDER BY 1, 3"
    return query(database, sql, CONTRADICTION, BLOCK_CONTRADICTION)


def blocks_run(folder: Path, addresses: dict[int, str]) -> Path:
    """Make a run with a block for each address, whose worker is said to have connected from there."""
    tasks = made(3)
    log = transactions(tasks) + record(START + 9, "WORKER", OTHER_WORKER, OTHER_HOST, "", "CONNECTION")
    run = folder
    write(run / "000" / "parsl.log", parsl_log(executor_lines(tasks)))
    write(run / "000" / "WorkQueueExecutor" / "transaction_log", log)
    for block, address in addresses.items():
        write(
            run / "000" / "submit_scripts" / f"parsl.WorkQueueExecutor.block-{block}.179539797{block}.5.sh.out",
            f"connected to manager vm:1024 via local address {address}\n",
        )
    return run


WORKER_BLOCKS = """
SELECT substr(worker.key, -4), block.key, subspans.note FROM subspans
JOIN spans AS worker ON worker.id = subspan JOIN spans AS block ON block.id = superspan
WHERE worker.type = (SELECT id FROM span_types WHERE name = 'workqueue.worker')
AND block.type = (SELECT id FROM span_types WHERE name = 'parsl.rundir.block') ORDER BY 1, 2"""


def test_workers_are_in_the_block_that_names_their_address(tmp_path: Path) -> None:
    import_logs(tmp_path / "d.db", blocks_run(tmp_path / "run", {0: OTHER_HOST, 1: HOST, 2: "10.0.0.9:1"}))
    assert query(tmp_path / "d.db", WORKER_BLOCKS) == [
        (OTHER_WORKER[-4:], "WorkQueueExecutor/0", None),
        ("af0f", "WorkQueueExecutor/1", None),
    ]
    assert contradictions(tmp_path / "d.db") == []


def test_an_address_counts_for_the_workers_of_its_executor_only(tmp_path: Path) -> None:
    run = blocks_run(tmp_path / "run", {0: HOST})
    log = (run / "000" / "WorkQueueExecutor" / "transaction_log").read_text()
    write(run / "000" / "right" / "transaction_log", log.replace(" 10123 ", " 10200 ").replace("af0f", "beef"))
    import_logs(tmp_path / "d.db", run)
    assert query(tmp_path / "d.db", WORKER_BLOCKS) == [("af0f", "WorkQueueExecutor/0", None)]


def test_a_task_that_was_on_two_workers_tells_the_block_of_none(tmp_path: Path) -> None:
    """Its try is where it ended, and the other worker may be of another block."""
    run = copied(run_folder(WORK_QUEUE, whole=False), tmp_path / "run")
    shutil.rmtree(run / "000" / "submit_scripts")
    log = run / LOGS[WORK_QUEUE]
    before, first, rest = log.read_text().partition("TASK 96 RUNNING 127.0.0.1:37482")
    worker = f"1795397978000000 10123 WORKER {OTHER_WORKER} {OTHER_HOST}  CONNECTION\n"
    write(log, before.replace("1795397978807342 ", f"{worker}1795397978807342 ", 1)
          + first.replace(HOST, OTHER_HOST) + rest)  # fmt: skip
    import_logs(tmp_path / "d.db", run)
    assert [row[:2] for row in query(tmp_path / "d.db", WORKER_BLOCKS)] == [("af0f", "WorkQueueExecutor/0")]
    tasks = query(
        tmp_path / "d.db",
        """SELECT substr(worker.key, -4) FROM subspans JOIN spans AS task ON task.id = subspan
           JOIN spans AS worker ON worker.id = superspan
           WHERE task.key LIKE '%/96' AND worker.key LIKE '%/worker-%' ORDER BY 1""",
    )
    assert tasks == [(OTHER_WORKER[-4:],), ("af0f",)]


def test_an_address_that_two_blocks_name_is_told_and_not_joined(tmp_path: Path) -> None:
    import_logs(tmp_path / "d.db", blocks_run(tmp_path / "run", {0: HOST, 1: HOST}))
    assert query(tmp_path / "d.db", WORKER_BLOCKS) == []
    ((reason, count, text),) = contradictions(tmp_path / "d.db")
    assert (reason, count) == (BLOCK_CONTRADICTION, 1)
    assert "by its address ['WorkQueueExecutor/0', 'WorkQueueExecutor/1'], by its tasks []" in text


def test_a_block_that_the_tries_deny_is_told_and_not_joined(tmp_path: Path) -> None:
    run = copied(run_folder(WORK_QUEUE, whole=False), tmp_path / "run")
    with closing(sqlite3.connect(run / "monitoring.db")) as db, db:
        db.execute("UPDATE try SET block_id = '3'")
    import_logs(tmp_path / "d.db", run)
    assert query(tmp_path / "d.db", WORKER_BLOCKS) == []
    ((reason, count, text),) = contradictions(tmp_path / "d.db")
    assert (reason, count) == (BLOCK_CONTRADICTION, 1)
    assert "by its address ['WorkQueueExecutor/0'], by its tasks ['WorkQueueExecutor/3']" in text


def many(n: int) -> Batch:
    """Return a run with n each of blocks, HTEX managers in them, Work Queue managers, workers and tasks."""
    batch = Batch("run")
    for i in range(n):
        for executor in ("hx", f"wq{i}"):
            block = batch.span("parsl.rundir.block", executor, str(i))
            batch.annotate(block, worker_addresses=[f"host{i}:{port}" for port in range(4)])
        batch.annotate(batch.span("parsl.executor.htex.manager", str(i)), executor="hx", block=str(i))
        manager = batch.span("workqueue.manager", f"{i}-1")
        batch.annotate(manager, executor=f"wq{i}")
        worker, connection = (
            batch.span("workqueue.worker", f"{i}-1", "w"),
            batch.span("workqueue.connection", f"{i}-1", "w", f"host{i}:2"),
        )
        batch.subspan(manager, worker, "w")
        batch.subspan(worker, connection, f"host{i}:2")
        task = batch.span("workqueue.task", f"{i}-1", "1")
        batch.event(task, 2.0, "WAITING", 0)
        batch.subspan(worker, task, "1")
        batch.event(batch.span("parsl.executors.workqueue.executor_task", f"wq{i}", "0"), 1.0, "created", 0)
        batch.annotate(batch.span("parsl.rundir.try", str(i), "0"), executor=f"wq{i}", executor_task=0)
        batch.annotate(batch.span("parsl.monitoring.try", str(i), "0"), executor=f"wq{i}", block=str(i))
        batch.span("parsl.executors.workqueue.executor_task.remote", f"wq{i}", "0")
        batch.span("workqueue.library", f"{i}-1", "1")
    batch.seal()
    return batch


def test_linking_is_not_quadratic(tmp_path: Path) -> None:
    """Four times of everything takes about four times the steps of SQLite's machine."""
    steps = {}
    for n in (100, 400):
        with open_store(tmp_path / f"{n}.sqlite3") as store:
            store.add(Source("workqueue", tmp_path, "000/log", Run("run", "run", None, "000")), many(n), 1, "")
            store.flush()
            count = [0]

            def step(count: list[int] = count) -> int:
                count[0] += 1
                return 0

            store.conn.set_progress_handler(step, 100)
            links.link(store.conn, store.touched)
            store.conn.set_progress_handler(None, 0)
        steps[n] = count[0]
        inside = """SELECT count(*) FROM subspans JOIN spans ON spans.id = superspan
                    WHERE type IN (SELECT id FROM span_types WHERE name GLOB '*block' OR name GLOB '*.executor_task')"""
        assert query(tmp_path / f"{n}.sqlite3", inside) == [(3 * n,)]
    assert 0 < steps[400] < 8 * steps[100]
