"""What monitoring lost against the logs: samples that agree, and copies of them with rows or lines taken out."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from datasette_dnpc import queries
from tests.imports import copied, dnpc
from tests.runs import DATA, Run, find_log, read_monitoring, read_run, shared_runs

STATES = ("pending", "launched", "exec_done", "failed", "fail_retryable", "dep_fail", "memo_done", "joining")
NEITHER = "of this run there is neither a parsl.log nor a monitoring.db"

Rows = dict[str, dict[str, Any]]


def imported(folder: Path, to: Path) -> Path:
    path = to / "dnpc.sqlite3"
    assert dnpc("import", folder, "--db", path, "--quiet", "--jobs", "1").exit_code == 0
    return path


def losses(database: Path, run: str | None) -> Rows:
    """Return the rows of a run by kind."""
    return {row["kind"]: row for row in queries.rows(database, "monitoring_losses", run=run)}


def changed(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "monitoring.db")) as conn:
        for statement in statements:
            assert conn.execute(statement).rowcount > 0
        conn.commit()


def told_by_logs(folder: Path) -> tuple[Run, Counter[tuple[str, int]]]:
    """Return a run as its logs tell of it, and how often each task came to each state."""
    run = read_run(folder)
    return run, Counter((state.state, state.task) for state in run.states)


def check(folder: Path, database: Path) -> None:
    """Compare the answers for a run with those of simple code over its parsl.log and monitoring.db."""
    run, logged = told_by_logs(folder)
    assert run.run_id
    rows, monitoring = losses(database, run.run_id), read_monitoring(folder.parent / "monitoring.db")[run.run_id]
    monitored = Counter((state, task) for task, _, state, _ in monitoring.statuses)
    tries = {(state.task, state.try_id) for state in run.states}
    things: dict[str, tuple[set[Any], set[Any]]] = {
        "task": (set(run.tasks), set(monitoring.tasks)),
        "try": (tries, monitoring.tries),
    }
    for kind, (in_logs, in_monitoring) in things.items():
        row, both = rows[kind], len(in_logs & in_monitoring)
        assert (row["in_logs"], row["in_monitoring"], row["in_both"]) == (len(in_logs), len(in_monitoring), both)
        assert row["only_in_logs"] == len(in_logs - in_monitoring)
        assert row["only_in_monitoring"] == len(in_monitoring - in_logs)
        assert (row["example"] is None) == (in_logs == in_monitoring)
    for state in STATES:
        ours, theirs = ({key: n for key, n in of.items() if key[0] == state} for of in (logged, monitored))
        assert (f"state {state}" in rows) == bool(ours or theirs)
        if ours or theirs:
            row = rows[f"state {state}"]
            assert (row["in_logs"], row["in_monitoring"]) == (sum(ours.values()), sum(theirs.values()))
            both = sum(min(n, theirs.get(key, 0)) for key, n in ours.items())
            assert row["in_both"] == both and row["only_in_logs"] == row["in_logs"] - both
            assert row["only_in_monitoring"] == row["in_monitoring"] - both
            assert row["share_lost"] == pytest.approx(100 * (1 - both / row["in_logs"]) if ours else None)


@pytest.mark.parametrize("name", ["htex-chicago", "htex-crash", "workqueue", "taskvine"])
def test_nothing_is_lost_in_the_samples(tmp_path: Path, name: str) -> None:
    database = imported(DATA / name, tmp_path)
    check(DATA / name / "000", database)
    run, _ = told_by_logs(DATA / name / "000")
    rows = losses(database, run.run_id)
    assert {row["only_in_logs"] for row in rows.values()} <= {0, None}
    assert {row["only_in_monitoring"] for row in rows.values()} <= {0, None}
    assert rows["task on a worker"]["in_logs"] == rows["task on a worker"]["in_both"] > 0
    assert all((row["only_in_logs"] is None) == (row["remark"] is not None) for row in rows.values())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_whole_runs_have_lost_nothing(tmp_path: Path, number: int) -> None:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    folder = shared / "parsl-2026-htex-json-threads"
    check(folder / f"{number:03}", imported(folder, tmp_path))


def test_what_was_taken_out_of_monitoring_is_lost(tmp_path: Path) -> None:
    folder = copied(DATA / "htex-chicago", tmp_path / "runinfo")
    run, _ = told_by_logs(folder / "000")
    taken, silent = sorted(run.tasks)[1], sorted(run.tasks)[4]
    changed(
        folder,
        f"DELETE FROM task WHERE task_id = {taken}",
        f"DELETE FROM try WHERE task_id = {taken}",
        f"DELETE FROM status WHERE task_id = {taken}",
        f"DELETE FROM resource WHERE task_id IN ({taken}, {silent})",
        f"DELETE FROM status WHERE task_id = {silent} AND task_status_name IN ('launched', 'running')",
        "DELETE FROM block",
    )
    database = imported(folder, tmp_path)
    check(folder / "000", database)
    rows = losses(database, run.run_id)
    assert rows["task"]["only_in_logs"] == 1 and rows["task"]["example"] == str(taken)
    assert rows["task on a worker"]["only_in_logs"] == 2
    assert rows["task with samples"]["only_in_logs"] == 2
    assert rows["task on a worker"]["in_logs"] == len({launch.task for launch in run.launches})
    blocks = rows["block"]
    assert blocks["remark"] == "monitoring has none of these"
    assert blocks["in_logs"] == 1 and blocks["only_in_logs"] is blocks["share_lost"] is blocks["example"] is None
    # What was lost stands first.
    first = queries.rows(database, "monitoring_losses")[0]
    assert first["only_in_logs"] > 0


def test_what_was_taken_out_of_the_log_is_lost_there(tmp_path: Path) -> None:
    folder = copied(DATA / "htex-chicago", tmp_path / "runinfo")
    log = find_log(folder / "000", "parsl")
    assert log is not None
    taken = sorted(told_by_logs(folder / "000")[0].tasks)[2]
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if not re.search(rf"\b[Tt]ask {taken}\b", line)))
    run, _ = told_by_logs(folder / "000")
    assert taken not in run.tasks
    database = imported(folder, tmp_path)
    rows = losses(database, run.run_id)
    assert rows["task"]["only_in_monitoring"] == 1 and rows["task"]["example"] == str(taken)
    assert rows["task"]["only_in_logs"] == 0
    check(folder / "000", database)


def without_monitoring(folder: Path) -> None:
    (folder / "monitoring.db").unlink()


def without_log(folder: Path) -> None:
    (folder / "000" / "parsl.log").unlink()


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (without_monitoring, "of this run there is no monitoring.db"),
        (without_log, "of this run there is no parsl.log"),
    ],
)
def test_a_run_with_one_account_has_lost_nothing(tmp_path: Path, change: Callable[[Path], None], remark: str) -> None:
    folder = copied(DATA / "htex-chicago", tmp_path / "runinfo")
    change(folder)
    rows = queries.rows(imported(folder, tmp_path), "monitoring_losses")
    assert remark in {row["remark"] for row in rows} <= {remark, NEITHER}
    assert {row[name] for row in rows for name in ("kind", "in_logs", "only_in_logs", "only_in_monitoring")} == {None}


def test_without_samples_none_are_lost(tmp_path: Path) -> None:
    folder = copied(DATA / "htex-chicago", tmp_path / "runinfo")
    changed(folder, "DELETE FROM resource")
    rows = queries.rows(imported(folder, tmp_path), "monitoring_losses")
    [row] = [row for row in rows if row["kind"] == "task with samples"]
    assert row["in_logs"] > 0 == row["in_monitoring"] and row["only_in_logs"] is None
    assert row["remark"] == "monitoring has none of these"


def test_command_says_the_same(tmp_path: Path) -> None:
    database = imported(DATA / "htex-crash", tmp_path)
    printed = dnpc("monitoring-losses", "--db", database, "--format", "json")
    assert json.loads(printed.stdout) == queries.rows(database, "monitoring_losses") != []
