"""What is joined of a manager's spans, on a handful of spans made by hand: libraries, functions, blocks, and again."""

from __future__ import annotations

import pytest

from importers import monitoring_tables as monitoring
from importers import parsl_blocks, parsl_log
from importers.cctools import TASKVINE, TITLES, WORK_QUEUE, span_type
from importers.manager_links import CONTRADICTION
from importers.worker_blocks import CONTRADICTION as BLOCK_CONTRADICTION
from importers.workqueue_function import REMOTE
from tests.imports import query
from tests.small_managers import (
    CONNECTION,
    EXECUTED,
    MANAGER,
    TASK,
    WORKER,
    Span,
    above,
    executed,
    managed,
    manager,
    told,
)
from tests.small_runs import SmallRuns, of


@pytest.mark.parametrize("kind", TITLES)
def test_the_two_accounts_of_a_library_are_one(runs: SmallRuns, kind: str) -> None:
    """Within a run and a manager: numbers count from 1 in each."""
    library, task = span_type(kind, "library"), span_type(kind, "task")
    for run in ("r", "s"):
        runs.log(
            "log",
            {
                span_type(kind, "manager"): [manager()],
                library: [of("7-1/3", (2.0, "SENT")), of("7-1/9", (2.0, "SENT"))],
                task: [of("7-1/3", (2.0, "RUNNING")), of("7-2/9", (2.0, "RUNNING"))],
            },
            run=run,
        )
    runs.link()
    joined = """SELECT a.key, b.key, count(*) FROM facets JOIN spans a ON a.id = "left" JOIN spans b ON b.id = "right"
                WHERE a.run = b.run GROUP BY 1, 2"""
    assert query(runs.path, joined) == [("7-1/3", "7-1/3", 2)]
    assert query(runs.path, "SELECT count(*) FROM facets") == [(2,)]


def test_what_a_function_did_lies_in_the_managers_task_once_that_is_known(runs: SmallRuns) -> None:
    for run in ("r", "s"):
        runs.log("functions", {REMOTE: [of("e/0", (31.0, "START")), of("e/5", (31.0, "START"))]}, run=run)
        runs.log("parsl", {EXECUTED: [executed(0), executed(5)]}, run=run)
    runs.link()
    in_executor = [(run, EXECUTED, f"e/{n}", f"e/{n}", "remote") for run in ("r", "s") for n in (0, 5)]
    assert above(runs, REMOTE) == in_executor
    runs.log("more", {MANAGER: [manager("8-1", executor="e")], TASK: [managed(1, "8-1")]}, run="s")
    runs.log("why", {EXECUTED: [executed(0, manager_task=1)]}, run="s")
    runs.link()
    in_executor[2] = ("s", TASK, "8-1/1", "e/0", "remote")
    assert above(runs, REMOTE) == in_executor


def test_managers_of_no_executor_and_without_tasks_keep_no_other_from_its_own(runs: SmallRuns) -> None:
    runs.log(
        "log",
        {
            MANAGER: [manager("1-1"), manager("2-1", executor="idle"), manager("7-1", executor="e")],
            TASK: [managed(1), managed(2)],
            EXECUTED: [executed(0), executed(1), of("idle/0", (1.0, "created"))],
        },
    )
    runs.link()
    rows = query(runs.path, "SELECT a.key, b.key, subspans.key FROM subspans JOIN spans a ON a.id = superspan "
                            "JOIN spans b ON b.id = subspan ORDER BY 1")  # fmt: skip
    assert rows == [("e/0", "7-1/1", "1"), ("e/1", "7-1/2", "2")]
    assert told(runs) == []


def test_a_contradiction_is_kept_with_the_log_of_the_manager(runs: SmallRuns) -> None:
    runs.log("parsl", {EXECUTED: [executed(n, manager_task=1) for n in range(2)]})
    runs.log("log", {MANAGER: [manager(executor="e")], TASK: [managed(1)]})
    runs.link()
    assert runs.subspans() == set()
    assert told(runs) == [(CONTRADICTION, TITLES[WORK_QUEUE], 1, "manager's task 1 (f): parsl.log says 0 and 1")]
    paths = "SELECT path FROM unmatched JOIN sources ON sources.id = source"
    assert query(runs.path, paths) == [("r/log",)]


ADDRESS = "7-1/w/1.2.3.4:5"
"""What a connection is called below its worker."""


def where(number: int) -> Span:
    """Return a block whose job wrote down the address."""
    return of(f"e/{number}", (1.0, "output"), worker_addresses=[ADDRESS])


@pytest.mark.parametrize("with_monitoring", [False, True])
def test_a_block_that_is_denied_later_loses_the_worker(runs: SmallRuns, with_monitoring: bool) -> None:
    runs.log(
        "log",
        {MANAGER: [manager(executor="e")], WORKER: ["7-1/w"], CONNECTION: [ADDRESS]},
        [((MANAGER, "7-1"), (WORKER, "7-1/w")), ((WORKER, "7-1/w"), (CONNECTION, ADDRESS))],
    )
    runs.log("output", {parsl_blocks.BLOCK: [where(0)]})
    if with_monitoring:
        runs.log("database", {monitoring.BLOCK: ["e/0"]})
    runs.link()
    in_blocks = [("r", block, "e/0", "7-1/w", "w") for block in (monitoring.BLOCK, parsl_blocks.BLOCK)]
    in_manager = ("r", MANAGER, "7-1", "7-1/w", "7-1/w")
    assert set(above(runs, WORKER)) == {in_manager, *in_blocks[not with_monitoring :]}
    runs.log("another", {parsl_blocks.BLOCK: [where(1)]})
    runs.link()
    assert above(runs, WORKER) == [in_manager]
    text = "w: by its address ['e/0', 'e/1'], by its tasks []"
    assert told(runs) == [(BLOCK_CONTRADICTION, TITLES[WORK_QUEUE], 1, text)]


def work_in_blocks(runs: SmallRuns, label: str, *blocks: int) -> None:
    """Add a worker whose tasks' tries ran in these blocks of an executor, as monitoring says, and the blocks."""
    numbers = range(len(blocks))
    runs.log(
        "tries",
        {
            MANAGER: [manager(executor=label)],
            WORKER: ["7-1/w"],
            TASK: [managed(n + 1) for n in numbers],
            EXECUTED: [of(f"{label}/{n}", (10.0 + n, "created"), (50.0 + n, "future_updated")) for n in numbers],
            parsl_log.TRY: [of(f"{n}/0", (9.0, "launched"), executor=label, executor_task=n) for n in numbers],
            monitoring.TRY: [of(f"{n}/0", (9.0, "running"), executor=label, block=str(blocks[n])) for n in numbers],
            parsl_blocks.BLOCK: [f"{label}/{block}" for block in range(3)],
        },
        [
            ((MANAGER, "7-1"), (WORKER, "7-1/w")),
            *(((WORKER, "7-1/w"), (TASK, f"7-1/{n + 1}")) for n in numbers),
        ],
    )


def connect(runs: SmallRuns, *addresses: tuple[str, str]) -> None:
    """Add connections of the worker, each from an address that the job of a block wrote down."""
    runs.log(
        "connections",
        {
            CONNECTION: [address for address, _ in addresses],
            parsl_blocks.BLOCK: [
                of(block, (1.0, "output"), worker_addresses=[address]) for address, block in addresses
            ],
        },
        [((WORKER, "7-1/w"), (CONNECTION, address)) for address, _ in addresses],
    )


def block_of_the_worker(runs: SmallRuns) -> list[tuple[object, ...]]:
    return query(
        runs.path,
        """SELECT a.key, subspans.note FROM subspans JOIN spans b ON b.id = subspan AND b.key = '7-1/w'
           JOIN spans a ON a.id = superspan JOIN span ON span.uuid = a.uuid WHERE span.type = ?""",
        parsl_blocks.BLOCK,
    )


INFERRED = "inferred from the block of its tasks' tries"


@pytest.mark.parametrize("label", ["e", "of/two parts"])
def test_tries_and_addresses_together_tell_the_block(runs: SmallRuns, label: str) -> None:
    work_in_blocks(runs, label, 1, 1)
    runs.link()
    assert block_of_the_worker(runs) == [(f"{label}/1", INFERRED)]
    # One address that the jobs of two blocks wrote down: the tries tell which.
    connect(runs, (ADDRESS, f"{label}/1"))
    runs.log("third", {parsl_blocks.BLOCK: [of(f"{label}/2", (1.0, "output"), worker_addresses=[ADDRESS])]})
    runs.link()
    assert block_of_the_worker(runs) == [(f"{label}/1", None)]
    assert told(runs) == []


def test_tries_in_two_blocks_tell_none(runs: SmallRuns) -> None:
    work_in_blocks(runs, "e", 0, 1)
    runs.link()
    assert block_of_the_worker(runs) == []
    assert [row[3] for row in told(runs)] == ["w: by its address [], by its tasks ['e/0', 'e/1']"]


def test_addresses_in_two_blocks_tell_none(runs: SmallRuns) -> None:
    work_in_blocks(runs, "e")
    connect(runs, (ADDRESS, "e/0"), (f"{ADDRESS}6", "e/2"))
    runs.link()
    assert block_of_the_worker(runs) == []
    assert [row[3] for row in told(runs)] == ["w: by its address ['e/0', 'e/2'], by its tasks []"]


def test_managers_of_one_kind_are_not_those_of_the_other(runs: SmallRuns) -> None:
    vine = span_type(TASKVINE, "task")
    runs.log("log", {MANAGER: [manager(executor="e")], vine: [managed(1)], EXECUTED: [executed(0)]})
    runs.link()
    assert runs.subspans() == set()
