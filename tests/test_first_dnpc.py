"""The questions of the first dnpc, asked as commands: its own figures where it printed some, else those of the logs.

Of ``dnpc-2023-monitoring`` it left what it printed; the run on Work Queue is newer. Here both are counted
event by event, too.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from click.testing import CliRunner

from importers.cli import main
from tests.runs import shared_runs

Event = tuple[float, str]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A run in a database, and what its logs say without it."""

    folder: Path
    database: Path
    root_type: str
    roots: dict[str, list[Event]]
    """Key of each task to its events in order of time, those at one time in order of their names."""
    pair: tuple[str, str]
    """Two states which every task comes into."""

    def answer(self, command: str, *options: str) -> Rows:
        """Return what a command prints as JSON."""
        words = [command, "--db", str(self.database), "--format", "json", *options]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        found: Rows = json.loads(result.stdout)
        return found


def of_monitoring(folder: Path) -> dict[str, list[Event]]:
    """Return the events of the tasks in monitoring.db, whose times are taken for UTC."""
    found: dict[str, list[Event]] = {}

    def add(task: int, time: str, state: str) -> None:
        at = datetime.fromisoformat(time).replace(tzinfo=timezone.utc).timestamp()
        found.setdefault(str(task), []).append((at, state))

    with closing(sqlite3.connect(f"{(folder / 'monitoring.db').as_uri()}?immutable=1", uri=True)) as conn:
        for task, invoked, returned in conn.execute("SELECT task_id, task_time_invoked, task_time_returned FROM task"):
            add(task, invoked, "parsl.monitoring.task/invoked")
            add(task, returned, "parsl.monitoring.task/returned")
        for task, state, time in conn.execute("SELECT task_id, task_status_name, timestamp FROM status"):
            add(task, time, f"parsl.monitoring.try/{state}")
    return {task: sorted(events) for task, events in found.items()}


def of_work_queue(folder: Path) -> dict[str, list[Event]]:
    """Return the events of the tasks in the transaction log of Work Queue."""
    found: dict[str, list[Event]] = {}
    [log] = folder.rglob("transaction_log")
    for line in log.read_text().splitlines():
        match line.split():
            case [time, manager, "TASK", task, state, *_] if manager != "manager_pid":
                found.setdefault(task, []).append((int(time) / 1e6, f"workqueue.task/{state}"))
            case [time, manager, "TRANSFER", direction, task, *_] if manager != "manager_pid":
                found.setdefault(task, []).append((int(time) / 1e6, f"workqueue.task/TRANSFER_{direction}"))
    return {task: sorted(events) for task, events in found.items()}


Case = tuple[str, str, Callable[[Path], dict[str, list[Event]]], tuple[str, str]]

OF_2023 = "dnpc-2023-monitoring"
CASES: tuple[Case, ...] = (
    (
        OF_2023,
        "parsl.monitoring.task",
        of_monitoring,
        ("parsl.monitoring.try/launched", "parsl.monitoring.task/returned"),
    ),
    ("parsl-2026-workqueue", "workqueue.task", of_work_queue, ("workqueue.task/WAITING", "workqueue.task/DONE")),
)


@pytest.fixture(scope="module", params=CASES, ids=[case[0] for case in CASES])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    name, root_type, read, pair = request.param
    shared = shared_runs()
    if shared is None or not (shared / name).is_dir():
        pytest.skip(f"{name} is not here; DNPC_SHARED_DATA can name its folder")
    database = tmp_path_factory.mktemp("first") / "dnpc.sqlite3"
    words = ["import", str(shared / name), "--db", str(database), "--timezone", "UTC", "--quiet"]
    assert CliRunner().invoke(main, words).exit_code == 0
    return Asked(shared / name, database, root_type, read(shared / name), pair)


def printed_in_2023(asked: Asked, name: str) -> list[str]:
    if asked.folder.name != OF_2023:
        pytest.skip("the first dnpc printed nothing of this run")
    return (asked.folder / name).read_text().splitlines()


def test_span_types_are_those_that_it_listed(asked: Asked) -> None:
    found = {row["span_type"]: row["spans"] for row in asked.answer("span-types")}
    assert set(printed_in_2023(asked, "list_span_types.out.expected")) <= found.keys()


def test_span_types_count_the_tasks(asked: Asked) -> None:
    found = {row["span_type"]: row["spans"] for row in asked.answer("span-types")}
    assert found[asked.root_type] == len(asked.roots)


def test_steps_are_those_that_it_printed(asked: Asked) -> None:
    lines = printed_in_2023(asked, "list_event_sequences.out.expected")
    (sequence,) = asked.answer("sequences")
    assert f"Most common count: {sequence['spans']}" in lines
    assert f"There were {sequence['of_variants']} different orderings of events" in lines
    steps = [
        f"{row['cumulative']:.9f} {row['mean']:.9f} {row['span_type']}/{row['event_type']}"
        for row in asked.answer("event-steps")
    ]
    assert steps == [" ".join(line.split()) for line in lines if "/" in line]


def test_most_common_sequence_has_the_mean_steps_of_its_tasks(asked: Asked) -> None:
    sequences: Counter[tuple[str, ...]] = Counter(tuple(state for _, state in one) for one in asked.roots.values())
    rows = asked.answer("sequences", "--root-type", asked.root_type)
    assert Counter({tuple(row["steps"].split(" → ")): row["spans"] for row in rows}) == sequences
    [(states, count), *_] = sequences.most_common()
    alike = [one for one in asked.roots.values() if tuple(state for _, state in one) == states]
    steps = asked.answer("event-steps", "--root-type", asked.root_type)
    assert [f"{row['span_type']}/{row['event_type']}" for row in steps] == list(states)
    assert {row["roots"] for row in steps} == {count}
    for place, row in enumerate(steps):
        took = [one[place][0] - one[max(place - 1, 0)][0] for one in alike]
        assert [row["mean"], row["min"], row["max"]] == pytest.approx([fmean(took), min(took), max(took)], abs=1e-6)
        assert row["cumulative"] == pytest.approx(fmean(one[place][0] - one[0][0] for one in alike), abs=1e-6)


def test_time_between_two_events_is_that_of_each_task(asked: Asked) -> None:
    start, end = asked.pair
    options = ("--root-type", asked.root_type, "--start-state", start, "--end-state", end)
    expected = {}
    for key, events in asked.roots.items():
        begins, ends = ([time for time, state in events if state == wanted] for wanted in (start, end))
        if begins and ends:
            expected[key] = max(ends) - min(begins)
    assert len(expected) >= 50
    rows = asked.answer("event-pairs", *options, "--rows", str(len(asked.roots)))
    # The key of a task of a manager begins with that of the manager.
    assert {row["key"].rpartition("/")[2]: row["duration"] for row in rows} == pytest.approx(expected, abs=1e-6)


def test_states_are_those_of_each_moment(asked: Asked) -> None:
    rows = asked.answer("state-changes", "--root-type", asked.root_type, "--rows", "all")
    changes: dict[float, Counter[str]] = {}
    for events in asked.roots.values():
        before: str | None = None
        for time, state in events:
            of_moment = changes.setdefault(round(time, 6), Counter())
            of_moment[state] += 1
            if before is not None:
                of_moment[before] -= 1
            before = state
    expected = {(time, state): n for time, of in changes.items() for state, n in of.items() if n}
    assert {(round(row["time"], 6), row["state"]): row["change"] for row in rows} == expected
    at_the_end = Counter(events[-1][1] for events in asked.roots.values())
    last = {row["state"]: row["spans"] for row in rows}
    assert {state: spans for state, spans in last.items() if spans} == at_the_end


def test_states_over_time_are_those_of_each_moment(asked: Asked) -> None:
    rows = asked.answer("states-over-time", "--root-type", asked.root_type)
    shown = {row["state"] for row in rows} - {"other"}
    assert len({row["time"] for row in rows}) > 50
    for row in rows:
        # Times are those of the logs, which have microseconds; a float may be a little off.
        latest = [max((e for e in one if e[0] <= row["time"] + 1e-7), default=None) for one in asked.roots.values()]
        states = Counter(event[1] for event in latest if event is not None)
        if row["state"] == "other":
            assert row["spans"] == sum(n for state, n in states.items() if state not in shown)
        else:
            assert row["spans"] == states[row["state"]]
