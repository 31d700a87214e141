"""Work Queue and TaskVine managers: their logs read without the importers, and made-up runs of theirs."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest

from importers.keys import surrogate_key
from tests.runs import DATA, shared_runs

WORK_QUEUE, TASKVINE = "workqueue", "taskvine"
LABELS = {WORK_QUEUE: "WorkQueueExecutor", TASKVINE: "TaskVineExecutor"}
WHOLE = {WORK_QUEUE: "parsl-2026-workqueue", TASKVINE: "parsl-2026-taskvine", "lnni": "taskvine-lnni-2025"}
VINE_LOGS = Path("TaskVineExecutor/2026-11-23T014643/vine-logs")
LOGS = {
    WORK_QUEUE: Path("000/WorkQueueExecutor/transaction_log"),
    TASKVINE: VINE_LOGS / "transactions",
    "lnni": Path("transactions"),
}


def run_folder(name: str, *, whole: bool) -> Path:
    """Return the folder of a real run, or of the sample that was cut from it. Skips where the runs are not here."""
    if not whole:
        return DATA / name
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    return shared / WHOLE[name]


def log_alone(folder: Path) -> Path:
    """Copy the transaction log of the sample of Work Queue to where no log tells whose it is."""
    alone = folder / "logs" / "transaction_log"
    alone.parent.mkdir()
    alone.write_bytes((run_folder(WORK_QUEUE, whole=False) / LOGS[WORK_QUEUE]).read_bytes())
    return alone


def manager_key(manager: str) -> str:
    """Return what the things of a manager are keyed by, from its process id and start: '10123-1795397974057628'."""
    return surrogate_key("manager", *manager.split("-"))[:8]


KEYS = {
    WORK_QUEUE: manager_key("10123-1795397974057628"),
    TASKVINE: manager_key("10906-1795398403720393"),
    "lnni": manager_key("318561-1742250321362810"),
}
"""What the managers of the real runs are keyed by."""


# What a log says, in simple code over every line.


@dataclass
class Told:
    """A transaction log: of each task its states with times and the words after; transfers; workers by address."""

    states: dict[int, list[tuple[float, str, list[str]]]] = field(default_factory=lambda: defaultdict(list))
    transfers: list[tuple[float, str, list[str]]] = field(default_factory=list)
    workers: dict[str, str] = field(default_factory=dict)
    libraries: set[int] = field(default_factory=set)

    def sequence(self, task: int) -> str:
        """Return the states of a task in order, as they are written."""
        return " ".join(state for _time, state, _rest in self.states[task])

    def worker_of(self, task: int) -> set[str]:
        """Return the ids of the workers that a task ran on."""
        names = [rest[0] for _time, state, rest in self.states[task] if state == "RUNNING"]
        return {self.workers.get(name, name) for name in names}


def told(log: Path) -> Told:
    """Read a transaction log whose lines are as those of 2025 and 2026."""
    found = Told()
    for line in log.read_text().splitlines():
        if not line[:1].isdigit():
            continue
        at, _pid, kind, *words = line.split()
        time = int(at) / 1e6
        if kind == "TASK":
            found.states[int(words[0])].append((time, words[1], words[2:]))
        elif kind == "TRANSFER" or (kind == "WORKER" and words[1] == "TRANSFER"):
            found.transfers.append((time, kind, words))
        elif kind == "WORKER" and words[-1] == "CONNECTION":
            found.workers[words[1]] = words[0]
        elif kind == "LIBRARY":
            found.libraries.add(int(words[0]))
    return found


LAUNCH = re.compile(r"Parsl task (\d+) try (\d+) launched on executor (\S+) with executor id (\d+)")


def launches(parsl_log: Path) -> dict[int, str]:
    """Return the try, like '0/0', of every executor task of a Work Queue or TaskVine executor."""
    return {int(m[4]): f"{m[1]}/{m[2]}" for m in LAUNCH.finditer(parsl_log.read_text()) if m[3] in LABELS.values()}


def functions(folder: Path) -> dict[int, int]:
    """Return which executor task each manager's task was, by the files that the debug log or the task graph names."""
    found, sent = {}, -1
    for log in folder.rglob("debug_log"):
        for line in log.read_text().splitlines():
            if match := re.search(r" needs file \S+/function_data/(\d+)/function ", line):
                sent = int(match[1])
            elif match := re.search(r"Task (\d+) state change: WAITING \(1\) to RUNNING", line):
                found[int(match[1])] = sent
    for log in folder.rglob("taskgraph"):
        text = log.read_text()
        files = {m[1]: int(m[2]) for m in re.finditer(r'FILE (\S+) "\S+/(\d+)/function" ', text)}
        for match in re.finditer(r'^TASK T(\d+) "\S+" INPUTS (.*) OUTPUTS', text, re.MULTILINE):
            found[int(match[1])] = next(files[name] for name in match[2].split() if name in files)
    return found


# Made-up runs.

START = 1795397974.0
"""When the first made-up manager starts: 2026-11-23T01:39:34Z."""

MANAGER = manager_key("10123-1795397974000000")
WORKER = "worker-d87733c32bc9d7bcb9aee4fbcec0af0f"
OTHER_WORKER = "worker-2304f9fa30635c708029dd9ed97d5ae2"
HOST, OTHER_HOST = "127.0.0.1:37482", "127.0.0.1:37500"
RUN_ID = "5dbb8841-0a1f-4a6b-9d43-0d2c6d1a7f10"


@dataclass(frozen=True)
class Made:
    """A made-up task: ids (None: the manager never had it), app, and seconds after the start at which it was made."""

    number: int
    manager: int | None
    app: str = "work"
    at: float = 0.0

    def time(self, step: str) -> float:
        """Return when a step of it came: the later the step, the later."""
        steps = ("created", "queued", "submitted", "waiting", "running", "retrieval", "done", "completed", "updated")
        return START + self.at + 0.1 * steps.index(step)


def made(count: int, apps: Sequence[str] = ("work",), failed: Iterable[int] = (), apart: float = 0.02) -> list[Made]:
    """Return so many tasks; those that failed in creation have no manager's task."""
    failed, tasks, last = set(failed), [], 0
    for number in range(count):
        last += number not in failed
        tasks.append(Made(number, None if number in failed else last, apps[number % len(apps)], 1 + apart * number))
    return tasks


Lines = list[tuple[float, str]]

MODULES = {WORK_QUEUE: "parsl.executors.workqueue.executor", TASKVINE: "parsl.executors.taskvine.executor"}


def executor_lines(tasks: Iterable[Made], kind: str = WORK_QUEUE, label: str = "", first_task: int = 0) -> Lines:
    """Return what parsl.log of 2026 says of an executor and its tasks, (time, message)."""
    label = label or LABELS[kind]
    lines = [(START - 2, f"Adding executor {label} of type {MODULES[kind]}.{LABELS[kind]}")]
    if kind == TASKVINE:
        folder = f"/scratch/{label}-alice-2026"
        lines.append((START - 1, f"Function data directory: {folder}, log directory: /home/alice/runinfo/000/{label}"))
    for task in tasks:
        n, parsl = task.number, first_task + task.number
        made_at, queued_at = task.time("created"), task.time("queued")
        lines.append((made_at - 0.05, f"Task {parsl} submitted for App {task.app}, not waiting on any dependency"))
        lines.append((queued_at, f"Parsl task {parsl} try 0 launched on executor {label} with executor id {n}"))
        if kind == WORK_QUEUE:
            path = f"/home/alice/runinfo/000/{label}/function_data/{n:04d}/function"
            lines.append((made_at, f"Creating executor task {n} with function at: {path}"))
            lines.append((queued_at, f"Placing executor task {n} on message queue"))
        else:
            path = f"/scratch/{label}-alice-2026/{n:04d}"
            lines.append((made_at, f"Creating executor task {n} with function at: {path}/function, argument at: x"))
            lines.append((queued_at, f"Placing task {n} on message queue"))
        if task.manager is not None:
            said = f"executor task {n}" if kind == WORK_QUEUE else f"Parsl Task: {n}. Task {n} has result_received set"
            lines.append((task.time("updated"), f"Updating Future for {said}"))
    return lines


def parsl_log(lines: Lines, run_id: str = RUN_ID, kind: str = WORK_QUEUE) -> str:
    """Return the text of a parsl.log with these lines, of the logger of a kind of executor; its clock is UTC."""
    first = [(min((time for time, _message in lines), default=START) - 3, f"Run id is: {run_id}")]
    return "".join(
        f"{time:.6f} {datetime.fromtimestamp(int(time), timezone.utc):%Y-%m-%d %H:%M:%S} MainProcess-1 MainThread-2 "
        f"{MODULES[kind]}:499 submit DEBUG: {message}\n"
        for time, message in first + sorted(lines)
    )


def json_log(lines: Lines, run_id: str = RUN_ID) -> str:
    """Return the text of a parsl.jsonlog with these lines, whose clock is UTC."""
    first = [(min((time for time, _message in lines), default=START) - 3, f"Run id is: {run_id}")]
    return "".join(
        json.dumps({"created": time, "process": 1, "threadName": "MainThread", "formatted": message}) + "\n"
        for time, message in first + sorted(lines)
    )


def record(time: float, *words: object, pid: int = 10123) -> str:
    """Return one record of a transaction log."""
    return f"{round(time * 1e6)} {pid} {' '.join(map(str, words))}\n"


def transactions(tasks: Iterable[Made], kind: str = WORK_QUEUE, pid: int = 10123, start: float = START) -> str:
    """Return the transaction log of a manager with one worker, as it is in 2026."""
    is_vine = kind == TASKVINE
    place = WORKER if is_vine else HOST
    lines: list[tuple[float, tuple[object, ...]]] = [
        (start, ("MANAGER", pid, "START", 0) if is_vine else ("MANAGER", "START")),
        (start + 0.5, ("WORKER", WORKER, "CONNECTION", HOST) if is_vine else ("WORKER", WORKER, HOST, "CONNECTION")),
    ]
    for task in tasks:
        if task.manager is not None:
            asked = ("READY" if is_vine else "WAITING", task.app, "FIRST_RESOURCES", '{"disk":[0,"MB"]}')
            lines += [
                (task.time("waiting"), ("TASK", task.manager, *asked)),
                (task.time("running"), ("TASK", task.manager, "RUNNING", place, "", "FIRST_RESOURCES", "{}")),
                (task.time("retrieval"), ("TASK", task.manager, "WAITING_RETRIEVAL", place)),
                (task.time("done") - 0.001, ("TASK", task.manager, "RETRIEVED", "SUCCESS", "", 0, "", "{}", "{}")),
                (task.time("done"), ("TASK", task.manager, "DONE", "SUCCESS", "", 0)),
            ]
    ordered = sorted(lines, key=lambda line: line[0])
    return "# time manager_pid ...\n" + "".join(record(time, *words, pid=pid) for time, words in ordered)


def write(path: Path, text: str) -> Path:
    """Write a file, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
