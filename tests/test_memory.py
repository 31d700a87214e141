"""An import takes memory by the number of spans, few bytes for each, and none by the bytes of its logs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from importers import pattern, rows, span_ids, span_numbers, task_table
from importers.formats import Formats
from importers.reading import read_source
from importers.rows import Batch
from importers.span_numbers import NONE, SpanNumbers
from tests.benchmarks.htex_run import write_run
from tests.imports import every_row, import_logs, query, read_in_blocks
from tests.runs import DATA

NAMES = [
    "",
    "0",
    "1",
    "2",
    "00",
    "01",
    "007",
    "10",
    "63",
    "64",
    "65",
    "1000000",
    "9" * 18,
    "9" * 19,
    "9" * 5000,
    "²",
    "-1",
    "1.0",
    "a",
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound what is bounded at far less, so that little input shows what grows."""
    read_in_blocks(monkeypatch, 5000)
    monkeypatch.setattr(rows, "MANY", 200)
    monkeypatch.setattr(span_ids, "IN_MEMORY", 100)
    monkeypatch.setattr(task_table, "TASKS_AT_ONCE", 50)
    for module in (span_numbers, pattern):
        monkeypatch.setattr(module, "RECENT", 50)


# Spans by their names


@pytest.mark.parametrize("recent", [1, 3, 100_000])
@pytest.mark.parametrize("form", [str, str.encode])
def test_every_name_has_its_own_span(monkeypatch: pytest.MonkeyPatch, recent: int, form: Callable[[str], Any]) -> None:
    monkeypatch.setattr(span_numbers, "RECENT", recent)
    rng = Random(recent)
    spans: SpanNumbers[Any] = SpanNumbers()
    expected: dict[Any, int] = {}
    for span in range(3000):
        name = form(rng.choice([rng.choice(NAMES), str(rng.randrange(500))]))
        assert spans[name] == expected.get(name, NONE)
        if name not in expected:
            expected[name] = span
            spans.add(name, span)
    assert {name: spans[name] for name in expected} == expected
    assert len(expected) > 450


@pytest.mark.parametrize("recent", [1, 100_000])
def test_every_key_has_its_own_span(monkeypatch: pytest.MonkeyPatch, recent: int) -> None:
    monkeypatch.setattr(span_numbers, "RECENT", recent)
    rng = Random(recent)
    batch = Batch("a")
    expected: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for _ in range(20_000):
        # The types and runs are such that they could be taken for one another, or for parts of keys.
        run, span_type = rng.choice("a1"), rng.choice("a1")
        key = tuple(rng.choice(["", "0", "1", "a", "01"]) for _ in range(rng.randrange(4)))
        span = batch.span(span_type, *key, run=run)
        assert expected.setdefault((run, span_type, key), span) == span
    assert len(set(expected.values())) == len(expected) == 4 * (1 + 5 + 25 + 125)
    told = zip(batch.span_runs, batch.span_types, batch.span_keys, strict=True)
    assert {identity: span for span, identity in enumerate(told)} == expected


def test_numbers_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_numbers, "RECENT", 1000)
    spans: SpanNumbers[str] = SpanNumbers()
    tracemalloc.start()
    for number in range(50_000):
        spans.add(str(number), number)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spans["49000"] == 49_000
    # As a dictionary they would take 50 000 times 150 bytes.
    assert held < 50_000 * 16 + 1000 * 150


# Imports


def read_memory(run: Path) -> list[int]:
    """Return what is held while each log of a run is read, whose rows are passed on, at the last of the passing on."""
    formats = Formats()
    found = []
    for log in sorted(run.rglob("*.log")):
        source = next(filter(None, (importer.find(log) for importer in formats.importers.values())))
        held = [0]

        def sink(part: Batch, held: list[int] = held) -> None:
            held.append(tracemalloc.get_traced_memory()[0])

        read_source(source, formats=formats, sink=sink)
        found.append(held[-1])
    return found


def import_memory(run: Path) -> int:
    """Return the most that Python holds while a run is imported by one process."""
    tracemalloc.reset_peak()
    import_logs(run.parent / "dnpc.sqlite3", run, jobs=1)
    return tracemalloc.get_traced_memory()[1]


FEW, MANY = 300, 1500
"""Tasks of the runs that are compared."""

SPANS = 5
"""Spans for each task: of the task, its try, the interchange, the manager and the worker."""


def grown(tmp_path: Path, memory: Callable[[Path], int]) -> float:
    """Return how much more memory one span more takes."""
    held: list[int] = []
    for tasks in (FEW, FEW, MANY):
        # The first time warms up what is kept between imports.
        run = tmp_path / f"{len(held)}" / "000"
        write_run(run, tasks)
        tracemalloc.start()
        held.append(memory(run))
        tracemalloc.stop()
    return (held[2] - held[1]) / (SPANS * (MANY - FEW))


def test_reading_takes_few_bytes_a_span(small: None, tmp_path: Path) -> None:
    # As dictionaries, what is known of spans while a log is read would take 200 bytes for each, and more.
    assert grown(tmp_path, lambda run: max(read_memory(run))) < 20


def test_imports_take_few_bytes_a_span(small: None, tmp_path: Path) -> None:
    assert grown(tmp_path, import_memory) < 150


def test_imports_take_nothing_for_lines_that_tell_nothing(small: None, tmp_path: Path) -> None:
    held: list[int] = []
    for length in (4000, 4000, 16_000):
        run = tmp_path / str(len(held)) / "000"
        noise = b"1795407297.0 2026-11-23 04:14:57 a-1 b-2 c:3 d DEBUG: " + b"nothing " * (length // 8) + b"\n"
        for log in write_run(run, 50):
            log.write_bytes(b"".join(line + noise for line in log.read_bytes().splitlines(keepends=True)))
        tracemalloc.start()
        held.append(import_memory(run))
        tracemalloc.stop()
    events = {query(run / "dnpc.sqlite3", "SELECT count(*) FROM events")[0] for run in tmp_path.iterdir()}
    assert events == {(50 * 13 + 17,)}
    assert held[2] < 1.1 * held[1]


def test_what_was_stored_is_not_kept(tmp_path: Path) -> None:
    summary = import_logs(tmp_path / "dnpc.sqlite3", DATA / "two-htex")
    assert summary.understood and sum(read.batch.records for read in summary.read) > 100
    assert all(not read.batch.uuids and not read.batch.event_times for read in summary.read)


@pytest.mark.parametrize("sample", ["runinfo", "two-htex", "htex-crash", "workqueue"])
def test_rows_of_tasks_do_not_depend_on_how_many_are_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: str
) -> None:
    import_logs(tmp_path / "all.db", DATA / sample, jobs=1)
    assert query(tmp_path / "all.db", "SELECT count(*) > 5 FROM task_times") == [(1,)]
    for at_once in (1, 3):
        monkeypatch.setattr(task_table, "TASKS_AT_ONCE", at_once)
        import_logs(tmp_path / f"{at_once}.db", DATA / sample, jobs=1)
        assert every_row(tmp_path / f"{at_once}.db") == every_row(tmp_path / "all.db")
