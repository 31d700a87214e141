"""Whose logs they are: managers' logs in run directories, beside them, elsewhere and alone."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from importers import cctools, runs
from importers.times import Clock
from tests.imports import Rows, copied, differences, dnpc, import_logs, query, readable
from tests.managers import (
    LOGS,
    RUN_ID,
    START,
    TASKVINE,
    VINE_LOGS,
    WORK_QUEUE,
    Lines,
    executor_lines,
    json_log,
    made,
    manager_key,
    parsl_log,
    run_folder,
    transactions,
    write,
)
from tests.runs import DATA

KINDS = (WORK_QUEUE, TASKVINE)
OTHER_RUN = "0f9e2a19-0000-4000-8000-000000000001"

RUNS = "SELECT DISTINCT runs.key FROM sources JOIN runs ON runs.id = sources.run ORDER BY 1"
MANAGERS = """
SELECT runs.key, spans.key, json_extract(attributes, '$.executor') FROM spans JOIN runs ON runs.id = run
JOIN span_types ON span_types.id = type WHERE span_types.name LIKE '%.manager' ORDER BY 1, 2"""
TASKS = """
SELECT runs.key, count(*) FROM spans JOIN runs ON runs.id = run
JOIN span_types ON span_types.id = type WHERE span_types.name LIKE '%.executor_task' AND EXISTS (
    SELECT 1 FROM subspans WHERE superspan = spans.id) GROUP BY 1 ORDER BY 1"""
"""How many executor tasks of each run are joined."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return for each sample a database that it was imported into in one go."""
    databases = {kind: tmp_path_factory.mktemp("once") / f"{kind}.sqlite3" for kind in KINDS}
    for kind, path in databases.items():
        import_logs(path, DATA / kind)
    return databases


def same(left: Path, right: Path) -> None:
    assert differences(readable(left), readable(right)) == {}


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# An import is a function of the logs.


@pytest.mark.parametrize("kind", KINDS)
def test_twice_and_in_two_processes(once: dict[str, Path], database: Path, kind: str) -> None:
    import_logs(database, DATA / kind, jobs=2)
    same(database, once[kind])
    summary = import_logs(database, DATA / kind)
    assert summary.read == [] and len(summary.unchanged) >= 6
    same(database, once[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_any_order_in_one_command_and_one_file_at_a_time(
    once: dict[str, Path], database: Path, tmp_path: Path, kind: str, seed: int
) -> None:
    paths = files_of(DATA / kind)
    random.Random(seed).shuffle(paths)
    import_logs(database, *paths)
    same(database, once[kind])
    other = tmp_path / "other.sqlite3"
    for path in paths:
        result = dnpc("import", path, "--db", other, "--quiet")
        assert result.exit_code in (0, 1)
    same(other, once[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_moved_folder(once: dict[str, Path], database: Path, tmp_path: Path, kind: str) -> None:
    import_logs(database, copied(DATA / kind, tmp_path / "else where" / "é 'quoted'"))
    same(database, once[kind])
    assert import_logs(database, DATA / kind).read == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_logs_that_grow(once: dict[str, Path], database: Path, tmp_path: Path, kind: str, share: float) -> None:
    folder = copied(DATA / kind, tmp_path / "growing")
    for path in files_of(folder):
        if path.suffix != ".db":
            data = path.read_bytes()
            least = data.find(b"\n", data.find(b"Run id is")) + 1 if path.name == "parsl.log" else 0
            path.write_bytes(data[: max(int(len(data) * share), least)])
    import_logs(database, folder)
    import_logs(database, DATA / kind)
    same(database, once[kind])


# Alone


def lone(kind: str, folder: Path) -> Path:
    """Copy a transaction log to a folder of its own."""
    folder.mkdir(parents=True)
    return Path(shutil.copy(DATA / kind / LOGS[kind], folder))


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_log_gives_the_same_rows_wherever_it_lies(database: Path, tmp_path: Path, kind: str) -> None:
    import_logs(database, lone(kind, tmp_path / "a"))
    other = tmp_path / "other.sqlite3"
    import_logs(other, lone(kind, tmp_path / "b" / "c" / "d" / "e"))
    same(database, other)
    assert len(query(database, MANAGERS)) == 1
    # Both at once are one.
    summary = import_logs(other, tmp_path)
    assert [why.split(" of ")[0] for _path, why in summary.skipped] == ["a copy or a shorter state"]
    same(database, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_log_that_is_imported_with_its_run_later(
    once: dict[str, Path], database: Path, tmp_path: Path, kind: str
) -> None:
    import_logs(database, lone(kind, tmp_path / "alone"))
    (stand_in,) = query(database, RUNS)
    import_logs(database, DATA / kind)
    assert stand_in not in query(database, RUNS)
    same(database, once[kind])


@pytest.mark.parametrize("run_id", ["00000000", "ffffffff"])
@pytest.mark.parametrize("longer", ["both", "alone", "run"])
def test_a_copy_beside_the_run(database: Path, tmp_path: Path, run_id: str, longer: str) -> None:
    """The longer counts, as that of the run, whichever has the first key."""
    tasks = made(4)
    write(tmp_path / "run" / "000" / "parsl.log", parsl_log(executor_lines(tasks), run_id))
    text = transactions(tasks)
    shorter = text[: text.index("TASK 4 DONE")]
    in_run = write(tmp_path / "run" / "000" / "WorkQueueExecutor" / "transaction_log", text)
    import_logs(tmp_path / "run.sqlite3", tmp_path / "run")
    in_run.write_text(shorter if longer == "alone" else text)
    write(tmp_path / "alone" / "transaction_log", shorter if longer == "run" else text)
    import_logs(database, tmp_path / "run", tmp_path / "alone")
    same(database, tmp_path / "run.sqlite3")
    assert joined(database) == {run_id: 4}


def test_the_shortest_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs may lie in the root folder, or one or two below it."""
    monkeypatch.setattr(cctools, "managers", lambda path: (cctools.Manager("10123", 1795397974000000),))
    monkeypatch.setattr(Path, "is_file", lambda path: path.name in ("transaction_log", "transactions"))
    for folder in ("/", "/vine-logs", "/a/vine-logs", "/a/b/vine-logs"):
        for kind, name in cctools.TRANSACTIONS.items():
            source = cctools.source(kind, Path(folder, name), kind)
            assert source is not None and source.run.run_id is None
            assert source.name in (name, f"a/b/vine-logs/{name}", f"b/vine-logs/{name}", f"a/vine-logs/{name}")


# TaskVine's logs, and the run that they are of


def vine_run(folder: Path, number: str = "000", run_id: str = RUN_ID, at: float = 0.0, user: str = "alice") -> Path:
    """Make a run on TaskVine that begins at so many seconds, its logs beside the run directory."""
    lines = [
        (time + at, text.replace("-alice-", f"-{user}-").replace("/000/", f"/{number}/"))
        for time, text in executor_lines(made(4), TASKVINE)
    ]
    write(folder / number / "parsl.log", parsl_log(lines, run_id, TASKVINE))
    logs = folder / "TaskVineExecutor" / f"started-{number}" / "vine-logs"
    records = transactions(made(4), TASKVINE, 10900 + int(number)).splitlines()[1:]
    later = "".join(f"{int(line[:16]) + round(at * 1e6)}{line[16:]}\n" for line in records)
    write(logs / "transactions", later)
    files = "".join(
        f'FILE f{n} "/scratch/TaskVineExecutor-{user}-2026/{n:04d}/function" 7\n'
        f'TASK T{n + 1} "python3" INPUTS f{n} OUTPUTS g{n}\n'
        for n in range(4)
    )
    write(logs / "taskgraph", f"# taskvine taskgraph version 2\n{files}# end\n")
    return logs


def joined(database: Path) -> dict[str, int]:
    return dict(query(database, TASKS))


def test_logs_beside_the_run_directory(database: Path, tmp_path: Path) -> None:
    logs = vine_run(tmp_path / "runinfo")
    import_logs(database, tmp_path / "runinfo")
    assert query(database, MANAGERS) == [(RUN_ID, manager_key("10900-1795397974000000"), "TaskVineExecutor")]
    assert joined(database) == {RUN_ID: 4}
    # Without the task graph, by time and label; the join is inferred then.
    (logs / "taskgraph").unlink()
    other = tmp_path / "other.sqlite3"
    import_logs(other, tmp_path / "runinfo")
    assert query(other, MANAGERS) == query(database, MANAGERS)
    assert joined(other) == joined(database)


@pytest.mark.parametrize("unreadable", ["000", "001"])
def test_logs_beside_a_run_that_can_not_be_read(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    """All else is imported, and what is missing is told."""
    vine_run(tmp_path / "runinfo")
    write(tmp_path / "runinfo" / "001" / "parsl.log", parsl_log(executor_lines(made(3)), run_id=OTHER_RUN))
    first_run_id = runs._first_run_id

    def denied(path: Path) -> tuple[str, Clock | None] | None:
        if path.parent.name == unreadable:
            raise PermissionError(13, "Permission denied", str(path))
        return first_run_id(path)

    monkeypatch.setattr(runs, "_first_run_id", denied)
    summary = import_logs(database, tmp_path / "runinfo")
    assert (tmp_path / "runinfo" / unreadable / "parsl.log", "it can not be read: Permission denied") in summary.skipped
    assert [run == RUN_ID for run, _key, _label in query(database, MANAGERS)] == [unreadable == "001"]
    assert joined(database) == ({RUN_ID: 4} if unreadable == "001" else {})


@pytest.mark.parametrize("change", ["time", "label"])
def test_logs_beside_a_run_that_they_are_not_of(database: Path, tmp_path: Path, change: str) -> None:
    logs = vine_run(tmp_path / "runinfo")
    (logs / "taskgraph").unlink()
    if change == "time":
        write(logs / "transactions", (logs / "transactions").read_text().replace("17953979", "17953999"))
    else:
        (tmp_path / "runinfo" / "TaskVineExecutor").rename(tmp_path / "runinfo" / "another")
    import_logs(database, tmp_path / "runinfo")
    ((run, _key, label),) = query(database, MANAGERS)
    assert run != RUN_ID and label is None
    assert joined(database) == {}


def test_logs_that_were_imported_alone_first(database: Path, tmp_path: Path) -> None:
    """Moved elsewhere they are of no run that is known, until both folders are given."""
    logs = vine_run(tmp_path / "runinfo")
    moved = tmp_path / "scratch" / "my-logs"
    moved.parent.mkdir()
    logs.rename(moved)
    import_logs(database, moved)
    ((stand_in, _key, label),) = query(database, MANAGERS)
    assert stand_in != RUN_ID and label is None
    import_logs(database, tmp_path / "runinfo", moved)
    assert query(database, MANAGERS) == [(RUN_ID, manager_key("10900-1795397974000000"), "TaskVineExecutor")]
    assert query(database, RUNS) == [(RUN_ID,)]
    assert joined(database) == {RUN_ID: 4}
    other = tmp_path / "other.sqlite3"
    import_logs(other, moved, tmp_path / "runinfo")
    same(database, other)


def test_what_was_imported_alone_and_is_not_given_again_is_told(database: Path, tmp_path: Path) -> None:
    logs = DATA / WORK_QUEUE / LOGS[WORK_QUEUE].parent
    for name in ("transaction_log", "master_log"):
        write(tmp_path / "alone" / name, (logs / name).read_text())
    assert import_logs(database, tmp_path / "alone").skipped == []
    summary = import_logs(database, logs / "master_log")
    why = "it was imported before its run was known, and is no longer there: import it again"
    assert summary.skipped == [(Path("transaction_log"), why)]
    assert import_logs(database, logs).skipped == []
    import_logs(tmp_path / "once.db", logs)
    same(database, tmp_path / "once.db")


@pytest.mark.parametrize("has_graph", [True, False])
def test_runs_at_one_time_are_told_apart_by_their_files(database: Path, tmp_path: Path, has_graph: bool) -> None:
    for number, run_id, at, user in (("000", RUN_ID, 0.0, "alice"), ("001", OTHER_RUN, 0.25, "bob")):
        logs = vine_run(tmp_path / "runinfo", number, run_id, at, user)
        if not has_graph:
            (logs / "taskgraph").unlink()
    import_logs(database, tmp_path / "runinfo")
    managers = query(database, MANAGERS)
    if has_graph:
        assert managers == [
            (OTHER_RUN, manager_key("10901-1795397974250000"), "TaskVineExecutor"),
            (RUN_ID, manager_key("10900-1795397974000000"), "TaskVineExecutor"),
        ]
        assert joined(database) == {RUN_ID: 4, OTHER_RUN: 4}
    else:
        # Either could be the other's.
        assert {RUN_ID, OTHER_RUN}.isdisjoint(row[0] for row in managers)
        assert joined(database) == {}


def test_runs_one_after_the_other_are_told_apart_by_time(database: Path, tmp_path: Path) -> None:
    for number, run_id, at in (("000", RUN_ID, 0.0), ("001", OTHER_RUN, 1000.0)):
        (vine_run(tmp_path / "runinfo", number, run_id, at) / "taskgraph").unlink()
    import_logs(database, tmp_path / "runinfo")
    assert [row[:2] for row in query(database, MANAGERS)] == [
        (OTHER_RUN, manager_key("10901-1795398974000000")),
        (RUN_ID, manager_key("10900-1795397974000000")),
    ]
    assert joined(database) == {RUN_ID: 4, OTHER_RUN: 4}


@pytest.mark.parametrize("has_graph", [True, False])
def test_a_run_with_a_json_log(database: Path, tmp_path: Path, has_graph: bool) -> None:
    logs = vine_run(tmp_path / "runinfo")
    (tmp_path / "runinfo" / "000" / "parsl.log").unlink()
    write(tmp_path / "runinfo" / "000" / "parsl.jsonlog", json_log(executor_lines(made(4), TASKVINE)))
    if not has_graph:
        (logs / "taskgraph").unlink()
    import_logs(database, tmp_path / "runinfo")
    assert query(database, MANAGERS) == [(RUN_ID, manager_key("10900-1795397974000000"), "TaskVineExecutor")]
    assert joined(database) == {RUN_ID: 4}


def test_logs_in_the_run_directory(database: Path, tmp_path: Path) -> None:
    """As in 2023; another run was there at the same time."""
    logs = vine_run(tmp_path / "runinfo")
    (logs / "taskgraph").unlink()
    lines: Lines = [(START - 3, "nothing"), (START + 100, "nothing")]
    write(tmp_path / "runinfo" / "001" / "parsl.log", parsl_log(lines, run_id=OTHER_RUN))
    (tmp_path / "runinfo" / "TaskVineExecutor").rename(tmp_path / "runinfo" / "000" / "TaskVineExecutor")
    import_logs(database, tmp_path / "runinfo")
    assert query(database, MANAGERS) == [(RUN_ID, manager_key("10900-1795397974000000"), "TaskVineExecutor")]
    assert joined(database) == {RUN_ID: 4}


def rows_of_sources(database: Path) -> Rows:
    return query(database, "SELECT importer, runs.key FROM sources JOIN runs ON runs.id = run ORDER BY 1, 2")


def test_all_logs_of_a_manager_are_of_its_run(tmp_path: Path, database: Path) -> None:
    import_logs(database, run_folder(TASKVINE, whole=True))
    ((run,),) = query(database, "SELECT key FROM runs")
    importers = ("manager_statistics", "taskgraph", "taskvine")
    assert [row for row in rows_of_sources(database) if row[0] in importers] == [(name, run) for name in importers]
    moved = copied(run_folder(TASKVINE, whole=True) / VINE_LOGS, tmp_path / "elsewhere" / "x")
    other = tmp_path / "other.sqlite3"
    import_logs(other, run_folder(TASKVINE, whole=True) / "000", run_folder(TASKVINE, whole=True) / "monitoring.db")
    import_logs(other, run_folder(TASKVINE, whole=True) / "000", moved)
    ours, theirs = readable(database), readable(other)
    for rows in (ours, theirs):
        # The report says where a source was found.
        rows["sources"] = sorted((row[:2] + row[3:] for row in rows["sources"]), key=repr)
    assert differences(ours, theirs) == {}
