"""The log of a run's DataFlowKernel: RUN/parsl.log, or RUN/parsl.jsonlog since May 2026.

State lines carry no try id, so records are taken in file order and the try is counted: a task's try
is the number of its ``to fail_retryable`` lines so far. Where two DataFlowKernels live in one process,
each log holds the records of both, and ``importers.parsl_threads`` tells them apart.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from importers import metric_lines
from importers.drift import PARSL_KNOWN, Drifted, watch
from importers.executor_tasks import RULES as EXECUTOR_TASK_RULES
from importers.executor_tasks import ExecutorTasks
from importers.fingerprint import Fingerprint
from importers.logfile import JSONLOG, Block, blocks, dialect, line_at
from importers.parsl_blocks import RULES as BLOCK_RULES
from importers.parsl_blocks import Blocks
from importers.parsl_threads import OTHER, Threads
from importers.pattern import Hit, Pattern
from importers.rows import DRIFT, Batch, storable
from importers.runs import RUN_LOGS, has_tasks, read_run, run_name
from importers.sources import Progress, Source
from importers.span_numbers import NONE, SpanNumbers
from importers.times import EPOCH

NAME = "parsl_log"

WORKFLOW = "parsl.rundir.workflow"
TASK = "parsl.rundir.task"
TRY = "parsl.rundir.try"
ROOTS = (TASK,)
IN_PARTS = True

BLOCKS_AT_ONCE = 64
"""Blocks that are looked at together: what tells runs apart in one log may lie far from the records it is about."""


_OF_OTHER_RUN = "of another run in the same process: its own log has it"


_DEPENDENCY = re.compile(rb"\btask (\d{1,18})\b")

LONGEST_INFORMATION = 1 << 16
"""Bytes of start-up information that are read as Python: it has some hundred, and Python takes 500 times as many."""


class Reader:
    """What has been read of one log so far: its batch, each task's current try, its executors' blocks and tasks."""

    def __init__(self, batch: Batch, log: str) -> None:
        self.batch = batch
        self.log = log
        self.all_states: set[str] = set()
        """The runs with lines for all changes of state."""
        self.blocks = Blocks(batch, self.workflow)
        self.executor_tasks = ExecutorTasks(batch)
        self._workflows: dict[str, int] = {}
        # By run, and then by the task's number as it is written. Most tasks have one try.
        self._tasks: defaultdict[str, SpanNumbers[bytes]] = defaultdict(SpanNumbers)
        self._first_tries: defaultdict[str, SpanNumbers[bytes]] = defaultdict(SpanNumbers)
        self._later_tries: dict[tuple[str, bytes, int], int] = {}
        self._retries: defaultdict[tuple[str, bytes], int] = defaultdict(int)

    def workflow(self, run: str) -> int:
        """Return the span of the run."""
        span = self._workflows.get(run)
        if span is None:
            span = self._workflows[run] = self.batch.span(WORKFLOW, run=run)
        return span

    def task(self, run: str, task: bytes) -> int:
        """Return the span of a task, in its run."""
        tasks = self._tasks[run]
        span = tasks[task]
        if span == NONE:
            span = self.batch.new_span(TASK, task.decode(), run=run)
            tasks.add(task, span)
        return span

    def try_(self, run: str, task: bytes, try_id: int) -> int:
        """Return the span of a try, in its task, in its run."""
        span = self._later_tries.get((run, task, try_id), NONE) if try_id else self._first_tries[run][task]
        if span != NONE:
            return span
        parent, name = self.task(run, task), task.decode()
        span = self.batch.new_span(TRY, name, str(try_id), run=run)
        if try_id:
            self._later_tries[run, task, try_id] = span
        else:
            self._first_tries[run].add(task, span)
        self.batch.subspan(parent, span, str(try_id))
        self.batch.subspan(self.workflow(run), parent, name)
        return span

    def current_try(self, run: str, task: bytes) -> int:
        """Return the span of the try that a task is at."""
        return self.try_(run, task, self._retries.get((run, task), 0) if self._retries else 0)

    def to_next_try(self, run: str, task: bytes) -> None:
        """Note that the lines to come are of the task's next try."""
        self._retries[run, task] += 1


class Rule(NamedTuple):
    """A pattern of a message, and what it does to the reader."""

    pattern: Pattern
    apply: Callable[[Reader, Hit, str], None]


def _text(hit: Hit, group: str) -> str:
    return hit.match[group].decode("utf-8", "replace")


def _workflow_event(event: str) -> Callable[[Reader, Hit, str], None]:
    def apply(reader: Reader, hit: Hit, run: str) -> None:
        reader.batch.event(reader.workflow(run), hit.time, event, hit.offset)

    return apply


def _task_event(event: str) -> Callable[[Reader, Hit, str], None]:
    def apply(reader: Reader, hit: Hit, run: str) -> None:
        reader.batch.event(reader.task(run, hit.match["task"]), hit.time, event, hit.offset)

    return apply


def _info(reader: Reader, hit: Hit, run: str) -> None:
    """Keep what the start-up and shutdown information says of the workflow, times left out.

    ``{'python_version': '3.11.7', ..., 'time_began': datetime.datetime(2026, 11, 23, 1, 34), ...}``
    """
    text = re.sub(r"datetime\.datetime\([^()]*\)", "None", _text(hit, "info"))
    try:
        if len(text) > LONGEST_INFORMATION:
            raise ValueError("too long")
        with warnings.catch_warnings():
            # Python warns of numbers that run into a word, and of unknown escapes.
            warnings.simplefilter("ignore")
            info = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        reader.batch.reject("workflow information in an unknown form", hit.offset, hit.match[0])
        return
    if isinstance(info, dict):
        reader.batch.annotate(
            reader.workflow(run),
            **{str(k): v for k, v in info.items() if isinstance(v, str | int | float)},
        )
        if "workflow_name" in info:
            reader.batch.run_names[run] = run_name(info["workflow_name"], info.get("rundir"), run)


def _startup(reader: Reader, hit: Hit, run: str) -> None:
    _info(reader, hit, run)
    reader.batch.event(reader.workflow(run), hit.time, "started", hit.offset)


def _shutdown(reader: Reader, hit: Hit, run: str) -> None:
    _info(reader, hit, run)
    reader.batch.event(reader.workflow(run), hit.time, "completed", hit.offset)


def _submitted(reader: Reader, hit: Hit, run: str) -> None:
    """Task 8 submitted for App work, waiting on task 7, task 9."""
    task = hit.match["task"]
    span = reader.task(run, task)
    reader.batch.event(span, hit.time, "submitted", hit.offset)
    reader.batch.subspan(reader.workflow(run), span, task.decode())
    waits = hit.match["waits"]
    depends = [int(number) for number in _DEPENDENCY.findall(waits)] if waits else None
    reader.batch.annotate(span, app=_text(hit, "app"), depends=depends or None)


def _state(reader: Reader, hit: Hit, run: str, state: str | None = None) -> None:
    """Task 0 changing state from pending to launched."""
    task, state = hit.match["task"], state or _text(hit, "state")
    reader.batch.event(reader.current_try(run, task), hit.time, state, hit.offset)
    if state == "fail_retryable":
        # This line still belongs to the try that failed; the next lines to the next one.
        reader.to_next_try(run, task)


def _stated(reader: Reader, hit: Hit, run: str) -> None:
    """Note that the log has lines for all changes of state."""
    reader.all_states.add(run)
    _state(reader, hit, run)


def _told(state: str | None = None) -> Callable[[Reader, Hit, str], None]:
    """Return what takes a state from the lines that told of some, before there were lines for all of them."""

    def apply(reader: Reader, hit: Hit, run: str) -> None:
        if run not in reader.all_states:
            _state(reader, hit, run, state)

    return apply


def _launched(reader: Reader, hit: Hit, run: str) -> None:
    """Parsl task 6 try 1 launched on executor htex_Local with executor id 254.

    The only place where a try and its executor task are named together.
    """
    span = reader.try_(run, hit.match["task"], int(hit.match["try"]))
    reader.batch.event(span, hit.time, "launched_on_executor", hit.offset)
    executor_task = hit.match["executor_task"]
    reader.batch.annotate(
        span,
        executor=_text(hit, "label"),
        executor_task=int(executor_task) if executor_task else None,
    )


def _exception(reader: Reader, hit: Hit, run: str) -> None:
    """Task 6 try 0 failed with exception of type ValueError."""
    span = reader.try_(run, hit.match["task"], int(hit.match["try"]))
    reader.batch.event(span, hit.time, "exception", hit.offset)
    if hit.match["exception"]:
        reader.batch.annotate(span, exception=_text(hit, "exception"))


def _executor(reader: Reader, hit: Hit, run: str) -> None:
    span = reader.blocks.executor(run, _text(hit, "label"))
    reader.batch.event(span, hit.time, "added", hit.offset)
    reader.batch.annotate(span, type=_text(hit, "type"))
    reader.executor_tasks.added(run, _text(hit, "label"), _text(hit, "type"))


def _of_blocks(apply: Callable[[Blocks, Hit, str], None]) -> Callable[[Reader, Hit, str], None]:
    return lambda reader, hit, run: apply(reader.blocks, hit, run)


def _of_executor_task(apply: Callable[[ExecutorTasks, Hit, str], None]) -> Callable[[Reader, Hit, str], None]:
    return lambda reader, hit, run: apply(reader.executor_tasks, hit, run)


def _metric(reader: Reader, hit: Hit, run: str) -> None:
    metric_lines.add_metric(reader.batch, hit, reader.log, run=run)


# Kinds of lines that share one search.
_FAILED = b" failed "
_INFORMATION = b" information: {"

RULES = (
    Rule(Pattern(rb"Run id is: (?P<run>\S+)"), _workflow_event("began")),
    Rule(Pattern(rb"Workflow startup information: (?P<info>\{.*\})", literal=_INFORMATION), _startup),
    Rule(
        Pattern(rb"Workflow shutdown information: (?P<info>\{.*\})", literal=_INFORMATION),
        _shutdown,
    ),
    Rule(
        Pattern(rb"DFK cleanup initiated", literal=b"DFK cleanup "),
        _workflow_event("cleanup_initiated"),
    ),
    Rule(
        Pattern(rb"DFK cleanup complete", literal=b"DFK cleanup "),
        _workflow_event("cleanup_complete"),
    ),
    Rule(Pattern(rb"Adding executor (?P<label>\S+) of type (?P<type>\S+)", literal=b" of type "), _executor),
    Rule(
        Pattern(rb"Task (?P<task>\d{1,18}) submitted for App (?P<app>.*), (?:not waiting on|waiting on(?P<waits>.*))"),
        _submitted,
    ),
    # 2023 has no state lines; initializing and changing came 2026-04.
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) initializing state to (?P<state>\w+)"), _stated),
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) changing state from \w+ to (?P<state>\w+)"), _stated),
    # Task 0 set to pending state with AppFuture: <AppFuture at 0x7f2e1f1c4a50 state=pending>      until 2026-04
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) set to pending state with AppFuture: "), _told("pending")),
    # Task 0 completed (launched -> exec_done)
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) completed \(\w+ -> (?P<state>\w+)\)"), _told()),
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) failed \(\w+ -> (?P<state>\w+)\)", literal=_FAILED), _told()),
    Rule(Pattern(rb"Task (?P<task>\d{1,18}) marked for retry"), _told("fail_retryable")),
    Rule(
        Pattern(
            rb"Parsl task (?P<task>\d{1,18}) try (?P<try>\d{1,18}) launched on executor (?P<label>\S+)"
            rb"(?: with executor id (?P<executor_task>\d{1,18}))?$"
        ),
        _launched,
    ),
    Rule(
        Pattern(
            # Until 2023 without the type.
            rb"Task (?P<task>\d{1,18}) try (?P<try>\d{1,18}) failed"
            rb"(?: with exception of type (?P<exception>\S+)|$)",
            literal=_FAILED,
        ),
        _exception,
    ),
    Rule(
        Pattern(rb"Task (?P<task>\d{1,18}) failed after \d+ retry attempts", literal=_FAILED),
        _task_event("failed_after_retries"),
    ),
    Rule(
        Pattern(rb"Task (?P<task>\d{1,18}) failed due to dependency failure$", literal=_FAILED),
        _task_event("dependency_failed"),
    ),
    Rule(
        Pattern(rb"Task (?P<task>\d{1,18}) failed due to failure of (?:an )?inner join future", literal=_FAILED),
        _task_event("join_failed"),
    ),
    Rule(Pattern(rb"Reusing cached result for task (?P<task>\d{1,18})"), _task_event("memo_reused")),
    Rule(Pattern(rb"Join callback for task (?P<task>\d{1,18}), "), _task_event("join_callback")),
    *(Rule(pattern, _of_blocks(apply)) for pattern, apply in BLOCK_RULES),
    Rule(metric_lines.PATTERN, _metric),
    *(Rule(pattern, _of_executor_task(apply)) for pattern, apply in EXECUTOR_TASK_RULES),
)

PATTERNS = tuple(rule.pattern for rule in RULES)

_APPLY = {rule.pattern: rule.apply for rule in RULES}


def find(path: Path) -> Source | None:
    """Recognise parsl.log and parsl.jsonlog."""
    if path.name not in RUN_LOGS:
        return None
    directory = path.absolute().parent
    return Source(NAME, path, storable(f"{directory.name}/{path.name}"), read_run(directory))


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read the log of a DataFlowKernel."""
    fingerprint = Fingerprint()
    if source.run.run_id is None and not has_tasks(source.path):
        for _ in blocks(source.path, fingerprint, batch, progress):
            pass
        # A child process that runs the user's script again starts a log, and stops before the run id.
        batch.format = "no run id"
        batch.reject("a log without 'Run id is': the start of a child process, not a run", 0, source.name)
        return fingerprint.hexdigest()
    if source.run.run_id is None:
        # Unless its head is missing, this log names its run in another way. Its tasks are read, of a run of their own.
        batch.reject(DRIFT, 0, "a log with tasks but no run id: which run it is of is not known")
    elif source.run.clock is not None:
        batch.shown_clocks[source.run.run_id] = source.run.clock
    reader, threads = Reader(batch, source.path.name), Threads(source.run.key)
    found = blocks(source.path, fingerprint, batch, progress)
    while together := deque(islice(found, BLOCKS_AT_ONCE)):
        batch.format = batch.format or dialect(together[0])
        threads.read(together, batch.format == JSONLOG)
        while together:
            _read_block(together.popleft(), batch, threads, reader)
            batch.hand_over_many()
    reader.blocks.close()
    return fingerprint.hexdigest()


def _read_block(block: Block, batch: Batch, threads: Threads, reader: Reader) -> None:
    for record in watch(PATTERNS, PARSL_KNOWN).records(block, EPOCH, batch):
        offset = record[0]
        run = threads.run_of(offset)
        if isinstance(record, Drifted):
            reason = DRIFT if run in (threads.own_run, None) else _OF_OTHER_RUN
            batch.reject(reason, offset, record.text, kind=record.message)
        elif run:
            batch.records += 1
            _APPLY[record.pattern](reader, record, run)
        else:
            reason = _OF_OTHER_RUN if run == OTHER else "which of the runs in this log it belongs to is not known"
            batch.reject(reason, offset, line_at(block.data, offset - block.start))
