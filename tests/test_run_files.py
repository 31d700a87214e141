"""Files of a run that are of one block or of one executor task: output and exit code, and a worker's notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from importers import submit_scripts, workqueue_function
from importers.adoption import adopt
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from tests.batches import read, reasons, spans
from tests.imports import import_logs, query
from tests.runs import DATA

# Blocks


def test_output_of_a_block_names_its_worker() -> None:
    (path,) = (DATA / "workqueue" / "000" / "submit_scripts").iterdir()
    batch = read(path)
    assert not batch.unmatched
    assert spans(batch, "parsl.rundir.block") == {"WorkQueueExecutor/0": {"worker_addresses": ["127.0.0.1:37482"]}}
    assert list(spans(batch, "parsl.rundir.executor")) == ["WorkQueueExecutor"]
    assert list(batch.event_times) == [1795397977.5836048]
    assert batch.event_type_names == ["submitted"]
    assert list(batch.subspans.values()) == ["0"]
    log = (DATA / "workqueue" / "000" / "WorkQueueExecutor" / "transaction_log").read_text()
    assert re.findall(r" WORKER \S+ (\S+)  CONNECTION", log) == ["127.0.0.1:37482"]


def block_file(tmp_path: Path, name: str, content: bytes) -> Batch:
    path = tmp_path / "000" / "submit_scripts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return read(path)


@pytest.mark.parametrize(
    ("name", "key", "time"),
    [
        ("parsl.a.block-9.gpu-2.block-12.1795397977.5.sh.out", "a.block-9.gpu-2/12", 1795397977.5),
        ("parsl.slurm.x.block-0.1795397977.stdout", "slurm.x/0", 1795397977.0),
        ("parsl.x.block-0.1795397977.25.submit.stdout", "x/0", 1795397977.25),
    ],
)
def test_the_name_of_a_block_file(tmp_path: Path, name: str, key: str, time: float) -> None:
    batch = block_file(tmp_path, name, b"Found cores : 2\n")
    assert spans(batch, "parsl.rundir.block") == {key: {}}
    assert list(batch.event_times) == [time]
    assert not batch.unmatched


def test_workers_of_a_block_are_named_once_and_in_order(tmp_path: Path) -> None:
    said = b"connected to manager %s via local address %s\n"
    lines = [said % (b"vm:1024", b"10.0.0.2:9"), said % (b"vm:1024", b"10.0.0.1:8"), said % (b"h:1", b"10.0.0.2:9")]
    batch = block_file(tmp_path, "parsl.x.block-0.1795397977.5.sh.out", b"\xff\0\n".join(lines))
    assert spans(batch, "parsl.rundir.block") == {"x/0": {"worker_addresses": ["10.0.0.2:9", "10.0.0.1:8"]}}
    assert batch.records == 4


@pytest.mark.parametrize(
    ("content", "code", "why"),
    [
        (b"0\n", 0, []),
        (b"127\n", 127, []),
        (b"-9\n", -9, []),
        (b"-\n", None, []),
        (b"", None, []),
        (b"12", None, ["last line is incomplete"]),
        (b"0\n1\n", None, ["an exit code that is no number"]),
        (b"9" * 5000 + b"\n", None, ["an exit code that is no number"]),
        (b"\0\xff\n", None, ["an exit code that is no number"]),
    ],
)
def test_exit_code_of_a_block(tmp_path: Path, content: bytes, code: int | None, why: list[str]) -> None:
    batch = block_file(tmp_path, "parsl.x.block-0.1795397977.5.sh.ec", content)
    assert spans(batch, "parsl.rundir.block") == {"x/0": {} if code is None else {"exit_code": code}}
    assert reasons(batch) == why
    assert list(batch.event_times) == [1795397977.5]


def test_output_and_exit_code_are_of_one_block(tmp_path: Path) -> None:
    for ending, content in ((".sh.out", b"Found cores : 2\n"), (".sh.ec", b"3\n"), (".sh", b"#!/bin/bash\n")):
        path = tmp_path / "logs" / "000" / "submit_scripts" / f"parsl.x.block-0.1795397977.5{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    summary = import_logs(tmp_path / "d", tmp_path / "logs")
    assert list(summary.unknown) == ["parsl.x.block-0.1795397977.5.sh"]
    (found,) = query(
        tmp_path / "d",
        "SELECT spans.key, json_extract(attributes, '$.exit_code'), time FROM events JOIN spans ON spans.id = span",
    )
    assert found == ("x/0", 3, 1795397977.5)


@pytest.mark.parametrize(
    "name",
    [
        "parsl.x.block-0.1795397977.5.sh",
        "parsl.x.block-0.1795397977.5.sh.err",
        "parsl.x.block-.1795397977.5.sh.out",
        "parsl.x.block-0.99999999999.5.sh.out",
        "parsl.x.block-0.nan.sh.out",
        "parsl.block-0.1795397977.5.sh.out",
        "parsl.x.block-\N{ARABIC-INDIC DIGIT ONE}.1795397977.5.sh.out",
        "other.x.block-0.1795397977.5.sh.out",
    ],
)
def test_other_files_beside_submit_scripts_are_not_taken(tmp_path: Path, name: str) -> None:
    assert submit_scripts.find(tmp_path / "000" / "submit_scripts" / name) is None
    assert submit_scripts.find(tmp_path / "000" / "parsl.x.block-0.1795397977.5.sh.out") is None


@pytest.mark.parametrize("runs", [1, 2])
def test_a_block_is_of_the_run_that_the_other_logs_of_its_directory_are_of(tmp_path: Path, runs: int) -> None:
    """As where initialize_logging=False leaves no parsl.log: the others name managers, which a run knows."""
    folder = tmp_path / "logs"
    for number in range(runs):
        other = folder / f"other{number}"
        (other / "x").mkdir(parents=True)
        (other / "parsl.log").write_text(f"1795397977.5 2026-11-23 01:39:37 P T a:1 f INFO: Run id is: run-{number}\n")
        line = f"1795397977.5 2026-11-23 01:39:37 P T a:1 f DEBUG: Registered manager b'00000000000{number}'\n"
        (other / "x" / "interchange.log").write_text(line)
        manager = folder / "000" / "x" / "block-0" / f"00000000000{number}" / "manager.log"
        manager.parent.mkdir(parents=True)
        manager.write_text("1795397977.5 2026-11-23 01:39:37 P T a:1 f INFO: Manager initializing\n")
    (folder / "000" / "submit_scripts").mkdir()
    (folder / "000" / "submit_scripts" / "parsl.x.block-0.1795397977.5.sh.ec").write_text("0\n")
    import_logs(tmp_path / "d", folder)
    found = query(
        tmp_path / "d",
        "SELECT DISTINCT runs.key FROM runs JOIN sources ON sources.run = runs.id WHERE importer = 'submit_scripts'",
    )
    assert (found == [("run-0",)]) == (runs == 1)
    assert len(found) == 1


def test_a_log_outside_a_run_directory_goes_with_no_other(tmp_path: Path) -> None:
    known = Source("a", tmp_path / "a", "000/a", Run("id", "id", None, "000", "stand-in"))
    inside, outside = (
        Source("b", tmp_path / "b", "b", Run("stand-in", None, None, directory)) for directory in ("000", "")
    )
    assert [source.run.key for source in adopt([known, inside, outside])] == ["id", "id", "stand-in"]


# Executor tasks

FUNCTION_LOG = (
    b"1670000000.125 START\n"
    b"1670000000.25 POSTMETA\n"
    b"1670000001.5 EXECUTEFUNCTION\n"
    b"1670000002 LOADPICKLED_DONE\n"
    b"1670000000.2 META_PATH numpy.core\n"
    b"1670000000.1 META_PATH\n"
    b"1670000003.5 DONE\n"
)


def test_the_log_of_an_executor_task(tmp_path: Path) -> None:
    path = tmp_path / "000" / "W q" / "function_data" / "0012" / "log"
    path.parent.mkdir(parents=True)
    path.write_bytes(FUNCTION_LOG + b"nan START\n99999999999 START\n1670000003.5 DONE\n-1 DONE\n5 done\n")
    batch = read(path)
    assert spans(batch, workqueue_function.REMOTE) == {"W q/12": {}}
    names = [batch.event_type_names[i] for i in batch.event_types]
    assert list(zip(batch.event_times, names, batch.event_numbers, strict=True)) == [
        (1670000000.125, "START", 0),
        (1670000000.25, "POSTMETA", 0),
        (1670000001.5, "EXECUTEFUNCTION", 0),
        (1670000002.0, "LOADPICKLED_DONE", 0),
        (1670000003.5, "DONE", 0),
        (1670000003.5, "DONE", 1),
    ]
    assert list(batch.event_offsets)[:3] == [0, 21, 44]
    assert reasons(batch) == ["a line in an unknown form"] * len(batch.unmatched)
    assert sum(kind.times for kind in batch.unmatched.values()) == 4
    assert batch.records == 6


@pytest.mark.parametrize("place", ["000/W/function_data/12/log", "000/W/data/0012/log", "000/W/function_data/x/log"])
def test_other_files_called_log_are_not_taken(tmp_path: Path, place: str) -> None:
    assert workqueue_function.find(tmp_path / place) is None


def test_a_connection_in_another_form(tmp_path: Path) -> None:
    batch = block_file(
        tmp_path,
        "parsl.x.block-0.1795397977.5.sh.out",
        b"worker: via local address ?\nconnected to manager a b via local address 1:2\n",
    )
    assert spans(batch, "parsl.rundir.block") == {"x/0": {}}
    assert sum(kind.times for kind in batch.unmatched.values()) == 2


def test_files_at_the_root_of_all_folders_are_of_no_run() -> None:
    assert submit_scripts.find(Path("/submit_scripts/parsl.cpu.block-0.1795399221.61.sh.out")) is None
    assert workqueue_function.find(Path("/function_data/0000/log")) is None
