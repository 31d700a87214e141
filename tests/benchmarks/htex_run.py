"""Write the logs of a plausible Parsl run of any size: HTEX, two workers, no monitoring.

The lines are a real run's, in ``templates/``: for each task the same lines in the same files,
with the noise between. Only times and ids are made up, and they are the same every time.
Records are made as they are written, so a million tasks need no more memory than ten.
"""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeAlias

TEMPLATES = Path(__file__).parent / "templates"
EXECUTOR, BLOCK, MANAGER = "htex_Local", "block-0", "b5f9d5348a6e"
WORKERS = 2

# One record: when, and the text after the time. Times are microseconds since START.
Entry: TypeAlias = tuple[int, str]
Section: TypeAlias = list[Entry]

RUN = "5d0c9a57-3b1e-4f0e-9a67-0f6d5c1f2b11"
"""The id of the run in the templates."""

START = 1_795_407_296_900_000
SUBMITS, SUBMIT_PERIOD = 600_000, 450
LAUNCH_DELAY = 150  # from a task's submission to its launch, which another thread does
REGISTERED = 8_000_000
MANAGER_STARTED = REGISTERED - 1_564_715
RESULTS, RESULT_PERIOD = 9_000_000, 1_800
POLL_PERIOD, HEARTBEAT_PERIOD, COUNT_PERIOD = 5_000_000, 30_000_000, 15_000


def read_sections(name: str) -> dict[str, Section]:
    """Read a template file: ``[section]`` lines, then ``+<microseconds> <text>`` records.

    A line that begins otherwise continues its record. Texts are str.format templates.
    """
    sections: dict[str, Section] = {}
    for line in (TEMPLATES / name).read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[([a-z ]+)\]", line):
            section = sections[match[1]] = []
        elif match := re.match(r"\+(\d+) (.*)", line):
            section.append((int(match[1]), match[2]))
        else:
            offset, text = section[-1]
            section[-1] = offset, f"{text}\n{line}"
    return sections


def at(base: int, section: Section, **values: object) -> Iterator[Entry]:
    """Yield a section's records, begun at a time, with its placeholders filled."""
    for offset, text in section:
        yield base + offset, text.format(**values)


def submitted(task: int) -> int:
    """Return when a task is submitted."""
    return SUBMITS + task * SUBMIT_PERIOD


def result(task: int) -> int:
    """Return when the interchange begins to read a task's result."""
    return RESULTS + task * RESULT_PERIOD


def every(period: int, section: Section, first: int, until: int) -> Iterator[Entry]:
    """Yield a section again and again."""
    return chain.from_iterable(at(when, section) for when in range(first, until, period))


def parsl_log(tasks: int) -> Iterator[Entry]:
    """Yield parsl.log: three threads, and the poller's, write into one file."""
    part = read_sections("parsl.txt")
    end = result(tasks) + POLL_PERIOD // 10

    def of_tasks(section: Section, times: Iterable[int]) -> Iterator[Entry]:
        for task, when in enumerate(times):
            address = 0x7FB575000000 + 0x40 * task
            yield from at(when, section, task=task, executor_task=task + 1, address=address)

    yield from at(0, part["start"])
    yield from heapq.merge(
        of_tasks(part["submit"], map(submitted, range(tasks))),
        of_tasks(part["launch"], (submitted(task) + LAUNCH_DELAY for task in range(tasks))),
        of_tasks(part["result"], (result(task) + 300 for task in range(tasks))),
        at(POLL_PERIOD, part["first poll"]),
        every(POLL_PERIOD, part["poll"], 2 * POLL_PERIOD, end - POLL_PERIOD // 10),
    )
    completed = datetime.fromtimestamp((START + end) / 1e6, timezone.utc).replace(tzinfo=None)
    yield from at(end, part["end"], tasks=tasks, completed=completed)


def interchange_log(tasks: int) -> Iterator[Entry]:
    """Yield interchange.log: tasks wait for the manager, then each result lets one more go."""
    part = read_sections("interchange.txt")
    last = result(tasks)

    def results() -> Iterator[Entry]:
        for task in range(tasks):
            yield from at(result(task), part["result"], executor_task=task + 1)
            if task + WORKERS < tasks:
                waiting = task + WORKERS + 1
                yield from at(result(task) + 150, part["sent"], executor_task=waiting)

    yield from at(0, part["start"])
    yield from heapq.merge(
        chain.from_iterable(
            at(submitted(task) + LAUNCH_DELAY + 60, part["incoming"], executor_task=task + 1) for task in range(tasks)
        ),
        at(REGISTERED, part["register"]),
        results(),
        every(COUNT_PERIOD, part["count"], SUBMITS, last),
        every(POLL_PERIOD, part["poll"], POLL_PERIOD, last),
        every(HEARTBEAT_PERIOD, part["heartbeat"], REGISTERED + HEARTBEAT_PERIOD, last),
    )
    yield from at(last + POLL_PERIOD // 10, part["end"])


def manager_log(tasks: int) -> Iterator[Entry]:
    """Yield manager.log."""
    part = read_sections("manager.txt")

    def exchanges() -> Iterator[Entry]:
        for task in range(tasks):
            yield from at(result(task) - 300, part["result"])
            if task + WORKERS < tasks:
                waiting = task + WORKERS + 1
                yield from at(result(task) + 250, part["got"], executor_task=waiting)

    yield from at(MANAGER_STARTED, part["start"])
    beats = REGISTERED + HEARTBEAT_PERIOD
    yield from heapq.merge(exchanges(), every(HEARTBEAT_PERIOD, part["heartbeat"], beats, result(tasks)))


def worker_log(tasks: int, worker: int) -> Iterator[Entry]:
    """Yield worker_<n>.log: the workers take turns."""
    part = read_sections("worker.txt")
    who = {"worker": worker, "pid": 2591 + worker}
    yield from at(RESULTS - 5_000, part["start"], **who)
    for task in range(worker, tasks, WORKERS):
        yield from at(result(task) - 900, part["task"], executor_task=task + 1, **who)


@lru_cache(maxsize=4)
def local_time(second: int) -> str:
    """Return a second as the logs' local text."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))


def lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield log lines."""
    for when, text in entries:
        second, microsecond = divmod(START + when, 1_000_000)
        yield f"{second}.{microsecond:06d} {local_time(second)} {text}\n"


def write_run(directory: Path, tasks: int, run: str = RUN) -> list[Path]:
    """Write the logs of a run of that many tasks, at least 2, and with this id, into a run directory; return them."""
    manager = directory / EXECUTOR / BLOCK / MANAGER
    manager.mkdir(parents=True)
    logs = {
        directory / "parsl.log": parsl_log(tasks),
        directory / EXECUTOR / "interchange.log": interchange_log(tasks),
        manager / "manager.log": manager_log(tasks),
    } | {manager / f"worker_{n}.log": worker_log(tasks, n) for n in range(WORKERS)}
    for path, entries in logs.items():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(line.replace(RUN, run) for line in lines(entries))
    return list(logs)
