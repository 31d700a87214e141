"""Write the monitoring.db of a plausible Parsl run of any size: HTEX, with resource monitoring.

The tables are those of Parsl 2026, and their rows are as many for each task as in a real run: one task in 17 is tried
again, each try has five rows of status, two of three tries last long enough for rows of resources, and every message
of a manager gives a row of a node. Only times and names are made up, and they are the same every time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = tuple[Any, ...]

RUN = "5d0c9a57-3b1e-4f0e-9a67-0f6d5c1f2b11"
START = datetime(2026, 11, 23, 1, 34, 57, 99051)
EXECUTOR, MANAGERS = "htex_Local", ("2d216d98b581", "1e6458bacc9b", "b5f9d5348a6e", "4bf9bf8c1848")
WORKERS = 8
RETRIED_EACH = 17
NODE_ROWS_IN_FIVE = 7
"""Rows of nodes for every five tasks."""

TASK_PERIOD, TASK_TIME = 1_733, 26_127
"""Microseconds from task to task, and that each runs."""

TABLES = """
CREATE TABLE workflow (
    run_id TEXT NOT NULL, workflow_name TEXT, workflow_version TEXT, time_began DATETIME NOT NULL,
    time_completed DATETIME, host TEXT NOT NULL, user TEXT NOT NULL, rundir TEXT NOT NULL,
    tasks_failed_count INTEGER NOT NULL, tasks_completed_count INTEGER NOT NULL, PRIMARY KEY (run_id)
);
CREATE TABLE task (
    task_id INTEGER NOT NULL, run_id TEXT NOT NULL, task_depends TEXT, task_func_name TEXT NOT NULL,
    task_memoize TEXT NOT NULL, task_hashsum TEXT, task_inputs TEXT, task_outputs TEXT, task_stdin TEXT,
    task_stdout TEXT, task_stderr TEXT, task_time_invoked DATETIME, task_time_returned DATETIME,
    task_fail_count INTEGER NOT NULL, task_fail_cost FLOAT NOT NULL, PRIMARY KEY (task_id, run_id)
);
CREATE INDEX ix_task_task_hashsum ON task (task_hashsum);
CREATE TABLE try (
    try_id INTEGER NOT NULL, task_id INTEGER NOT NULL, run_id TEXT NOT NULL, block_id TEXT, hostname TEXT,
    task_executor TEXT NOT NULL, task_try_time_launched DATETIME, task_try_time_running DATETIME,
    task_try_time_returned DATETIME, task_fail_history TEXT, task_joins TEXT, PRIMARY KEY (try_id, task_id, run_id)
);
CREATE TABLE node (
    id INTEGER NOT NULL, run_id TEXT NOT NULL, hostname TEXT NOT NULL, uid TEXT NOT NULL, block_id TEXT NOT NULL,
    cpu_count INTEGER NOT NULL, total_memory BIGINT NOT NULL, active BOOLEAN NOT NULL, worker_count INTEGER NOT NULL,
    python_v TEXT NOT NULL, timestamp DATETIME NOT NULL, last_heartbeat DATETIME NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE block (
    run_id TEXT NOT NULL, executor_label TEXT NOT NULL, block_id TEXT NOT NULL, job_id TEXT,
    timestamp DATETIME NOT NULL, status TEXT NOT NULL, PRIMARY KEY (run_id, block_id, executor_label, timestamp)
);
CREATE TABLE status (
    task_id INTEGER NOT NULL, task_status_name TEXT NOT NULL, timestamp DATETIME NOT NULL, run_id TEXT NOT NULL,
    try_id INTEGER NOT NULL, PRIMARY KEY (task_id, run_id, task_status_name, timestamp),
    FOREIGN KEY(run_id) REFERENCES workflow (run_id)
);
CREATE TABLE resource (
    try_id INTEGER NOT NULL, task_id INTEGER NOT NULL, run_id TEXT NOT NULL, timestamp DATETIME NOT NULL,
    resource_monitoring_interval FLOAT, psutil_process_pid INTEGER, psutil_process_memory_percent FLOAT,
    psutil_process_children_count FLOAT, psutil_process_time_user FLOAT, psutil_process_time_system FLOAT,
    psutil_process_memory_virtual FLOAT, psutil_process_memory_resident FLOAT, psutil_process_disk_read FLOAT,
    psutil_process_disk_write FLOAT, psutil_process_status TEXT, psutil_cpu_num TEXT,
    psutil_process_num_ctx_switches_voluntary FLOAT, psutil_process_num_ctx_switches_involuntary FLOAT,
    PRIMARY KEY (try_id, task_id, run_id, timestamp), FOREIGN KEY(run_id) REFERENCES workflow (run_id)
);
"""


def at(microseconds: int) -> str:
    """Return a time as the database holds it: naive local text."""
    return (START + timedelta(microseconds=microseconds)).isoformat(" ", "microseconds")


def submitted(task: int) -> int:
    """Return when a task is submitted, in microseconds from the start."""
    return 1_600_000 + task * TASK_PERIOD


def tries(task: int) -> int:
    """Return how often a task is tried."""
    return 2 if task % RETRIED_EACH == RETRIED_EACH - 1 else 1


def launched(task: int, try_id: int) -> int:
    """Return when a task is tried."""
    return submitted(task) + 837 + try_id * (TASK_TIME + 4_000)


def returned(task: int) -> int:
    """Return when a task is done."""
    return launched(task, tries(task) - 1) + TASK_TIME + 3_313


def tasks(count: int) -> Iterator[Row]:
    """Yield the rows of table task."""
    for task in range(count):
        depends = str(task - 1) if task % 9 == 8 else ""
        fails = tries(task) - 1
        yield (task, RUN, depends, "work", "0", None, "None", "None", None, "", "", at(submitted(task)),
               at(returned(task)), fails, float(fails))  # fmt: skip


def all_tries(count: int) -> Iterator[Row]:
    """Yield the rows of table try."""
    for task in range(count):
        for try_id in range(tries(task)):
            begun = launched(task, try_id)
            failed = try_id + 1 < tries(task)
            yield (try_id, task, RUN, str(task % 2), "node01", EXECUTOR, at(begun), at(begun + 2_945),
                   at(begun + TASK_TIME), "ValueError('try again')" if failed else "", None)  # fmt: skip


def statuses(count: int) -> Iterator[Row]:
    """Yield the rows of table status."""
    for task in range(count):
        for try_id in range(tries(task)):
            begun = launched(task, try_id)
            yield task, "pending", at(begun - 522), RUN, try_id
            yield task, "launched", at(begun + 31), RUN, try_id
            yield task, "running", at(begun + 2_945), RUN, try_id
            yield task, "running_ended", at(begun + TASK_TIME - 907), RUN, try_id
            last = "fail_retryable" if try_id + 1 < tries(task) else "exec_done"
            yield task, last, at(begun + TASK_TIME + 2_904), RUN, try_id


def resources(count: int) -> Iterator[Row]:
    """Yield the rows of table resource."""
    for task in range(count):
        for try_id in range(tries(task)):
            for sample in range((task + try_id) % 3):
                yield (try_id, task, RUN, at(launched(task, try_id) + 4_000 + 9_873 * sample), 1.0,
                       3735 + task % WORKERS, 0.4795316690706449 + task % 101 / 7e4, 1.0, 0.8 + 0.02 * sample,
                       0.36 + 0.01 * sample, 151207936.0 + 4096 * (task % 997), 121208832.0 + 4096 * (task % 983),
                       15368712.0 + 4096 * sample, 7249.0, "sleeping", str(task % WORKERS), 14.0 + 8 * sample,
                       484.0 + task % 89)  # fmt: skip


def nodes(count: int) -> Iterator[Row]:
    """Yield the rows of table node."""
    rows = count * NODE_ROWS_IN_FIVE // 5 + 2 * len(MANAGERS)
    period = returned(count) // rows
    for row in range(rows):
        manager = row % len(MANAGERS)
        active = int(row < rows - len(MANAGERS))
        yield (row + 1, RUN, "node01", MANAGERS[manager], str(manager % 2), 2, 25276502016, active, 2, "3.11.7",
               at(row * period + 138), at(row * period))  # fmt: skip


def blocks(count: int) -> Iterator[Row]:
    """Yield the rows of table block."""
    for block in range(2):
        yield RUN, EXECUTOR, str(block), str(3705 + block), at(1_000_000 + block), "PENDING"
        yield RUN, EXECUTOR, str(block), str(3705 + block), at(5_000_000 + block), "RUNNING"


def write_database(path: Path, count: int) -> Path:
    """Write the monitoring.db of a run of that many tasks; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    workflow = (RUN, "run_htex.py", "2026-11-23 01:34:57", at(0), at(returned(count)), "node01", "alice",
                "/home/alice/runinfo/000", 0, count)  # fmt: skip
    rows = {"workflow": iter([workflow]), "task": tasks(count), "try": all_tries(count), "status": statuses(count),
            "resource": resources(count), "node": nodes(count), "block": blocks(count)}  # fmt: skip
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.executescript(TABLES)
        for table, of_table in rows.items():
            columns = conn.execute("SELECT count(*) FROM pragma_table_info(?)", [table]).fetchone()[0]
            conn.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", of_table)
        conn.commit()
    return path
