"""What records of tasks give, whatever comes in whichever order: against a reading of one record after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from importers import cctools, transactions
from importers.keys import KeyPrefix, surrogate_key, uuid_text, uuids_of
from importers.rows import DRIFT, Batch
from importers.task_records import RECORD, Start, Tasks
from importers.timed_spans import Timed
from tests.batches import read, spans
from tests.managers import START, WORK_QUEUE, WORKER, record, write
from tests.transaction_rows import NAMES, lines

STATES = ("WAITING", "READY", "RUNNING", "RUNNING", "WAITING_RETRIEVAL", "RETRIEVED", "DONE", "DONE", "CANCELED")
MICROSECONDS = round(START * 1e6)


@dataclass
class Expected:
    """What a log says: events by span, and which spans lie below a worker."""

    events: dict[tuple[str, str], list[tuple[float, str, int]]] = field(default_factory=lambda: defaultdict(list))
    nested: set[tuple[str, str, str]] = field(default_factory=set)
    attempts: dict[str, int] = field(default_factory=dict)


def made_up(rng: Random, records: int) -> Iterator[tuple[int, str, list[str]]]:
    """Yield records of two managers whose lines are mixed: time in microseconds, process id, and words."""
    now = MICROSECONDS
    pids = ("10123", "10124")
    for pid in pids:
        yield now, pid, ["MANAGER", "START"]
    for _ in range(records):
        # Now and then two at one time, or the clock is set back.
        now += rng.choice([0, 1, 700, 50_000, -300])
        pid, task, worker = rng.choice(pids), str(rng.randrange(1, 7)), f"w{rng.randrange(3)}"
        address = f"10.0.0.{rng.randrange(2)}:9123"
        kind = rng.random()
        if kind < 0.08:
            yield now, pid, ["WORKER", worker, address, "CONNECTION"]
        elif kind < 0.4:
            direction, number = rng.choice(["INPUT", "OUTPUT"]), rng.choice([task, task, task, "0"])
            words = [rng.choice("01"), "0.500000", rng.choice(["0.250000", "-1.000000", "0.000007"]), "a file"]
            yield now, pid, ["TRANSFER", direction, number, *words]
        else:
            state = rng.choice(STATES)
            rest = [rng.choice([address, worker, "(null)"]), "", "F {}"] if state == "RUNNING" else []
            yield now, pid, ["TASK", task, state, *rest]


def one_after_the_other(records: list[tuple[int, str, list[str]]], offsets: list[int]) -> Expected:
    """Read records in the simplest way."""
    found = Expected()
    addresses: dict[tuple[str, str], str] = {}
    attempts: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    moved: dict[tuple[str, str], int] = defaultdict(int)
    waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
    # The run stands for the first of the managers, which then is in no key.
    scopes = {pid: f"{cctools.Manager(pid, MICROSECONDS).key}/" for _, pid, _ in records} | {records[0][1]: ""}
    for (micros, pid, words), offset in zip(records, offsets, strict=True):
        time, scope = micros / 1e6, scopes[pid]
        if words[0] == "WORKER":
            addresses[pid, words[2]] = words[1]
        if words[0] == "TRANSFER":
            task = pid, words[2]
            key = f"{scope}{words[2]}.{moved[task]}"
            moved[task] += 1
            seconds = max(0.0, float(words[5]))
            found.events["transfer", key] += [(time - seconds, "started", offset), (time, "ended", offset)]
            if words[2] == "0":
                continue
            found.events["task", f"{scope}{words[2]}"].append((time, f"TRANSFER_{words[1]}", offset))
            if words[1] == "INPUT":
                waiting[task].append(key)
            elif attempts[task] and (worker := attempts[task][-1]["worker"]):
                found.nested.add((f"{scope}{worker}", "transfer", key))
        if words[0] == "TASK":
            task, (number, state) = (pid, words[1]), words[1:3]
            found.events["task", f"{scope}{number}"].append((time, state.replace("READY", "WAITING"), offset))
            if state == "RUNNING":
                worker = None if words[3] == "(null)" else addresses.get((pid, words[3]), words[3])
                if worker:
                    found.nested.add((f"{scope}{worker}", "task", f"{scope}{number}"))
                    found.nested |= {(f"{scope}{worker}", "transfer", key) for key in waiting[task]}
                waiting[task] = []
                attempts[task].append({"worker": worker, "started": (time, "started", offset), "is_open": True})
                if len(attempts[task]) > 1:
                    attempts[task][-2]["is_open"] = False
            elif attempts[task] and attempts[task][-1]["is_open"]:
                attempts[task][-1] |= {"is_open": False, "ended": (time, "ended", offset)}
            if state in ("WAITING", "READY"):
                waiting[task] = []
    for (pid, number), several in attempts.items():
        scope = scopes[pid]
        for place, attempt in enumerate(several if len(several) > 1 else []):
            key = f"{scope}{number}.{place}"
            found.attempts[f"{scope}{number}"] = len(several)
            found.events["attempt", key] = [attempt[name] for name in ("started", "ended") if name in attempt]
            if attempt["worker"]:
                found.nested.add((f"{scope}{attempt['worker']}", "attempt", key))
    return found


def rows_of(batch: Batch) -> Expected:
    """Return what a batch says of tasks, attempts and transfers, in the same form."""
    found = Expected()
    names = [(name.removeprefix("workqueue."), key) for name, key in zip(batch.span_types, batch.keys, strict=True)]
    rows = zip(batch.event_spans, batch.event_times, batch.event_types, batch.event_offsets, strict=True)
    for span, time, event, offset in rows:
        if names[span][0] in ("task", "attempt", "transfer"):
            found.events[names[span]].append((time, batch.event_type_names[event], offset))
    for above, below in batch.subspans:
        if names[below][0] in ("task", "attempt", "transfer"):
            found.nested.add((names[above][1], *names[below]))
    for key, attributes in spans(batch, "workqueue.task").items():
        if "attempts" in attributes:
            found.attempts[key] = attributes["attempts"]
    return found


@pytest.mark.parametrize("block", [1, 700, transactions.BLOCK])
@pytest.mark.parametrize("seed", range(12))
def test_records_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, block: int) -> None:
    """Tasks that go on after they are done, workers that come to another's address, managers whose lines are mixed."""
    monkeypatch.setattr(transactions, "BLOCK", block)
    rng = Random(seed)
    records = list(made_up(rng, rng.choice([80, 400])))
    text = [f"{micros} {pid} {' '.join(words)}\n" for micros, pid, words in records]
    offsets = [sum(map(len, text[:place])) for place in range(len(text))]
    batch = read(write(tmp_path / NAMES[WORK_QUEUE], "".join(text)))
    assert batch.unmatched == {} and batch.records == len(records)
    found, expected = rows_of(batch), one_after_the_other(records, offsets)
    assert len(expected.events) > 8 and expected.nested and expected.attempts
    # Events come in order of time, whatever the order of their records; a transfer may take no time.
    assert found.events.keys() == expected.events.keys()
    for name, events in expected.events.items():
        assert [time for time, *_ in found.events[name]] == sorted(time for time, *_ in events)
        assert sorted(found.events[name]) == sorted(events)
    assert found.nested == expected.nested
    assert found.attempts == expected.attempts
    assert [*map(uuid_text, batch.uuids)] == [
        surrogate_key(span_type, batch.run, *key.split("/"))
        for span_type, key in zip(batch.span_types, batch.keys, strict=True)
    ]


def test_words_between_any_spaces(tmp_path: Path) -> None:
    """As long as they are blanks and tabs: a record is a line."""
    usual = lines(
        (0, "MANAGER START"), (1, "TASK 1 RUNNING w F {}"), (2, "TRANSFER OUTPUT 1 0 1.0 0.5 x"), (3, "TASK 1 DONE")
    )
    head, *rest = usual.splitlines(keepends=True)
    spaced = head + "".join(line.replace(" ", " \t ", 5) for line in rest)
    batches = [read(write(tmp_path / str(n) / NAMES[WORK_QUEUE], text)) for n, text in enumerate((usual, spaced))]
    assert [batch.unmatched for batch in batches] == [{}, {}]
    assert [batch.records for batch in batches] == [4, 4]
    one, other = batches
    assert (one.keys, one.attributes_json, one.event_times) == (other.keys, other.attributes_json, other.event_times)


def test_what_is_no_record_is_told_in_order(tmp_path: Path) -> None:
    """The first of its kind is kept, also where those between are understood."""
    bad = ["TRANSFER INPUT one 0 1.0 0.5 x", "TASK one DONE", "TRANSFER INPUT two 0 1.0 0.5 x"]
    text = record(START, "MANAGER START") + "".join(
        record(START + n, line) + record(START + n, "TASK 1 WAITING work F {}") for n, line in enumerate(bad, 1)
    )
    batch = read(write(tmp_path / NAMES[WORK_QUEUE], text))
    assert [(reason, found.offset) for (reason, _), found in batch.unmatched.items()] == [
        (DRIFT, text.index(record(START + n, line))) for n, line in enumerate(bad, 1)
    ]
    assert batch.records == 4 and spans(batch, "workqueue.task").keys() == {"1"}


def test_a_state_that_is_named_as_a_direction(tmp_path: Path) -> None:
    """It is new, and no transfer."""
    batch = read(write(tmp_path / NAMES[WORK_QUEUE], lines((0, "MANAGER START"), (1, "TASK 1 INPUT w F {}"))))
    assert [kind for _reason, kind in batch.unmatched] == ["TASK # INPUT"]
    assert rows_of(batch).events == {("task", "1"): [(START + 1, "INPUT", batch.event_offsets[1])]}


def test_a_task_of_the_number_of_no_task(tmp_path: Path) -> None:
    """What was sent for no task is no event of it, and in no worker."""
    text = lines(
        (0, "MANAGER START"),
        (1, "TASK 0 WAITING work F {}"),
        (2, "TRANSFER INPUT 0 1 2.0 0.5 a file"),
        (3, f"TASK 0 RUNNING {WORKER}  F {{}}"),
        (4, "TRANSFER OUTPUT 0 0 1.0 0.25 b"),
        (5, "TASK 0 DONE SUCCESS 0"),
        (6, "TRANSFER INPUT 0 0 3.0 0.5 c"),
    )
    batch = read(write(tmp_path / NAMES[WORK_QUEUE], text))
    found = rows_of(batch)
    events = {key: [(time - START, event) for time, event, _offset in rows] for key, rows in found.events.items()}
    assert events == {
        ("task", "0"): [(1, "WAITING"), (3, "RUNNING"), (5, "DONE")],
        ("transfer", "0.0"): [(1.5, "started"), (2, "ended")],
        ("transfer", "0.1"): [(3.75, "started"), (4, "ended")],
        ("transfer", "0.2"): [(5.5, "started"), (6, "ended")],
    }
    assert found.nested == {(WORKER, "task", "0")}
    assert spans(batch, "workqueue.transfer") == {
        "0.0": {"file": "a file", "megabytes": 2, "direction": "INPUT", "cached": True},
        "0.1": {"file": "b", "megabytes": 1, "direction": "OUTPUT"},
        "0.2": {"file": "c", "megabytes": 3, "direction": "INPUT"},
    }


def test_a_task_is_given_once_it_is_done_and_nothing_of_it_is_open() -> None:
    """So that no more is kept than of the tasks that are under way."""
    batch = Batch("run")
    tasks = Tasks(batch, ("manager",), "task", "attempt", Timed())
    text = lines(
        (1, "TASK 1 WAITING f"), (2, "TASK 1 RUNNING w"), (3, "TASK 1 DONE"),
        (4, "TASK 2 WAITING f"),
        (5, "TASK 3 RUNNING w"), (6, "TASK 3 DONE"), (7, "TASK 3 RUNNING w"),
        (8, "TASK 4 WAITING f"), (9, "TASK 4 DONE"), (10, "TRANSFER INPUT 4 0 1.0 0.5 x"),
    )  # fmt: skip
    records = RECORD.findall(text.encode())
    tasks.read(records, range(len(records)), lambda said: Start(None, {}))
    tasks.give()
    assert batch.span_keys == [("manager", "1")]
    tasks.close()
    assert sorted(batch.span_keys) == [("manager", n) for n in ("1", "2", "3", "3.0", "3.1", "4")]


@pytest.mark.parametrize("names", [[], ["1", "22", "a/b", ""], ["é", "1"]])
def test_keys_of_many_names(names: list[str]) -> None:
    prefix = KeyPrefix("a type", "a run")
    assert [*map(uuid_text, uuids_of(prefix.digests(names)))] == [surrogate_key("a type", "a run", n) for n in names]
