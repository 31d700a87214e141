"""Lines that say over and over what a reader looks for: it looks at each line once, however long it is."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from importers import cctools, manager_statistics
from importers.reading import read_source
from importers.rows import Batch
from tests.imports import copied
from tests.runs import DATA
from tests.test_regex_time import limited

SIZE = 1 << 23


@pytest.mark.parametrize("said", [b" MANAGER ", b" MANAGER START", b"1795397974057628 10123 MANAGER START "])
def test_a_line_that_names_managers(tmp_path: Path, said: bytes) -> None:
    """To look for the line's start at each of them took the square of its length: minutes here, days at 100 MB."""
    start = b"1795397974057628 10123 MANAGER START\n"
    log = tmp_path / "transaction_log"
    log.write_bytes(start + said * (SIZE // len(said)) + b"\n" + start.replace(b"10123", b"10124"))
    with limited("managers"):
        found = cctools.managers(log)
    assert [manager.pid for manager in found] == ["10123", "10124"]


@pytest.mark.parametrize("number", [0, -1])
def test_a_line_of_statistics_takes_little_memory(tmp_path: Path, number: int) -> None:
    """Of a header or a row over and over, each of whose words would take a hundred times its size."""
    folder = copied(DATA / "workqueue" / "000", tmp_path / "000")
    log = folder / "WorkQueueExecutor" / "master_log"
    lines = log.read_bytes().splitlines()
    whole = rows_of(log)
    log.write_bytes(b"\n".join([*lines, lines[number] * (SIZE // 4 // len(lines[number])), b""]))
    tracemalloc.start()
    found = rows_of(log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.samples == whole.samples != []
    assert [reason for reason, _ in found.unmatched] == ["too long for statistics"]
    assert peak < 5 * SIZE


def rows_of(log: Path) -> Batch:
    source = manager_statistics.find(log)
    assert source is not None
    return read_source(source).batch
