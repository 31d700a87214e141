"""What a Work Queue worker notes of one executor task: RUN/<label>/function_data/<executor task>/log.

Written by the DESC branch of Parsl, 2022 to 2023, by the clock of the worker's host::

    1670000000.123456 START
    1670000000.125001 META_PATH numpy
    1670000001.500000 EXECUTEFUNCTION

The META_PATH lines, one for each Python module that was looked for, are left out.
"""

from __future__ import annotations

import re
from pathlib import Path

from importers.cctools import EXECUTOR_TASK, WORK_QUEUE
from importers.fingerprint import Fingerprint
from importers.logfile import blocks
from importers.rows import Batch, storable
from importers.runs import read_run
from importers.sources import Progress, Source

NAME = "workqueue_function"
ROOTS = ()

REMOTE = f"{EXECUTOR_TASK[WORK_QUEUE]}.remote"
"""An executor task on its worker. Key: executor label, executor task id, as that of the executor task."""

_FOLDER = re.compile(r"\d{4,18}", re.ASCII)
_EVENT = re.compile(rb"(\d{1,10}(?:\.\d{1,12})?) (?!META_PATH$)([A-Z][A-Z0-9_]{0,99})")
_IMPORT = re.compile(rb"\d{1,10}(?:\.\d{1,12})? META_PATH(?: |$)")


def find(path: Path) -> Source | None:
    """Recognise the log by its name and place."""
    if path.name != "log" or not _FOLDER.fullmatch(path.absolute().parent.name):
        return None
    folder = path.absolute().parents[1]
    directory = folder.parent.parent
    if folder.name != "function_data" or directory == directory.parent:
        return None
    return Source(
        NAME,
        path,
        storable(path.absolute().relative_to(directory.parent).as_posix()),
        read_run(directory),
        {"label": storable(folder.parent.name), "task": str(int(path.absolute().parent.name))},
    )


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read the log of one executor task."""
    fingerprint = Fingerprint()
    batch.format = "function log"
    span = batch.span(REMOTE, source.fields["label"], source.fields["task"])
    for block in blocks(source.path, fingerprint, batch, progress):
        offset = block.start
        for line in block.data.split(b"\n"):
            if match := _EVENT.fullmatch(line):
                batch.records += 1
                batch.event(span, float(match[1]), match[2].decode(), offset)
            elif line and not _IMPORT.match(line):
                batch.reject("a line in an unknown form", offset, line)
            offset += len(line) + 1
    return fingerprint.hexdigest()
