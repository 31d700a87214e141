"""An import is a function of the logs: not of their order, their place, or how often they come."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importers import parsl_log, parsl_monitoring, rows, table_rows
from importers.formats import FORMATS
from importers.rows import Batch
from importers.times import clock_of_name
from tests.imports import (
    copied,
    differences,
    dnpc,
    every_row,
    import_logs,
    names_in,
    query,
    read_in_blocks,
    readable,
)
from tests.runs import DATA

HTEX = ["runinfo", "htex-chicago", "htex-crash", "two-htex"]
FOLDERS = [*HTEX, "workqueue", "taskvine"]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return for each sample folder a database that it was imported into in one go."""
    folder = tmp_path_factory.mktemp("once")
    databases = {name: folder / f"{name}.sqlite3" for name in FOLDERS}
    for name, database in databases.items():
        import_logs(database, DATA / name)
    return databases


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def same(left: Path, right: Path, *without: str) -> None:
    assert differences(readable(left, *without), readable(right, *without)) == {}


def logs_of(folder: Path) -> list[Path]:
    """Return the files that an importer takes."""
    importers = FORMATS.values()
    return sorted(path for path in folder.rglob("*") if path.is_file() and any(each.find(path) for each in importers))


@pytest.mark.parametrize("name", FOLDERS)
def test_twice(once: dict[str, Path], database: Path, name: str) -> None:
    import_logs(database, DATA / name)
    first = every_row(database)
    summary = import_logs(database, DATA / name)
    assert summary.read == [] and len(summary.unchanged) == len(first["sources"])
    assert differences(every_row(database), first) == {}
    assert differences(every_row(once[name]), first) == {}


def test_all_folders_at_once_and_one_after_the_other(database: Path, tmp_path: Path) -> None:
    import_logs(database, DATA)
    other = tmp_path / "other.sqlite3"
    for folder in sorted((path for path in DATA.iterdir() if path.is_dir()), reverse=True):
        import_logs(other, folder)
    same(database, other)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_paths(once: dict[str, Path], database: Path, seed: int) -> None:
    paths = logs_of(DATA / "runinfo")
    random.Random(seed).shuffle(paths)
    import_logs(database, *paths)
    # In one command the ids are the same, too.
    assert differences(every_row(database), every_row(once["runinfo"])) == {}


def test_a_path_given_twice_and_with_its_parts(once: dict[str, Path], database: Path) -> None:
    folder = DATA / "runinfo"
    import_logs(database, folder / "001", folder, folder, folder / "001" / "parsl.jsonlog")
    assert differences(every_row(database), every_row(once["runinfo"])) == {}


@pytest.mark.parametrize("parts", [("000", "001", "002", "monitoring.db"), ("monitoring.db", "002", "000", "001"),
                                   ("001", "monitoring.db", "000", "002")])  # fmt: skip
def test_part_by_part(once: dict[str, Path], database: Path, parts: tuple[str, ...]) -> None:
    for part in parts:
        import_logs(database, DATA / "runinfo" / part)
    same(database, once["runinfo"])


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("seed", range(3))
def test_file_by_file(once: dict[str, Path], database: Path, name: str, seed: int) -> None:
    paths = logs_of(DATA / name)
    random.Random(seed).shuffle(paths)
    for path in paths:
        import_logs(database, path)
    same(database, once[name])


@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_several_processes(once: dict[str, Path], database: Path, jobs: int) -> None:
    import_logs(database, DATA / "runinfo", jobs=jobs)
    assert differences(every_row(database), every_row(once["runinfo"])) == {}


@pytest.mark.parametrize(
    ("name", "size"), [*((name, 1) for name in HTEX), *((name, size) for name in FOLDERS for size in (700, 40_000))]
)
def test_blocks_of_any_size(
    once: dict[str, Path], database: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    """A file is read in blocks; no line is lost or cut where one ends."""
    read_in_blocks(monkeypatch, size)
    if size == 1:
        folder = DATA / name / "000"
        paths = [path for path in logs_of(folder) if path.stem.startswith("worker_")]
        import_logs(database, *paths)
        with_workers = query(once[name], "SELECT sum(events) FROM sources WHERE path LIKE '000/%worker%'")
        assert query(database, "SELECT sum(events) FROM sources") == with_workers
    else:
        import_logs(database, DATA / name)
        same(database, once[name])
        assert name not in HTEX or differences(every_row(database), every_row(once[name])) == {}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_moved_folder(once: dict[str, Path], database: Path, tmp_path: Path, name: str) -> None:
    moved = copied(DATA / name, tmp_path / "else where" / "é 'quoted'")
    import_logs(database, moved)
    assert differences(every_row(database), every_row(once[name])) == {}
    # Imported again from the old place, nothing is new.
    summary = import_logs(database, DATA / name)
    assert summary.read == []
    same(database, once[name])


def test_a_renamed_run_directory(once: dict[str, Path], database: Path, tmp_path: Path) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "runinfo")
    (folder / "000").rename(folder / "the best one")
    (folder / "001").rename(folder / "000")
    import_logs(database, folder)
    ours, theirs = readable(database), readable(once["runinfo"])
    for found in (ours, theirs):
        # The report says where a source was found.
        found["sources"] = sorted((row[:2] + row[3:] for row in found["sources"]), key=repr)
    assert differences(ours, theirs) == {}


@pytest.mark.parametrize(
    ("inside", "path"),
    [
        ("", "runinfo"),
        ("runinfo", "."),
        ("runinfo/000", ".."),
        ("runinfo", "../runinfo"),
        ("", "./runinfo/../runinfo/"),
    ],
)
def test_relative_paths(
    once: dict[str, Path], database: Path, monkeypatch: pytest.MonkeyPatch, inside: str, path: str
) -> None:
    monkeypatch.chdir(DATA / inside)
    import_logs(database, Path(path))
    assert differences(every_row(database), every_row(once["runinfo"])) == {}


@pytest.mark.parametrize(
    ("inside", "path"),
    [("runinfo/000", "."), ("runinfo/000", "parsl.log"), ("runinfo/000/htex_Local", "."),
     ("runinfo/000/htex_Local", "interchange.log"),
     ("runinfo/000/htex_Local/block-0", "."), ("runinfo/000/htex_Local/block-0/2d216d98b581", "worker_0.log"),
     ("runinfo/001/htex_Local/block-1/5727a1b65ecf", "manager.jsonlog")],
)  # fmt: skip
def test_a_part_has_the_keys_of_the_whole(
    once: dict[str, Path], database: Path, monkeypatch: pytest.MonkeyPatch, inside: str, path: str
) -> None:
    monkeypatch.chdir(DATA / inside)
    import_logs(database, Path(path))
    ours, whole = readable(database), readable(once["runinfo"])
    assert ours["event"]
    for name in ("span", "event", "sources"):
        assert set(ours[name]) <= set(whole[name]), name


def test_keys_are_found_by_a_symbolic_link_into_the_run(once: dict[str, Path], database: Path, tmp_path: Path) -> None:
    link = tmp_path / "runinfo"
    link.symlink_to(DATA / "runinfo")
    import_logs(database, link)
    assert differences(every_row(database), every_row(once["runinfo"])) == {}


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("wrong", ["Asia/Tokyo", "UTC", "-06:00", "Europe/Berlin"])
def test_times_of_a_wrong_zone_are_corrected_by_the_runs_log(
    once: dict[str, Path], database: Path, tmp_path: Path, wrong: str
) -> None:
    """monitoring.db alone knows no zone; the log that comes later does."""
    alone = copied(DATA / "htex-chicago", tmp_path / "alone")
    shutil.rmtree(alone / "000")
    import_logs(database, alone, clock=clock_of_name(wrong))
    assert query(database, "SELECT DISTINCT evidence FROM clocks") == [("option",)]
    right = query(once["htex-chicago"], "SELECT time_began FROM parsl_workflow")
    assert (query(database, "SELECT time_began FROM parsl_workflow") == right) == (wrong == "-06:00")
    import_logs(database, DATA / "htex-chicago" / "000")
    same(database, once["htex-chicago"])


def test_the_machines_zone_does_not_matter_where_the_log_knows(
    once: dict[str, Path], database: Path, zone: Callable[[str], None]
) -> None:
    zone("Pacific/Apia")
    import_logs(database, DATA / "htex-chicago")
    assert differences(every_row(database), every_row(once["htex-chicago"])) == {}


def test_a_guess_by_the_machines_zone_is_corrected_too(
    once: dict[str, Path], database: Path, tmp_path: Path, zone: Callable[[str], None]
) -> None:
    alone = copied(DATA / "htex-chicago", tmp_path / "alone")
    shutil.rmtree(alone / "000")
    zone("Asia/Tokyo")
    import_logs(database, alone)
    assert query(database, "SELECT DISTINCT evidence FROM clocks") == [("machine",)]
    import_logs(database, DATA / "htex-chicago" / "000")
    same(database, once["htex-chicago"])


def test_a_guess_made_on_another_machine_is_corrected(
    once: dict[str, Path], database: Path, tmp_path: Path, zone: Callable[[str], None]
) -> None:
    """The database has been carried to another zone since."""
    alone = copied(DATA / "htex-chicago", tmp_path / "alone")
    shutil.rmtree(alone / "000")
    zone("Asia/Tokyo")
    import_logs(database, alone)
    zone("Europe/Berlin")
    import_logs(database, DATA / "htex-chicago" / "000")
    same(database, once["htex-chicago"])


def test_the_run_log_first_then_the_database_of_unknown_zone(
    once: dict[str, Path], database: Path, tmp_path: Path
) -> None:
    alone = copied(DATA / "htex-chicago", tmp_path / "alone")
    shutil.rmtree(alone / "000")
    import_logs(database, DATA / "htex-chicago" / "000")
    import_logs(database, alone, clock=clock_of_name("Asia/Tokyo"))
    same(database, once["htex-chicago"])


def test_another_zone_the_second_time(database: Path, tmp_path: Path) -> None:
    """Who gave a wrong --timezone gives the right one, and no time of the first try stays."""
    alone = copied(DATA / "runinfo", tmp_path / "alone")
    for number in ("000", "001", "002"):
        shutil.rmtree(alone / number)
    other = tmp_path / "other.sqlite3"
    import_logs(database, alone, clock=clock_of_name("Asia/Tokyo"))
    import_logs(database, alone, clock=clock_of_name("UTC"))
    import_logs(other, alone, clock=clock_of_name("UTC"))
    same(database, other)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("at_line", [True, False])
def test_logs_that_grow(
    once: dict[str, Path], database: Path, tmp_path: Path, name: str, share: float, at_line: bool
) -> None:
    """First the logs as they were while the run went on, then the whole."""
    folder = copied(DATA / name, tmp_path / "growing")
    for path in logs_of(folder):
        if path.suffix != ".db":
            cut(path, share, at_line)
    import_logs(database, folder)
    import_logs(database, DATA / name)
    same(database, once[name])


@pytest.mark.parametrize("name", FOLDERS)
def test_logs_that_grow_are_read_again_in_parts(
    once: dict[str, Path], database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = copied(DATA / name, tmp_path / "growing")
    for path in logs_of(folder):
        if path.suffix == ".db":
            begin(path)
        else:
            cut(path, 0.6, at_line=True)
    import_logs(database, folder)
    read_in_blocks(monkeypatch, 5000)
    for module, size, value in (
        (rows, "MANY", 7),
        (rows, "MANY_ROWS", 5),
        (parsl_monitoring, "LARGE", 0),
        (table_rows, "CHUNK", 7),
        (parsl_monitoring, "SPANS_KEPT", 5),
    ):
        monkeypatch.setattr(module, size, value)
    parts = []
    handed_over = Batch.hand_over

    def counted(batch: Batch) -> None:
        parts.append(batch.sink is not None)
        handed_over(batch)

    monkeypatch.setattr(Batch, "hand_over", counted)
    import_logs(database, DATA / name)
    assert sum(parts) > 10
    same(database, once[name])


def begin(path: Path) -> None:
    """Make a monitoring.db as it was when the later half of its tasks had not begun, and others not ended."""
    with closing(sqlite3.connect(path)) as conn, conn:
        for table in ("task", "try", "status", "resource"):
            conn.execute(f"DELETE FROM {table} WHERE task_id > (SELECT max(task_id) / 2 FROM task)")
        conn.execute("UPDATE task SET task_time_returned = NULL WHERE task_id % 3 = 0")
        conn.execute("DELETE FROM status WHERE task_id % 3 = 0 AND task_status_name LIKE '%done'")


def cut(path: Path, share: float, at_line: bool) -> None:
    """Cut a log, but not before its run id: what is no run yet is read again when it is one."""
    data = path.read_bytes()
    least = data.find(b"\n", data.find(b"Run id is")) + 1 if path.name.startswith("parsl.") else 0
    end = max(int(len(data) * share), least)
    path.write_bytes(data[: data.rfind(b"\n", 0, end) + 1 if at_line else end])


@pytest.mark.parametrize("name", FOLDERS)
def test_an_older_state_after_the_whole(once: dict[str, Path], database: Path, tmp_path: Path, name: str) -> None:
    folder = copied(DATA / name, tmp_path / "older")
    for path in logs_of(folder):
        if path.suffix != ".db":
            cut(path, 0.6, at_line=False)
    import_logs(database, DATA / name)
    summary = import_logs(database, folder)
    assert summary.skipped
    same(database, once[name])


def test_an_older_state_beside_the_whole(once: dict[str, Path], database: Path, tmp_path: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "older")
    for path in logs_of(folder):
        cut(path, 0.6, at_line=False)
    for paths in ((folder, DATA / "two-htex"), (DATA / "two-htex", folder)):
        database.unlink(missing_ok=True)
        import_logs(database, *paths)
        same(database, once["two-htex"])


def test_a_monitoring_database_that_grows(once: dict[str, Path], database: Path, tmp_path: Path) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "growing")
    with closing(sqlite3.connect(folder / "monitoring.db")) as conn, conn:
        half = conn.execute("SELECT timestamp FROM status ORDER BY timestamp LIMIT 1 OFFSET 100").fetchone()
        conn.execute("DELETE FROM status WHERE timestamp > ?", half)
        conn.execute("UPDATE task SET task_time_returned = NULL WHERE task_time_returned > ?", half)
        conn.execute("UPDATE workflow SET time_completed = NULL WHERE time_completed > ?", half)
    import_logs(database, folder)
    assert query(database, "SELECT count(*) FROM parsl_workflow WHERE time_completed IS NULL") > [(0,)]
    import_logs(database, DATA / "runinfo")
    same(database, once["runinfo"])


def test_the_command_says_what_is_unchanged(database: Path) -> None:
    first = dnpc("import", DATA / "two-htex", "--db", database)
    second = dnpc("import", DATA / "two-htex", "--db", database, "--jobs", 2)
    assert first.exit_code == second.exit_code == 0
    sources = query(database, "SELECT count(*) FROM sources")[0][0]
    assert f"{sources} sources are unchanged" in second.output
    # The last line counts all that is there.
    assert first.output.splitlines()[-1] == second.output.splitlines()[-1]


def test_views_stay_when_more_is_imported(database: Path) -> None:
    dnpc("import", DATA / "runinfo" / "000", "--db", database)
    sql = "SELECT name, sql FROM sqlite_master WHERE type IN ('view', 'index', 'table') ORDER BY name"
    before = query(database, sql)
    dnpc("import", DATA / "runinfo", "--db", database)
    assert query(database, sql) == before


def test_nothing_but_the_database_is_left_behind(database: Path) -> None:
    for _ in range(2):
        import_logs(database, DATA / "two-htex")
        assert names_in(database.parent) == [database.name]


@pytest.mark.parametrize("name", ["runinfo", "two-htex"])
def test_a_run_log_that_had_no_run_id_yet(once: dict[str, Path], database: Path, tmp_path: Path, name: str) -> None:
    """A run that has just begun is imported; its HTEX logs are there already when its id is."""
    folder = copied(DATA / name, tmp_path / "beginning")
    for log in [*folder.glob("*/parsl.log"), *folder.glob("*/parsl.jsonlog")]:
        data = log.read_bytes()
        log.write_bytes(data[: data.rfind(b"\n", 0, data.find(b"Run id is")) + 1])
    import_logs(database, folder)
    import_logs(database, DATA / name)
    same(database, once[name])


def test_a_log_that_can_not_be_read_any_more(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    import_logs(database, folder)
    before = every_row(database)
    (log,) = folder.glob("*/parsl.log")
    log.write_bytes(log.read_bytes() + b"more\n")

    def fail(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(parsl_log, "read", fail)
    summary = import_logs(database, folder)
    assert [path.name for path, why in summary.skipped if "Permission denied" in why] == ["parsl.log"]
    assert every_row(database) == before


def test_only_what_was_guessed_is_moved(database: Path, tmp_path: Path) -> None:
    """Runs of one monitoring.db get their logs one by one: a run's times are moved once, the others' not."""
    alone = copied(DATA / "runinfo", tmp_path / "alone")
    for number in ("000", "001", "002"):
        shutil.rmtree(alone / number)
    import_logs(database, alone, clock=clock_of_name("America/New_York"))
    other = tmp_path / "other.sqlite3"
    import_logs(other, DATA / "runinfo")
    for number in ("000", "001", "002"):
        import_logs(database, DATA / "runinfo" / number)
    same(database, other)


def test_a_snapshot_beside_its_monitoring_database(once: dict[str, Path], database: Path, tmp_path: Path) -> None:
    """A copy made while the run went on is the same source: the longer state of it counts, and the other is named."""
    folder = copied(DATA / "runinfo", tmp_path / "copied")
    shutil.copy(folder / "monitoring.db", folder / "snapshot.db")
    with closing(sqlite3.connect(folder / "snapshot.db", isolation_level=None)) as conn:
        conn.execute("UPDATE workflow SET time_completed = NULL")
        conn.execute("DELETE FROM status WHERE task_id > 5")
        conn.execute("VACUUM")
    summary = import_logs(database, folder)
    assert [path.name for path, _ in summary.skipped] == ["snapshot.db"]
    same(database, once["runinfo"])


def test_a_zone_that_was_told_stays_when_it_is_not_told_again(tmp_path: Path) -> None:
    told, again = tmp_path / "told.sqlite3", tmp_path / "again.sqlite3"
    log = copied(DATA / "htex-chicago", tmp_path / "alone")
    shutil.rmtree(log / "000")
    for database in (told, again):
        import_logs(database, log, clock=clock_of_name("Asia/Tokyo"))
    import_logs(again, log)
    assert differences(readable(told), readable(again)) == {}
    import_logs(again, log, clock=clock_of_name("UTC"))
    assert query(again, "SELECT DISTINCT zone, evidence FROM clocks") == [("UTC+00:00", "option")]
