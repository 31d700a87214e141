"""Which run a file belongs to: read from the head of the run directory's own logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from importers.keys import surrogate_key
from importers.neighbours import is_open
from importers.rows import storable
from importers.run_clock import shown_clock
from importers.times import Clock

RUN_LOGS = ("parsl.log", "parsl.jsonlog")

# Both dialects end the id the same way: 'Run id is: 2cf25028-4324-447a-b42b-f813ca5d9dc4' then \n or ".
_RUN_ID = re.compile(rb'Run id is: ([^\s"]{1,200})')
_TASK_LINE = re.compile(rb"[Tt]ask \d{1,18} (?:submitted for App|changing state|try \d{1,18} (?:launched|failed)) ")
_HEAD = 1 << 16


@dataclass(frozen=True)
class Run:
    """A run directory. ``key`` scopes its local ids.

    ``run_id`` is None where no log of the directory holds one, and then ``key`` is ``stand_in``, which stands for it.
    ``clock`` is that of its local times, None where no log shows it.
    """

    key: str
    run_id: str | None
    clock: Clock | None
    directory: str
    stand_in: str = ""


@lru_cache(maxsize=4096)
def read_run(directory: Path) -> Run:
    """Read the run id and the clock of a run directory from its log.

    The first run id in the log is the directory's own: where two DataFlowKernels live in one
    process, the log also holds the records of the later one.
    """
    name, stand_in = storable(directory.name), _stand_in(directory)
    for log in RUN_LOGS:
        found = _first_run_id(directory / log)
        if found:
            run_id, clock = found
            return Run(run_id, run_id, clock, name, stand_in)
    return Run(stand_in, None, None, name, stand_in)


def _first_run_id(path: Path) -> tuple[str, Clock | None] | None:
    """Return the first run id and the clock of a log, searching block by block."""
    if not is_open(path):
        return None
    with path.open("rb") as file:
        window = file.read(_HEAD)
        while True:
            match = _RUN_ID.search(window)
            # An id that touches the window's end may be cut: read on.
            if match and match.end() < len(window):
                line = file.tell() - len(window) + window.rfind(b"\n", 0, match.start()) + 1
                return match[1].decode("utf-8", "replace"), shown_clock(file, line)
            chunk = file.read(1 << 22)
            if not chunk:
                return None
            window = window[-4096:] + chunk


@lru_cache(maxsize=4096)
def has_tasks(log: Path) -> bool:
    """Tell whether a run's log has lines about tasks. Raises OSError."""
    with log.open("rb") as file:
        rest = b""
        while chunk := file.read(1 << 22):
            if _TASK_LINE.search(rest + chunk):
                return True
            rest = chunk[-100:]
    return False


def _stand_in(directory: Path) -> str:
    """Make a run key from the start of the directory's first log: the same wherever the folder lies."""
    logs = [directory / name for name in RUN_LOGS]
    logs += sorted(directory.glob("*/interchange.*log")) + sorted(directory.glob("*/block-*/*/manager.*log"))
    logs += sorted(directory.glob("*/block-*/*/worker_*.*log"))
    for path in logs:
        if is_open(path):
            # A log's first line holds a time and a process, and stays as the log grows.
            with path.open("rb") as file:
                line = file.readline(4096)
            if line.endswith(b"\n") and line.strip():
                return surrogate_key("run without id", line)
    return surrogate_key("run without id", directory.name)


def run_name(workflow_name: object, directory: object, key: str) -> str:
    """Name a run for people by its script, the number of its directory, and its id: 'run_htex.py 000 (2cf25028)'.

    Script and number alone would be those of many runs.
    """
    number = str(directory or "").rstrip("/").rsplit("/", 1)[-1]
    return storable(" ".join(part for part in (str(workflow_name or ""), number, f"({key[:8]})") if part))
