"""HighThroughputExecutor: interchange, manager and worker logs.

::

    RUN/<label>/interchange.log
    RUN/<label>/block-<N>/<manager id>/manager.log
    RUN/<label>/block-<N>/<manager id>/worker_<N>.log

or ``.jsonlog``. All three name a task by its executor task id, unique in the executor. With
``worker_debug=False`` only the worker logs name tasks.
"""

from __future__ import annotations

import re
from pathlib import Path

from importers.drift import HTEX_KNOWN, watch
from importers.line_reader import read_lines
from importers.pattern import Pattern
from importers.rows import Batch, storable
from importers.runs import RUN_LOGS, read_run
from importers.sources import Progress, Source

NAME = "htex"
ROOTS = ()
IN_PARTS = True

INTERCHANGE_TASK = ("parsl.executor.htex.interchange.task", "label", "task")
MANAGER = ("parsl.executor.htex.manager", "manager")
MANAGER_TASK = ("parsl.executor.htex.manager.task", "label", "task")
WORKER = ("parsl.executor.htex.worker", "manager", "worker")
WORKER_TASK = ("parsl.executor.htex.worker.task", "label", "task")

TASKS = (INTERCHANGE_TASK[0], MANAGER_TASK[0], WORKER_TASK[0])
"""The layers that a task passes through, outermost first. They share their local key."""

INTERCHANGE_PATTERNS = (
    # Putting task 1 onto pending_task_queue                                since 2025-10
    Pattern(
        rb"Putting task (?P<task>\d{1,18}) onto pending_task_queue",
        INTERCHANGE_TASK,
        "interchange_putting_task",
    ),
    Pattern(rb"Put task (?P<task>\d{1,18}) onto pending_task_queue", INTERCHANGE_TASK, "interchange_put_task"),
    # Sent tasks: [1, 2] to manager b'2d216d98b581'
    Pattern(
        rb"Sent tasks: \[(?P<task>\d{1,18}(?:, \d{1,18})*)\] to manager b'(?P<manager>[^'\n]+)'",
        INTERCHANGE_TASK,
        "interchange_to_manager",
        attributes=("manager",),
        each="task",
    ),
    # Removing task 3 from manager                      since 2025-06
    # Removing task 3 from manager record b'4bf9bf8c1848'    before
    Pattern(
        rb"Removing task (?P<task>\d{1,18}) from manager(?: record b'(?P<manager>[^'\n]+)')?",
        INTERCHANGE_TASK,
        "interchange_removing_task",
        attributes=("manager",),
    ),
    # Cancelling htex tasks [17, 18] on removed manager
    Pattern(
        rb"Cancelling htex tasks \[(?P<task>\d{1,18}(?:, \d{1,18})*)\] on removed manager",
        INTERCHANGE_TASK,
        "interchange_cancelling_task",
        each="task",
    ),
    # Registration info for manager b'2d21..': {'type': 'registration', ..., 'block_id': '0', 'hostname': 'n1', ...}
    Pattern(
        rb"Registration info for manager b'(?P<manager>[^'\n]+)': "
        rb"(?=(?:[^\n]*?'worker_count': (?P<workers>\d{1,18}))?)(?=(?:[^\n]*?'block_id': '(?P<block>[^'\n]*)')?)"
        rb"(?=(?:[^\n]*?'hostname': '(?P<host>[^'\n]*)')?)(?=(?:[^\n]*?'cpu_count': (?P<cpus>\d{1,18}))?)",
        MANAGER,
        "registration",
        attributes=("workers", "block", "host", "cpus"),
    ),
    # Registered manager b'2d216d98b581' (py3.11, 2026.10.26) and added to ready queue
    Pattern(rb"Registered manager b'(?P<manager>[^'\n]+)'", MANAGER, "registered"),
    # Adding manager: b'4bf9bf8c1848' to ready queue                        until 2024
    Pattern(rb"Adding manager: b'(?P<manager>[^'\n]+)' to ready queue", MANAGER, "registered"),
    Pattern(rb"Received HOLD_MANAGER for b'(?P<manager>[^'\n]+)'", MANAGER, "held"),
    Pattern(
        rb"Too many heartbeats missed for manager b'(?P<manager>[^'\n]+)'",
        MANAGER,
        "heartbeats_missed",
    ),
    # Manager b'2d216d98b581' has reached its drain time - draining
    Pattern(
        rb"Manager b'(?P<manager>[^'\n]+)' has reached its drain time", MANAGER, "draining", literal=b" its drain time"
    ),
    # Manager b'4bf9bf8c1848' requested drain                               until 2025
    Pattern(rb"Manager b'(?P<manager>[^'\n]+)' requested drain", MANAGER, "draining", literal=b"' requested drain"),
    Pattern(rb"Manager b'(?P<manager>[^'\n]+)' is drained - ", MANAGER, "drained", literal=b"' is drained - "),
)

_MANAGER_SAYS = b"Manager "
_WORKER_HAS = b" has "

MANAGER_PATTERNS = (
    # Got executor tasks: [1, 2], cumulative count of tasks: 2          2022: without the word executor
    Pattern(
        rb"Got (?:executor )?tasks: \[(?P<task>\d{1,18}(?:, \d{1,18})*)\]",
        MANAGER_TASK,
        "manager_got_task",
        (MANAGER,),
        each="task",
    ),
    # Putting exception for executor task 7 in the pending result queue    its worker died
    Pattern(
        rb"Putting exception for executor task (?P<task>\d{1,18}) in the pending result queue",
        MANAGER_TASK,
        "manager_putting_exception",
        (MANAGER,),
    ),
    Pattern(rb"Manager initializing", MANAGER, "initializing", literal=_MANAGER_SAYS),
    Pattern(
        rb"Manager will spawn (?P<workers>\d{1,18}) workers",
        MANAGER,
        "spawning_workers",
        attributes=("workers",),
        literal=_MANAGER_SAYS,
    ),
    Pattern(rb"Manager threads started", MANAGER, "threads_started", literal=_MANAGER_SAYS),
    Pattern(rb"Got shutdown message from interchange", MANAGER, "shutdown_received"),
    Pattern(rb"process_worker_pool ran for ", MANAGER, "exiting"),
    Pattern(rb"Worker (?P<worker>\d{1,18}) has died", WORKER, "died", (MANAGER,), literal=_WORKER_HAS),
    Pattern(rb"Worker (?P<worker>\d{1,18}) was busy when it died", WORKER, "died_busy", (MANAGER,)),
    Pattern(rb"Worker (?P<worker>\d{1,18}) has been restarted", WORKER, "restarted", (MANAGER,), literal=_WORKER_HAS),
)

# Received executor task 2                                              2022: without the word executor
WORKER_PATTERNS = (
    Pattern(rb"Worker (?P<started>\d{1,18}) started", WORKER, "started", (MANAGER,)),
    Pattern(rb"Received (?:executor )?task (?P<task>\d{1,18})$", WORKER_TASK, "worker_received_task", (WORKER,)),
    Pattern(rb"Completed (?:executor )?task (?P<task>\d{1,18})$", WORKER_TASK, "worker_completed_task", (WORKER,)),
    Pattern(
        rb"All processing finished for (?:executor )?task (?P<task>\d{1,18})$",
        WORKER_TASK,
        "worker_all_finished_task",
        (WORKER,),
    ),
)

PATTERNS = INTERCHANGE_PATTERNS + MANAGER_PATTERNS + WORKER_PATTERNS

_FILE = re.compile(r"(?:(interchange)|(manager)|worker_(\d+))\.(log|jsonlog)")


def find(path: Path) -> Source | None:
    """Recognise the three logs by their names and places."""
    match = _FILE.fullmatch(path.name)
    if match is None:
        return None
    folder = path.absolute().parent
    if match[1]:
        label = folder
        fields = {"label": storable(label.name)}
    else:
        # <label>/block-<N>/<manager id>/
        label = folder.parents[1] if folder.parent.name.startswith("block-") else folder.parent
        fields = {"label": storable(label.name), "manager": storable(folder.name)}
        if label != folder.parent:
            fields["block"] = storable(folder.parent.name.removeprefix("block-"))
        if match[3]:
            fields["worker"] = match[3]
    run_directory = label.parent
    if match[2] and not any((run_directory / name).is_file() for name in RUN_LOGS) and not _is_of_manager(folder):
        return None
    return Source(
        NAME,
        path,
        storable(path.absolute().relative_to(run_directory.parent).as_posix()),
        read_run(run_directory),
        fields,
    )


def _is_of_manager(folder: Path) -> bool:
    """Tell a manager's folder (12 hexadecimal digits) from any folder that holds a manager.log.

    The managers of funcX and Globus Compute have their folders, named the same way, in one named worker_logs.
    """
    return re.fullmatch(r"[0-9a-f]{12}", folder.name) is not None and folder.parent.name != "worker_logs"


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read one of the three logs."""
    patterns = (
        WORKER_PATTERNS
        if "worker" in source.fields
        else MANAGER_PATTERNS
        if "manager" in source.fields
        else INTERCHANGE_PATTERNS
    )
    if "manager" in source.fields:
        manager = batch.span(MANAGER[0], source.fields["manager"])
        batch.annotate(manager, executor=source.fields["label"], block=source.fields.get("block"))
        if "worker" in source.fields:
            worker = batch.span(WORKER[0], source.fields["manager"], source.fields["worker"])
            batch.annotate(worker, executor=source.fields["label"], block=source.fields.get("block"))
            batch.subspan(manager, worker, source.fields["worker"])
    return read_lines(source, batch, progress, patterns, watch=watch(patterns, HTEX_KNOWN))
