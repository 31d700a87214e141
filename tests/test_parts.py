"""Logs whose rows are stored in parts give the database that they give as a whole, in less memory."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from importers import pattern, rows, span_ids, span_numbers
from importers.rows import Batch
from importers.span_ids import SpanIds
from tests.benchmarks.htex_run import write_run
from tests.imports import import_logs, query, read_in_blocks, readable
from tests.runs import DATA


@pytest.mark.parametrize("sample", ["runinfo", "two-htex", "htex-crash", "htex-chicago", "workqueue"])
@pytest.mark.parametrize("in_memory", [0, 10, 10**6])
def test_parts_give_the_same_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: str, in_memory: int
) -> None:
    import_logs(tmp_path / "whole.db", DATA / sample)
    read_in_blocks(monkeypatch, 5000)
    monkeypatch.setattr(rows, "MANY", 7)
    monkeypatch.setattr(span_ids, "IN_MEMORY", in_memory)
    for module in (span_numbers, pattern):
        monkeypatch.setattr(module, "RECENT", in_memory + 1)
    parts = 0
    handed_over = Batch.hand_over

    def counted(batch: Batch) -> None:
        nonlocal parts
        parts += batch.sink is not None
        handed_over(batch)

    monkeypatch.setattr(Batch, "hand_over", counted)
    import_logs(tmp_path / "parts.db", DATA / sample)
    assert parts > 10
    whole, found = readable(tmp_path / "whole.db"), readable(tmp_path / "parts.db")
    assert found == whole
    assert query(tmp_path / "parts.db", "SELECT count(*) > 100 FROM events") == [(1,)]


def test_parts_of_other_processes_give_the_same_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where other processes are forked, these hand over as many parts."""
    write_run(tmp_path / "runinfo" / "000", 600)
    import_logs(tmp_path / "whole.db", tmp_path / "runinfo", jobs=1)
    read_in_blocks(monkeypatch, 5000)
    monkeypatch.setattr(rows, "MANY", 200)
    for jobs in (2, 3):
        import_logs(tmp_path / f"{jobs}.db", tmp_path / "runinfo", jobs=jobs)
        assert readable(tmp_path / f"{jobs}.db") == readable(tmp_path / "whole.db")
    assert query(tmp_path / "whole.db", "SELECT count(*) FROM events") == [(600 * 13 + 17,)]


# Ids of spans


@pytest.mark.parametrize("in_memory", [0, 3, 100])
def test_ids_are_kept_in_memory_and_on_disk(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(span_ids, "IN_MEMORY", in_memory)
    with closing(sqlite3.connect(":memory:")) as conn:
        ids = SpanIds(conn)
        expected: dict[bytes, int] = {}
        for start in range(0, 40, 4):
            new = {b"uuid %d" % (i * 7 % 40): i for i in range(start, start + 4)}
            assert ids.isdisjoint(list(new)) and not (expected and ids.isdisjoint([*new, min(expected)]))
            ids.update(new.items())
            expected |= new
            assert {uuid: ids.get(uuid) for uuid in expected} == expected
            assert ids.get(b"another") is None
        ids.clear()
        assert ids.isdisjoint(expected)
        ids.update([(b"another", 7)])
        assert ids.get(b"another") == 7 and ids.get(min(expected)) is None


def test_ids_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_ids, "IN_MEMORY", 1000)
    with closing(sqlite3.connect(":memory:")) as conn:
        ids = SpanIds(conn)
        tracemalloc.start()
        for start in range(0, 20_000, 500):
            ids.update((i.to_bytes(16, "big"), i) for i in range(start, start + 500))
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert ids.get((7).to_bytes(16, "big")) == 7
    # As a dictionary they would take 20 000 times 150 bytes, and more.
    assert held < 1000 * 300
