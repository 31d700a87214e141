"""The transaction logs of Work Queue and TaskVine managers: tasks, workers, transfers.

Each line is a record: time in microseconds since 1970, the manager's process id, a kind, and fields between spaces::

    1795397974076589 10123 TASK 1 WAITING work FIRST_RESOURCES {"disk":[0,"MB"]}
    1795397977624137 10123 WORKER worker-d877... 127.0.0.1:37482  CONNECTION
    1795398156851031 10123 TRANSFER INPUT 209 1 0.000000 0.000003 exec_parsl_function.py
    1795398156851238 10123 TASK 209 RUNNING 127.0.0.1:37482  FIRST_RESOURCES {"cores":[4,"cores"]}

One reader serves both, and all years of TaskVine, which wrote workers and transfers as Work Queue does until January
2023. What TaskVine has called READY since 2025 was WAITING before, as in Work Queue, and is called so here.

A task has exactly the events that the first dnpc gave it: its states, TRANSFER_INPUT and TRANSFER_OUTPUT (and what a
TaskVine worker measured). A transfer is a span, too, below its worker: below the task it would change the task's event
sequence. A task that was started more than once, because it was put back or its worker was lost, has a span for each
attempt, below that attempt's worker; one that was started once is on its worker from RUNNING to WAITING_RETRIEVAL.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from importers import cctools
from importers.cctools import TASKVINE, WORK_QUEUE, Manager, span_type
from importers.logfile import Block, blocks
from importers.pattern import LATEST
from importers.rows import DRIFT, Batch, storable
from importers.sources import Progress, Source

LATEST_MICROSECONDS = int(LATEST * 1e6)

MEGABYTE = 1 << 20
"""Bytes: what both managers call MB."""

STARTED, ENDED = "started", "ended"

Fields = list[bytes]

_NOBODY = b"(null)"
"""The name of a worker that has not said who it is."""

_NO_TASK = b"0"
"""The number of no task, which TaskVine's first logs have in transfers: ids count from 1."""

_RUNNING, _RETRIEVED = b"RUNNING", b"RETRIEVED"
_ASKING = (b"WAITING", b"READY")
_DONE = b"DONE"
_RESULTS = (_RETRIEVED, _DONE)
_SYNONYMS = {b"READY": b"WAITING"}
_WORD = re.compile(rb"[A-Z][A-Z_]{1,39}")
_TASK_WORDS = frozenset(
    b"UNKNOWN INITIAL READY WAITING RUNNING WAITING_RETRIEVAL RETRIEVED DONE CANCELED CANCELLED".split()
)
_WORKER_WORDS = frozenset(b"CONNECTION DISCONNECTION RESOURCES TRANSFER CACHE_UPDATE".split())
_LIBRARY_WORDS = frozenset(b"WAITING SENT STARTED FAILURE".split())
_MANAGER_WORDS = frozenset(b"START END".split())
_NUMBER = re.compile(rb"\d{1,18}")
_PROCESS = re.compile(rb"\d{1,10}")
_EXIT_CODE = re.compile(rb"-?\d{1,10}")
_ADDRESS = re.compile(rb"\S+:\d{1,5}")
_DIRECTIONS = {b"INPUT": b"TRANSFER_INPUT", b"OUTPUT": b"TRANSFER_OUTPUT"}
_AMOUNTS = ("cores", "gpus", "memory", "disk")

_MEASURED_TIMES = ("time_commit_start", "time_commit_end", "time_worker_start", "time_worker_end")
"""Seconds since 1970, by the clocks of manager and worker: events of the task, named without 'time_'."""


def amounts(text: bytes) -> dict[str, float]:
    """Return the amounts in ``{"disk":[80787,"MB"],"cores":[4,"cores"]}`` by name; empty where it is something else."""
    try:
        found = json.loads(text)
        return {storable(name): amount[0] for name, amount in found.items() if abs(amount[0]) < 1e18}
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError):
        return {}


# Many tasks are alike in what follows, so that it is worked out once.


@lru_cache(maxsize=4096)
def _asked(category: bytes, resources: bytes) -> dict[str, Any]:
    requested = amounts(resources[resources.find(b"{") :])
    return {"category": _text(category)} | ({"requested": requested} if requested else {})


@lru_cache(maxsize=4096)
def _granted(resources: bytes) -> dict[str, float]:
    found = amounts(resources)
    return {name: found[name] for name in _AMOUNTS if name in found}


@lru_cache(maxsize=4096)
def _outcome(result: bytes, code: bytes) -> dict[str, Any]:
    return {"result": _text(result)} | ({"exit_code": int(code)} if _EXIT_CODE.fullmatch(code) else {})


@lru_cache(maxsize=4096)
def _moved_file(direction: bytes, name: bytes, size: float, cached: bool) -> dict[str, Any]:
    """Return the attributes of a transfer, one dictionary for all that are alike: they are stored without a copy."""
    found: dict[str, Any] = {"file": _text(name), "megabytes": size}
    if direction:
        found["direction"] = _text(direction)
    if cached:
        found["cached"] = True
    return found


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")


class _Task:
    """What was read of a task since it was last given to the batch: events (time, type, offset) and attributes."""

    __slots__ = ("attempts", "attributes", "ended", "events", "key", "made", "pending", "transfers")

    def __init__(self, key: str) -> None:
        self.key = key
        self.events: list[tuple[float, int, int]] = []
        self.attributes: dict[str, Any] = {}
        self.transfers = 0
        self.pending: list[_Moved] = []
        """Transfers to a worker that is named after them."""
        self.attempts: list[tuple[float, int, int | None]] = []
        """When each attempt started, the offset of that record, and its worker."""
        self.made = 0
        """How many attempts are spans already."""
        self.ended: list[tuple[float, int] | None] = []
        """When each attempt but perhaps the last ended, and the offset of that record; None where none says so."""


_Moved = tuple[str, float, float, int, dict[str, Any]]
"""Key, start, end, offset and attributes of a transfer."""


def _twice(values: Iterable[int]) -> array[int]:
    """Return each value twice, one after the other."""
    once = array("q", values)
    both = array("q", bytes(2 * once.itemsize * len(once)))
    both[0::2] = both[1::2] = once
    return both


class _Timed:
    """Many things of one type that started and ended: they become spans when all is known of them."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[tuple[_Moved, int | None]] = []
        """Each thing that is no span yet, and the worker it is of."""

    def give(self, batch: Batch, span_type: str, scope: str) -> None:
        """Make the spans, with their events, below their workers."""
        if not self.rows:
            return
        moved, workers = zip(*self.rows, strict=True)
        keys, starts, ends, offsets, attributes = zip(*moved, strict=True)
        spans = batch.new_spans(span_type, [(scope, key) for key in keys])
        types = array("q", [batch.event_type(STARTED), batch.event_type(ENDED)])
        times = [0.0] * (2 * len(spans))
        times[0::2], times[1::2] = starts, ends
        batch.events(_twice(spans), times, types * len(spans), _twice(offsets))
        batch.attributes.update(zip(spans, attributes, strict=True))
        batch.subspans.update(
            ((worker, span), key) for worker, span, key in zip(workers, spans, keys, strict=True) if worker is not None
        )
        self.rows = []


class _Records:
    """Reads the records of one manager into a batch. Tasks and workers are known by the ids that it gave them."""

    def __init__(self, kind: str, label: str | None, manager: Manager, batch: Batch) -> None:
        self.batch, self.key = batch, manager.key
        self.kind = kind
        self.tasks: dict[bytes, _Task] = {}
        self.no_task = _Task(_text(_NO_TASK))
        self.workers: dict[bytes, int] = {}
        self.addresses: dict[bytes, bytes] = {}
        self.connections: dict[bytes, int] = {}
        self.moved: defaultdict[str, _Timed] = defaultdict(_Timed)
        self.transfers = self.moved["transfer"]
        self.event_types: dict[bytes, int] = {}
        self.done: list[_Task] = []
        self.events: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
        self.span = batch.span(span_type(kind, "manager"), self.key)
        batch.annotate(self.span, executor=label, pid=int(manager.pid))
        self.task_type = span_type(kind, "task")

    def _task(self, number: bytes) -> _Task | None:
        """Return a task, made on first mention; None where this is no number."""
        task = self.tasks.get(number)
        if task is None and _NUMBER.fullmatch(number):
            task = self.tasks[number] = _Task(number.decode())
        return task

    def _event(self, span: int, time: float, name: str, offset: int) -> None:
        self.events[span].append((time, self.batch.event_type(name), offset))

    def _worker_or_none(self, name: bytes) -> int | None:
        return None if name == _NOBODY else self._worker(name)

    def _worker(self, name: bytes) -> int:
        """Return the span of a worker: by its id, or by the address of its latest connection."""
        worker = self.addresses.get(name, name)
        span = self.workers.get(worker)
        if span is None:
            key = _text(worker)
            span = self.workers[worker] = self.batch.span(span_type(self.kind, "worker"), self.key, key)
            self.batch.subspan(self.span, span, key)
        return span

    def _check(self, word: bytes, known: frozenset[bytes], offset: int, fields: Fields) -> None:
        """Report a word that is new: its event is kept, but what it means is not known."""
        if word not in known:
            self.batch.reject(DRIFT, offset, b" ".join(fields), kind=b" ".join((fields[2], b"#", word)))

    def _event_type(self, said: bytes, name: str) -> int:
        event = self.event_types[said] = self.batch.event_type(name)
        return event

    def task(self, time: float, offset: int, fields: Fields) -> bool:
        """TASK 209 RUNNING 127.0.0.1:37482  FIRST_RESOURCES {"cores":[4,"cores"]}."""
        if len(fields) < 5:
            return False
        state = fields[4]
        event = self.event_types.get(state)
        if event is None and _WORD.fullmatch(state):
            event = self._event_type(state, _SYNONYMS.get(state, state).decode())
        if event is None or (task := self.tasks.get(fields[3]) or self._task(fields[3])) is None:
            return False
        if state not in _TASK_WORDS:
            self._check(state, _TASK_WORDS, offset, fields)
        task.events.append((time, event, offset))
        if state == _RUNNING:
            self._running(task, time, offset, fields)
            return True
        if len(task.ended) < len(task.attempts):
            task.ended.append((time, offset))
        if state in _ASKING:
            # What was sent for an attempt that never started: to which worker is not known.
            self._sent(task, None)
            # READY work FIRST_RESOURCES 1 {"disk":[0,"MB"]}: before the brace is TaskVine's count of attempts.
            if len(fields) > 5:
                task.attributes |= _asked(fields[5], fields[7] if len(fields) > 7 else b"")
        elif state in _RESULTS and len(fields) > 5:
            self._result(task, offset, fields)
            if state == _DONE:
                self.done.append(task)
        return True

    def _running(self, task: _Task, time: float, offset: int, fields: Fields) -> None:
        worker = self._worker_or_none(fields[5]) if len(fields) > 5 else None
        # Where two attempts follow each other, when the first ended is not known.
        task.ended += [None] * (len(task.attempts) - len(task.ended))
        task.attempts.append((time, offset, worker))
        if len(fields) > 7:
            task.attributes |= _granted(fields[7])
        self._sent(task, worker)

    def _sent(self, task: _Task, worker: int | None) -> None:
        """Say to which worker the transfers went that came before it was named."""
        if task.pending:
            self.transfers.rows += [(moved, worker) for moved in task.pending]
            task.pending = []

    def _result(self, task: _Task, offset: int, fields: Fields) -> None:
        """RETRIEVED SUCCESS  0  {} {"wq_input_time":[0.0002,"s"],...}; DONE repeats it, or has less."""
        outcome = _outcome(fields[5], fields[6] if len(fields) > 6 else b"")
        if not outcome.items() <= task.attributes.items():
            task.attributes |= outcome
        if len(fields) < 8 or fields[4] != _RETRIEVED:
            return
        limits, _, measured = fields[7].partition(b" ")
        if limits not in (b"", b"{}"):
            task.attributes["limits_exceeded"] = _text(limits)
        found = amounts(measured)
        for name in _MEASURED_TIMES:
            # Zero where the task never got so far.
            if 0 < (at := found.pop(name, 0)) < LATEST:
                task.events.append((at, self.batch.event_type(name.removeprefix("time_")), offset))
        if found:
            task.attributes["measured"] = found

    def transfer(self, time: float, offset: int, fields: Fields) -> bool:
        """TRANSFER INPUT 209 1 0.000000 0.000003 exec_parsl_function.py: size in MB, seconds; written at its end."""
        if len(fields) < 8 or (direction := _DIRECTIONS.get(fields[3])) is None:
            return False
        wall, _, name = fields[7].partition(b" ")
        try:
            size, seconds = float(fields[6]), float(wall)
        except ValueError:
            return False
        # A time below zero has been seen in TaskVine's first logs: how long it took is not known then.
        start = time - max(seconds, 0.0)
        if not (abs(size) < LATEST and abs(seconds) < LATEST and start >= 0):
            return False
        task = self.no_task if fields[4] == _NO_TASK else self.tasks.get(fields[4]) or self._task(fields[4])
        if task is None:
            return False
        moved = (
            f"{task.key}.{task.transfers}",
            start,
            time,
            offset,
            _moved_file(fields[3], name, size, fields[5] != b"0"),
        )
        task.transfers += 1
        if task is self.no_task:
            self.transfers.rows.append((moved, None))
            return True
        event = self.event_types.get(direction) or self._event_type(direction, _text(direction))
        task.events.append((time, event, offset))
        if fields[3] == b"INPUT":
            task.pending.append(moved)
        else:
            self.transfers.rows.append((moved, task.attempts[-1][2] if task.attempts else None))
        return True

    def worker(self, time: float, offset: int, fields: Fields) -> bool:
        """Read what happened to a worker, or through it.

        ::

            WORKER worker-d877... 127.0.0.1:37482  CONNECTION        Work Queue, and TaskVine until January 2023
            WORKER worker-2304... CONNECTION 127.0.0.1:51124         TaskVine
            WORKER worker-2304... TRANSFER INPUT file-meta-42a6... 8 30 1795398517067327
            WORKER worker-2304... CACHE_UPDATE file-rnd-khvz... 24 1213425 1795398517069351
        """
        if len(fields) < 5:
            return False
        said = b" ".join(fields[4:]).split()
        address = said.pop(0) if len(said) > 1 and _ADDRESS.fullmatch(said[0]) else b""
        event, rest = said[0].replace(b"-", b"_"), said[1:]
        if not _WORD.fullmatch(event):
            return False
        self._check(event, _WORKER_WORDS, offset, fields)
        if fields[3] == _NOBODY:
            # WORKER (null) DISCONNECTION FAILURE: it was lost before it had said who it is.
            self._event(self.span, time, f"UNNAMED_WORKER_{_text(event)}", offset)
            return True
        if event == b"TRANSFER":
            is_known = bool(rest) and rest[0] in _DIRECTIONS
            return is_known and self._moved("transfer", fields[3], time, offset, rest[0], rest[1:])
        if event == b"CACHE_UPDATE":
            return self._moved("cache_update", fields[3], time, offset, b"", rest)
        worker = self._worker(fields[3])
        self._event(worker, time, event.decode(), offset)
        if event == b"CONNECTION":
            self._connected(worker, time, offset, fields[3], address or b"".join(rest[:1]))
        elif event == b"DISCONNECTION":
            self._disconnected(worker, time, offset, fields[3], rest)
        elif event == b"RESOURCES" and (found := amounts(b" ".join(rest))):
            # Resources may have any names.
            self.batch.attributes.setdefault(worker, {}).update(found)
        return True

    def _connected(self, worker: int, time: float, offset: int, name: bytes, address: bytes) -> None:
        if not address:
            return
        self.addresses[address] = name
        key = _text(address)
        span = self.connections[name] = self.batch.span(span_type(self.kind, "connection"), self.key, _text(name), key)
        self.batch.subspan(worker, span, key)
        self._event(span, time, "CONNECTION", offset)

    def _disconnected(self, worker: int, time: float, offset: int, name: bytes, reason: Fields) -> None:
        text = _text(reason[0]) if reason else None
        self.batch.annotate(worker, reason=text)
        if name in self.connections:
            self._event(self.connections[name], time, "DISCONNECTION", offset)
            self.batch.annotate(self.connections[name], reason=text)

    def _moved(self, thing: str, worker: bytes, time: float, offset: int, direction: bytes, said: Fields) -> bool:
        """Read ``file-meta-42a6... 8 30 1795398517067327``: bytes, microseconds, start; until 2023 MB and seconds."""
        try:
            size, wall = float(said[1]), float(said[2])
            start = float(said[3]) / 1e6 if len(said) > 3 else None
        except (ValueError, IndexError):
            return False
        if start is not None:
            size, wall = size / MEGABYTE, wall / 1e6
        wall = max(wall, 0.0)
        began, ended = (time - wall, time) if start is None else (start, start + wall)
        if not (abs(size) < LATEST and 0 <= began <= ended < LATEST):
            return False
        moved, attributes = self.moved[thing], _moved_file(direction, said[0], size, False)
        moved.rows.append(((str(moved.count), began, ended, offset, attributes), self._worker(worker)))
        moved.count += 1
        return True

    def manager(self, time: float, offset: int, fields: Fields) -> bool:
        """MANAGER START; TaskVine: MANAGER 10906 END 115568393, that is microseconds since its start."""
        event = next((field for field in fields[3:5] if _WORD.fullmatch(field)), None)
        if event is None:
            return False
        self._check(event, _MANAGER_WORDS, offset, fields)
        self._event(self.span, time, event.decode(), offset)
        return True

    def library(self, time: float, offset: int, fields: Fields) -> bool:
        """LIBRARY 1501 SENT worker-21fe...: an instance of a library, which is a task of the same number, too."""
        if len(fields) < 5 or not _NUMBER.fullmatch(fields[3]) or not _WORD.fullmatch(fields[4]):
            return False
        self._check(fields[4], _LIBRARY_WORDS, offset, fields)
        span = self.batch.span(span_type(self.kind, "library"), self.key, fields[3].decode())
        self._event(span, time, fields[4].decode(), offset)
        if len(fields) > 5 and (worker := self._worker_or_none(fields[5])) is not None:
            self.batch.subspan(worker, span, fields[3].decode())
        return True

    def category(self, time: float, offset: int, fields: Fields) -> bool:
        """CATEGORY work MAX {"cores":[4,"cores"]}: what tasks of a category may have."""
        if len(fields) < 5:
            return False
        self.batch.annotate(self.span, **{_text(b" ".join([b"category", *fields[3:5]])): _text(b" ".join(fields[5:]))})
        return True

    def application(self, time: float, offset: int, fields: Fields) -> bool:
        """APPLICATION message: a line that the application itself had written."""
        self._event(self.span, time, "APPLICATION", offset)
        return True

    def give(self, tasks: Iterable[_Task]) -> None:
        """Give the batch what was read of these tasks, of workers and of transfers."""
        for task in dict.fromkeys(tasks):
            span = self.batch.span(self.task_type, self.key, task.key)
            self.events[span] += task.events
            for _started, _offset, worker in task.attempts:
                if worker is not None:
                    self.batch.subspans[worker, span] = task.key
            if len(task.attempts) > 1:
                self._attempts(task)
            if task.attributes:
                # What came after a task's end is added to what was given then.
                self.batch.attributes[span] = self.batch.attributes.get(span, {}) | task.attributes
            task.events, task.attributes = [], {}
        # In order of spans and times, in which they are stored.
        ordered = [(span, sorted(self.events[span])) for span in sorted(self.events)]
        events = list(chain.from_iterable(found for _span, found in ordered))
        self.batch.events(
            chain.from_iterable(repeat(span, len(found)) for span, found in ordered),
            [time for time, _type, _offset in events],
            [event_type for _time, event_type, _offset in events],
            [offset for _time, _type, offset in events],
        )
        for thing, moved in self.moved.items():
            moved.give(self.batch, span_type(self.kind, thing), self.key)
        self.events.clear()
        self.done = []

    def close(self) -> None:
        """Give the batch what is left: the tasks that did not end, too."""
        for task in self.tasks.values():
            self._sent(task, None)
        self.give(task for task in self.tasks.values() if task.events or task.attributes)

    def _attempts(self, task: _Task) -> None:
        """Make the attempts of a task that was started more than once, but for those that are made already."""
        task.attributes["attempts"] = len(task.attempts)
        for number in range(task.made, len(task.attempts)):
            started, offset, worker = task.attempts[number]
            key = f"{task.key}.{number}"
            span = self.batch.span(span_type(self.kind, "attempt"), self.key, key)
            self._event(span, started, STARTED, offset)
            if (ended := task.ended[number] if number < len(task.ended) else None) is not None:
                self._event(span, ended[0], ENDED, ended[1])
            if worker is not None:
                self.batch.subspan(worker, span, key)
        task.made = len(task.attempts)


_KINDS: dict[bytes, Callable[[_Records, float, int, Fields], bool]] = {
    b"TASK": _Records.task,
    b"TRANSFER": _Records.transfer,
    b"WORKER": _Records.worker,
    b"MANAGER": _Records.manager,
    b"LIBRARY": _Records.library,
    b"CATEGORY": _Records.category,
    b"APPLICATION": _Records.application,
}


class _Log:
    """Reads a whole log, record by record, each with its manager's others: there is one, unless it was appended to."""

    def __init__(self, kind: str, source: Source, batch: Batch, found: tuple[Manager, ...]) -> None:
        self.batch, self._found = batch, found
        self._new = partial(_Records, kind, source.fields.get("label"), batch=batch)
        self.records: dict[str, _Records] = {}
        self._current: dict[bytes, _Records] = {}

    def read(self, block: Block) -> None:
        """Read the records of a block of whole lines."""
        offset, current, read = block.start, self._current, 0
        for line in block.data.split(b"\n"):
            fields = line.split(None, 7)
            try:
                micros, pid, kind = int(fields[0]), fields[1], fields[2]
                if not 0 <= micros < LATEST_MICROSECONDS:
                    raise ValueError(micros)
                records = current.get(pid)
                if records is None or kind == b"MANAGER":
                    records = current[pid] = self._of(pid, micros)
                if _KINDS[kind](records, micros / 1e6, offset, fields):
                    read += 1
                else:
                    self.batch.reject(DRIFT, offset, line)
            except (ValueError, LookupError):
                # Comments start with '#'.
                if fields and fields[0][:1] != b"#":
                    self.batch.reject(DRIFT, offset, line)
            offset += len(line) + 1
        self.batch.records += read

    def _of(self, pid: bytes, time: int) -> _Records:
        """Return the reader of the manager with this process id. Raises ValueError where it is none."""
        if not _PROCESS.fullmatch(pid):
            raise ValueError(pid)
        manager = cctools.manager_of(self._found, pid.decode(), time)
        if manager.key not in self.records:
            self.records[manager.key] = self._new(manager)
        return self.records[manager.key]


class Transactions:
    """The importer of one kind of manager's transaction log: a ``sources.Importer``."""

    def __init__(self, kind: str) -> None:
        self.NAME = kind
        self.ROOTS = (span_type(kind, "task"),)
        self.IN_PARTS = True

    def find(self, path: Path) -> Source | None:
        """Recognise a transaction log by its name and its first record."""
        return cctools.source(self.NAME, path, self.NAME) if path.name == cctools.TRANSACTIONS[self.NAME] else None

    def read(self, source: Source, batch: Batch, progress: Progress) -> str:
        """Read a transaction log."""
        fingerprint = hashlib.sha1(usedforsecurity=False)
        log = _Log(self.NAME, source, batch, cctools.managers(source.path))
        batch.format = "transactions"
        if source.run.run_id is None and not source.run.directory:
            # A manager whose run is not known stands for it.
            batch.run_names[batch.run] = f"{cctools.TITLES[self.NAME]} ({batch.run[:8]})"
        for block in blocks(source.path, fingerprint, batch, progress):
            log.read(block)
            for records in log.records.values():
                # A task that was started again since is not done.
                records.give(task for task in records.done if len(task.ended) == len(task.attempts))
            batch.hand_over()
        for records in log.records.values():
            records.close()
        return fingerprint.hexdigest()


work_queue, taskvine = Transactions(WORK_QUEUE), Transactions(TASKVINE)
