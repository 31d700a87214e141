"""What parsl.log told of the tasks of Work Queue and TaskVine executors in each year, and the join that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.imports import Rows, import_logs, query
from tests.managers import (
    LABELS,
    MANAGER,
    MODULES,
    RUN_ID,
    START,
    TASKVINE,
    WORK_QUEUE,
    Lines,
    Made,
    executor_lines,
    json_log,
    parsl_log,
    transactions,
    write,
)

RUN = "/home/alice/runinfo/000"
STAGING = "/scratch/TaskVineExecutor-alice-2026"


class Wording(NamedTuple):
    """How a year's Parsl worded what happened to executor task {n}, which was the manager's task {m}.

    ``executor`` is what it said once, of the executor.
    """

    kind: str
    created: str
    queued: str
    submitted: str
    completed: str
    updated: str
    executor: str = ""


WORK_QUEUE_FILE = f"with function at: {RUN}/WorkQueueExecutor/function_data/{{n:04d}}/function"
TASKVINE_FILE = f"with function at: {RUN}/TaskVineExecutor/function_data/{{n:04d}}/function"

WORDINGS = {
    "2022": Wording(
        WORK_QUEUE,
        f"Creating Task {{n}} {WORK_QUEUE_FILE}",
        "Placing task {n} on message queue",
        "Task {n} submitted to WorkQueue with id {m}",
        "Completed WorkQueue task {m}, parsl task {n}",
        "Updating Future for Parsl Task {n}",
    ),
    "DESC": Wording(
        WORK_QUEUE,
        f"Creating executor task {{n}} {WORK_QUEUE_FILE}",
        "Placing executor task {n} on message queue",
        "Executor task {n} submitted to Work Queue with Work Queue task id {m}",
        "Completed WorkQueue task {m}, parsl executor task {n}",
        "Updating Future for executor task {n}",
    ),
    "2023 to 2025": Wording(
        WORK_QUEUE,
        f"Creating executor task {{n}} {WORK_QUEUE_FILE}",
        "Placing executor task {n} on message queue",
        "Executor task {n} submitted as Work Queue task {m}",
        "Completed Work Queue task {m}, executor task {n}",
        "Updating Future for executor task {n}",
    ),
    "TaskVine, early 2023": Wording(
        TASKVINE,
        f"Creating Task {{n}} {TASKVINE_FILE}",
        "Placing task {n} on message queue",
        "Executor task {n} submitted as TaskVine task with id {m}",
        "",
        "Updating Future for Parsl Task {n}",
    ),
    "TaskVine, 2023": Wording(
        TASKVINE,
        f"Creating executor task {{n}} {TASKVINE_FILE} and result to be found at: {RUN}/TaskVineExecutor/result",
        "Placing task {n} on message queue",
        "Executor task {n} submitted as TaskVine task with id {m}",
        "",
        "Updating Future for Parsl Task {n}",
    ),
    "TaskVine, 2024": Wording(
        TASKVINE,
        f"Creating executor task {{n}} with function at: {STAGING}/{{n:04d}}/function, argument at: x",
        "Placing task {n} on message queue",
        "Executor task {n} submitted as TaskVine task with id {m}",
        "",
        "Updating Future for Parsl Task: {n}. Task {n} has result_received set to True",
        f"Function data directory: {STAGING}, log directory: {RUN}/TaskVineExecutor",
    ),
}

STEPS = ("created", "queued", "submitted", "completed", "updated")
EVENTS = {"completed": "executor_completed", "updated": "future_updated"}

# Of which task which became is not told by their order.
TASKS = [Made(number, manager, "work", 0.02 * number) for number, manager in enumerate((4, 1, 3, 2))]


def worded(wording: Wording, tasks: list[Made] = TASKS) -> Lines:
    """Return the lines about tasks, and those that launch their tries."""
    label = LABELS[wording.kind]
    lines = [(START - 1, wording.executor)] if wording.executor else []
    for task in tasks:
        n = task.number
        lines.append((task.time("created") - 0.05, f"Task {n} submitted for App work, not waiting on any dependency"))
        lines.append((task.time("queued"), f"Parsl task {n} try 0 launched on executor {label} with executor id {n}"))
        lines += [
            (task.time(step), getattr(wording, step).format(n=n, m=task.manager))
            for step in STEPS
            if getattr(wording, step)
        ]
    return lines


PAIRS = """
SELECT executor_task.key, task.key, subspans.note FROM subspans
JOIN spans AS executor_task ON executor_task.id = superspan
JOIN span_types ON span_types.id = executor_task.type AND span_types.name = ?
JOIN spans AS task ON task.id = subspan ORDER BY 1"""

TASK_EVENTS = """
SELECT spans.key, round(time - ?, 6), event_types.name FROM events JOIN spans ON spans.id = span
JOIN span_types ON span_types.id = spans.type AND span_types.name = ?
JOIN event_types ON event_types.id = events.type ORDER BY 1, 2"""


def span_type(kind: str) -> str:
    return f"parsl.executors.{kind}.executor_task"


def pairs(database: Path, kind: str) -> Rows:
    return query(database, PAIRS, span_type(kind))


def expected_pairs(kind: str, tasks: list[Made] = TASKS, label: str = "") -> Rows:
    label = label or LABELS[kind]
    return [(f"{label}/{task.number}", f"{MANAGER}/{task.manager}", None) for task in tasks]


def manager_log(run: Path, kind: str, tasks: list[Made] = TASKS) -> Path:
    place = (
        "WorkQueueExecutor/transaction_log" if kind == WORK_QUEUE else "TaskVineExecutor/2023/vine-logs/transactions"
    )
    return write(run / place, transactions(tasks, kind))


@pytest.mark.parametrize("year", WORDINGS)
def test_each_wording_is_an_exact_join(tmp_path: Path, year: str) -> None:
    wording = WORDINGS[year]
    kind, label = wording.kind, LABELS[wording.kind]
    log = parsl_log(worded(wording), kind=kind)
    write(tmp_path / "run" / "000" / "parsl.log", log)
    # In 2023, TaskVine's logs were in the run directory, and since beside it.
    manager_log(tmp_path / "run" / ("" if year == "TaskVine, 2024" else "000"), kind)
    import_logs(tmp_path / "d.db", tmp_path / "run")
    assert query(tmp_path / "d.db", "SELECT * FROM unmatched") == []
    assert pairs(tmp_path / "d.db", kind) == expected_pairs(kind)
    assert query(tmp_path / "d.db", TASK_EVENTS, START, span_type(kind)) == [
        (f"{label}/{task.number}", round(task.time(step) - START, 6), EVENTS.get(step, step))
        for task in TASKS
        for step in STEPS
        if getattr(wording, step)
    ]
    assert [key for (key,) in query(tmp_path / "d.db", "SELECT key FROM runs")] == [RUN_ID]


@pytest.mark.parametrize("step", ["submitted", "completed"])
@pytest.mark.parametrize("year", [year for year, wording in WORDINGS.items() if wording.completed])
def test_one_of_the_two_lines_is_enough(tmp_path: Path, year: str, step: str) -> None:
    wording = WORDINGS[year]._replace(**{step: ""})
    write(tmp_path / "000" / "parsl.log", parsl_log(worded(wording)))
    manager_log(tmp_path / "000", WORK_QUEUE)
    import_logs(tmp_path / "d.db", tmp_path)
    assert pairs(tmp_path / "d.db", WORK_QUEUE) == expected_pairs(WORK_QUEUE)


@pytest.mark.parametrize("kind", [WORK_QUEUE, TASKVINE])
def test_a_json_log_tells_the_same(tmp_path: Path, kind: str) -> None:
    tasks = [Made(number, number + 1, "work", 0.02 * number) for number in range(4)]
    lines = executor_lines(tasks, kind)
    found = []
    for name, text in (("parsl.log", parsl_log(lines, kind=kind)), ("parsl.jsonlog", json_log(lines))):
        run = tmp_path / name
        write(run / "000" / name, text)
        manager_log(run if kind == TASKVINE else run / "000", kind, tasks)
        import_logs(run / "d.db", run)
        assert query(run / "d.db", "SELECT * FROM unmatched") == []
        found.append((pairs(run / "d.db", kind), query(run / "d.db", TASK_EVENTS, START, span_type(kind))))
    assert found[0] == found[1]
    note = "inferred from the order of tasks, 4 on either side; 2 times agree"
    assert found[0][0] == [(*row[:2], note) for row in expected_pairs(kind, tasks)]
    assert {row[2] for row in found[0][1]} == {"created", "queued", "future_updated"}


def test_paths_with_spaces(tmp_path: Path) -> None:
    for kind, year in ((WORK_QUEUE, "2023 to 2025"), (TASKVINE, "TaskVine, 2024")):
        folder = tmp_path / kind
        lines = [
            (time, message.replace("/home/alice", "/home/the best one").replace("/scratch/", "/a b/"))
            for time, message in worded(WORDINGS[year])
        ]
        write(folder / "000" / "parsl.log", parsl_log(lines, kind=kind))
        manager_log(folder if kind == TASKVINE else folder / "000", kind)
        import_logs(folder / "d.db", folder)
        assert pairs(folder / "d.db", kind) == expected_pairs(kind)


def test_lines_that_name_no_executor_of_two_are_kept(tmp_path: Path) -> None:
    """Which executor's task 0 was submitted is not told; whose file it is, and whose place in the queue, is."""
    first = [Made(0, 1, "work", 0), Made(1, 2, "work", 2)]
    second = [Made(0, 1, "work", 5)]
    lines = executor_lines(first, label="left") + executor_lines(second, label="right", first_task=10)
    lines.append((START + 9, "Executor task 0 submitted as Work Queue task 1"))
    write(tmp_path / "000" / "parsl.log", parsl_log(lines))
    import_logs(tmp_path / "d.db", tmp_path)
    rows = [(row[0], row[2]) for row in query(tmp_path / "d.db", TASK_EVENTS, START, span_type(WORK_QUEUE))]
    assert rows == [(key, event) for key in ("left/0", "left/1", "right/0") for event in ("created", "queued")]
    reason = "a task of one of several executors: which is not known"
    kept = query(tmp_path / "d.db", "SELECT reason, sum(count) FROM unmatched GROUP BY 1")
    assert kept == [(reason, 1 + len(first) + len(second))]


def test_kinds_of_executors_that_number_alike_do_not_mix(tmp_path: Path) -> None:
    """Work Queue and TaskVine in one run of 2023, whose lines are worded alike: their loggers tell."""
    log = parsl_log([])
    for year in ("2022", "TaskVine, early 2023"):
        wording = WORDINGS[year]
        log += parsl_log(worded(wording, TASKS[:2]), kind=wording.kind).split("\n", 1)[1]
    write(tmp_path / "000" / "parsl.log", log)
    import_logs(tmp_path / "d.db", tmp_path)
    for kind in (WORK_QUEUE, TASKVINE):
        rows = query(tmp_path / "d.db", TASK_EVENTS, START, span_type(kind))
        assert {row[0] for row in rows} == {f"{LABELS[kind]}/{n}" for n in (0, 1)}
        assert len(rows) == 2 * (5 if kind == WORK_QUEUE else 4)


@pytest.mark.parametrize(
    "message",
    [
        "Executor task 0 submitted as Work Queue task x",
        f"Task {'9' * 40} submitted to WorkQueue with id 1",
        "Completed Work Queue task 1, executor task 0 or so",
        "Creating executor task 0 with function at: ",
        "Updating Future for executor task",
        "Function data directory: , log directory: ",
        "Function data directory: /, log directory: /",
    ],
)
def test_lines_that_are_cut_or_changed_make_no_task(tmp_path: Path, message: str) -> None:
    executor = f"Adding executor WorkQueueExecutor of type {MODULES[WORK_QUEUE]}.WorkQueueExecutor"
    write(tmp_path / "000" / "parsl.log", parsl_log([(START, executor), (START + 1, message)]))
    import_logs(tmp_path / "d.db", tmp_path)
    assert query(tmp_path / "d.db", TASK_EVENTS, START, span_type(WORK_QUEUE)) == []
    assert query(tmp_path / "d.db", "SELECT records FROM sources") in ([(2,)], [(3,)])
