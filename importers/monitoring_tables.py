"""The seven tables of Parsl's monitoring.db, and which span each row tells of."""

from __future__ import annotations

from typing import NamedTuple

WORKFLOW = "parsl.monitoring.workflow"
TASK = "parsl.monitoring.task"
TRY = "parsl.monitoring.try"
BLOCK = "parsl.monitoring.block"
NODE = "parsl.monitoring.node"


class Table(NamedTuple):
    """A table of monitoring.db: its columns of today. Older databases lack some, and then they are NULL."""

    columns: tuple[str, ...]
    times: tuple[str, ...]
    order: str
    span: str
    key: tuple[str, ...]
    tells: tuple[str, ...] = ()
    """What a row must have besides the key to say anything."""


TABLES = {
    "workflow": Table(
        (
            *(
                "workflow_name",
                "workflow_version",
                "time_began",
                "time_completed",
                "host",
                "user",
                "rundir",
            ),
            *("tasks_failed_count", "tasks_completed_count"),
        ),
        ("time_began", "time_completed"),
        "run_id",
        WORKFLOW,
        (),
    ),
    "task": Table(
        (
            *(
                "task_id",
                "task_depends",
                "task_func_name",
                "task_memoize",
                "task_hashsum",
                "task_inputs",
            ),
            *(
                "task_outputs",
                "task_stdin",
                "task_stdout",
                "task_stderr",
                "task_time_invoked",
                "task_time_returned",
            ),
            *("task_fail_count", "task_fail_cost"),
        ),
        ("task_time_invoked", "task_time_returned"),
        "run_id, task_id",
        TASK,
        ("task_id",),
    ),
    "try": Table(
        (
            *(
                "task_id",
                "try_id",
                "block_id",
                "hostname",
                "task_executor",
                "task_try_time_launched",
            ),
            *("task_try_time_running", "task_try_time_returned", "task_fail_history", "task_joins"),
        ),
        ("task_try_time_launched", "task_try_time_running", "task_try_time_returned"),
        "run_id, task_id, try_id",
        TRY,
        ("task_id", "try_id"),
    ),
    "status": Table(
        ("task_id", "task_status_name", "timestamp", "try_id"),
        ("timestamp",),
        "run_id, task_id, timestamp, task_status_name",
        TRY,
        ("task_id", "try_id"),
        ("task_status_name", "timestamp"),
    ),
    "resource": Table(
        (
            *(
                "task_id",
                "try_id",
                "timestamp",
                "resource_monitoring_interval",
                "psutil_process_pid",
            ),
            *(
                "psutil_process_memory_percent",
                "psutil_process_children_count",
                "psutil_process_time_user",
            ),
            *(
                "psutil_process_time_system",
                "psutil_process_memory_virtual",
                "psutil_process_memory_resident",
            ),
            *(
                "psutil_process_disk_read",
                "psutil_process_disk_write",
                "psutil_process_status",
                "psutil_cpu_num",
            ),
            *(
                "psutil_process_num_ctx_switches_voluntary",
                "psutil_process_num_ctx_switches_involuntary",
            ),
        ),
        ("timestamp",),
        "run_id, task_id, try_id, timestamp",
        TRY,
        ("task_id", "try_id"),
        ("timestamp",),
    ),
    "node": Table(
        (
            *(
                "id",
                "hostname",
                "uid",
                "block_id",
                "cpu_count",
                "total_memory",
                "active",
                "worker_count",
            ),
            *("python_v", "timestamp", "last_heartbeat"),
        ),
        ("timestamp", "last_heartbeat"),
        "run_id, id",
        NODE,
        ("uid",),
        ("id",),
    ),
    "block": Table(
        ("executor_label", "block_id", "timestamp", "job_id", "status"),
        ("timestamp",),
        "run_id, executor_label, block_id, timestamp",
        BLOCK,
        ("executor_label", "block_id"),
        ("status", "timestamp"),
    ),
}
