"""Resources of tasks and nodes, transfers and caches, against simple code over the logs and over monitoring's rows."""

from __future__ import annotations

import json
import re
import sqlite3
import statistics
from collections import Counter, defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasette_dnpc import queries
from datasette_dnpc.sql_files import create_views
from importers import totals
from importers.schema import create_indexes, create_tables
from tests.imports import copied, dnpc, query
from tests.managers import LOGS, TASKVINE, VINE_LOGS, WORK_QUEUE, told
from tests.runs import DATA, read_monitoring, read_run

MEGABYTE = 2**20
STATISTICS = Path("000/WorkQueueExecutor/master_log")
CHICAGO = DATA / "htex-chicago"

Rows = list[dict[str, Any]]


def imported(folder: Path, to: Path) -> Path:
    path = to / "dnpc.sqlite3"
    assert dnpc("import", folder, "--db", path, "--quiet", "--jobs", "1").exit_code == 0
    return path


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database of each sample, by name."""
    return {
        name: imported(DATA / name, tmp_path_factory.mktemp(name)) for name in ("htex-chicago", WORK_QUEUE, TASKVINE)
    }


def samples(folder: Path) -> dict[tuple[int, int], Rows]:
    """Return the resource samples of each task and try, straight from monitoring.db, in order of time."""
    found = defaultdict(list)
    with closing(sqlite3.connect(folder / "monitoring.db")) as conn:
        conn.row_factory = sqlite3.Row
        for row in conn.execute("SELECT *, julianday(timestamp) * 86400 AS time FROM resource ORDER BY timestamp"):
            found[row["task_id"], row["try_id"]].append(dict(row))
    return found


def cpu(row: dict[str, Any]) -> float:
    seconds: float = row["psutil_process_time_user"] + row["psutil_process_time_system"]
    return seconds


def test_tries_have_what_monitoring_sampled(databases: dict[str, Path]) -> None:
    expected = samples(CHICAGO)
    rows = queries.rows(databases["htex-chicago"], "tasks_by_resources", rows=900)
    assert {row["key"] for row in rows} == {f"{task}/{number}" for task, number in expected}
    assert len(rows) == rows[0]["of_rows"] and {row["span_type"] for row in rows} == {"parsl.monitoring.try"}
    measured = 0
    for row in rows:
        task, number = map(int, row["key"].split("/"))
        taken = expected[task, number]
        memory = max(one["psutil_process_memory_resident"] for one in taken) / MEGABYTE
        assert row["used_memory"] == pytest.approx(memory)
        assert row["given_cores"] is row["given_memory"] is row["memory_share"] is row["used_disk"] is None
        if len(taken) == 1:
            assert row["cpu_seconds"] is row["seconds"] is row["core_efficiency"] is None
            continue
        measured += 1
        rise, seconds = cpu(taken[-1]) - cpu(taken[0]), taken[-1]["time"] - taken[0]["time"]
        assert row["cpu_seconds"] == pytest.approx(rise)
        # A Julian day has no more than some 0.1 ms.
        assert row["seconds"] == pytest.approx(seconds, abs=1e-3)
        assert row["cores_used"] == row["core_efficiency"] == pytest.approx(row["cpu_seconds"] / row["seconds"])
    assert 0 < measured < len(rows)
    used = [row["used_memory"] for row in rows]
    assert used == sorted(used, reverse=True)


def test_apps_sum_up_their_tries(databases: dict[str, Path]) -> None:
    run = read_run(CHICAGO / "000")
    assert run.run_id
    apps = read_monitoring(CHICAGO / "monitoring.db")[run.run_id].tasks
    memory, rises = defaultdict(list), defaultdict(list)
    for (task, _), taken in samples(CHICAGO).items():
        memory[apps[task]].append(max(one["psutil_process_memory_resident"] for one in taken) / MEGABYTE)
        if len(taken) > 1:
            rises[apps[task]].append(cpu(taken[-1]) - cpu(taken[0]))
    rows = queries.rows(databases["htex-chicago"], "task_resources")
    # No log tells of disk, nor what was asked for or given.
    assert {(row["app"], row["resource"]) for row in rows} == {(app, "memory") for app in memory} | {
        (app, "cores") for app in rises
    }
    for row in rows:
        assert row["requesting"] == 0 and row["requested"] is row["given"] is None
        assert row["tasks"] == len(memory[row["app"]])
        if row["resource"] == "memory":
            used = memory[row["app"]]
            assert row["measured"] == len(used) and row["share"] is None
            assert [row["p50"], row["p95"], row["max"]] == pytest.approx([*np.percentile(used, [50, 95]), max(used)])
        else:
            assert row["measured"] == len(rises[row["app"]])
            assert row["cpu_seconds"] == pytest.approx(sum(rises[row["app"]]))
            # One core each, as none is known to be given.
            assert row["efficiency"] == pytest.approx(row["cpu_seconds"] / row["core_seconds"])


def measured_run(to: Path) -> tuple[Path, dict[int, dict[str, float]]]:
    """Make a run of Work Queue whose manager had a resource monitor, for every other task; return what it measured."""
    folder = copied(DATA / WORK_QUEUE, to / "runinfo")
    log = folder / LOGS[WORK_QUEUE]
    written: dict[int, dict[str, float]] = {}

    def measure(match: re.Match[str]) -> str:
        number = int(match[2])
        if number % 2:
            return match[0]
        found = {"cpu_time": 0.5 + number, "wall_time": 1.0 + number, "memory": 100 + number, "disk": 10 + number}
        written[number] = found
        units = {"cpu_time": "s", "wall_time": "s", "memory": "MB", "disk": "MB"}
        said = ",".join(f'"{name}":[{value},"{units[name]}"]' for name, value in found.items())
        return f"{match[1]}{{{said},"

    text = re.sub(r"(TASK (\d+) RETRIEVED \S+ +\d+ +\{\} )\{", measure, log.read_text())
    text = re.sub(
        r"(TASK \d+ WAITING \S+ FIRST_RESOURCES) \{.*\}", r'\1 {"cores":[2,"cores"],"memory":[200,"MB"]}', text
    )
    log.write_text(text)
    return folder, written


def test_what_a_manager_measured_counts_before_what_monitoring_did(tmp_path: Path) -> None:
    folder, written = measured_run(tmp_path)
    database = imported(folder, tmp_path)
    rows = queries.rows(database, "tasks_by_resources", rows=900)
    found = {int(row["key"].split("/")[1]): row for row in rows if row["span_type"] == "workqueue.task"}
    log = told(folder / LOGS[WORK_QUEUE])
    assert found.keys() == log.states.keys() and written
    for number, row in found.items():
        assert (row["requested_cores"], row["requested_memory"], row["requested_disk"]) == (2, 200, None)
        [limits] = [rest[2] for _, state, rest in log.states[number] if state == "RUNNING"][-1:]
        given = {name: amount for name, (amount, _) in json.loads(limits).items()}
        assert (row["given_cores"], row["given_memory"], row["given_disk"]) == (
            given["cores"], given["memory"], given["disk"],
        )  # fmt: skip
        if number in written:
            said = written[number]
            assert (row["used_memory"], row["used_disk"]) == (said["memory"], said["disk"])
            assert (row["cpu_seconds"], row["seconds"]) == (said["cpu_time"], said["wall_time"])
            assert row["memory_share"] == pytest.approx(said["memory"] / given["memory"])
            cores = said["cpu_time"] / said["wall_time"]
            assert row["core_efficiency"] == pytest.approx(cores / given["cores"])
    # The others have what monitoring found in their tries.
    others = {number: row for number, row in found.items() if number not in written}
    memory = {
        max(one["psutil_process_memory_resident"] for one in taken) / MEGABYTE for taken in samples(folder).values()
    }
    assert others and {row["used_memory"] for row in others.values()} <= memory
    assert {row["used_disk"] for row in others.values()} == {None}
    [disk] = [row for row in queries.rows(database, "task_resources", app="work") if row["resource"] == "disk"]
    used = [row["used_disk"] for row in found.values() if row["app"] == "work" and row["used_disk"] is not None]
    assert (disk["measured"], disk["max"], disk["p50"]) == (len(used), max(used), statistics.median(used))
    share = [
        row["used_disk"] / row["given_disk"] for row in found.values() if row["app"] == "work" and row["used_disk"]
    ]
    assert disk["share"] == pytest.approx(statistics.median(share))


def test_what_taskvine_calls_measured_without_a_monitor_is_not(databases: dict[str, Path]) -> None:
    rows = queries.rows(databases[TASKVINE], "tasks_by_resources", rows=900)
    vine = [row for row in rows if row["span_type"] == "taskvine.task"]
    assert vine and {row["used_disk"] for row in vine} == {None}
    assert all(row["given_memory"] > 1000 for row in vine)
    memory = {
        max(one["psutil_process_memory_resident"] for one in taken) / MEGABYTE
        for taken in samples(DATA / TASKVINE).values()
    }
    assert {row["used_memory"] for row in vine} - {None} <= memory
    # Each try is in one row: of its manager's task, or its own.
    assert len([row for row in rows if row["used_memory"] is not None]) == len(samples(DATA / TASKVINE))


def pieces_by_hand(database: Path, count: int) -> tuple[list[float], list[float]]:
    """Return cores and memory of the one node in each piece of time, by looking at every process for every piece."""
    rows = query(
        database,
        "SELECT psutil_process_pid, timestamp, psutil_process_time_user + psutil_process_time_system,"
        " psutil_process_memory_resident FROM parsl_resource ORDER BY timestamp",
    )
    processes: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for process, *sample in rows:
        processes[process].append((sample[0], sample[1], sample[2]))
    first, last = min(row[1] for row in rows), max(row[1] for row in rows)
    width = (last - first) / count
    cores, memory = [], []
    for number in range(count):
        began, ended = first + number * width, first + (number + 1) * width
        seconds = held = 0.0
        for taken in processes.values():
            most = [size for time, _, size in taken if began <= time < ended or (number == count - 1 and time == last)]
            for (time, used, size), (next_time, next_used, _) in pairwise(taken):
                overlap = min(next_time, ended) - max(time, began)
                if overlap > 0:
                    # What a child used is gone from the sum when it has ended.
                    seconds += max(next_used - used, 0) * overlap / (next_time - time)
                    most.append(size)
            held += max(most, default=0)
        cores.append(seconds / width)
        memory.append(held / MEGABYTE)
    return cores, memory


@pytest.mark.parametrize("count", [7, 60])
def test_nodes_have_the_sum_of_their_processes(databases: dict[str, Path], count: int) -> None:
    database = databases["htex-chicago"]
    rows = queries.rows(database, "node_resources", pieces=count)
    cores, memory = pieces_by_hand(database, count)
    found = {name: [row for row in rows if row["resource"] == name] for name in ("cores", "memory")}
    assert len(rows) == 2 * count and {row["kind"] for row in rows} == {"used"}
    assert [row["amount"] for row in found["cores"]] == pytest.approx(cores, abs=1e-6)
    assert [row["amount"] for row in found["memory"]] == pytest.approx(memory)
    [(processors, total)] = query(database, "SELECT DISTINCT cpu_count, total_memory FROM parsl_node")
    assert {row["available"] for row in found["cores"]} == {processors}
    assert {row["available"] for row in found["memory"]} == {total / MEGABYTE}
    for row in rows:
        assert row["share"] == pytest.approx(row["amount"] / row["available"])
    assert queries.rows(database, "node_resources", pieces=count, node=rows[0]["node"]) == rows
    assert queries.rows(database, "node_resources", node="no such node") == []


def test_processes_of_several_nodes_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "dnpc.sqlite3"
    # Host, process, time, seconds of processor time, MB.
    taken = [
        ("a", 1, 100, 0.0, 50), ("a", 1, 104, 2.0, 20), ("a", 1, 110, 5.0, 10),
        ("a", 2, 101, 1.0, 7), ("b", 1, 100, 9.0, 3), ("b", 1, 102, 10.0, 4),
    ]  # fmt: skip
    with closing(sqlite3.connect(path)) as conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs (id, key, name) VALUES (1, 'run', 'a run')")
        for task, (host, process, time, seconds, memory) in enumerate(taken):
            conn.execute(
                "INSERT INTO parsl_resource (run_id, task_id, try_id, timestamp, uuid, psutil_process_pid,"
                " psutil_process_time_user, psutil_process_time_system, psutil_process_memory_resident)"
                " VALUES ('run', ?, 0, ?, ?, ?, ?, 0, ?)",
                (task, time, f"try-{task}", process, seconds, memory * MEGABYTE),
            )
            conn.execute(
                "INSERT INTO parsl_try (run_id, task_id, try_id, uuid, hostname) VALUES ('run', ?, 0, ?, ?)",
                (task, f"try-{task}", host),
            )
        create_views(conn)
        totals.update(conn, [1])
        conn.commit()
    rows = queries.rows(path, "node_resources", pieces=2)
    amounts = [(row["node"], row["resource"], row["time"], row["amount"]) for row in rows]
    # On a: 2 seconds up to 104, then 3 in 6, so 0.5 up to 105. The memory at 104 was held up to 110.
    assert amounts == [
        ("a", "cores", 105, 2.5 / 5), ("a", "cores", 110, 2.5 / 5), ("a", "memory", 105, 57), ("a", "memory", 110, 20),
        ("b", "cores", 105, 1 / 5), ("b", "cores", 110, 0), ("b", "memory", 105, 4), ("b", "memory", 110, 0),
    ]  # fmt: skip
    assert {row["of_nodes"] for row in rows} == {2} and {row["share"] for row in rows} == {None}


def test_managers_have_given_what_their_statistics_say(tmp_path: Path) -> None:
    folder = copied(DATA / WORK_QUEUE, tmp_path / "runinfo")
    log = folder / STATISTICS
    header, *lines = log.read_text().splitlines()
    names = header.removeprefix("# ").split()
    said = [dict(zip(names, map(float, line.split()), strict=True)) for line in lines]
    for line in said:
        # As if there were three such workers.
        line.update({f"total_{name}": 3 * line[f"max_{name}"] for name in ("cores", "memory", "disk")})
    log.write_text("\n".join([header, *(" ".join(f"{line[name]:.0f}" for name in names) for line in said), ""]))
    rows = [row for row in queries.rows(imported(folder, tmp_path), "node_resources") if row["kind"] == "given"]
    assert {row["resource"] for row in rows} == {"cores", "memory", "disk"}
    for row in rows:
        # Times of pieces are sums, which may be off by some of the last digits.
        before = [line for line in said if line["timestamp"] / 1e6 <= row["time"] + 1e-5]
        assert row["amount"] == before[-1][f"committed_{row['resource']}"]
        assert row["available"] == before[-1][f"total_{row['resource']}"]


def test_work_queue_sends_what_is_not_in_the_cache(databases: dict[str, Path]) -> None:
    uses, sent = Counter[str](), Counter[str]()
    megabytes: dict[str, float] = defaultdict(float)
    for _, _, words in told(DATA / WORK_QUEUE / LOGS[WORK_QUEUE]).transfers:
        direction, _, cached, size, _, name = words
        if direction == "INPUT":
            uses[name] += 1
            sent[name] += cached == "0" or float(size) > 0
            megabytes[name] += float(size)
    rows = queries.rows(databases[WORK_QUEUE], "cache_use")
    assert {row["file"]: row["uses"] for row in rows} == uses
    assert {row["file"]: row["sent"] for row in rows} == sent
    for row in rows:
        assert row["hits"] == uses[row["file"]] - sent[row["file"]]
        assert row["hit_share"] == pytest.approx(row["hits"] / row["uses"])
        assert row["megabytes_sent"] == pytest.approx(megabytes[row["file"]])
        assert row["executor"] == "WorkQueueExecutor" and row["put_into_cache"] is None
    assert any(row["hits"] for row in rows)
    assert queries.rows(databases[WORK_QUEUE], "cache_use", executor="other") == []
    [one] = queries.rows(databases[WORK_QUEUE], "cache_use", name="exec_parsl")
    assert one["file"] == "exec_parsl_function.py"


def test_taskvine_has_hits_where_more_tasks_read_than_were_sent(databases: dict[str, Path]) -> None:
    text = (DATA / TASKVINE / VINE_LOGS / "taskgraph").read_text()
    readers = defaultdict(set)
    for match in re.finditer(r"^TASK T(\d+) .* INPUTS (.*) OUTPUTS", text, re.MULTILINE):
        for name in match[2].split():
            readers[name].add(int(match[1]))
    lines = (DATA / TASKVINE / LOGS[TASKVINE]).read_text().splitlines()
    log = "\n".join(line for line in lines if not line.startswith("#"))
    started = set(map(int, re.findall(r" TASK (\d+) RUNNING ", log)))
    sent = Counter(re.findall(r" TRANSFER INPUT (\S+) ", log))
    put = Counter(re.findall(r" CACHE_UPDATE (\S+) ", log))
    rows = {row["file"]: row for row in queries.rows(databases[TASKVINE], "cache_use")}
    shared = {name for name, tasks in readers.items() if len(tasks) > 1}
    others = "(files that at most one task reads)"
    assert shared and rows.keys() == shared | {others}
    for name in shared:
        row = rows[name]
        assert (row["uses"], row["sent"], row["put_into_cache"]) == (
            len(readers[name] & started), sent[name], put[name],
        )  # fmt: skip
        assert row["hits"] == row["uses"] - max(sent[name], put[name])
        assert row["source"] in text
    assert rows[others]["sent"] == sum(sent.values()) - sum(sent[name] for name in shared)
    assert rows[others]["put_into_cache"] == sum(put.values()) - sum(put[name] for name in shared)
    assert rows[others]["uses"] is rows[others]["hits"] is None


def test_transfers_of_an_app_executor_or_direction(databases: dict[str, Path]) -> None:
    log = told(DATA / WORK_QUEUE / LOGS[WORK_QUEUE])
    category = {
        task: next(rest[0] for _, state, rest in states if state == "WAITING") for task, states in log.states.items()
    }
    every, of_app = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for _, _, (direction, task, _, _, _, name) in log.transfers:
        every[direction, name] += 1
        of_app[direction, name] += category[int(task)] == "work"

    def found(**params: str) -> dict[tuple[str, str], int]:
        rows = queries.rows(databases[WORK_QUEUE], "transfers_by_file", **params)
        return {(row["direction"], row["file"]): row["transfers"] for row in rows}

    assert found() == found(executor="WorkQueueExecutor") == every
    assert found(app="work") == {key: count for key, count in of_app.items() if count}
    assert found(direction="output") == {key: count for key, count in every.items() if key[0] == "OUTPUT"}
    assert found(executor="other") == found(direction="sideways") == {}


@pytest.mark.parametrize("name", ["task_resources", "tasks_by_resources", "node_resources", "cache_use"])
def test_command_says_the_same(databases: dict[str, Path], name: str) -> None:
    printed = dnpc(name.replace("_", "-"), "--db", databases[WORK_QUEUE], "--format", "json")
    assert json.loads(printed.stdout) == queries.rows(databases[WORK_QUEUE], name) != []
