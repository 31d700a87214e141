"""The task graph of a TaskVine manager, ``taskgraph``: its tasks, and the files that they read and write.

Version 2, of 2026, names the place of each file, and so which executor task became which task::

    FILE file-meta-9215... "/scratch/TaskVineExecutor-alice-20261123014642387312-g6te3lus/0000/function" 5493
    TASK T1 "python3" INPUTS file-meta-f005... file-meta-9215... OUTPUTS file-rnd-eini...

Before, it was a drawing, for Graphviz, with at most the last part of a file's name as its label::

    "file-file-meta-b983..." [shape=rect,color=blue,label=""];
    "file-file-meta-b983..." -> "task-84";
    "task-84" -> "file-file-rnd-nnys...";

There are no times in it, so no events. Tasks get the attributes ``inputs`` and ``outputs`` (how many files),
``depends`` (the tasks that write what they read) and ``executor_task``. Each file is a JSON record, since transfers
name files only: ``{"file": ..., "manager": ..., "source": ..., "size": ..., "read_by": [1], "written_by": []}``.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from importers import cctools
from importers.cctools import TASKVINE, Manager
from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks
from importers.rows import Batch
from importers.sources import Progress, Source

NAME = "taskgraph"
ROOTS = ()

FILE = "taskgraph"

WRITERS = 100
"""No file is really written by more tasks than this; a broken log could make each depend on all of them."""

_FILE = re.compile(rb'FILE (\S+) "(.*)" (-?\d{1,18})')
_TASK = re.compile(rb'TASK T(-?\d{1,18}) ".*')
_NODE = re.compile(rb'"file-(\S+)" \[[^"]*label="(.*)"\];')
_INPUT = re.compile(rb'"file-(\S+)" -> "task-(-?\d{1,18})";')
_OUTPUT = re.compile(rb'"task-(-?\d{1,18})" -> "file-(\S+)";')
_TASK_NODE = re.compile(rb'"task-(-?\d{1,18})" \[.*\];')
_SILENT = re.compile(rb'(?:#.*|digraph "taskvine" \{|node \[.*\];|\})?')

# Parsl's own files: /scratch/TaskVineExecutor-alice-20261123014642387312-g6te3lus/0000/function
_STAGED = re.compile(r"(?s)(.+)/(\d{4,18})/(function|argument|map|result)", re.ASCII)


def find(path: Path) -> Source | None:
    """Recognise a task graph by its name, and by the transaction log beside it."""
    return cctools.source(NAME, path, TASKVINE) if path.name == FILE else None


def _staging_directory(source: str) -> str | None:
    """Return the directory in which an executor stages its tasks, from the place of one of its function files."""
    match = _STAGED.fullmatch(source)
    return match[1] if match and match[3] == "function" else None


class _File(NamedTuple):
    """A FILE line: the file's id, its place, and its size in bytes, None where it is not said."""

    offset: int
    id: bytes
    source: str
    size: int | None


class _Staged(NamedTuple):
    """A file of an executor task: the directory of all of them, the executor task id, and whether it is its result."""

    directory: str
    executor_task: int
    is_result: bool


class _Graph:
    """What was read of a graph so far. Task ids are as in the transaction log."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.files: list[_File] = []
        self.tasks: dict[int, int] = {}
        """Task ids, and where each is first named."""
        self.inputs: defaultdict[int, dict[bytes, None]] = defaultdict(dict)
        self.outputs: defaultdict[int, dict[bytes, None]] = defaultdict(dict)
        self.readers: defaultdict[bytes, list[int]] = defaultdict(list)
        self.writers: defaultdict[bytes, list[int]] = defaultdict(list)

    def read(self, block: Block) -> None:
        """Read a block of whole lines."""
        offset = block.start
        for line in block.data.split(b"\n"):
            if any(reader(self, line, offset) for reader in _READERS):
                self.batch.records += 1
            elif not _SILENT.fullmatch(line):
                self.batch.reject("a line of a task graph in an unknown form", offset, line)
            offset += len(line) + 1

    def file(self, line: bytes, offset: int) -> bool:
        """FILE file-meta-9215... "/scratch/.../0000/function" 5493."""
        if match := _FILE.fullmatch(line):
            self.files.append(_File(offset, match[1], _text(match[2]), int(match[3])))
        return match is not None

    def task(self, line: bytes, offset: int) -> bool:
        """TASK T1 "python3" INPUTS file-meta-f005... OUTPUTS file-rnd-eini... : the ids hold no spaces."""
        match = _TASK.fullmatch(line)
        _, found, files = line.rpartition(b'" INPUTS ')
        words = files.split()
        if match is None or not found or b"OUTPUTS" not in words:
            return False
        task = self._task(match[1], offset)
        middle = words.index(b"OUTPUTS")
        self._reads(task, words[:middle])
        self._writes(task, words[middle + 1 :])
        return True

    def node(self, line: bytes, offset: int) -> bool:
        """Read ``"file-file-meta-b983..." [shape=rect,color=blue,label="function"];``."""
        if match := _NODE.fullmatch(line):
            self.files.append(_File(offset, match[1], _text(match[2]), None))
        return match is not None

    def task_node(self, line: bytes, offset: int) -> bool:
        """Read ``"task-84" [color=green,label=""];``."""
        if match := _TASK_NODE.fullmatch(line):
            self._task(match[1], offset)
        return match is not None

    def input(self, line: bytes, offset: int) -> bool:
        """Read ``"file-file-meta-b983..." -> "task-84";``."""
        if match := _INPUT.fullmatch(line):
            self._reads(self._task(match[2], offset), [match[1]])
        return match is not None

    def output(self, line: bytes, offset: int) -> bool:
        """Read ``"task-84" -> "file-file-rnd-nnys...";``."""
        if match := _OUTPUT.fullmatch(line):
            self._writes(self._task(match[1], offset), [match[2]])
        return match is not None

    def _task(self, number: bytes, offset: int) -> int:
        self.tasks.setdefault(int(number), offset)
        return int(number)

    def _reads(self, task: int, files: Iterable[bytes]) -> None:
        for file in files:
            if file not in self.inputs[task]:
                self.inputs[task][file] = None
                self.readers[file].append(task)

    def _writes(self, task: int, files: Iterable[bytes]) -> None:
        for file in files:
            if file not in self.outputs[task]:
                self.outputs[task][file] = None
                self.writers[file].append(task)

    def store(self, manager: Manager) -> None:
        """Add the rows of the whole graph to the batch."""
        staged = self._staged(manager)
        scope = manager.scope(self.batch.run)
        for task, offset in self.tasks.items():
            # The result of another task may be among the inputs.
            numbers = {
                place.executor_task
                for files, is_result in ((self.inputs[task], False), (self.outputs[task], True))
                for file in files
                for place in staged.get(file, ())
                if place.is_result == is_result
            }
            if len(numbers) > 1:
                listed = ", ".join(map(str, sorted(numbers)[:9]))
                text = f"T{task}: executor tasks {listed}"
                self.batch.reject("a task with the files of more than one executor task", offset, text)
            depends = {writer for file in self.inputs[task] for writer in self._writers(file)} - {task}
            self.batch.annotate(
                self.batch.span(cctools.span_type(TASKVINE, "task"), *scope, str(task)),
                inputs=len(self.inputs[task]),
                outputs=len(self.outputs[task]),
                depends=sorted(depends) or None,
                executor_task=numbers.pop() if len(numbers) == 1 else None,
            )
        for file, writers in self.writers.items():
            if len(writers) > WRITERS:
                self.batch.reject("a file that too many tasks write: none depends on it", 0, file)
        self.batch.raw_records += [(file.offset, self._record(file, manager)) for file in self.files]

    def _writers(self, file: bytes) -> list[int]:
        writers = self.writers.get(file, [])
        return writers if len(writers) <= WRITERS else []

    def _staged(self, manager: Manager) -> dict[bytes, list[_Staged]]:
        """Return whose files they are by their places, and note the directory that all such are in.

        Only directories with a function count: a user's file may lie in a folder 2023, too.
        """
        places: defaultdict[bytes, set[_Staged]] = defaultdict(set)
        for file in self.files:
            if match := _STAGED.fullmatch(file.source):
                places[file.id].add(_Staged(match[1], int(match[2]), match[3] == "result"))
        directories = {found for file in self.files if (found := _staging_directory(file.source))}
        if len(directories) == 1:
            (directory,) = directories
            span = self.batch.span(cctools.span_type(TASKVINE, "manager"), manager.key)
            self.batch.annotate(span, staging=directory.rpartition("/")[2])
        elif directories:
            listed = ", ".join(sorted(directories)[:9])
            self.batch.reject("more than one staging directory: which is the executor's is not known", 0, listed)
        return {
            file: [place for place in found if not directories or place.directory in directories]
            for file, found in places.items()
        }

    def _record(self, file: _File, manager: Manager) -> str:
        found = {
            "file": _text(file.id),
            "manager": manager.key,
            "source": file.source,
            "size": file.size,
            "read_by": self.readers.get(file.id, []),
            "written_by": self.writers.get(file.id, []),
        }
        return json.dumps({name: value for name, value in found.items() if value not in (None, "")})


_READERS: tuple[Callable[[_Graph, bytes, int], bool], ...] = (
    _Graph.file,
    _Graph.task,
    _Graph.input,
    _Graph.output,
    _Graph.node,
    _Graph.task_node,
)


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read a task graph."""
    found = cctools.managers(source.path.with_name(cctools.TRANSACTIONS[TASKVINE]))
    fingerprint = Fingerprint(repr(found).encode())
    batch.format = "task graph"
    graph = _Graph(batch)
    for block in blocks(source.path, fingerprint, batch, progress):
        graph.read(block)
    if len(found) == 1:
        graph.store(found[0])
    else:
        batch.records = 0
        batch.reject("of which of the managers in the transaction log it is, is not known", 0, source.name)
    return fingerprint.hexdigest()
