"""Write a plausible Work Queue transaction log of any size.

For each task the ten records of the first dnpc's sample run: waiting, three inputs, running, waiting for retrieval, two
outputs, retrieved, done. Times, workers and sizes are made up, and they are the same every time. Records are made as
they are written, so a million tasks need no more memory than those that wait or run at one time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

# One record: when, in microseconds since 1970, and the text after the manager's process id.
Entry: TypeAlias = tuple[int, str]

START = 1_795_397_974_057_628
PID = 10123
WORKERS, CORES = 20, 4
FIRST_SUBMIT, SUBMIT_PERIOD = 19_000, 100
CONNECTED, CONNECT_PERIOD = 3_566_500, 1_000
RUN_TIME, RUN_PERIOD = 800_000, 10_000
FUNCTIONS = ("work", "work", "work", "flaky", "sh", "memo")

HEADER = (
    "# time manager_pid MANAGER START|END\n"
    "# time manager_pid WORKER worker_id host:port CONNECTION\n"
    "# time manager_pid TASK taskid WAITING category_name (FIRST_RESOURCES|MAX_RESOURCES) {resources_requested}\n"
    "# time manager_pid TASK taskid RUNNING worker_address (FIRST_RESOURCES|MAX_RESOURCES) {resources_allocated}\n"
    "# time manager_pid TRANSFER (INPUT|OUTPUT) taskid cache_flag sizeinmb walltime filename\n"
    "\n"
)


def worker(number: int) -> tuple[str, str]:
    """Return the id and the address of a worker."""
    return (
        f"worker-{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}",
        f"10.0.0.{number}:{37000 + number}",
    )


def waiting(tasks: int) -> Iterator[Entry]:
    """Yield the record of each task's coming, in order of time."""
    for task in range(1, tasks + 1):
        category = FUNCTIONS[task % len(FUNCTIONS)]
        time = START + FIRST_SUBMIT + task * SUBMIT_PERIOD
        yield time, f'TASK {task} WAITING {category} FIRST_RESOURCES {{"disk":[0,"MB"]}}'


def workers() -> Iterator[Entry]:
    """Yield the manager's start, and the records of the workers that come to it."""
    yield START, "MANAGER START"
    for number in range(WORKERS):
        name, address = worker(number)
        time = START + CONNECTED + number * CONNECT_PERIOD
        yield time, f"WORKER {name} {address}  CONNECTION"
        resources = f'{{"memory":[24105,"MB"],"disk":[80789,"MB"],"cores":[{CORES},"cores"]}}'
        yield time + 900, f"WORKER {name} RESOURCES {resources}"


def running(tasks: int) -> Iterator[Entry]:
    """Yield the records of each task's run, in order of time: as many run at once as there are cores."""
    ahead: list[tuple[int, int, str]] = []
    for task in range(1, tasks + 1):
        began = max(CONNECTED + WORKERS * CONNECT_PERIOD, FIRST_SUBMIT + task * SUBMIT_PERIOD) + task * RUN_PERIOD
        while ahead and ahead[0][0] < START + began:
            time, _task, text = heapq.heappop(ahead)
            yield time, text
        for offset, text in run_of(task):
            heapq.heappush(ahead, (START + began + offset, task, text))
    while ahead:
        time, _task, text = heapq.heappop(ahead)
        yield time, text


def run_of(task: int) -> Iterator[Entry]:
    """Yield the records of one task's run, timed from its first."""
    address = worker(task // CORES % WORKERS)[1]
    function, result = 74 + task % 3, 12 + task % 29
    sizes = (("exec_parsl_function.py", 1, 7774), ("map", 0, 69), ("function", 0, function))
    for place, (name, cached, size) in enumerate(sizes):
        yield place * 70, f"TRANSFER INPUT {task} {cached} {size / (1 << 20):.6f} 0.0000{10 + task % 7} {name}"
    granted = '{"memory":[24105,"MB"],"disk":[80787,"MB"],"gpus":[0,"gpus"],"cores":[4,"cores"]}'
    yield 207, f"TASK {task} RUNNING {address}  FIRST_RESOURCES {granted}"
    ended = 207 + RUN_TIME + task * 7919 % 100_000
    yield ended, f"TASK {task} WAITING_RETRIEVAL {address} "
    for place, (name, size) in enumerate((("result", result), ("log", 1200 + task % 100))):
        yield ended + 150 + place * 60, f"TRANSFER OUTPUT {task} 0 {size / (1 << 20):.6f} 0.0000{20 + task % 9} {name}"
    measured = (
        f'{{"wq_output_time":[0.000{task % 1000:03},"s"],"wq_input_time":[0.000{task * 7 % 1000:03},"s"],'
        f'"wq_output_size":[{result / (1 << 20)},"MB"],"wq_input_size":[{(7843 + function) / (1 << 20)},"MB"]}}'
    )
    yield ended + 390, f"TASK {task} RETRIEVED SUCCESS  0  {{}} {measured}"
    yield ended + 500, f"TASK {task} DONE SUCCESS  0  {{}} {measured}"


def ending(tasks: int) -> Iterator[Entry]:
    """Yield what comes when all tasks are done."""
    time = START + 2 * CONNECTED + tasks * (RUN_PERIOD + SUBMIT_PERIOD) + 2 * RUN_TIME
    for number in range(WORKERS):
        name, address = worker(number)
        yield time + number, f"WORKER {name} {address}  DISCONNECTION EXPLICIT"
    yield time + WORKERS, "MANAGER END"


def write_log(path: Path, tasks: int) -> Path:
    """Write the log of a manager that ran so many tasks. Returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries: Iterable[Entry] = heapq.merge(workers(), waiting(tasks), running(tasks), ending(tasks))
    with path.open("w", encoding="utf-8") as log:
        log.write(HEADER)
        log.writelines(f"{time} {PID} {text}\n" for time, text in entries)
    return path
