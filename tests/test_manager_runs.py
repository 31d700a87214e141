"""Runs on Work Queue and TaskVine, imported: from each Parsl task to the worker and block that ran it, and back."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from importers.manager_links import CONTRADICTION
from importers.worker_blocks import CONTRADICTION as BLOCK_CONTRADICTION
from tests.imports import dnpc, import_logs, query
from tests.managers import (
    HOST,
    KEYS,
    LABELS,
    LOGS,
    MANAGER,
    OTHER_HOST,
    OTHER_WORKER,
    RUN_ID,
    START,
    TASKVINE,
    WORK_QUEUE,
    Made,
    executor_lines,
    functions,
    launches,
    made,
    manager_key,
    parsl_log,
    record,
    run_folder,
    told,
    transactions,
    write,
)

KINDS = (WORK_QUEUE, TASKVINE)
FROM_FILES = "from the names of its files"

# From the try downwards; from the task upwards to its worker and that one's block.
CHAIN = """
SELECT try.key, executor_task.key, task.key, worker.key, block.key, joined.note, blocked.note
FROM spans AS try
JOIN span_types AS try_type ON try_type.id = try.type AND try_type.name = 'parsl.rundir.try'
JOIN subspans AS launched ON launched.superspan = try.id
JOIN spans AS executor_task ON executor_task.id = launched.subspan
JOIN subspans AS joined ON joined.superspan = executor_task.id
JOIN spans AS task ON task.id = joined.subspan
JOIN span_types AS task_type ON task_type.id = task.type AND task_type.name = ? || '.task'
LEFT JOIN (subspans AS ran JOIN spans AS worker ON worker.id = ran.superspan
           JOIN span_types AS worker_type ON worker_type.id = worker.type AND worker_type.name LIKE '%.worker')
    ON ran.subspan = task.id
LEFT JOIN (subspans AS blocked JOIN spans AS block ON block.id = blocked.superspan
           JOIN span_types AS block_type ON block_type.id = block.type AND block_type.name = 'parsl.rundir.block')
    ON blocked.subspan = worker.id
ORDER BY task.id"""


def changed_run(name: str, to: Path, *, whole: bool, without: tuple[str, ...] = ()) -> Path:
    """Copy the logs of a real run but for some."""
    folder = run_folder(name, whole=whole)
    ignored = shutil.ignore_patterns("function_data", "vine-cache", *without)
    return Path(shutil.copytree(folder, to, ignore=ignored))


def expected_chains(name: str, folder: Path) -> dict[str, tuple[str, str, str, str]]:
    """Return for each try the executor task, the manager's task, the worker and the block, from the logs alone."""
    log = told(folder / LOGS[name])
    files = functions(folder)
    tries = launches(folder / "000" / "parsl.log")
    label = LABELS[name]
    manager = KEYS[name]
    expected = {}
    for task, number in files.items():
        (worker,) = log.worker_of(task)
        expected[tries[number]] = (f"{label}/{number}", f"{manager}/{task}", f"{manager}/{worker}", f"{label}/0")
    return expected


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("without", [(), ("monitoring.db",), ("submit_scripts",)])
def test_every_task_is_known_from_its_try_to_its_block(
    tmp_path: Path, kind: str, without: tuple[str, ...], whole: bool
) -> None:
    expected = expected_chains(kind, run_folder(kind, whole=whole))
    assert len(expected) == {(WORK_QUEUE, False): 14, (WORK_QUEUE, True): 210, (TASKVINE, False): 15,
                             (TASKVINE, True): 127}[kind, whole]  # fmt: skip
    import_logs(tmp_path / "d.db", changed_run(kind, tmp_path / "run", whole=whole, without=without))
    rows = query(tmp_path / "d.db", CHAIN, kind)
    assert {row[0]: row[1:5] for row in rows} == expected
    assert len(rows) == len(expected)
    assert {row[5] for row in rows} == {FROM_FILES}
    inferred = "inferred from the block of its tasks' tries" if without == ("submit_scripts",) else None
    assert {row[6] for row in rows} == {inferred}
    assert query(tmp_path / "d.db", "SELECT * FROM unmatched") == []


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_monitoring", [False, True])
def test_every_task_is_known_by_the_order_alone(tmp_path: Path, kind: str, with_monitoring: bool, whole: bool) -> None:
    """Without the log that names files; that log says what is right."""
    folder = run_folder(kind, whole=whole)
    without = ("debug_log", "taskgraph", *([] if with_monitoring else ["monitoring.db"]))
    import_logs(tmp_path / "d.db", changed_run(kind, tmp_path / "run", whole=whole, without=without))
    rows = query(tmp_path / "d.db", CHAIN, kind)
    expected = expected_chains(kind, folder)
    assert {row[0]: row[1:5] for row in rows} == expected
    categories = {task: states[0][2][0] for task, states in told(folder / LOGS[kind]).states.items()}
    apps: dict[str, str] = dict(
        query(
            tmp_path / "d.db",
            """SELECT spans.key, json_extract(attributes, '$.app') FROM spans
               JOIN span_types ON span_types.id = type WHERE name = 'parsl.rundir.task'""",
        )
    )
    for row in rows:
        assert categories[int(row[2].split("/")[1])] == apps[row[0].split("/")[0]]
    times = "4 times" if with_monitoring else "2 times"
    note = f"inferred from the order of tasks, {len(rows)} on either side; category and {times} agree"
    assert {row[5] for row in rows} == {note}


def test_without_scripts_and_monitoring_no_block_is_known(tmp_path: Path) -> None:
    run = changed_run(WORK_QUEUE, tmp_path / "run", whole=False, without=("monitoring.db", "submit_scripts"))
    import_logs(tmp_path / "d.db", run)
    rows = query(tmp_path / "d.db", CHAIN, WORK_QUEUE)
    assert len(rows) == 14 and {row[4] for row in rows} == {None}
    assert None not in {row[3] for row in rows}


LAYERS = {
    kind: [
        "parsl.rundir.task/submitted",
        f"parsl.executors.{kind}.executor_task/created",
        f"{kind}.task/WAITING",
        f"{kind}.task/RUNNING",
        "parsl.monitoring.try/running",
        "parsl.monitoring.try/running_ended",
        f"{kind}.task/WAITING_RETRIEVAL",
        f"{kind}.task/RETRIEVED",
        f"{kind}.task/DONE",
        f"parsl.executors.{kind}.executor_task/future_updated",
        "parsl.rundir.try/exec_done",
    ]
    for kind in KINDS
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_sequence_of_a_task_goes_through_all_layers_and_back(tmp_path: Path, kind: str) -> None:
    folder = run_folder(kind, whole=True)
    import_logs(tmp_path / "d.db", changed_run(kind, tmp_path / "run", whole=True))
    rows = query(
        tmp_path / "d.db",
        """SELECT spans.key, variants.sequence FROM sequences JOIN variants ON variants.id = sequences.variant
           JOIN spans ON spans.id = sequences.root JOIN span_types ON span_types.id = spans.type
           WHERE span_types.name = 'parsl.rundir.task'""",
    )
    tries = Counter(key.split("/")[0] for key in launches(folder / "000" / "parsl.log").values())
    with closing(sqlite3.connect(f"{(folder / 'monitoring.db').as_uri()}?immutable=1", uri=True)) as db:
        done = {str(task) for (task,) in db.execute("SELECT task_id FROM status WHERE task_status_name = 'exec_done'")}
    once = {task for task, count in tries.items() if count == 1} & done
    through = 0
    for key, sequence in rows:
        if key in once:
            # In this order, whatever else comes between.
            steps = iter(json.loads(sequence))
            through += all(layer in steps for layer in LAYERS[kind])
    assert len(once) > 100
    assert through >= 0.9 * len(once)


def test_the_sequence_of_a_work_queue_task_is_that_of_the_first_dnpc(tmp_path: Path) -> None:
    import_logs(tmp_path / "d.db", run_folder(WORK_QUEUE, whole=False))
    rows = query(
        tmp_path / "d.db",
        """SELECT variants.sequence, variants.spans FROM variants JOIN span_types ON span_types.id = root_type
           WHERE span_types.name = 'workqueue.task'""",
    )
    said = {tuple(step.split("/")[1] for step in json.loads(sequence)): count for sequence, count in rows}
    log = told(run_folder(WORK_QUEUE, whole=False) / LOGS[WORK_QUEUE])
    expected: Counter[tuple[str, ...]] = Counter()
    for task, states in log.states.items():
        moved = [(t, f"TRANSFER_{words[0]}") for t, _kind, words in log.transfers if int(words[1]) == task]
        expected[tuple(event for _t, event in sorted([(t, state) for t, state, _rest in states] + moved))] += 1
    end = ("RUNNING", "WAITING_RETRIEVAL", "TRANSFER_OUTPUT", "RETRIEVED", "DONE")
    sent = ("WAITING", *["TRANSFER_INPUT"] * 3)
    assert expected == {(*sent, *end): 13, (*sent, "RUNNING", *sent, *end): 1}
    assert said == expected


# Made-up runs


def work_queue_run(folder: Path, tasks: list[Made], log: str | None = None, label: str = "") -> Path:
    label = label or LABELS[WORK_QUEUE]
    write(folder / "000" / "parsl.log", parsl_log(executor_lines(tasks, label=label)))
    write(folder / "000" / label / "transaction_log", log or transactions(tasks))
    return folder


def joined(database: Path) -> dict[str, str]:
    """Return the executor task of each manager's task."""
    return {row[2]: row[1] for row in query(database, CHAIN, WORK_QUEUE)}


def contradictions(database: Path) -> list[tuple[str, int, str]]:
    return query(
        database,
        "SELECT reason, count, text FROM unmatched WHERE reason IN (?, ?) ORDER BY 1, 3",
        CONTRADICTION,
        BLOCK_CONTRADICTION,
    )


def test_a_task_that_failed_in_creation_is_known_by_not_being_queued(tmp_path: Path) -> None:
    """All have one category and overlap, so that nothing else tells them apart."""
    tasks = made(8, failed=[3])
    run = work_queue_run(tmp_path / "run", tasks)
    log = run / "000" / "parsl.log"
    import_logs(tmp_path / "all.db", run)
    assert joined(tmp_path / "all.db") == {}
    log.write_text(
        "".join(line for line in log.read_text().splitlines(keepends=True) if "Placing executor task 3 " not in line)
    )
    import_logs(tmp_path / "queued.db", run)
    assert joined(tmp_path / "queued.db") == {
        f"{MANAGER}/{task.manager}": f"WorkQueueExecutor/{task.number}" for task in tasks if task.manager
    }
    # Where no line tells what was queued, that says nothing.
    log.write_text(
        "".join(line for line in log.read_text().splitlines(keepends=True) if "Placing executor task " not in line)
    )
    import_logs(tmp_path / "none.db", run)
    assert joined(tmp_path / "none.db") == {}
    assert contradictions(tmp_path / "none.db") == []


def disagreeing(folder: Path) -> Path:
    """Make a run in which the category of one task is another's."""
    tasks = made(4, ["work", "other"])
    return work_queue_run(folder, tasks, transactions(tasks).replace("TASK 2 WAITING other", "TASK 2 WAITING work"))


def test_a_contradiction_gives_no_join_and_is_reported(tmp_path: Path) -> None:
    database = tmp_path / "d.db"
    result = dnpc("import", disagreeing(tmp_path / "run"), "--db", database)
    assert joined(database) == {}
    text = "manager's task 2 (work) and executor task 1, which has its place in order: the one is other, the other work"
    assert contradictions(database) == [(CONTRADICTION, 4, text)]
    said = f"Not understood in 000/WorkQueueExecutor/transaction_log: {CONTRADICTION}, 4 times, first: {text[:60]}"
    assert said in result.output
    assert said in dnpc("sources", "--db", database).output
    # Once more, it is not twice as many.
    write(tmp_path / "run" / "001" / "parsl.log", parsl_log([], run_id="another"))
    dnpc("import", tmp_path / "run", "--db", database)
    import_logs(database, tmp_path / "run")
    assert contradictions(database) == [(CONTRADICTION, 4, text)]


def test_a_contradiction_goes_when_a_log_settles_it(tmp_path: Path) -> None:
    """The last of five tasks is not in parsl.log yet, and one failed in creation: so four do not fit to four."""
    database, tasks = tmp_path / "d.db", made(5, ["a", "b"], failed=[0])
    run = work_queue_run(tmp_path / "run", tasks)
    write(run / "000" / "parsl.log", parsl_log(executor_lines(tasks[:4])))
    import_logs(database, run)
    assert [row[:2] for row in contradictions(database)] == [(CONTRADICTION, 4)]
    assert joined(database) == {}
    write(run / "000" / "parsl.log", parsl_log(executor_lines(tasks)))
    import_logs(database, run)
    assert contradictions(database) == []
    assert joined(database) == {f"{MANAGER}/{n}": f"WorkQueueExecutor/{n}" for n in range(1, 5)}


def test_a_join_goes_when_a_log_denies_it(tmp_path: Path) -> None:
    """Four tasks of one kind fit to four, until a fifth is known."""
    database, tasks = tmp_path / "d.db", made(5, failed=[0])
    run = work_queue_run(tmp_path / "run", tasks)
    write(run / "000" / "parsl.log", parsl_log(executor_lines(tasks[:4])))
    import_logs(database, run)
    assert len(joined(database)) == 4
    write(run / "000" / "parsl.log", parsl_log(executor_lines(tasks)))
    import_logs(database, run)
    assert joined(database) == {}


def test_a_contradiction_stays_told_where_other_runs_have_the_other_manager(tmp_path: Path) -> None:
    database = tmp_path / "d.db"
    import_logs(database, run_folder(TASKVINE, whole=False))
    import_logs(database, disagreeing(tmp_path / "run"))
    assert [row[:2] for row in contradictions(database)] == [(CONTRADICTION, 4)]


def test_a_contradiction_is_told_where_the_managers_start_is_not_in_the_log(tmp_path: Path) -> None:
    run = disagreeing(tmp_path / "run")
    log = run / "000" / "WorkQueueExecutor" / "transaction_log"
    log.write_text(
        "".join(
            line for line in log.read_text().splitlines(keepends=True) if "MANAGER" not in line and "WORKER" not in line
        )
    )
    import_logs(tmp_path / "d.db", run)
    assert [row[:2] for row in contradictions(tmp_path / "d.db")] == [(CONTRADICTION, 4)]


def test_debug_log_and_parsl_log_that_disagree(tmp_path: Path) -> None:
    tasks = made(3)
    run = work_queue_run(tmp_path / "run", tasks)
    lines = executor_lines(tasks)
    lines += [(task.time("submitted"), f"Executor task {task.number} submitted as Work Queue task {task.manager}")
              for task in tasks[:2]]  # fmt: skip
    write(run / "000" / "parsl.log", parsl_log(lines))
    start = "2026/11/23 01:39:38.80 work_queue_python[10123]wq: "
    path = "/home/alice/runinfo/000/WorkQueueExecutor/function_data"
    write(
        run / "000" / "WorkQueueExecutor" / "debug_log",
        f"{start}vm (127.0.0.1:37482) needs file {path}/0002/function (offset 0 length 74) as 'file-2-54b1-function'\n"
        f"{start}Task 1 state change: WAITING (1) to RUNNING (2)\n",
    )
    import_logs(tmp_path / "d.db", run)
    assert joined(tmp_path / "d.db") == {f"{MANAGER}/2": "WorkQueueExecutor/1"}
    text = "manager's task 1 (work): parsl.log says 0, its files say 2"
    assert contradictions(tmp_path / "d.db") == [(CONTRADICTION, 1, text)]


def test_executors_of_one_run_do_not_mix(tmp_path: Path) -> None:
    """Both have tasks of the same numbers, and their managers' tasks, too."""
    first, second = made(6, ["work"]), [Made(task.number, task.manager, "work", task.at + 0.004) for task in made(6)]
    run = work_queue_run(tmp_path / "run", first, label="left")
    lines = executor_lines(first, label="left") + executor_lines(second, label="right", first_task=100)
    write(run / "000" / "parsl.log", parsl_log(lines))
    log = transactions(second, pid=10200).replace(HOST, OTHER_HOST).replace("worker-d877", "worker-e877")
    write(run / "000" / "right" / "transaction_log", log)
    import_logs(tmp_path / "d.db", run)
    rows = query(tmp_path / "d.db", CHAIN, WORK_QUEUE)
    expected = [(f"{n}/0", f"left/{n}", f"{MANAGER}/{n + 1}") for n in range(6)]
    expected += [(f"{100 + n}/0", f"right/{n}", f"{manager_key('10200-1795397974000000')}/{n + 1}") for n in range(6)]
    assert sorted(row[:3] for row in rows) == sorted(expected)


def test_tasks_of_a_manager_that_was_restarted_are_not_joined(tmp_path: Path) -> None:
    """Of two managers of one executor, none is known to be the one that a task came to."""
    tasks = made(3)
    again = transactions(tasks).replace("17953979", "17953989").replace(" 10123 ", " 10777 ")
    import_logs(tmp_path / "d.db", work_queue_run(tmp_path / "run", tasks, transactions(tasks) + again))
    assert joined(tmp_path / "d.db") == {}
    rows = query(
        tmp_path / "d.db",
        "SELECT count(*) FROM spans WHERE type = (SELECT id FROM span_types WHERE name = 'workqueue.task')",
    )
    assert rows == [(6,)]


def test_instances_of_a_library_are_no_executor_tasks(tmp_path: Path) -> None:
    """They have numbers among the tasks, but never waited."""
    tasks = [Made(n, m, "work", 1 + 0.02 * n) for n, m in enumerate((1, 2, 4, 5))]
    log = transactions(tasks, TASKVINE) + "".join(
        record(START + 2, words)
        for words in (f"TASK 3 RUNNING {OTHER_WORKER}  FIRST_RESOURCES {{}}", f"LIBRARY 3 SENT {OTHER_WORKER}")
    )
    write(tmp_path / "run" / "000" / "parsl.log", parsl_log(executor_lines(tasks, TASKVINE), kind=TASKVINE))
    write(tmp_path / "run" / "TaskVineExecutor" / "x" / "vine-logs" / "transactions", log)
    import_logs(tmp_path / "d.db", tmp_path / "run")
    rows = query(tmp_path / "d.db", CHAIN, TASKVINE)
    assert [(row[1], row[2].split("/")[1]) for row in rows] == [
        (f"TaskVineExecutor/{task.number}", str(task.manager)) for task in tasks
    ]


def test_a_run_that_is_another_has_nothing_of_it(tmp_path: Path) -> None:
    run = work_queue_run(tmp_path / "run", made(3))
    write(run / "001" / "parsl.log", parsl_log(executor_lines(made(3)), run_id="0f9e2a19-0000-4000-8000-000000000001"))
    import_logs(tmp_path / "d.db", run)
    rows = query(tmp_path / "d.db", "SELECT runs.key, count(*) FROM spans JOIN runs ON runs.id = run GROUP BY 1")
    assert {key for key, _count in rows} == {RUN_ID, "0f9e2a19-0000-4000-8000-000000000001"}
    assert len(joined(tmp_path / "d.db")) == 3


def test_the_report_says_that_joins_are_inferred(tmp_path: Path) -> None:
    tasks = made(4)
    write(tmp_path / "000" / "parsl.log", parsl_log(executor_lines(tasks)))
    write(tmp_path / "000" / LABELS[WORK_QUEUE] / "transaction_log", transactions(tasks))
    told = dnpc("import", tmp_path / "000", "--db", tmp_path / "d.db").output
    assert f"4 joins of workqueue.task to parsl.executors.{WORK_QUEUE}.executor_task" in told
    sample = dnpc("import", run_folder(WORK_QUEUE, whole=False), "--db", tmp_path / "s.db").output
    assert "Inferred" not in sample
