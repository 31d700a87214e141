"""A generated run must look like a real one, or the benchmarks measure something else."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from importers.monitoring_tables import TABLES
from tests.benchmarks.htex_run import MANAGER, write_run
from tests.benchmarks.monitoring_db import write_database
from tests.imports import import_logs, query
from tests.runs import DATA, find_log, read_run, shared_runs

TASKS = 50
REAL = DATA / "two-htex" / "000"  # HTEX without monitoring, as the generated run


def shape(line: str) -> str:
    """Return a line without what differs between tasks and runs: numbers, ids, names."""
    line = re.sub(r"\b[0-9a-f]{12}\b|0x[0-9a-f]+|\d+(\.\d+)?", "#", line)
    line = re.sub(r"\b(htex_Local|cpu|gpu)\b", "LABEL", line)
    line = re.sub(r"with args \(.*\)", "with args ARGS", line)
    return re.sub(r"\b(noop|_w)\b", "APP", line)


def shapes(*logs: Path) -> Counter[str]:
    return Counter(shape(line) for log in logs for line in log.read_text().splitlines())


def per_task(counts: Counter[str], tasks: int) -> dict[str, int]:
    """Return the shapes that occur about once, twice ... for each task; the rest is noise."""
    return {text: round(n / tasks) for text, n in counts.items() if n >= 0.9 * tasks}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("generated") / "000"
    write_run(run, TASKS)
    return run


@pytest.mark.parametrize("stem", ["interchange", "manager", "worker_*"])
def test_lines_of_a_task_are_those_of_a_real_run(generated: Path, stem: str) -> None:
    real_tasks = len(read_run(REAL).launches)
    ours = per_task(shapes(*generated.rglob(f"{stem}.log")), TASKS)
    real = shapes(*REAL.rglob(f"{stem}.log"))
    assert len(ours) >= 3
    for text in ours:
        # The sample is a cut: its noise was thinned, the tasks' own lines were not.
        assert real[text] > 0, text
    named = [text for text in ours if re.search(r"tasks?:? \[?#", text) and "ready" not in text]
    assert named
    for text in named:
        # A real interchange or manager takes the first two tasks together.
        assert real[text] == pytest.approx(ours[text] * real_tasks, abs=4), text


def test_submit_side_lines_of_a_task_are_those_of_a_real_run(generated: Path) -> None:
    real_log, log = find_log(REAL, "parsl"), find_log(generated, "parsl")
    assert real_log and log
    ours = per_task(shapes(log), TASKS)
    # Task 0 ran and returned on its own: no dependency, no retry.
    real = {shape(line) for line in real_log.read_text().splitlines() if re.search(r"\b[Tt]ask 0 ", line)}
    assert sum(ours.values()) == 21  # lines a task, as counted in the real run of 20 000
    missing = {text for text in real if text not in ours}
    assert not missing
    assert set(ours) <= set(shapes(real_log))


def test_every_task_goes_through_all_layers(generated: Path) -> None:
    run = read_run(generated)
    tasks = {("htex_Local", n + 1) for n in range(TASKS)}
    assert run.executor_tasks("interchange", "manager", "worker") == tasks
    assert Counter(s.state for s in run.states) == dict.fromkeys(("pending", "launched", "exec_done"), TASKS)
    assert {event.manager for event in run.htex} == {None, MANAGER}
    order = ["putting", "put", "sent", "got", "received", "completed", "finished", "removing"]
    for task in tasks:
        events = sorted((e for e in run.htex if (e.executor, e.executor_task) == task), key=lambda e: e.time)
        names = [event.event for event in events]
        # A worker's last line and the result's arrival at the interchange may come in any order.
        assert names[:-2] == order[:-2] and set(names) == set(order)


def test_times_increase(generated: Path) -> None:
    for log in generated.rglob("*.log"):
        times = [float(t) for t in re.findall(r"^(\d{10}\.\d{6}) ", log.read_text(), re.M)]
        assert len(times) > TASKS and times == sorted(times), log


def test_is_the_same_every_time(generated: Path, tmp_path: Path) -> None:
    for log in write_run(tmp_path / "000", TASKS):
        same = generated / log.relative_to(tmp_path / "000")
        assert log.read_bytes() == same.read_bytes()


def test_a_run_has_the_id_that_is_asked_for(generated: Path, tmp_path: Path) -> None:
    other = "00000000-0000-0000-0000-000000000007"
    own = read_run(generated).run_id
    for log in write_run(tmp_path / "000", TASKS, other):
        assert log.read_text().replace(other, str(own)) == (generated / log.relative_to(tmp_path / "000")).read_text()
    assert read_run(tmp_path / "000").run_id == other != own


# monitoring.db

MONITORING = DATA / "runinfo" / "monitoring.db"


def of_database(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as conn:
        return conn.execute(sql).fetchall()


def rows_a_task(path: Path, table: str) -> float:
    (row,) = of_database(path, f"SELECT (SELECT count(*) FROM {table}) * 1.0 / (SELECT count(*) FROM task)")
    return float(str(row[0]))


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("monitoring") / "monitoring.db", 340)


def test_tables_are_those_of_a_real_database(monitoring: Path) -> None:
    shape = "SELECT name, type, pk FROM pragma_table_info('{}') ORDER BY cid"
    for table in TABLES:
        assert of_database(monitoring, shape.format(table)) == of_database(MONITORING, shape.format(table)), table
        keys = f"SELECT * FROM pragma_index_list('{table}')"
        assert of_database(monitoring, keys) == of_database(MONITORING, keys), table


def test_rows_of_a_task_are_those_of_a_real_database(monitoring: Path) -> None:
    for table in ("try", "status", "resource"):
        # The sample's user script fails on purpose more often than most.
        assert rows_a_task(monitoring, table) == pytest.approx(rows_a_task(MONITORING, table), rel=0.35), table
    folder = shared_runs()
    if folder is not None:
        real = folder / "parsl-2026-htex-json-threads" / "monitoring.db"
        for table in ("try", "status", "resource", "node"):
            assert rows_a_task(monitoring, table) == pytest.approx(rows_a_task(real, table), rel=0.15), table


def test_values_are_of_the_kinds_that_a_real_database_has(monitoring: Path) -> None:
    for table in TABLES:
        columns = [str(name) for (name,) in of_database(MONITORING, f"SELECT name FROM pragma_table_info('{table}')")]
        for column in columns:
            kinds = f"SELECT DISTINCT typeof({column}), length({column}) = 26 AND {column} GLOB '20*' FROM {table}"
            assert set(of_database(monitoring, kinds)) <= set(of_database(MONITORING, kinds)), (table, column)


def test_every_row_of_the_generated_database_is_read(monitoring: Path, tmp_path: Path) -> None:
    import_logs(tmp_path / "d.db", monitoring)
    assert query(tmp_path / "d.db", "SELECT * FROM unmatched") == []
    for table in TABLES:
        (count,) = of_database(monitoring, f"SELECT count(*) FROM {table}")
        assert query(tmp_path / "d.db", f"SELECT count(*) FROM parsl_{table}") == [count]
    tries = query(tmp_path / "d.db", "SELECT count(*) FROM spans JOIN span_types t ON t.id = type "
                                     "WHERE t.name = 'parsl.monitoring.try' AND began < ended")  # fmt: skip
    assert tries == [(360,)]
