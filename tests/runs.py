"""What Parsl's logs say, computed without the importers: tests compare the database with this.

Plain Python over every line of a run directory: slow, and simple enough to be checked by eye.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parent / "data"

# 1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Thread-1398 parsl.x:565 function INFO: text
TEXT_RECORD = re.compile(r"(\d+\.\d{6}) \S+ \S+ (\S+) (\S+) \S+:\d+ \S+ [A-Z]+: (.*)")

LAUNCHED = r"Parsl task (\d+) try (\d+) launched on executor (\S+)( with executor id (\d+))?"

INTERCHANGE = [
    ("putting", r"Putting task (\d+) onto pending_task_queue"),
    ("put", r"Put task (\d+) onto pending_task_queue"),
    ("sent", r"Sent tasks: \[([\d, ]+)\] to manager b'(\w+)'"),
    ("removing", r"Removing task (\d+) from manager"),
]
MANAGER = [("got", r"Got executor tasks: \[([\d, ]+)\]")]
WORKER = [
    ("received", r"Received executor task (\d+)"),
    ("completed", r"Completed executor task (\d+)"),
    ("finished", r"All processing finished for executor task (\d+)"),
]


@dataclass(frozen=True)
class Record:
    """One log record: seconds since 1970, process as logged, text without continuation lines."""

    time: float
    process: str
    message: str


@dataclass(frozen=True)
class Launch:
    """One try that was given to an executor; thread executors have no ids for their tasks."""

    time: float
    task: int
    try_id: int
    executor: str
    executor_task: int | None


@dataclass(frozen=True)
class State:
    """One change of a task's state. The log does not name the try: it is counted."""

    time: float
    task: int
    try_id: int
    state: str


@dataclass(frozen=True)
class HtexEvent:
    """One event of an executor task, as one layer of HTEX logged it."""

    time: float
    layer: str
    event: str
    executor: str
    executor_task: int
    manager: str | None = None
    worker: int | None = None


@dataclass
class Run:
    """One run directory."""

    run_id: str | None = None
    tasks: dict[int, str] = field(default_factory=dict)  # task id -> app name
    dependencies: set[tuple[int, int]] = field(default_factory=set)  # (task, what it waits for)
    launches: list[Launch] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    htex: list[HtexEvent] = field(default_factory=list)

    def executor_tasks(self, *layers: str) -> set[tuple[str, int]]:
        """Return (executor, executor task) of every task that all these layers name."""
        seen = [{(e.executor, e.executor_task) for e in self.htex if e.layer == x} for x in layers]
        return set.intersection(*seen)

    def managers_of(self, executor: str, executor_task: int) -> set[str]:
        """Return the managers that any layer names for an executor task: one, if they agree."""
        return {
            e.manager for e in self.htex if (e.executor, e.executor_task) == (executor, executor_task) and e.manager
        }

    def state_counts(self) -> Counter[tuple[int, int, str]]:
        """Return how often each (task, try, state) was logged."""
        return Counter((s.task, s.try_id, s.state) for s in self.states)


@dataclass
class Monitoring:
    """What monitoring.db holds of one run."""

    tasks: dict[int, str] = field(default_factory=dict)  # task id -> function name
    tries: set[tuple[int, int]] = field(default_factory=set)  # (task, try)
    statuses: list[tuple[int, int, str, str]] = field(default_factory=list)  # ..., local time

    def state_counts(self) -> Counter[tuple[int, int, str]]:
        """Return how often each (task, try, state) was stored, but for the workers' own reports.

        running and running_ended come from the workers, so that parsl.log lacks them.
        """
        return Counter(
            (task, try_id, state)
            for task, try_id, state, _ in self.statuses
            if state not in ("running", "running_ended")
        )


def shared_runs() -> Path | None:
    """Return the folder of the whole real runs; most machines have none."""
    chosen = os.environ.get("DNPC_SHARED_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a log, text or JSON lines."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if path.suffix == ".jsonlog":
            entry = json.loads(line)
            text = entry["formatted"].split("\n")[0]
            yield Record(entry["created"], entry["processName"], text)
        elif match := TEXT_RECORD.fullmatch(line):
            yield Record(float(match[1]), match[2], match[4])


def find_log(folder: Path, stem: str) -> Path | None:
    """Return the log of that name, text or JSON."""
    found = [folder / f"{stem}{suffix}" for suffix in (".log", ".jsonlog")]
    return next((path for path in found if path.exists()), None)


def read_run(directory: Path) -> Run:
    """Read parsl.log and all HTEX logs of one run directory."""
    run = Run()
    if log := find_log(directory, "parsl"):
        read_parsl_log(log, run)
    for folder in sorted(directory.iterdir()):
        if folder.is_dir() and (log := find_log(folder, "interchange")):
            run.htex += read_htex(log, "interchange", INTERCHANGE, folder.name)
    # <executor>/block-<n>/<manager>/manager.log and worker_<n>.log
    for log in sorted(directory.glob("*/block-*/*/*.*log")):
        executor, manager = log.relative_to(directory).parts[0], log.parent.name
        if log.stem == "manager":
            run.htex += read_htex(log, "manager", MANAGER, executor, manager)
        elif log.stem.startswith("worker_"):
            number = int(log.stem.removeprefix("worker_"))
            run.htex += read_htex(log, "worker", WORKER, executor, manager, number)
    return run


def read_parsl_log(path: Path, run: Run) -> None:
    """Add what one parsl.log tells.

    Lines count in file order: a try ends where its task goes to fail_retryable.
    """
    tries: Counter[int] = Counter()
    for record in read_records(path):
        text = record.message
        if match := re.fullmatch(r"Run id is: (\S+)", text):
            run.run_id = run.run_id or match[1]
        elif match := re.match(r"Task (\d+) submitted for App (\S+), ", text):
            run.tasks[int(match[1])] = match[2]
        elif match := re.fullmatch(r"Task (\d+) has dependency task (\d+)", text):
            run.dependencies.add((int(match[1]), int(match[2])))
        elif match := re.fullmatch(r"Task (\d+) initializing state to (\w+)", text):
            run.states.append(State(record.time, int(match[1]), 0, match[2]))
        elif match := re.fullmatch(r"Task (\d+) changing state from \w+ to (\w+)", text):
            task = int(match[1])
            run.states.append(State(record.time, task, tries[task], match[2]))
            tries[task] += match[2] == "fail_retryable"
        elif match := re.fullmatch(LAUNCHED, text):
            executor_task = int(match[5]) if match[5] else None
            run.launches.append(Launch(record.time, int(match[1]), int(match[2]), match[3], executor_task))


def read_htex(
    path: Path,
    layer: str,
    shapes: list[tuple[str, str]],
    executor: str,
    manager: str | None = None,
    worker: int | None = None,
) -> Iterator[HtexEvent]:
    """Yield the executor task events of one log of HTEX; a line may name several tasks."""
    for record in read_records(path):
        for event, shape in shapes:
            if match := re.match(shape, record.message):
                named = match[2] if event == "sent" else manager
                for task in match[1].split(","):
                    yield HtexEvent(record.time, layer, event, executor, int(task), named, worker)


def read_monitoring(path: Path) -> dict[str, Monitoring]:
    """Read monitoring.db: run id -> its tasks, tries and states."""
    runs: dict[str, Monitoring] = {}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        for (run_id,) in db.execute("SELECT run_id FROM workflow"):
            runs[run_id] = Monitoring()
        for run_id, task, name in db.execute("SELECT run_id, task_id, task_func_name FROM task"):
            runs[run_id].tasks[task] = name
        for run_id, task, try_id in db.execute("SELECT run_id, task_id, try_id FROM try"):
            runs[run_id].tries.add((task, try_id))
        for run_id, *status in db.execute("SELECT run_id, task_id, try_id, task_status_name, timestamp FROM status"):
            task, try_id, state, time = status
            runs[run_id].statuses.append((task, try_id, state, time))
    return runs
