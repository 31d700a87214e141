"""funcX and Globus Compute endpoints: the logs of an endpoint, of its managers and of their workers.

::

    ENDPOINT/endpoint.log  endpoint.log.1                                       rotated ones are older
    ENDPOINT/<executor>/worker_logs/<manager id>/funcx_worker_<N>.log  manager.log

All of them name a task by its UUID, which is unique everywhere. An endpoint that runs tasks in its own process logs
in ``endpoint.log`` what else a worker logs. Globus Compute says most of this at level DEBUG only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from importers.adoption import named_managers
from importers.fingerprint import Fingerprint
from importers.keys import surrogate_key
from importers.line_reader import read_lines
from importers.logfile import BLOCK, BLOCK_HEAD, FUNCX, Block, blocks, dialect, first_funcx_record
from importers.neighbours import is_open
from importers.pattern import Pattern
from importers.rows import Batch, storable
from importers.runs import Run
from importers.sources import Progress, Source

NAME = "funcx_endpoint"

TASK = ("funcx.endpoint.task", "task")
MANAGER = ("funcx.manager", "manager")
WORKER = ("funcx.worker", "manager", "worker")
WORKER_TASK = ("funcx.worker.task", "task")

ROOTS = (TASK[0],)

_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TASK = rb"(?P<task>" + _UUID + rb")"
_MANAGER = rb"b'(?P<manager>[^'\n]{1,200})'"


def _task_patterns(*inside: tuple[str, ...]) -> tuple[Pattern, ...]:
    """Return the patterns of what is said of a task where it is executed."""
    return (
        # Received task with task_id='35f4db5e-...' and msg='b'\x05TID=35f4db5e-...'        a long line
        Pattern(rb"Received task with task_id='" + _TASK + b"'", WORKER_TASK, "worker.received", inside),
        Pattern(rb"executing task task_id='" + _TASK + b"'", WORKER_TASK, "worker.executing", inside),
        # task 35f4db5e-... completed                       funcX
        # task 35f4db5e-... completed in 1024311 ns         Globus Compute
        Pattern(
            rb"task " + _TASK + rb" completed(?: in (?P<duration_ns>\d{1,18}) ns)?$",
            WORKER_TASK,
            "worker.completed",
            inside,
            attributes=("duration_ns",),
            literal=b" completed",
        ),
    )


ENDPOINT_PATTERNS = (
    Pattern(rb"Received task: " + _TASK, TASK, "endpoint.received"),
    # Sent task fb0d5bf0-... to manager b'0739733c6b92'
    Pattern(rb"Sent task " + _TASK + rb" to manager " + _MANAGER, TASK, "endpoint.sent", attributes=("manager",)),
    # Passing result to forwarder for task fb0d5bf0-...           funcX
    # Forwarding result for task fb0d5bf0-...                     Globus Compute, with a colon after task since 2023
    Pattern(rb"Passing result to forwarder for task " + _TASK, TASK, "endpoint.forwarded"),
    Pattern(rb"Forwarding result for task:? " + _TASK, TASK, "endpoint.forwarded"),
    # Registration info for manager b'0739733c6b92': {..., 'max_worker_count': 8, 'cores': 8, ..., 'block_id': '1', ...}
    Pattern(
        rb"Registration info for manager " + _MANAGER + rb": "
        rb"(?=(?:[^\n]*?'max_worker_count': (?P<workers>\d{1,18}))?)(?=(?:[^\n]*?'block_id': '(?P<block>[^'\n]*)')?)"
        rb"(?=(?:[^\n]*?'hname': '(?P<host>[^'\n]*)')?)(?=(?:[^\n]*?'cores': (?P<cpus>\d{1,18}))?)",
        MANAGER,
        "registration",
        attributes=("workers", "block", "host", "cpus"),
    ),
    Pattern(rb"Adding manager: " + _MANAGER + rb" to ready queue", MANAGER, "registered"),
    # Add manager to ready queue: b'0739733c6b92'                 Globus Compute
    Pattern(rb"Add manager to ready queue: " + _MANAGER, MANAGER, "registered"),
    Pattern(rb"Too many heartbeats missed for manager " + _MANAGER, MANAGER, "heartbeats_missed"),
    Pattern(rb"Sent failure reports, unregistering manager " + _MANAGER, MANAGER, "unregistered"),
    Pattern(rb"Unregistering manager " + _MANAGER, MANAGER, "unregistered"),
    *_task_patterns(),
)

WORKER_PATTERNS = (
    # Initializing worker 0
    Pattern(rb"Initializing worker \d{1,18}$", WORKER, "initializing"),
    Pattern(rb"Starting worker$", WORKER, "started"),
    # Received task with task_id='KILL' and msg='...'              the group keeps the literal that of the pattern below
    Pattern(rb"Received task with task_id='(?:KILL)'", WORKER, "kill_received"),
    *_task_patterns(WORKER),
)

# Block ID: 3                    a record of its own in 2022, since then a line below 'Arguments:'
_BLOCK_ID = re.compile(rb"\bBlock ID: (?!None$)(\S{1,200})$", re.MULTILINE)

_ENDPOINT_FILE = re.compile(r"endpoint\.log(?:\.(\d{1,9}))?")
_MANAGER_FILE = re.compile(r"(?:funcx_worker_(\d{1,18})|manager)\.log(?:\.\d{1,9})?")

# Initializing EndpointInterchange process with Endpoint ID: ee4737d1-cb0e-4048-93e7-b69fede8e4e3
# Starting local interchange with endpoint id: ee4737d1-...
# Starting the TaskQueueSubscriber as ee4737d1-...                again with each connection
_ENDPOINT_ID = re.compile(rb"(?:ndpoint (?:ID|id):|TaskQueueSubscriber as) (" + _UUID + rb")")

_FOLDERS_ABOVE = 3
"""From a manager's folder up to the endpoint's: worker_logs, the executor's, the endpoint's."""


def find(path: Path) -> Source | None:
    """Recognise the logs by their names and places, and by a first record in funcX's dialect. Raises OSError."""
    if _ENDPOINT_FILE.fullmatch(path.name):
        return _endpoint_source(path.absolute())
    if (match := _MANAGER_FILE.fullmatch(path.name)) and (match[1] or _is_manager_log(path)):
        return _manager_source(path.absolute(), match[1])
    return None


def _is_manager_log(path: Path) -> bool:
    """Tell a funcX manager's log from those of other managers, which have the same name, by its first record."""
    with path.open("rb") as file:
        return dialect(Block(0, file.read(BLOCK_HEAD))).startswith(FUNCX)


def _endpoint_source(path: Path) -> Source | None:
    if (first := _first_record(path)) is None:
        return None
    # Rotation renames a log, so that its name does not tell it from others.
    return Source(NAME, path, storable(path.name), _endpoint_run(path, first), identity=first)


def _manager_source(path: Path, worker: str | None) -> Source | None:
    """Return the source of a log that lies in a manager's folder: a worker's, or the manager's own."""
    first = _first_record(path)
    if first is None:
        return None
    manager = storable(path.parent.name)
    fields = {"manager": manager} | ({"worker": worker} if worker else {})
    name = storable(f"{manager}/{path.name}")
    return Source(NAME, path, name, _manager_run(path.parent), fields, identity=f"{manager}/{worker or ''}/{first}")


def _endpoint_run(path: Path, first: str) -> Run:
    """Return the run of an endpoint's log: its endpoint, named there or in the log before or after it."""
    stand_in = surrogate_key("funcx endpoint", first)
    own = _age(path)
    # Its older ones first, the next one before others: an endpoint says its id when it starts.
    nearest = sorted(_endpoint_logs(path.parent), key=lambda log: (_age(log) < own, abs(_age(log) - own)))
    endpoint = next(filter(None, map(_endpoint_id, [path, *nearest])), None)
    return Run(endpoint or stand_in, endpoint, None, "", stand_in)


def _age(log: Path) -> int:
    """Return how often a log was rotated."""
    match = _ENDPOINT_FILE.fullmatch(log.name)
    return int(match[1] or 0) if match else 0


def _endpoint_logs(folder: Path) -> list[Path]:
    logs = [log for log in folder.glob("endpoint.log*") if _ENDPOINT_FILE.fullmatch(log.name) and is_open(log)]
    return sorted(logs, key=_age)


def _manager_run(folder: Path) -> Run:
    """Return the run of a manager's logs: of the endpoint above it whose log names it, or one that stands for it."""
    stand_in = surrogate_key("funcx manager", folder.name)
    for above in list(folder.parents)[:_FOLDERS_ABOVE]:
        for log in _endpoint_logs(above):
            # Another log that can't be read is reported for itself.
            with suppress(OSError):
                if folder.name in _managers(log):
                    run = _endpoint_run(log, "")
                    if run.run_id:
                        return replace(run, stand_in=stand_in)
    return Run(stand_in, None, None, "", stand_in)


def _first_record(path: Path) -> str | None:
    return _first_record_of(path, *_state(path))


def _endpoint_id(path: Path) -> str | None:
    with suppress(OSError):
        return _endpoint_id_of(path, *_state(path))
    return None


def _managers(path: Path) -> frozenset[str]:
    return _managers_of(path, *_state(path))


def _state(path: Path) -> tuple[int, int]:
    """Return what changes when a file does, so that what was found in it is not looked for again."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _first_record_of(path: Path, _size: int, _changed: int) -> str | None:
    record = first_funcx_record(path)
    # A payload makes a line of megabytes; time, process and what is said first tell it from others.
    return None if record is None else record[:1000].decode("utf-8", "replace")


@lru_cache(maxsize=4096)
def _endpoint_id_of(path: Path, _size: int, _changed: int) -> str | None:
    with path.open("rb") as file:
        rest = b""
        while chunk := file.read(BLOCK):
            # An id that is cut at the end of one block is whole in the next.
            if match := _ENDPOINT_ID.search(rest + chunk):
                return match[1].decode()
            rest = chunk[-100:]
    return None


@lru_cache(maxsize=1024)
def _managers_of(path: Path, _size: int, _changed: int) -> frozenset[str]:
    return frozenset(named_managers(path))


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read one of the logs. Raises OSError."""
    run, manager, worker = source.run, source.fields.get("manager"), source.fields.get("worker")
    is_known = run.run_id is not None or manager is None
    batch.run_names[run.key] = f"endpoint ({run.key[:8]})" if is_known else f"endpoint of manager {manager}"
    if manager is not None:
        manager_span = batch.span(MANAGER[0], manager)
        if worker is None:
            return _read_manager(source, batch, progress, manager_span)
        batch.subspan(manager_span, batch.span(WORKER[0], manager, worker), worker)
    batch.format = dialect(Block(0, (first_funcx_record(source.path) or b"")))
    if not batch.format.startswith(FUNCX):
        batch.format = FUNCX
    return read_lines(source, batch, progress, ENDPOINT_PATTERNS if worker is None else WORKER_PATTERNS)


def _read_manager(source: Source, batch: Batch, progress: Progress, manager: int) -> str:
    """Read a manager's own log: it names no task, but the manager's block."""
    fingerprint = Fingerprint()
    for block in blocks(source.path, fingerprint, batch, progress):
        batch.format = batch.format or dialect(block)
        for match in _BLOCK_ID.finditer(block.data):
            batch.records += 1
            batch.annotate(manager, block=match[1].decode("utf-8", "replace"))
    return fingerprint.hexdigest()
