"""What is joined of a manager's spans where others lie beside them: of other types, other runs, other managers."""

from __future__ import annotations

import pytest

from importers import monitoring_tables as monitoring
from importers import parsl_blocks, parsl_log
from importers.cctools import EXECUTOR_TASK, TITLES, WORK_QUEUE, span_type
from importers.manager_links import CONTRADICTION
from importers.worker_blocks import CONTRADICTION as BLOCK_CONTRADICTION
from importers.workqueue_function import REMOTE
from tests.imports import Rows, query
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

OTHER = "something.else"
"""A span type that nothing here is about."""

ADDRESSES = ("1.2.3.4:5", "1.2.3.4:6")


def blocks_of_workers(runs: SmallRuns) -> Rows:
    return [(worker, block) for run, above_, block, worker, _ in above(runs, WORKER)
            if (run, above_) == ("r", parsl_blocks.BLOCK)]  # fmt: skip


def wrote(key: str, *addresses: str) -> Span:
    return of(key, (1.0, "output"), worker_addresses=[*addresses])


def two_workers_with_tasks(runs: SmallRuns) -> None:
    """Add two workers, each with a task whose try ran in a block of its own, as monitoring says."""
    runs.log(
        "log",
        {
            MANAGER: [manager(executor="e")],
            WORKER: ["7-1/w0", "7-1/w1"],
            TASK: [managed(1), managed(2)],
            EXECUTED: [executed(n, manager_task=n + 1) for n in range(2)],
            parsl_blocks.BLOCK: [f"e/{n}" for n in range(3)],
            parsl_log.TRY: [of(f"{n}/0", (9.0, "launched"), executor="e", executor_task=n) for n in range(2)],
            monitoring.TRY: [of(f"{n}/0", (9.0, "running"), executor="e", block=str(n)) for n in range(2)],
        },
        [
            *(((MANAGER, "7-1"), (WORKER, f"7-1/w{n}")) for n in range(2)),
            *(((WORKER, f"7-1/w{n}"), (TASK, f"7-1/{n + 1}")) for n in range(2)),
        ],
    )


def test_a_try_tells_the_block_of_its_own_worker_only(runs: SmallRuns) -> None:
    two_workers_with_tasks(runs)
    runs.link()
    assert blocks_of_workers(runs) == [("7-1/w0", "e/0"), ("7-1/w1", "e/1")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([], id="it has the key of a try, and a block"),
        pytest.param([((OTHER, "0/0"), (EXECUTED, "e/1"))], id="it has the key of a try, and holds another's task"),
        pytest.param(
            [((parsl_log.TRY, "0/0"), (OTHER, "0/0")), ((OTHER, "0/0"), (TASK, "7-1/2"))],
            id="it lies in a try, and holds a manager's task of another",
        ),
        pytest.param(
            [((EXECUTED, "e/0"), (OTHER, "0/0")), ((WORKER, "7-1/w1"), (OTHER, "0/0"))],
            id="it lies in an executor task, and in the worker of another",
        ),
        pytest.param([((OTHER, "0/0"), (TASK, "7-1/1"))], id="it holds a manager's task"),
    ],
)
def test_between_a_try_and_a_worker_only_tasks_count(
    runs: SmallRuns, other: list[tuple[tuple[str, str], tuple[str, str]]]
) -> None:
    two_workers_with_tasks(runs)
    runs.log("other", {OTHER: [of("0/0", (9.0, "seen"), executor="e", block="2")]}, other)
    runs.link()
    assert blocks_of_workers(runs) == [("7-1/w0", "e/0"), ("7-1/w1", "e/1")]
    assert told(runs) == []


def test_an_address_is_that_of_a_connection_to_a_manager(runs: SmallRuns) -> None:
    """What else a worker holds, or lies in, has no address, nor has what else wrote one down."""
    runs.log(
        "log",
        {
            MANAGER: [manager(executor="e")],
            WORKER: ["7-1/w0", "7-1/w1"],
            CONNECTION: [*ADDRESSES],
            parsl_blocks.BLOCK: [wrote("e/0", ADDRESSES[0]), wrote("e/1", ADDRESSES[1]), wrote("f/0", ADDRESSES[0])],
            OTHER: [of("of f", (1.0, "seen"), executor="f"), ADDRESSES[1], wrote("e/2", ADDRESSES[0])],
        },
        [
            *(((MANAGER, "7-1"), (WORKER, f"7-1/w{n}")) for n in range(2)),
            *(((WORKER, f"7-1/w{n}"), (CONNECTION, ADDRESSES[n])) for n in range(2)),
            ((OTHER, "of f"), (WORKER, "7-1/w0")),
            ((WORKER, "7-1/w0"), (OTHER, ADDRESSES[1])),
        ],
    )
    runs.log("log", {parsl_blocks.BLOCK: [wrote("e/2", *ADDRESSES)]}, run="s")
    runs.link()
    assert blocks_of_workers(runs) == [("7-1/w0", "e/0"), ("7-1/w1", "e/1")]
    assert told(runs) == []


def test_a_function_lies_in_no_other_part_of_its_executor_task(runs: SmallRuns) -> None:
    other = [((EXECUTED, f"e/{n}"), (OTHER, f"part {n}")) for n in range(2)]
    runs.log("parsl", {OTHER: ["part 0", "part 1"], EXECUTED: [executed(0, manager_task=1), executed(1)]}, other)
    runs.log("log", {MANAGER: [manager(executor="e")], TASK: [managed(1)]})
    runs.log("functions", {REMOTE: [of(f"e/{n}", (31.0, "START")) for n in range(2)]})
    runs.link()
    assert above(runs, REMOTE) == [("r", TASK, "7-1/1", "e/0", "remote"), ("r", EXECUTED, "e/1", "e/1", "remote")]


def test_libraries_are_joined_in_the_runs_that_are_linked_and_may_be_again(runs: SmallRuns) -> None:
    kind = {span_type(WORK_QUEUE, "library"): [of("7-1/3", (2.0, "SENT"))], TASK: [of("7-1/3", (2.0, "RUNNING"))]}
    for run in ("r", "s"):
        runs.log("log", {MANAGER: [manager()], **kind}, run=run)
    joined = 'SELECT runs.key FROM facets JOIN spans ON spans.id = "left" JOIN runs ON runs.id = spans.run ORDER BY 1'
    runs.link("r")
    assert query(runs.path, joined) == [("r",)]
    runs.link("r", "s")
    assert query(runs.path, joined) == [("r",), ("s",)]


def test_the_first_of_events_that_are_alike_counts(runs: SmallRuns) -> None:
    """A task that is told to be done again, after its result was back, was done before."""
    runs.log("parsl", {EXECUTED: [executed(0)]})
    twice = of("7-1/1", (20.0, "WAITING"), (40.0, "DONE"), (60.0, "DONE"))
    runs.log("log", {MANAGER: [manager(executor="e")], TASK: [twice]})
    runs.link()
    assert runs.subspans() == {(f"{EXECUTED} e/0", f"{TASK} 7-1/1")}


def test_of_what_several_managers_contradict_the_first_by_key_is_told(runs: SmallRuns) -> None:
    """In whichever order their spans came."""
    keys = ("9-1", "2-1", "5-1")
    label = dict(zip(keys, "zfe", strict=True))
    runs.log(
        "log",
        {
            MANAGER: [manager(key, executor=label[key]) for key in keys],
            TASK: [managed(int(key[0]), key) for key in keys],
            EXECUTED: [
                of(f"{label[key]}/{n}", (10.0, "created"), manager_task=int(key[0])) for key in keys for n in range(2)
            ],
        },
    )
    runs.link()
    text = "manager's task 2 (f): parsl.log says 0 and 1"
    assert told(runs) == [(CONTRADICTION, TITLES[WORK_QUEUE], 3, text)]


@pytest.mark.parametrize("kind", TITLES)
def test_what_is_linked_again_is_reported_once(runs: SmallRuns, kind: str) -> None:
    label = EXECUTOR_TASK[kind]
    tasks = [of(f"e/{n}", (10.0 + n, "created"), manager_task=1) for n in range(2)]
    runs.log("log", {span_type(kind, "manager"): [manager(executor="e")], label: tasks,
                     span_type(kind, "task"): [managed(1)]})  # fmt: skip
    runs.log("log", {MANAGER: [manager(executor="e")], EXECUTED: tasks, TASK: [managed(1)]}, run="s")
    for _ in range(3):
        runs.link("r", "s")
    assert query(runs.path, "SELECT runs.key, template, count FROM unmatched JOIN sources ON sources.id = source "
                            "JOIN runs ON runs.id = run ORDER BY 1") == [
        ("r", TITLES[kind], 1), ("s", TITLES[WORK_QUEUE], 1)
    ]  # fmt: skip


def test_of_workers_that_are_contradicted_the_first_that_came_is_told(runs: SmallRuns) -> None:
    workers = ("7-1/z", "7-1/b", "7-1/a")
    blocks = [wrote(f"e/{n}", *ADDRESSES[:1]) for n in range(2)]
    runs.log(
        "log",
        {MANAGER: [manager(executor="e")], WORKER: [*workers], CONNECTION: [*ADDRESSES], parsl_blocks.BLOCK: blocks},
        [
            *(((MANAGER, "7-1"), (WORKER, worker)) for worker in workers),
            *(((WORKER, worker), (CONNECTION, ADDRESSES[0])) for worker in workers),
        ],
    )
    for _ in range(2):
        runs.link("r")
    assert told(runs) == [
        (BLOCK_CONTRADICTION, TITLES[WORK_QUEUE], 3, "z: by its address ['e/0', 'e/1'], by its tasks []")
    ]


def test_a_manager_without_events_tells_with_the_first_log_of_its_kind(runs: SmallRuns) -> None:
    for name in "52":
        runs.log(name, {OTHER: [name]}, importer=WORK_QUEUE)
    for n in range(10, 40):
        runs.log(f"{n}", {OTHER: [f"{n}"]}, importer="another")
        runs.log(f"{n}", {OTHER: [f"{n}"]}, importer=WORK_QUEUE, run="s")
    runs.log("parsl", {EXECUTED: [executed(n, manager_task=1) for n in range(2)]})
    runs.log("spans", {MANAGER: [of("7-1", executor="e")], TASK: [managed(1)]})
    runs.link()
    keys: dict[str, str] = dict(
        query(runs.path, "SELECT path, key FROM sources WHERE importer = ? AND path LIKE 'r/%'", WORK_QUEUE)
    )
    first = min(keys, key=lambda path: keys[path])
    # It is not the first that came, and other kinds and other runs have keys before it.
    assert list(keys).index(first) > 0
    least = query(runs.path, "SELECT min(key) FROM sources WHERE importer <> 'small' GROUP BY run, importer")
    assert len(least) == 3 and max(least) == (keys[first],)
    where = query(runs.path, "SELECT path, offset, count FROM unmatched JOIN sources ON sources.id = source")
    assert where == [(first, 0, 1)]
