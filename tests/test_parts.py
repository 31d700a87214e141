"""Logs whose rows are stored in parts give the database that they give as a whole, in less memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers import pattern, rows, span_ids, span_numbers
from importers.database import open_store
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
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


def test_events_alike_in_several_parts_are_as_many_when_they_come_again(tmp_path: Path) -> None:
    """One in the first part, and two in the second."""
    source = Source("x", tmp_path / "log", "log", Run("r", None, None, ""))
    for again in range(2):
        parts: list[Batch] = []
        batch = Batch("r", sink=parts.append)
        task, worker = batch.span("task", "1"), batch.span("worker", "1")
        batch.event(task, 1.0, "began", 0)
        batch.hand_over()
        for offset in (10, 20):
            batch.event(task, 1.0, "began", offset)
            batch.event(worker, 1.0, "began", offset + 5)
        batch.hand_over()
        batch.seal()
        with open_store(tmp_path / "dnpc.sqlite3") as store:
            for part in parts:
                store.add_part(source, part)
            store.add(source, batch, 30 + again, "f")
            store.flush()
        found = """SELECT span_types.name, n, offset FROM spans JOIN span_types ON span_types.id = spans.type
                   JOIN events ON events.span = spans.id ORDER BY 1, 2"""
        assert query(tmp_path / "dnpc.sqlite3", found) == [
            *[("task", n, offset) for n, offset in enumerate((0, 10, 20))],
            *[("worker", n, offset) for n, offset in enumerate((15, 25))],
        ]


@pytest.mark.parametrize("run_of_span", ["its own", "another"])
@pytest.mark.parametrize("in_a_part", [False, True])
def test_a_log_is_of_its_run_where_any_part_gave_that_a_span(tmp_path: Path, in_a_part: bool, run_of_span: str) -> None:
    source = Source("x", tmp_path / "log", "log", Run("its own", None, None, ""))
    with_span, rest = Batch("its own"), Batch("its own")
    with_span.event(with_span.span("task", "1", run=run_of_span), 1.0, "began", 0)
    rest.seal()
    with open_store(tmp_path / "dnpc.sqlite3") as store:
        if in_a_part:
            store.add_part(source, with_span)
            store.add(source, rest, 1, "f")
        else:
            with_span.seal()
            store.add(source, with_span, 1, "f")
        store.flush()
    found = query(tmp_path / "dnpc.sqlite3", "SELECT runs.key FROM sources LEFT JOIN runs ON runs.id = sources.run")
    assert found == [("its own" if run_of_span == "its own" else None,)]
    assert query(tmp_path / "dnpc.sqlite3", "SELECT key FROM runs") == [(run_of_span,)]
