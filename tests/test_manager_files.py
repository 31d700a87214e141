"""The files beside the transaction logs of Work Queue and TaskVine managers.

What they say is computed here again, in simple code over every line.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

import pytest

from importers import manager_statistics, submit_scripts, taskgraph, workqueue_debug, workqueue_function
from importers.formats import FORMATS
from importers.sources import Importer
from tests.batches import read, spans
from tests.imports import import_logs, query
from tests.managers import KEYS
from tests.runs import DATA, shared_runs

WORK_QUEUE = Path("000/WorkQueueExecutor")
TASKVINE = Path("TaskVineExecutor/2026-11-23T014643/vine-logs")
SAMPLES = {"workqueue": DATA / "workqueue", "taskvine": DATA / "taskvine"}
WHOLE = {"workqueue": "parsl-2026-workqueue", "taskvine": "parsl-2026-taskvine", "lnni": "taskvine-lnni-2025"}


def whole_run(name: str) -> Path:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    return shared / WHOLE[name]


def folder(name: str, *, whole: bool) -> Path:
    return whole_run(name) if whole else SAMPLES[name]


@pytest.mark.parametrize(
    ("path", "importer"),
    [
        (SAMPLES["workqueue"] / WORK_QUEUE / "master_log", manager_statistics),
        (SAMPLES["workqueue"] / WORK_QUEUE / "debug_log", workqueue_debug),
        (SAMPLES["taskvine"] / TASKVINE / "performance", manager_statistics),
        (SAMPLES["taskvine"] / TASKVINE / "taskgraph", taskgraph),
        (next((SAMPLES["taskvine"] / "000" / "submit_scripts").iterdir()), submit_scripts),
        (DATA / "000" / "x" / "function_data" / "0000" / "log", workqueue_function),
    ],
)
def test_a_file_is_taken_by_its_importer(path: Path, importer: Importer) -> None:
    assert FORMATS[importer.NAME] == importer
    assert next(name for name, other in FORMATS.items() if other.find(path)) == importer.NAME
    assert importer.ROOTS == ()


# Statistics


def columns(path: Path) -> tuple[dict[str, list[float]], list[float]]:
    """Return the values of each column, as they are written, and the times of the rows."""
    header, *rows = path.read_text().splitlines()
    names = header.split()[2:]
    table = [list(map(float, row.split())) for row in rows]
    return {name: [row[i + 1] for row in table] for i, name in enumerate(names)}, [row[0] / 1e6 for row in table]


STATISTICS = {
    "workqueue": (WORK_QUEUE / "master_log", "workqueue", KEYS["workqueue"]),
    "taskvine": (TASKVINE / "performance", "taskvine", KEYS["taskvine"]),
    "lnni": (Path("performance"), "taskvine", KEYS["lnni"]),
}


@pytest.mark.parametrize(
    ("name", "whole", "rows", "column_count"),
    [
        ("workqueue", False, 14, 55),
        ("workqueue", True, 35, 55),
        ("taskvine", False, 40, 58),
        ("taskvine", True, 211, 58),
        ("lnni", True, 372, 56),
    ],
)
def test_a_series_is_the_same_without_what_was_left_out(name: str, whole: bool, rows: int, column_count: int) -> None:
    file, kind, manager = STATISTICS[name]
    path = folder(name, whole=whole) / file
    batch = read(path)
    assert not batch.unmatched
    written, times = columns(path)
    assert (len(times), len(written)) == (rows, column_count)
    assert list(spans(batch, f"{kind}.manager")) == [manager]
    kept: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for span, metric, time, value in batch.samples:
        assert batch.keys[span] == manager
        kept[metric][time] = value
    assert len(batch.samples) == sum(map(len, kept.values()))
    for metric, values in written.items():
        expected = [value / 1e6 if metric.startswith("time_") else value for value in values]
        needed = {
            time: value
            for i, (time, value) in enumerate(zip(times, expected, strict=True))
            if i == 0 or {*expected[i - 1 : i + 2]} != {value}
        }
        assert kept[metric] == needed
        # As steps: the last value up to each time. As lines: what was left out lies between two that are alike, or
        # after the last.
        at = sorted(needed)
        for time, value in zip(times, expected, strict=True):
            left = bisect_right(at, time) - 1
            assert needed[at[left]] == value
            assert time in needed or left == len(at) - 1 or needed[at[left + 1]] == value


def test_units_of_statistics(tmp_path: Path) -> None:
    units = {
        **read(SAMPLES["workqueue"] / WORK_QUEUE / "master_log").units,
        **read(SAMPLES["taskvine"] / TASKVINE / "performance").units,
    }
    by_unit = defaultdict(set)
    for metric, unit in units.items():
        by_unit[unit].add(metric)
    assert by_unit.pop("MB") == {
        f"{which}_{what}" for which in ("capacity", "total", "committed", "max", "min") for what in ("memory", "disk")
    } | {"inuse_cache"}
    assert by_unit.pop("bytes") == {"bytes_sent", "bytes_received"}
    assert by_unit.pop("MB/s") == {"bandwidth"}
    assert by_unit.pop("fraction") == {"manager_load"}
    assert {name for name in units if name.startswith("time_")} == by_unit.pop("s")
    assert {"workers_connected", "tasks_done", "total_cores", "capacity_tasks"} < by_unit.pop("count")
    assert not by_unit
    import_logs(tmp_path / "d", SAMPLES["workqueue"])
    stored = query(
        tmp_path / "d", "SELECT name, unit FROM metrics WHERE name IN ('time_send', 'bytes_sent') ORDER BY 1"
    )
    assert stored == [("bytes_sent", "bytes"), ("time_send", "s")]


# The task graph


def graph(path: Path) -> dict[int, tuple[set[str], set[str]]]:
    """Return inputs and outputs of each task, from either form of the graph."""
    found: defaultdict[int, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for line in path.read_text().splitlines():
        words = line.replace('"', "").rstrip(";").split()
        if words[:1] == ["TASK"]:
            middle = words.index("OUTPUTS")
            found[int(words[1][1:])] = (set(words[4:middle]), set(words[middle + 1 :]))
        elif words[1:2] == ["->"] and words[0].startswith("file-"):
            found[int(words[2].removeprefix("task-"))][0].add(words[0].removeprefix("file-"))
        elif words[1:2] == ["->"]:
            found[int(words[0].removeprefix("task-"))][1].add(words[2].removeprefix("file-"))
        elif line.startswith('"task-'):
            assert found[int(words[0].removeprefix("task-"))]
    return dict(found)


GRAPHS = {
    "taskvine": (TASKVINE / "taskgraph", KEYS["taskvine"]),
    "lnni": (Path("taskgraph"), KEYS["lnni"]),
}


@pytest.mark.parametrize(
    ("name", "whole", "tasks"), [("taskvine", False, 15), ("taskvine", True, 127), ("lnni", True, 405)]
)
def test_tasks_of_a_graph(name: str, whole: bool, tasks: int) -> None:
    file, manager = GRAPHS[name]
    path = folder(name, whole=whole) / file
    batch = read(path)
    assert not batch.unmatched
    expected = graph(path)
    assert len(expected) == tasks
    found = spans(batch, "taskvine.task")
    assert {key: (of["inputs"], of["outputs"]) for key, of in found.items()} == {
        str(task): (len(inputs), len(outputs)) for task, (inputs, outputs) in expected.items()
    }
    depends = {
        task: sorted(other for other, (_, written) in expected.items() if written & inputs and other != task)
        for task, (inputs, _) in expected.items()
    }
    assert {key: of["depends"] for key, of in found.items() if "depends" in of} == {
        str(task): on for task, on in depends.items() if on
    }
    records = [json.loads(record) for _offset, record in batch.raw_records]
    ids = re.findall(r'^FILE (\S+)|^"file-(\S+)" \[', path.read_text(), re.MULTILINE)
    assert [record["file"] for record in records] == [one or other for one, other in ids]
    for record in records:
        assert record["manager"] == manager
        assert sorted(record["read_by"]) == sorted(t for t, (read, _) in expected.items() if record["file"] in read)
        assert sorted(record["written_by"]) == sorted(t for t, (_, made) in expected.items() if record["file"] in made)


@pytest.mark.parametrize("whole", [False, True])
def test_executor_tasks_of_a_graph(whole: bool) -> None:
    path = folder("taskvine", whole=whole) / TASKVINE / "taskgraph"
    batch = read(path)
    text = path.read_text()
    place = dict(re.findall(r'^FILE (\S+) "\S+/(\d{4})/\w+"', text, re.MULTILINE))
    expected = {}
    for task, words in re.findall(r"^TASK T(\d+) (.*)$", text, re.MULTILINE):
        (number,) = {place[word] for word in words.split() if word in place}
        expected[task] = int(number)
    assert len(expected) == (127 if whole else 15)
    assert {key: of["executor_task"] for key, of in spans(batch, "taskvine.task").items()} == expected
    # The log of the run says the same of each launch, and names the staging directory.
    log = (folder("taskvine", whole=whole) / "000" / "parsl.log").read_text()
    assert {int(number) for number in re.findall(r"with executor id (\d+)", log)} == set(expected.values())
    (staging,) = spans(batch, "taskvine.manager").values()
    (named,) = re.findall(r"Function data directory: \S*/(\S+), ", log)
    assert staging == {"staging": named}


def test_which_file_a_transfer_moved_is_one_query(tmp_path: Path) -> None:
    import_logs(tmp_path / "d", SAMPLES["taskvine"])
    moved = query(
        tmp_path / "d",
        """SELECT json_extract(record, '$.source'), json_extract(record, '$.read_by')
           FROM spans JOIN span_types ON span_types.id = spans.type AND span_types.name = 'taskvine.transfer'
           LEFT JOIN records ON json_extract(record, '$.file') = json_extract(attributes, '$.file')
               AND json_extract(record, '$.manager') = substr(key, 1, instr(key, '/') - 1)""",
    )
    log = (SAMPLES["taskvine"] / TASKVINE / "transactions").read_text()
    assert len(moved) == len(re.findall(r"^\d+ \d+ WORKER \S+ TRANSFER ", log, re.MULTILINE)) > 15
    assert sum(str(source).endswith("/0000/function") and readers == "[1]" for source, readers in moved) == 1
    assert all(source for source, _readers in moved)


# The debug log


@pytest.mark.parametrize("whole", [False, True])
def test_executor_tasks_of_a_debug_log(whole: bool) -> None:
    path = folder("workqueue", whole=whole) / WORK_QUEUE / "debug_log"
    batch = read(path)
    assert not batch.unmatched
    expected: dict[str, dict[str, int]] = {}
    sent, starts = -1, 0
    for line in path.read_text().splitlines():
        if match := re.search(r" needs file \S+/function_data/(\d+)/function ", line):
            sent = int(match[1])
        elif match := re.search(r"Task (\d+) state change: WAITING \(1\) to RUNNING \(2\)", line):
            task = f"{KEYS['workqueue']}/{match[1]}"
            assert expected.setdefault(task, {"executor_task": sent}) == {"executor_task": sent}
            starts += 1
    # Task 96 was put back, and so started twice.
    assert (len(expected), starts) == ((210, 212) if whole else (14, 15))
    assert spans(batch, "workqueue.task") == expected
    assert batch.records == starts
    log = (folder("workqueue", whole=whole) / "000" / "parsl.log").read_text()
    launched = {int(number) for number in re.findall(r"with executor id (\d+)", log)}
    assert {of["executor_task"] for of in expected.values()} == launched
