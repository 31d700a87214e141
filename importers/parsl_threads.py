"""Tell apart the runs whose records share one parsl.log.

Each DataFlowKernel of a process logs to every open parsl.log of that process, and text lines carry no
run id. What tells them apart is the thread: a kernel's launch thread names its executors, and result
threads start while their kernel does. A log of one run, which nearly all are, costs next to nothing here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, chain, product
from typing import Any, NamedTuple

from importers.logfile import Block, json_record
from importers.rows import storable

OTHER = ""
"""Stands for a run of the same process that began before the log, so that its id is not there."""

# A run has these once.
_ONCE = (
    b" INFO: Task 0 initializing state to ",
    b" INFO: Task 0 submitted for App ",
    b': "Task 0 initializing state to pending", "p',
)

_START = "Starting DataFlowKernel"

# 1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Task-Launch_0-1398357884 parsl.dataflow.dflow:565 f INFO: ...
_HEADER = re.compile(rb"\d+\.\d+ \S+ \S+ \S+-\d+ (?P<name>.+?)-(?P<thread>\d+) \S+:\d+ \S+ [A-Z]+: (?P<message>.*)")

_EXECUTOR_ADDED = re.compile(r"Adding executor (\S+) of type ")
_LAUNCHED = re.compile(r"Parsl task \d+ try \d+ launched on executor (\S+)")
_WILL_BE_SENT = re.compile(r"Task \d+ will be sent to executor (\S+)")
_SCALING = re.compile(r"\[Scaling executor ([^\]\n]+)\]")
# Started result queue thread: <Thread(HTEX-Result-Queue-Thread, started daemon 139843833149120)>
_THREAD_STARTED = re.compile(r"Started result queue thread: <Thread\(.*, started daemon (\d+)\)>")
_SCALING_IN = re.compile(r"Scaling in executor (\S+)")
_RUN_NAMED = re.compile(r"Workflow (?:startup|shutdown) information: .*'run_id': '([^']+)'")

# These threads begin while their kernel starts, and serve it alone.
_KERNEL_THREADS = ("HTEX-Result-Queue-Thread", "WorkQueue-collector-thread", "TaskVine")


class _Line(NamedTuple):
    """A record: where it starts, its thread's name and number, its message, and the run it names itself, if any."""

    offset: int
    name: str
    thread: str
    message: str
    run: str | None


class Threads:
    """Knows the run of each record of a log, once its blocks have been read in order."""

    def __init__(self, own_run: str) -> None:
        self.own_run = self._latest = own_run
        self._began: set[str] = set()
        self._labels_added: set[bytes] = set()
        self._same_labels = False
        self.run_at: dict[int, str] | None = None
        self._labels: defaultdict[str, set[str]] = defaultdict(set)
        self._serves: dict[str, str] = {}
        self._now: dict[str, str | None] = {}

    def read(self, blocks: Sequence[Block], is_json: bool) -> None:
        """Learn from some blocks. Cheap until a second run id turns up."""
        if not self._is_shared([block.data for block in blocks]) and self.run_at is None:
            return
        lines = list(chain.from_iterable(map(_json_lines if is_json else _text_lines, blocks)))
        now = dict(self._now)
        for line in lines:
            self._learn_labels(line)
        # What each thread was doing where the blocks begin: the lines are gone through once more.
        self._now = now
        for line in lines:
            if (match := _LAUNCHED.match(line.message)) and (run := self._of_label(match[1])) is not None:
                self._serves[line.thread] = run
            elif line.run and line.name.startswith("Task-Launch"):
                self._serves[line.thread] = self._begun(line.run)
        self.run_at = self.run_at or {}
        ending: dict[str, str] = {}
        for line in reversed(lines):
            # What a kernel logs while it shuts down comes before the line that names it.
            if match := _RUN_NAMED.match(line.message):
                ending[line.thread] = self._begun(match[1])
            elif line.thread in ending:
                if line.message.startswith(("DFK cleanup initiated", "Marking block ")):
                    self.run_at[line.offset] = ending[line.thread]
                if line.message.startswith("DFK cleanup initiated"):
                    del ending[line.thread]
        for line in lines:
            if (run := self._follow(line)) is not None:
                self.run_at.setdefault(line.offset, run)

    def _is_shared(self, data: Sequence[bytes]) -> bool:
        """Tell whether the log holds records of more than one run, from a few searches of its blocks."""

        def count(text: bytes) -> int:
            return sum(block.count(text) for block in data)

        for block in data:
            if b"Run id is: " in block:
                self._began |= {run.decode("utf-8", "replace") for run in re.findall(rb"Run id is: ([^\s\"]+)", block)}
            if b"Adding executor " in block:
                self._labels_added |= set(re.findall(rb"Adding executor (\S+) of type ", block))
        # The log of a kernel that started later begins there, and so lacks the other's first lines. Counting is
        # faster than matching each launch.
        launches = count(b" launched on executor ")
        ends = product(sorted(self._labels_added), (b" ", b"\n", b'"'))
        own = accumulate(count(b" launched on executor " + label + end) for label, end in ends)
        foreign = bool(self._labels_added) and not any(found >= launches for found in own)
        twice = any(count(text) > 1 for text in _ONCE)
        others = bool(self._began - {self.own_run})
        # Records come twice, yet every executor and run id is this run's: the other run's labels are the same.
        self._same_labels = self._same_labels or (twice and not foreign and not others)
        return others or foreign or twice

    def _learn_labels(self, line: _Line) -> None:
        if line.message.startswith(_START):
            self._now[line.thread] = None
        elif line.message.startswith("Run id is: "):
            self._now[line.thread] = line.message.removeprefix("Run id is: ").strip()
        elif (match := _EXECUTOR_ADDED.match(line.message)) and (run := self._now.get(line.thread)):
            self._labels[match[1]].add(run)
        elif (match := _THREAD_STARTED.match(line.message)) and (run := self._now.get(line.thread)):
            self._serves[match[1]] = run

    def _of_label(self, label: str) -> str | None:
        """Return the run that alone has an executor of this label; OTHER where no run of this log added it."""
        runs = (self._labels.get(label) or {OTHER}) | ({OTHER} if self._same_labels else set())
        return next(iter(runs)) if len(runs) == 1 else None

    def _begun(self, run: str) -> str:
        """Return a run that a line names; OTHER if it began before this log, which then has only part of it."""
        return run if run in self._began else OTHER

    def _follow(self, line: _Line) -> str | None:
        """Return the run of a line, knowing those above it."""
        if line.message.startswith(_START):
            # From here to its run id, this thread builds a kernel; other threads go on.
            self._now[line.thread] = None
            return None
        if line.message.startswith("Run id is: "):
            self._latest = line.message.removeprefix("Run id is: ").strip()
            self._now[line.thread] = self._latest
            return self._latest
        if line.run:
            named = self._begun(line.run)
            if not line.name.startswith("Task-Launch"):
                self._now[line.thread] = named
            return named
        if match := _RUN_NAMED.match(line.message):
            return self._begun(match[1])
        for pattern in (_WILL_BE_SENT, _SCALING, _SCALING_IN, _LAUNCHED):
            if match := pattern.match(line.message):
                run = self._of_label(match[1])
                if pattern is _WILL_BE_SENT:
                    self._now[line.thread] = run
                return run
        if line.thread not in self._serves and line.name.startswith(_KERNEL_THREADS):
            self._serves[line.thread] = self._latest if " starting" in line.message else OTHER
        return self._serves.get(line.thread, self._now.get(line.thread))

    def run_of(self, offset: int) -> str | None:
        """Return the run of the record at an offset; None where it can't be told, OTHER for one not in this log."""
        return self.own_run if self.run_at is None else self.run_at.get(offset)


def _text_lines(block: Block) -> list[_Line]:
    lines = []
    for match in re.finditer(rb"^.*$", block.data, re.MULTILINE):
        if header := _HEADER.match(block.data, match.start()):
            name, thread, message = (part.decode("utf-8", "replace") for part in header.group(1, 2, 3))
            lines.append(_Line(block.start + match.start(), name, thread, message, None))
    return lines


def _json_lines(block: Block) -> list[_Line]:
    lines = []
    for match in re.finditer(rb"^.*$", block.data, re.MULTILINE):
        record: dict[str, Any] | str = json_record(match[0])
        if isinstance(record, dict):
            name, thread = str(record.get("threadName")), str(record.get("thread"))
            run = record.get("parsl.dfk")
            lines.append(
                _Line(
                    block.start + match.start(),
                    name,
                    thread,
                    record["formatted"],
                    storable(str(run)) if run else None,
                )
            )
    return lines
