"""What the logs of a Work Queue and of a TaskVine manager share: whose they are, and how they name things.

Both managers come from the Cooperative Computing Tools and write a transaction log, statistics and a debug log::

    RUN/<label>/transaction_log  master_log  debug_log                             Work Queue
    runinfo/<label>/<start>/vine-logs/transactions  performance  debug  taskgraph  TaskVine

or lie alone. Ids of tasks count from 1 in each manager, so within a Parsl run local keys start with the manager:
``d41cd3d9/17``, made of its process id and start. A log that lies alone is of a run that is its manager: there, ``17``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from importers.keys import surrogate_key
from importers.logfile import whole_lines
from importers.neighbours import is_open
from importers.rows import storable
from importers.runs import RUN_LOGS, Run, has_tasks, read_run
from importers.sources import Source

WORK_QUEUE, TASKVINE = "workqueue", "taskvine"

TITLES = {WORK_QUEUE: "Work Queue", TASKVINE: "TaskVine"}
"""What people call them."""

TRANSACTIONS = {WORK_QUEUE: "transaction_log", TASKVINE: "transactions"}
"""The file name of each kind of manager's transaction log, beside which its other logs lie."""

EXECUTOR_TASK = {
    WORK_QUEUE: "parsl.executors.workqueue.executor_task",
    TASKVINE: "parsl.executors.taskvine.executor_task",
}
"""The span type of a Parsl executor's task, which becomes a manager's task. Key: executor label, executor task id."""


def span_type(kind: str, thing: str) -> str:
    """Return a span type, such as 'workqueue.worker'.

    Things and their local keys: manager (manager); worker (worker id), connection (worker id, host:port), task (task
    id), attempt and transfer (task id or '', ordinal), each after ``Manager.scope``.
    """
    return f"{kind}.{thing}"


# 1795397974057628 10123 MANAGER START                         Work Queue
# 1795398403720393 10906 MANAGER 10906 START 0                 TaskVine
_START = re.compile(rb"(\d{10,17}) (\d{1,10}) MANAGER (?:\d+ )?START\b.*\n")
_RECORD = re.compile(rb"^(\d{10,17}) (\d{1,10}) [A-Z]+ .*\n", re.MULTILINE)
_MANAGER = b" MANAGER "
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Manager:
    """A manager process: its process id, and when it started, in microseconds since 1970."""

    pid: str
    start: int

    @cached_property
    def key(self) -> str:
        """What it is called within a run: of its own key what is enough there."""
        return self.run_key[:8]

    def scope(self, run: str) -> tuple[str, ...]:
        """Return what the keys of its tasks, workers and transfers start with in a run: nothing in its own.

        It would be in every key there, and twice in the database: 5 bytes for each event.
        """
        return () if run == self.run_key else (self.key,)

    @cached_property
    def run_key(self) -> str:
        """The key of the run that stands for it where its log lies alone."""
        return surrogate_key("manager", self.pid, self.start)


@lru_cache(maxsize=4096)
def managers(transactions: Path) -> tuple[Manager, ...]:
    """Return the managers that wrote a transaction log, in order: one, or more where it was appended to.

    A log without its start is of a manager that started with the first record. Empty where there is no record.
    Raises OSError.
    """
    found: list[Manager] = []
    first: Manager | None = None
    for data in whole_lines(transactions, _BLOCK):
        if first is None and (match := _RECORD.search(data)):
            first = Manager(match[2].decode(), int(match[1]))
        # Few lines hold this text, so few are looked at.
        position = data.find(_MANAGER)
        while position >= 0:
            if match := _START.match(data, data.rfind(b"\n", 0, position) + 1):
                found.append(Manager(match[2].decode(), int(match[1])))
            # The next line: to look again in a long one for where it starts would take its square.
            position = data.find(_MANAGER, data.find(b"\n", position))
    if first and (not found or found[0].start > first.start):
        found.insert(0, first)
    return tuple(dict.fromkeys(found))


def source(importer: str, path: Path, kind: str) -> Source | None:
    """Return the source that a manager's log is, by the transaction log in its folder; None where there is none.

    A Work Queue log in a run directory is of that run. Any other is of a run that stands for its first manager;
    a TaskVine log is given to its run by ``importers.adoption``.
    """
    path = path.absolute()
    transactions = path.with_name(TRANSACTIONS[kind])
    found = managers(transactions) if is_open(transactions) else ()
    if not found:
        return None
    stand_in = found[0].run_key
    is_in_folders = kind == WORK_QUEUE and len(path.parents) > 2
    run = read_run(path.parents[1]) if is_in_folders else Run(stand_in, None, None, "")
    if run.run_id is None and not (is_in_folders and _is_beside_tasks(path.parents[1])):
        return Source(importer, path, storable(_name(path)), Run(stand_in, None, None, ""), identity=path.name)
    name = path.relative_to(path.parents[2]).as_posix()
    return Source(
        importer, path, storable(name), replace(run, stand_in=stand_in), {"label": storable(path.parent.name)}
    )


def _is_beside_tasks(directory: Path) -> bool:
    """Tell whether a run directory has a log with tasks, though it does not say its run id."""
    return any(is_open(directory / log) and has_tasks(directory / log) for log in RUN_LOGS)


def without_copies(sources: list[Source]) -> list[Source]:
    """Return the sources, but of a log that lies alone and in its run, too, only the longer; in its run, that is."""
    longest: dict[tuple[str, ...], Source] = {}
    for source in sources:
        if source.run.run_id is not None and source.run.stand_in:
            longest[source.importer, source.path.name, source.run.stand_in] = source
    left_out = set()
    for source in sources:
        whole = longest.get((source.importer, source.path.name, source.run.key))
        if whole is not None:
            left_out.add(source.key)
            if _size(source.path) > _size(whole.path):
                longest[source.importer, source.path.name, source.run.key] = replace(whole, path=source.path)
    longer = {source.key: source for source in longest.values()}
    return [longer.get(source.key, source) for source in sources if source.key not in left_out]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # its importer reports that it can not be read


def _name(path: Path) -> str:
    """Name a log for people by its place below the folder of the runs, where it lies in one: else by its file name."""
    is_in_folders = path.parent.name == "vine-logs" and len(path.parents) > 3
    return path.relative_to(path.parents[3]).as_posix() if is_in_folders else path.name


def manager_of(found: tuple[Manager, ...], pid: str, time: int) -> Manager:
    """Return the manager that wrote a record: the last of this process id that had started by then (microseconds)."""
    of_pid = [manager for manager in found if manager.pid == pid] or list(found)
    started = [manager for manager in of_pid if manager.start <= time]
    return started[-1] if started else of_pid[0]
