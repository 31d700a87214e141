"""Find the run of TaskVine logs, which lie outside the run directories.

``runinfo/<label>/<start>/vine-logs`` is beside ``runinfo/000``, or wherever ``vine_log_dir`` puts it; in 2023, it was
in ``runinfo/000``. The run is told by the folder in which its executor puts the files of tasks, which has a random
name: parsl.log names it, and so does the manager's taskgraph. Where there is no taskgraph, it is the only run that was
there when the manager started, and that has an executor of the folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from importers import cctools
from importers.cctools import TASKVINE, TRANSACTIONS
from importers.logfile import whole_lines
from importers.neighbours import is_open
from importers.rows import storable
from importers.runs import RUN_LOGS, Run, read_run
from importers.sources import Source

# Function data directory: /scratch/TaskVineExecutor-a-2026-g6te, log directory: /.../000/TaskVineExecutor
_STAGING = re.compile(rb'Function data directory: ([^\n"]{1,4096}), log directory: ([^\n"]{1,4096})')
# FILE file-meta-9215 "/scratch/TaskVineExecutor-a-2026-g6te/0000/function" 5493
_TASK_FILE = re.compile(rb'"([^"\n]+)/\d{4,}/(?:function|argument|map|result)"')
_ADDED = re.compile(rb"Adding executor (\S+) of type \S*taskvine", re.IGNORECASE)
_TIME = re.compile(rb'^(?:\{"created": )?(\d{9,11}\.\d+)[ ,]')
_BLOCK = 1 << 22
_TAIL = 1 << 16


@dataclass(frozen=True)
class _RunLog:
    """What a run's log tells of TaskVine executors: by folder of tasks' files the label and run directory; and when."""

    staging: dict[str, tuple[str, str]]
    labels: frozenset[str]
    first: float
    last: float


def adopt(sources: list[Source]) -> list[Source]:
    """Return the sources, those of TaskVine managers given to the run whose executor started the manager."""
    folders = {source.path.parent for source in sources if _is_alone(source)}
    runs: dict[Path, tuple[Run, str]] = {}
    for folder in sorted(folders):
        if (found := _run_of(folder, sources)) is not None:
            runs[folder] = found
    return cctools.without_copies([_adopted(source, runs) for source in sources])


def _is_alone(source: Source) -> bool:
    return not source.run.directory and (source.path.parent / TRANSACTIONS[TASKVINE]).is_file()


def _adopted(source: Source, runs: dict[Path, tuple[Run, str]]) -> Source:
    if not _is_alone(source) or source.path.parent not in runs:
        return source
    run, label = runs[source.path.parent]
    # The rows that were made while this run was not known stand for it no longer.
    run = replace(run, stand_in=source.run.key, directory="")
    identity = f"{source.run.key}/{source.identity}"
    return replace(source, run=run, fields={**source.fields, "label": label}, identity=identity)


def _run_of(folder: Path, sources: Iterable[Source]) -> tuple[Run, str] | None:
    """Return the run whose executor made a manager's folder of logs, and the executor's label; None where unknown."""
    if (above := _run_above(folder)) is not None:
        return above
    logs = sorted({log.resolve() for log in _run_logs(folder, sources)})
    staging = _staging_of(folder / "taskgraph")
    named = [
        (read_run(log.parent), label, directory == log.parent.name)
        for log in logs
        if staging is not None and staging in _read(log).staging
        for label, directory in [_read(log).staging[staging]]
    ]
    # The log of another run in the same process has the line, too.
    named = [found for found in named if found[2]] or named
    if len(named) == 1:
        return named[0][0], named[0][1]
    return None if named else _run_at(folder, logs)


def _run_above(folder: Path) -> tuple[Run, str] | None:
    """Return the run in whose directory, as ``<label>/<start>/vine-logs``, a folder is, and the label."""
    for directory in folder.parents[1:3]:
        if (run := _run_in(directory)) is not None:
            return run, storable(folder.relative_to(directory).parts[0])
    return None


def _run_at(folder: Path, logs: list[Path]) -> tuple[Run, str] | None:
    """Return the only run that was there when the manager started and has an executor of the folder's label."""
    label = storable(folder.parent.parent.name) if folder.name == "vine-logs" else None
    started = [manager.start / 1e6 for manager in cctools.managers(folder / TRANSACTIONS[TASKVINE])[:1]]
    there = [
        (read_run(log.parent), label)
        for log in logs
        for start in started
        if label in _read(log).labels and _read(log).first <= start <= _read(log).last
    ]
    return (there[0][0], there[0][1]) if len(there) == 1 and there[0][1] is not None else None


def _run_logs(folder: Path, sources: Iterable[Source]) -> Iterator[Path]:
    """Yield the logs of runs with an id: of this import, and those beside the folder."""
    yield from (source.path for source in sources if source.path.name in RUN_LOGS and source.run.run_id is not None)
    if folder.name == "vine-logs":
        for name in RUN_LOGS:
            for log in folder.parent.parent.parent.glob(f"*/{name}"):
                if is_open(log) and _run_in(log.parent) is not None:
                    yield log


def _run_in(directory: Path) -> Run | None:
    """Return the run of a run directory; None where it has no id, or its log can not be read."""
    try:
        run = read_run(directory)
    except OSError:
        return None  # its importer reports it
    return run if run.run_id is not None else None


@lru_cache(maxsize=1024)
def _read(log: Path) -> _RunLog:
    staging: dict[str, tuple[str, str]] = {}
    labels: set[str] = set()
    first = last = 0.0
    try:
        for data in whole_lines(log, _BLOCK):
            first = first or _time_in(data.split(b"\n", 1)[:1])
            last = _time_in(reversed(data[-_TAIL:].split(b"\n"))) or last
            for match in _STAGING.finditer(data):
                logs = _text(match[2]).rstrip("/").split("/")
                staging[_last(match[1])] = (logs[-1], logs[-2] if len(logs) > 1 else "")
            labels |= {_text(match) for match in _ADDED.findall(data)}
    except OSError:
        pass  # its importer reports that it can not be read
    return _RunLog(staging, frozenset(labels) | {label for label, _directory in staging.values()}, first, last)


def _time_in(lines: Iterable[bytes]) -> float:
    """Return the time of the first of these lines that has one; 0 where none has."""
    return next((float(match[1]) for line in lines if (match := _TIME.match(line))), 0.0)


def _staging_of(taskgraph: Path) -> str | None:
    """Return the name of the folder that holds the files of the first task in a taskgraph."""
    if not is_open(taskgraph):
        return None
    try:
        with taskgraph.open("rb") as file:
            match = next((match for line in file if (match := _TASK_FILE.search(line))), None)
    except OSError:
        return None
    return _last(match[1]) if match else None


def _last(path: bytes) -> str:
    return _text(path).rstrip("/").rsplit("/", 1)[-1]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def forget() -> None:
    """Forget what was read of logs: they may have grown since the last import."""
    _read.cache_clear()
