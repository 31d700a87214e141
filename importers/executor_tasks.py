"""What parsl.log tells of the tasks of Work Queue and TaskVine executors, which a manager's tasks carry out.

The lines of the process that submits are in parsl.log until March 2025; since then that process logs nothing, and
which executor task became which manager's task is known otherwise: see ``importers.task_joins``.

Lines name the executor task, but few name the executor: it is told by the files' folder, or is the only one of its
kind in the run. Until 2023 the two kinds worded lines alike, and the line's logger tells them apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from importers.cctools import EXECUTOR_TASK, TASKVINE, WORK_QUEUE
from importers.pattern import Hit, Pattern
from importers.rows import Batch

MANAGER_TASK = "manager_task"
"""The attribute of an executor task that names the manager's task it became, where a line says so."""

_KIND_OF_MODULE = {"parsl.executors.workqueue.": WORK_QUEUE, "parsl.executors.taskvine.": TASKVINE}


class ExecutorTasks:
    """The executor tasks of one log, and which executors of each kind its runs have."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._labels: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._created: dict[tuple[str, str, str], str] = {}
        self._staging: dict[tuple[str, str], str] = {}

    def added(self, run: str, label: str, class_name: str) -> None:
        """Note an executor that a run has, by the name of its class."""
        for module, kind in _KIND_OF_MODULE.items():
            if class_name.startswith(module):
                self._labels[run, kind].add(label)

    def staged(self, run: str, staging: str, label: str) -> None:
        """Note the folder in which a TaskVine executor puts its tasks' files."""
        self._labels[run, TASKVINE].add(label)
        self._staging[run, staging] = label

    def created(self, run: str, kind: str, task: str, label: str) -> None:
        """Note which executor a task is of."""
        self._labels[run, kind].add(label)
        self._created[run, kind, task] = label

    def label_of(self, run: str, staging: str) -> str | None:
        """Return the label of the executor that puts its tasks' files in a folder of this name."""
        return self._staging.get((run, staging))

    def span(self, run: str, kind: str, task: str, *, latest: bool) -> int | None:
        """Return the span of an executor task; None where it can't be told which executor's it is.

        Where several executors count alike, ``latest`` says that the one that created this task last is meant.
        """
        labels = self._labels[run, kind]
        label = next(iter(labels)) if len(labels) == 1 else self._created.get((run, kind, task)) if latest else None
        return None if label is None else self.batch.span(EXECUTOR_TASK[kind], label, task, run=run)


class Line(NamedTuple):
    """A pattern of a line about one executor task: of which kind of executor, and what happened.

    The groups ``label`` and ``staging`` are the executor's label, and the folder that has its tasks' files.
    """

    pattern: Pattern
    kind: str
    event: str
    latest: bool = False

    def apply(self, tasks: ExecutorTasks, hit: Hit, run: str) -> None:
        """Add the event that the line tells of."""
        groups = {name: text.decode("utf-8", "replace") for name, text in hit.match.groupdict().items() if text}
        kind = _kind_of_logger(hit) or self.kind
        if label := groups.get("label") or tasks.label_of(run, groups.get("staging", "")):
            tasks.created(run, kind, groups["task"], label)
        span = tasks.span(run, kind, groups["task"], latest=self.latest)
        if span is None:
            tasks.batch.reject("a task of one of several executors: which is not known", hit.offset, hit.match[0])
            return
        tasks.batch.event(span, hit.time, self.event, hit.offset)
        if manager_task := groups.get(MANAGER_TASK):
            tasks.batch.annotate(span, **{MANAGER_TASK: int(manager_task)})


def _kind_of_logger(hit: Hit) -> str | None:
    """Return the kind of executor whose logger wrote a line of text; JSON records came after all lines told it."""
    line = hit.match.string.rfind(b"\n", 0, hit.match.start()) + 1
    prefix = hit.match.string[line : hit.match.start()]
    return next((kind for module, kind in _KIND_OF_MODULE.items() if module.encode() in prefix), None)


_NUMBER = rb"\d{1,18}"
_TASK = rb"(?P<task>" + _NUMBER + rb")"
_MANAGER_TASK = rb"(?P<manager_task>" + _NUMBER + rb")"
_LABEL = rb"(?:.*/)?(?P<label>[^/\n]+)"
"""The last folder of a path, which may hold spaces."""
_CREATING = b"Creating executor task "
_COMPLETED = b"Completed Work"
_UPDATING = b"Updating Future for "

LINES = (
    # Creating executor task 0 with function at: /.../000/WorkQueueExecutor/function_data/0000/function
    Line(
        Pattern(
            _CREATING + _TASK + rb" with function at: " + _LABEL + rb"/function_data/\d+/function$", literal=_CREATING
        ),
        WORK_QUEUE,
        "created",
        latest=True,
    ),
    # Until March 2023, of both kinds:
    # Creating Task 0 with function at: /.../000/WorkQueueExecutor/function_data/0000/function
    Line(
        Pattern(
            rb"Creating Task " + _TASK + rb" with function at: " + _LABEL + rb"/function_data/\d+/function$",
            literal=b"Creating Task ",
        ),
        WORK_QUEUE,
        "created",
        latest=True,
    ),
    # In 2023:
    # Creating executor task 0 with function at: /.../000/TaskVineExecutor/function_data/0000/function and result to ...
    Line(
        Pattern(
            _CREATING + _TASK + rb" with function at: " + _LABEL + rb"/function_data/\d+/function and result to be ",
            literal=_CREATING,
        ),
        TASKVINE,
        "created",
        latest=True,
    ),
    # Creating executor task 0 with function at: /scratch/TaskVineExecutor-a-2026-g6te/0000/function, argument at: ...
    Line(
        Pattern(
            _CREATING + _TASK + rb" with function at: (?:.*/)?(?P<staging>[^/\n]+)/\d+/function, argument at: ",
            literal=_CREATING,
        ),
        TASKVINE,
        "created",
        latest=True,
    ),
    Line(Pattern(rb"Placing executor task " + _TASK + rb" on message queue"), WORK_QUEUE, "queued", latest=True),
    # Work Queue's line, too, until March 2023.
    Line(Pattern(rb"Placing task " + _TASK + rb" on message queue"), TASKVINE, "queued", latest=True),
    # From the process that submits, until March 2025. Work Queue's line was worded in three ways.
    Line(
        Pattern(
            rb"Task " + _TASK + rb" submitted to WorkQueue with id " + _MANAGER_TASK,
            literal=b" submitted to WorkQueue with id ",
        ),
        WORK_QUEUE,
        "submitted",
    ),
    Line(
        Pattern(
            rb"Executor task "
            + _TASK
            + rb" submitted (?:to Work Queue with Work Queue task id|as Work Queue task) "
            + _MANAGER_TASK,
            literal=b"Executor task ",
        ),
        WORK_QUEUE,
        "submitted",
    ),
    Line(
        Pattern(
            rb"Executor task " + _TASK + rb" submitted as TaskVine task with id " + _MANAGER_TASK,
            literal=b"Executor task ",
        ),
        TASKVINE,
        "submitted",
    ),
    # Completed WorkQueue task 3047, parsl task 3046        parsl executor task 3046        executor task 3046
    Line(
        Pattern(
            rb"Completed Work ?Queue task "
            + _MANAGER_TASK
            + rb", (?:parsl task|parsl executor task|executor task) "
            + _TASK
            + rb"$",
            literal=_COMPLETED,
        ),
        WORK_QUEUE,
        "executor_completed",
    ),
    Line(Pattern(_UPDATING + rb"executor task " + _TASK + rb"$", literal=_UPDATING), WORK_QUEUE, "future_updated"),
    # Despite its text, the number is the executor task's:
    # Updating Future for Parsl Task: 0. Task 0 has result_received set to True
    Line(Pattern(_UPDATING + rb"Parsl Task: " + _TASK + rb"\.", literal=_UPDATING), TASKVINE, "future_updated"),
    # The same of both kinds, until 2023: Updating Future for Parsl Task 0
    Line(Pattern(_UPDATING + rb"Parsl Task " + _TASK + rb"$", literal=_UPDATING), TASKVINE, "future_updated"),
)

STAGING = Pattern(
    # Function data directory: /scratch/TaskVineExecutor-a-2026-g6te, log directory: /.../000/TaskVineExecutor
    rb"Function data directory: (?P<staging>.+), log directory: (?P<logs>.+)$"
)


def staged(tasks: ExecutorTasks, hit: Hit, run: str) -> None:
    """Note where a TaskVine executor puts its files; the folder of its logs is named by its label."""
    staging, logs = (re.split(r"[/\\]", hit.match[name].decode("utf-8", "replace").rstrip("/")) for name in _FOLDERS)
    tasks.staged(run, staging[-1], logs[-1])


_FOLDERS = ("staging", "logs")

RULES: tuple[tuple[Pattern, Callable[[ExecutorTasks, Hit, str], None]], ...] = (
    (STAGING, staged),
    *((line.pattern, line.apply) for line in LINES),
)
