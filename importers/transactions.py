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

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, compress, repeat
from operator import itemgetter
from pathlib import Path

from importers import cctools
from importers.cctools import TASKVINE, WORK_QUEUE, Manager, span_type
from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks
from importers.pattern import LATEST
from importers.record_fields import amounts, granted_of, moved_file, text_of, words
from importers.rows import DRIFT, Batch
from importers.sources import Progress, Source
from importers.task_records import RECORD, Found, Start, Tasks
from importers.timed_spans import Timed

LATEST_MICROSECONDS = int(LATEST * 1e6)

MEGABYTE = 1 << 20
"""Bytes: what both managers call MB."""

Fields = list[bytes]

_NOBODY = b"(null)"
"""The name of a worker that has not said who it is."""

_WORD = re.compile(rb"[A-Z][A-Z_]{1,39}")
_TASK_WORDS = frozenset(
    b"UNKNOWN INITIAL READY WAITING RUNNING WAITING_RETRIEVAL RETRIEVED DONE CANCELED CANCELLED".split()
)
_WORKER_WORDS = frozenset(b"CONNECTION DISCONNECTION RESOURCES TRANSFER CACHE_UPDATE".split())
_LIBRARY_WORDS = frozenset(b"WAITING SENT STARTED FAILURE".split())
_MANAGER_WORDS = frozenset(b"START END".split())
_NUMBER = re.compile(rb"\d{1,18}")
_PROCESS = re.compile(rb"\d{1,10}")
_ADDRESS = re.compile(rb"\S+:\d{1,5}")
_DIRECTIONS = (b"INPUT", b"OUTPUT")

BLOCK = 1 << 16
"""Bytes read at a time: what their records are taken apart into fits a processor's cache."""

_STARTS_KEPT = 4096
"""What records of RUNNING say, of which the meaning is remembered: many are alike."""


class _Records:
    """Reads the records of one manager into a batch. Tasks and workers are known by the ids that it gave them."""

    def __init__(self, kind: str, label: str | None, manager: Manager, batch: Batch) -> None:
        self.batch, self.scope = batch, manager.scope(batch.run)
        self.kind = kind
        self.workers: dict[bytes, int] = {}
        self.addresses: dict[bytes, bytes] = {}
        self.connections: dict[bytes, int] = {}
        self.starts: dict[bytes, Start] = {}
        self.moved: defaultdict[str, Timed] = defaultdict(Timed)
        self.events: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
        self.span = batch.span(span_type(kind, "manager"), manager.key)
        batch.annotate(self.span, executor=label, pid=int(manager.pid))
        types = (span_type(kind, "task"), span_type(kind, "attempt"))
        self.tasks = Tasks(batch, self.scope, *types, self.moved["transfer"])

    def _event(self, span: int, time: float, name: str, offset: int) -> None:
        self.events[span].append((time, self.batch.event_type(name), offset))

    def _worker_or_none(self, name: bytes) -> int | None:
        return None if name == _NOBODY else self._worker(name)

    def _worker(self, name: bytes) -> int:
        """Return the span of a worker: by its id, or by the address of its latest connection."""
        worker = self.addresses.get(name, name)
        span = self.workers.get(worker)
        if span is None:
            key = text_of(worker)
            span = self.workers[worker] = self.batch.span(span_type(self.kind, "worker"), *self.scope, key)
            self.batch.subspan(self.span, span, key)
        return span

    def _check(self, word: bytes, known: frozenset[bytes], offset: int, fields: Fields) -> None:
        """Report a word that is new: its event is kept, but what it means is not known."""
        if word not in known:
            self.batch.reject(DRIFT, offset, b" ".join(fields), kind=b" ".join((fields[2], b"#", word)))

    def read_tasks(self, found: Sequence[Found], offsets: Sequence[int]) -> None:
        """Read records of tasks and transfers between which no worker came to an address."""
        if not _TASK_WORDS.issuperset([record[3] for record in found if record[3]]):
            for record, offset in zip(found, offsets, strict=True):
                if word := record[3]:
                    fields = [*record[:2], b"TASK", record[2], word, *record[9].split(None, 2)]
                    self._check(word, _TASK_WORDS, offset, fields)
        self.tasks.read(found, offsets, self._start)

    def _start(self, said: bytes) -> Start:
        """127.0.0.1:37482  FIRST_RESOURCES {"cores":[4,"cores"]}: where an attempt starts, and with what."""
        start = self.starts.get(said)
        if start is None:
            if len(self.starts) >= _STARTS_KEPT:
                self.starts.clear()
            name, _limits, granted = words(said)
            start = self.starts[said] = Start(self._worker_or_none(name) if name else None, granted_of(granted))
        return start

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
            self._event(self.span, time, f"UNNAMED_WORKER_{text_of(event)}", offset)
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
        self.starts.clear()
        key = text_of(address)
        span = self.connections[name] = self.batch.span(
            span_type(self.kind, "connection"), *self.scope, text_of(name), key
        )
        self.batch.subspan(worker, span, key)
        self._event(span, time, "CONNECTION", offset)

    def _disconnected(self, worker: int, time: float, offset: int, name: bytes, reason: Fields) -> None:
        text = text_of(reason[0]) if reason else None
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
        moved, attributes = self.moved[thing], moved_file(direction, said[0], size, False)
        moved.add(str(moved.count), began, ended, offset, attributes, self._worker(worker))
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
        span = self.batch.span(span_type(self.kind, "library"), *self.scope, fields[3].decode())
        self._event(span, time, fields[4].decode(), offset)
        if len(fields) > 5 and (worker := self._worker_or_none(fields[5])) is not None:
            self.batch.subspan(worker, span, fields[3].decode())
        return True

    def category(self, time: float, offset: int, fields: Fields) -> bool:
        """CATEGORY work MAX {"cores":[4,"cores"]}: what tasks of a category may have."""
        if len(fields) < 5:
            return False
        self.batch.annotate(
            self.span, **{text_of(b" ".join([b"category", *fields[3:5]])): text_of(b" ".join(fields[5:]))}
        )
        return True

    def application(self, time: float, offset: int, fields: Fields) -> bool:
        """APPLICATION message: a line that the application itself had written."""
        self._event(self.span, time, "APPLICATION", offset)
        return True

    def give(self) -> None:
        """Give the batch what was read of workers, of tasks that are done, and of transfers."""
        self._give(self.tasks.give)

    def close(self) -> None:
        """Give the batch what is left: the tasks that did not end, too."""
        self._give(self.tasks.close)

    def _give(self, give_tasks: Callable[[], None]) -> None:
        # In order of spans and times, in which they are stored.
        for span, events in sorted(self.events.items()):
            times, types, offsets = zip(*sorted(events), strict=True)
            self.batch.events(repeat(span, len(events)), times, types, offsets)
        self.events.clear()
        give_tasks()
        for thing, moved in self.moved.items():
            moved.give(self.batch, span_type(self.kind, thing), self.scope)


_KINDS: dict[bytes, Callable[[_Records, float, int, Fields], bool]] = {
    b"WORKER": _Records.worker,
    b"MANAGER": _Records.manager,
    b"LIBRARY": _Records.library,
    b"CATEGORY": _Records.category,
    b"APPLICATION": _Records.application,
}


_CHANGES = re.compile(rb"MANAGER|CONNECTION")
"""In lines after which a process id may be another manager's, or an address another worker's."""


class _Log:
    """Reads a whole log, each record with its manager's others: there is one, unless it was appended to."""

    def __init__(self, kind: str, source: Source, batch: Batch, found: tuple[Manager, ...]) -> None:
        self.batch, self._found = batch, found
        self._new = partial(_Records, kind, source.fields.get("label"), batch=batch)
        self.records: dict[str, _Records] = {}
        self._current: dict[bytes, _Records] = {}

    def read(self, block: Block) -> None:
        """Read the records of a block of whole lines."""
        found = RECORD.findall(block.data)
        lengths = [len(line) + 1 for line in block.data.split(b"\n")]
        offsets = [*accumulate(lengths[: len(found)], initial=block.start)]
        first = 0
        for place, record in enumerate(found):
            if line := record[-1]:
                # What a task's record means depends on which manager wrote it, and which worker was at an address.
                if _CHANGES.search(line):
                    self._read_tasks(found[first:place], offsets[first:place])
                    first = place
                self._read_other(line[:-1], offsets[place])
        self._read_tasks(found[first:], offsets[first : len(found)])

    def _read_tasks(self, found: Sequence[Found], offsets: Sequence[int]) -> None:
        """Read the records of tasks and transfers among these."""
        pids = dict.fromkeys(map(itemgetter(1), found))
        for pid in filter(None, pids):
            its, at = found, offsets
            if len(pids) > 1:
                is_its = [record[1] == pid for record in found]
                its, at = [*compress(found, is_its)], [*compress(offsets, is_its)]
            self._manager(pid, int(its[0][0])).read_tasks(its, at)
            self.batch.records += len(its)

    def _read_other(self, line: bytes, offset: int) -> None:
        """Read a line that is no record of a task or transfer."""
        fields = line.split(None, 7)
        try:
            micros, pid, kind = int(fields[0]), fields[1], fields[2]
            if not 0 <= micros < LATEST_MICROSECONDS:
                raise ValueError(micros)
            if kind == b"MANAGER":
                self._current.pop(pid, None)
            if _KINDS[kind](self._manager(pid, micros), micros / 1e6, offset, fields):
                self.batch.records += 1
            else:
                self.batch.reject(DRIFT, offset, line)
        except (ValueError, LookupError):
            # Comments start with '#'.
            if fields and fields[0][:1] != b"#":
                self.batch.reject(DRIFT, offset, line)

    def _manager(self, pid: bytes, time: int) -> _Records:
        """Return the reader of the manager that has this process id by now. Raises ValueError where it is none."""
        records = self._current.get(pid)
        if records is None:
            records = self._current[pid] = self._of(pid, time)
        return records

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
        fingerprint = Fingerprint()
        log = _Log(self.NAME, source, batch, cctools.managers(source.path))
        batch.format = "transactions"
        if source.run.run_id is None and not source.run.directory:
            # A manager whose run is not known stands for it.
            batch.run_names[batch.run] = f"{cctools.TITLES[self.NAME]} ({batch.run[:8]})"
        for block in blocks(source.path, fingerprint, batch, progress, BLOCK):
            log.read(block)
            for records in log.records.values():
                records.give()
            batch.hand_over_many()
        for records in log.records.values():
            records.close()
        return fingerprint.hexdigest()


work_queue, taskvine = Transactions(WORK_QUEUE), Transactions(TASKVINE)
