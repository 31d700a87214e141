"""Tasks that were started more than once, workers that came back, and managers that were restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imports import Rows, import_logs, query
from tests.managers import (
    HOST,
    LOGS,
    OTHER_HOST,
    OTHER_WORKER,
    START,
    WORK_QUEUE,
    WORKER,
    manager_key,
    record,
    run_folder,
    told,
)
from tests.transaction_rows import LOST, NESTED, SPANS, imported, lines, short, task_events

TIMES = "SELECT name, key, began FROM spans JOIN span_types ON span_types.id = type"


def attempts(database: Path) -> Rows:
    """Return each attempt with its worker, start and end."""
    return short(
        query(
            database,
            """SELECT attempt.key, coalesce(worker.key, ''), attempt.began - ?1,
                      (SELECT time - ?1 FROM events WHERE span = attempt.id AND type = event_types.id)
               FROM spans AS attempt JOIN span_types ON span_types.id = attempt.type
               JOIN event_types ON event_types.name = 'ended'
               LEFT JOIN subspans ON subspan = attempt.id LEFT JOIN spans AS worker ON worker.id = superspan
               WHERE span_types.name LIKE '%.attempt' ORDER BY 1""",
            START,
        )
    )


def test_a_task_that_was_lost_with_its_worker(tmp_path: Path) -> None:
    database = imported(tmp_path, lines(*LOST))
    assert attempts(database) == [("5.0", WORKER, 3, 4), ("5.1", OTHER_WORKER, 5, 6)]
    assert query(database, "SELECT json_extract(attributes, '$.attempts') FROM spans WHERE key = '5'") == [(2,)]
    inside = {(row[3], row[1]) for row in short(query(database, NESTED)) if row[2] in ("task", "transfer")}
    # The task was on both, each transfer to or from the worker of its attempt.
    assert inside == {
        ("5", WORKER), ("5", OTHER_WORKER), ("5.0", WORKER), ("5.1", OTHER_WORKER), ("5.2", OTHER_WORKER)
    }  # fmt: skip
    assert task_events(database) == {
        "5": "WAITING TRANSFER_INPUT RUNNING WAITING TRANSFER_INPUT RUNNING WAITING_RETRIEVAL TRANSFER_OUTPUT DONE"
    }


def test_files_that_were_sent_for_nothing(tmp_path: Path) -> None:
    """The worker went before the task was started there: no line says which it was."""
    text = lines(
        (0, "MANAGER START"),
        (1, f"WORKER {WORKER} {HOST}  CONNECTION"),
        (2, "TRANSFER INPUT 5 0 1.0 0.25 first"),
        (3, "TASK 5 WAITING work FIRST_RESOURCES {}"),
        (4, "TRANSFER INPUT 5 0 1.0 0.25 second"),
        (5, f"TASK 5 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
        (6, "TRANSFER INPUT 6 0 1.0 0.25 third"),
    )
    database = imported(tmp_path, text)
    nested = short(query(database, NESTED))
    assert [row for row in nested if row[2] == "transfer"] == [("worker", WORKER, "transfer", "5.1")]
    assert [row[1] for row in short(query(database, SPANS)) if row[0] == "transfer"] == ["5.0", "5.1", "6.0"]


def test_attempts_whose_ends_are_not_told(tmp_path: Path) -> None:
    text = lines(
        (0, "MANAGER START"),
        (1, f"TASK 5 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
        (2, f"TASK 5 RUNNING {OTHER_HOST}  FIRST_RESOURCES {{}}"),
        (3, f"TASK 5 WAITING_RETRIEVAL {OTHER_HOST}"),
        (4, "TASK 5 RETRIEVED SUCCESS  0  {} {}"),
        (5, "TASK 5 RUNNING"),
    )
    assert attempts(imported(tmp_path, text)) == [
        ("5.0", HOST, 1, None),
        ("5.1", OTHER_HOST, 2, 3),
        ("5.2", "", 5, None),
    ]


def test_an_address_is_the_workers_that_connected_last(tmp_path: Path) -> None:
    text = lines(
        (0, "MANAGER START"),
        (1, f"WORKER {WORKER} {HOST}  CONNECTION"),
        (2, f"TASK 1 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
        (3, f"WORKER {WORKER} {HOST}  DISCONNECTION IDLE_OUT"),
        (4, f"WORKER {OTHER_WORKER} {HOST}  CONNECTION"),
        (5, f"TASK 2 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
        (6, f"WORKER {WORKER} {OTHER_HOST}  CONNECTION"),
        (7, f"TASK 3 RUNNING {OTHER_HOST}  FIRST_RESOURCES {{}}"),
        (8, f"TASK 4 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
    )
    nested = short(query(imported(tmp_path, text), NESTED))
    assert {row[3]: row[1] for row in nested if row[2] == "task"} == {
        "1": WORKER, "2": OTHER_WORKER, "3": WORKER, "4": OTHER_WORKER
    }  # fmt: skip
    assert {row[3] for row in nested if row[2] == "connection"} == {
        f"{WORKER}/{HOST}", f"{WORKER}/{OTHER_HOST}", f"{OTHER_WORKER}/{HOST}"
    }  # fmt: skip


def test_a_manager_that_was_restarted(tmp_path: Path) -> None:
    """The file is appended to, and ids count from 1 again; in a container, the process id may be the same."""
    for pids in ((10123, 10123), (10123, 10777)):
        text = "# header\n"
        for n, pid in enumerate(pids):
            begin = START + 100 * n
            text += record(begin, "MANAGER START", pid=pid) + record(begin + 1, "TASK 1 WAITING work", pid=pid)
            text += record(begin + 2, f"WORKER {WORKER} {HOST}  CONNECTION", pid=pid) + "# header\n"
        folder = tmp_path / str(pids[1])
        folder.mkdir()
        database = imported(folder, text)
        keys = [manager_key(f"{pid}-{round((START + 100 * n) * 1e6)}") for n, pid in enumerate(pids)]
        rows = [(name, key, round(began - START)) for name, key, began in query(
            database, "SELECT name, key, began FROM spans JOIN span_types ON span_types.id = type"
        )]  # fmt: skip
        assert {row for row in rows if row[0] != "workqueue.connection"} == {
            (f"workqueue.{thing}", key, 100 * n + at)
            # The run stands for the first of them, so that only the other is named in keys.
            for n, (manager, scope) in enumerate([(keys[0], ""), (keys[1], f"{keys[1]}/")])
            for thing, key, at in (
                ("manager", manager, 0),
                ("task", f"{scope}1", 1),
                ("worker", f"{scope}{WORKER}", 2),
            )
        }


def test_a_log_that_lost_its_start_and_was_appended_to(tmp_path: Path) -> None:
    text = lines((1, "TASK 1 WAITING work"), (2, "TASK 1 DONE SUCCESS  0 "))
    text += lines((10, "MANAGER START"), (11, "TASK 1 WAITING work"))
    database = imported(tmp_path, text)
    rows = query(
        database, "SELECT key, began FROM spans JOIN span_types ON span_types.id = type WHERE name LIKE '%task'"
    )
    assert rows == [
        ("1", START + 1),
        (f"{manager_key('10123-1795397984000000')}/1", START + 11),
    ]


@pytest.mark.parametrize("whole", [False, True])
def test_tasks_that_were_put_back(tmp_path: Path, whole: bool) -> None:
    log = run_folder(WORK_QUEUE, whole=whole) / LOGS[WORK_QUEUE]
    import_logs(tmp_path / "d.db", log)
    raw = told(log)
    expected = []
    for task, states in sorted(raw.states.items(), key=lambda item: str(item[0])):
        starts = [i for i, (_time, state, _rest) in enumerate(states) if state == "RUNNING"]
        if len(starts) > 1:
            (worker,) = raw.worker_of(task)
            expected += [
                (f"{task}.{n}", worker, pytest.approx(states[i][0] - START), pytest.approx(states[i + 1][0] - START))
                for n, i in enumerate(starts)
            ]
    assert [row[0] for row in expected] == ["144.0", "144.1", "96.0", "96.1"][0 if whole else 2 :]
    rows = [(row[0].split("/")[-1], row[1].split("/")[-1], *row[2:]) for row in attempts(tmp_path / "d.db")]
    assert rows == expected
    events = task_events(tmp_path / "d.db")
    for task in {row[0].split(".")[0] for row in rows}:
        assert events[task].replace(" TRANSFER_INPUT", "").startswith("WAITING RUNNING WAITING RUNNING WAITING_")
    assert query(
        tmp_path / "d.db",
        "SELECT count(*) FROM spans WHERE json_extract(attributes, '$.attempts') = 2",
    ) == [(len(expected) // 2,)]
