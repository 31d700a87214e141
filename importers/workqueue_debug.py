"""The debug log of a Work Queue manager, RUN/<label>/debug_log, written with ``full_debug=True``.

Since March 2025 it is the only log that shows which executor task became which Work Queue task. To start task 1, the
manager sends the function of executor task 0 to a worker, and then changes the task's state::

    2026/11/23 01:39:38.80 work_queue_python[10123]wq: vm (127.0.0.1:37482) needs file
    /home/alice/runinfo/000/WorkQueueExecutor/function_data/0000/function (offset 0 length 74) as 'file-2-54b1-function'
    2026/11/23 01:39:38.80 work_queue_python[10123]wq: Task 1 state change: WAITING (1) to RUNNING (2)

(the first two lines are one). That gives the attribute ``executor_task`` of the Work Queue task. The times are local,
and say nothing that the transaction log does not, so there are no events.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from importers import cctools
from importers.cctools import WORK_QUEUE, Manager
from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks, line_at
from importers.rows import Batch
from importers.sources import Progress, Source

NAME = "workqueue_debug"
ROOTS = ()

FILE = "debug_log"

# 2026/11/23 01:39:38.80 work_queue_python[10123]wq: Task 1 state change: WAITING (1) to RUNNING (2)
_PREFIX = rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{1,6} [^\[\n]{0,200}\[(?P<pid>\d{1,10})\] ?wq: "
_STATE = re.compile(_PREFIX + rb"Task (?P<task>\d{1,18}) state change: \w+ \(\d+\) to (?P<state>\w+) \(\d+\)")
_LINE = re.compile(_PREFIX)
_FUNCTION = re.compile(rb"/function_data/(\d{4,18})/function ")

_CHANGED = b" state change: "
_SENT = b"/function "
_NEEDS = b" needs file "


def find(path: Path) -> Source | None:
    """Recognise a debug log by its name, and by the transaction log beside it."""
    return cctools.source(NAME, path, WORK_QUEUE) if path.name == FILE else None


class _Pairs:
    """Which executor task each task of each process was started with, and where the log says so."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._sent: dict[bytes, int] = {}
        """For each process, the executor task whose function was sent last and is not yet running."""
        self._started: defaultdict[tuple[bytes, int], dict[int, int]] = defaultdict(dict)
        """The executor tasks of (process, task), with the offsets at which they were first seen."""

    def read(self, block: Block) -> None:
        """Read a block of whole lines."""
        for position, literal in sorted(_positions(block.data), key=itemgetter(0)):
            line = block.data.rfind(b"\n", 0, position) + 1
            if literal == _SENT:
                self._function(block.data, line, position)
            else:
                self._state(block, line)

    def _function(self, data: bytes, line: int, position: int) -> None:
        folder = data.rfind(b"/function_data/", line, position)
        sent = _FUNCTION.match(data, folder) if folder >= 0 and data.find(_NEEDS, line, folder) >= 0 else None
        process = _LINE.match(data, line)
        if sent and process:
            self._sent[process["pid"]] = int(sent[1])

    def _state(self, block: Block, line: int) -> None:
        changed = _STATE.match(block.data, line)
        if changed is None:
            self._batch.reject("a change of state in an unknown form", block.start + line, line_at(block.data, line))
            return
        # Whatever task changes its state: what was sent before was for it, or for a start that failed.
        sent = self._sent.pop(changed["pid"], None)
        if changed["state"] == b"RUNNING" and sent is not None:
            self._batch.records += 1
            self._started[changed["pid"], int(changed["task"])].setdefault(sent, block.start + line)

    def close(self, found: tuple[Manager, ...]) -> None:
        """Give each task its executor task, unless the log contradicts itself."""
        starts: defaultdict[tuple[bytes, int], set[int]] = defaultdict(set)
        for (pid, task), numbers in self._started.items():
            for number in numbers:
                starts[pid, number].add(task)
        for (pid, task), numbers in self._started.items():
            number, offset = next(iter(numbers.items()))
            of_process = [manager for manager in found if manager.pid == pid.decode()]
            if len(of_process) != 1:
                self._batch.reject("which manager wrote this is not known", offset, f"task {task} of process {pid!r}")
            elif len(numbers) > 1 or any(len(starts[pid, number]) > 1 for number in numbers):
                text = f"task {task}: {', '.join(f'function_data/{number:04d}' for number in sorted(numbers)[:9])}"
                self._batch.reject("a task with the function of more than one, or of another task's", offset, text)
            else:
                span = self._batch.span(
                    cctools.span_type(WORK_QUEUE, "task"), *of_process[0].scope(self._batch.run), str(task)
                )
                self._batch.annotate(span, executor_task=number)


def _positions(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where lines hold a text that matters, once a line and text."""
    for literal in (_SENT, _CHANGED):
        position = data.find(literal)
        while position >= 0:
            yield position, literal
            end = data.find(b"\n", position)
            position = data.find(literal, end) if end >= 0 else -1


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read a Work Queue debug log."""
    found = cctools.managers(source.path.with_name(cctools.TRANSACTIONS[WORK_QUEUE]))
    fingerprint = Fingerprint(repr(found).encode())
    batch.format = "debug"
    pairs = _Pairs(batch)
    for block in blocks(source.path, fingerprint, batch, progress):
        pairs.read(block)
    pairs.close(found)
    return fingerprint.hexdigest()
