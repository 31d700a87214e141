"""Logs that vanish, shrink, grow or are replaced while they are read, and links that lead out of their folder.

``DNPC_MOMENTS=1`` tries every moment at which a file is opened; without it, each fifteenth.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from importers import parsl_monitoring
from importers.cctools import TRANSACTIONS
from importers.runs import RUN_LOGS
from importers.sources import files
from tests.imports import copied, differences, dnpc, import_logs, query, read_in_blocks, readable
from tests.runs import DATA

TELLS_OF_OTHERS = (*RUN_LOGS, *TRANSACTIONS.values())
"""Names of the logs that say whose the files beside them are."""

EACH = int(os.environ.get("DNPC_MOMENTS", "15"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


ERRORS = (os.strerror(errno.ENOENT), os.strerror(errno.EIO))


class Opening:
    """Does something right before the file is opened that is the n-th of all below a folder."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path, number: int, act: Callable[[Path], object]
    ) -> None:
        self.opened: list[Path] = []
        self.acted_on: Path | None = None
        real = Path.open

        def opening(path: Path, *arguments: Any, **options: Any) -> Any:
            if folder in path.parents:
                self.opened.append(path)
                if len(self.opened) == number:
                    self.acted_on = path
                    act(path)
            return real(path, *arguments, **options)

        monkeypatch.setattr(Path, "open", opening)


def events_by_source(database: Path) -> dict[str, int]:
    return dict(query(database, "SELECT path, events FROM sources"))


def fail(path: Path) -> None:
    raise OSError(errno.EIO, "Input/output error", str(path))


@pytest.mark.parametrize("name", ["two-htex", "htex-chicago", "workqueue", "taskvine"])
@pytest.mark.parametrize("act", [Path.unlink, fail])
def test_a_file_that_vanishes_or_fails(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[Path], None]
) -> None:
    """Whenever: what is not imported is told, all else is there, and once the file is back, all is."""
    whole = tmp_path / "whole.sqlite3"
    folder = copied(DATA / name, tmp_path / name)
    with monkeypatch.context() as patch:
        counting = Opening(patch, folder, 0, act)
        import_logs(whole, folder)
    wanted = events_by_source(whole)
    for moment in range(1, len(counting.opened) + 1, EACH):
        database.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            opening = Opening(patch, folder, moment, act)
            result = dnpc("import", folder, "--db", database)
        lost = opening.acted_on
        assert lost is not None
        told = result.output.replace("\n", " ")
        assert (
            result.exit_code
            == ("What could not be read, as said above" in told)
            == any(error in told for error in ERRORS)
        ), told
        assert query(database, "PRAGMA integrity_check") == [("ok",)]
        got = events_by_source(database)
        shutil.copy(DATA / name / lost.relative_to(folder), lost)
        if lost.name in TELLS_OF_OTHERS:
            # Where it vanished before it was looked for, the others are as they are without it.
            assert sum(got.values()) > 0
            continue
        missing = [source for source, events in wanted.items() if got.get(source) != events]
        assert missing in ([], [str(lost.relative_to(folder))]), moment
        # It may have been one that holds no events.
        assert (result.exit_code == 1 and lost.name in told) or not missing, told
        assert dnpc("import", folder, "--db", database).exit_code == 0
        assert differences(readable(database), readable(whole)) == {}, (moment, lost)


def cut(path: Path) -> None:
    """Empty a file but for some bytes, as who writes it anew does."""
    with path.open("r+b") as file:
        file.truncate(100)


def replace(path: Path) -> None:
    new = path.with_name("new")
    line = b"1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Thread-1398 x:1 f INFO: of another\n"
    # A longer one: by its length it might have grown.
    new.write_bytes(line * 2000)
    new.replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {"cut": cut, "replaced": replace, "vanished": Path.unlink}


@pytest.mark.parametrize("change", [*CHANGES, "grown"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, change: str, existing: bool
) -> None:
    """Or that grows, as the log of a run that goes on."""
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    victim = folder / "000" / "parsl.log"
    content = victim.read_bytes()
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, *([DATA / "htex-crash"] if existing else []), folder)
    if existing:
        import_logs(database, DATA / "htex-crash")
    if change == "grown":
        victim.write_bytes(content[: len(content) // 2])
    read_in_blocks(monkeypatch, 2000)
    others = [path for path in folder.rglob("*.log") if path != victim and is_read(path)]
    # parsl.log is the last that is read.
    left = sum(-(-path.stat().st_size // 2000) for path in others) + 5

    def progress(size: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            CHANGES[change](victim) if change in CHANGES else victim.write_bytes(content)

    summary = import_logs(database, folder, progress=progress, jobs=1)
    assert left < 0 and victim.exists() == (change != "vanished")
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    [read] = [read for read in summary.read if read.source.path.name == "parsl.log"]
    # What vanished while it was open was read to its end.
    told = "it was cut or replaced while it was read" if change in ("cut", "replaced") else None
    assert (read.error, summary.unread) == (told, int(told is not None))
    assert query(database, "SELECT count(*) FROM unmatched WHERE reason LIKE '%cut or replaced%'") == [
        (summary.unread,)
    ]
    # What was cut grows again, and no part of it is taken for one that is known.
    for part in ([content[: len(content) // 2]] if change == "cut" else []) + [content]:
        victim.write_bytes(part)
        summary = import_logs(database, folder)
        assert summary.unread == 0 and summary.skipped == []
        assert [read.source.path.name for read in summary.read] == ([] if told is None else ["parsl.log"])
    # Of one that has grown, the size is the one that it had when it was opened.
    without = ["sources"] if change == "grown" else []
    assert differences(readable(database, *without), readable(whole, *without)) == {}


def is_read(path: Path) -> bool:
    return path.stem in ("interchange", "manager") or path.stem.startswith("worker_")


def test_a_monitoring_database_that_is_locked(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was imported from it before stays; what was not is told."""
    folder = copied(DATA / "htex-chicago", tmp_path / "htex-chicago")
    whole, known = tmp_path / "whole.sqlite3", tmp_path / "known.sqlite3"
    import_logs(whole, folder)
    shutil.copy(whole, known)
    with (
        closing(sqlite3.connect(folder / "monitoring.db", isolation_level=None)) as writer,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.01))
        writer.execute("BEGIN EXCLUSIVE")
        for imported in (database, known):
            result = dnpc("import", folder, "--db", imported)
            assert result.exit_code == 1 and "monitoring.db: it can not be read: database is locked" in result.output
    assert differences(readable(known), readable(whole)) == {}
    assert query(database, "SELECT count(*) FROM parsl_task") == [(0,)]
    assert dnpc("import", folder, "--db", database).exit_code == 0
    assert differences(readable(database), readable(whole)) == {}


def test_a_monitoring_database_that_is_locked_as_it_is_read(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not yet when it was found."""
    folder = copied(DATA / "htex-chicago", tmp_path / "htex-chicago")

    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(parsl_monitoring._Reader, "read", locked)
        result = dnpc("import", folder, "--db", database)
        assert result.exit_code == 1 and "database is locked" in result.output
    assert dnpc("import", folder, "--db", database).exit_code == 0
    before = readable(database)
    with sqlite3.connect(folder / "monitoring.db") as conn:
        conn.execute("UPDATE workflow SET user = 'another'")
    conn.close()
    monkeypatch.setattr(parsl_monitoring._Reader, "read", locked)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1 and "what was imported from it before stays" in result.output
    assert readable(database) == before


def test_a_run_log_that_can_not_be_read_does_not_hide_the_monitoring_database(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "runinfo")
    real = Path.open

    def opening(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.parent.name == "000" and path.stem == "parsl":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", opening)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1
    assert "interchange.log" in result.output and "000/parsl.log can not be read: Permission denied" in result.output
    assert query(database, "SELECT count(*) FROM parsl_workflow") == [(3,)]
    assert query(database, "SELECT count(*) FROM sources WHERE path LIKE '000/%'") == [(0,)]


def test_nothing_but_what_can_not_be_read(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    Opening(monkeypatch, folder, 1, fail)
    result = dnpc("import", folder / "000" / "parsl.log", "--db", database)
    assert result.exit_code == 1 and "Input/output error" in result.output and "symbolic" not in result.output
    assert not database.exists()


def test_a_folder_whose_files_may_be_listed_but_not_looked_at(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mode is r--: the names are known, and nothing else."""
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    closed = folder / "000" / "cpu"
    real = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if closed in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    result = dnpc("import", folder, "--db", database)
    assert result.exit_code == 1 and "cpu/interchange.log: it can not be read: Permission denied" in result.output
    assert query(database, "SELECT count(*) FROM sources WHERE path LIKE '000/cpu/%'") == [(0,)]
    assert query(database, "SELECT count(*) FROM sources")[0][0] > 3


# Links


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder of runs with links to a run, a log and a database outside, and links that form loops."""
    outside, folder = copied(DATA / "runinfo", tmp_path / "outside"), copied(DATA / "two-htex", tmp_path / "inside")
    (folder / "run").symlink_to(outside / "001")
    (folder / "again").symlink_to(outside / "001")
    (folder / "monitoring.db").symlink_to(outside / "monitoring.db")
    (folder / "one").mkdir()
    (folder / "one" / "parsl.log").symlink_to(outside / "000" / "parsl.log")
    (folder / "within").symlink_to(folder / "000")
    (folder / "self").symlink_to("self")
    (folder / "loop").symlink_to(folder)
    (folder / "above").symlink_to(tmp_path / "above")
    (tmp_path / "above").mkdir()
    (tmp_path / "above" / "back").symlink_to(folder)
    (tmp_path / "above" / "loop").symlink_to(tmp_path / "above")
    (outside / "001" / "back").symlink_to(outside / "001")
    return folder


def test_links_that_lead_out_are_followed_only_when_that_is_asked_for(linked: Path, tmp_path: Path) -> None:
    inside, followed, apart = (tmp_path / f"{name}.sqlite3" for name in ("inside", "followed", "apart"))
    result = dnpc("import", linked, "--db", inside)
    assert result.exit_code == 0
    for name in ("run", "again", "monitoring.db", "one/parsl.log", "above"):
        assert f"{name}: a symbolic link to outside the folder" in result.output and "--follow-links" in result.output
    intact = tmp_path / "intact.sqlite3"
    import_logs(intact, DATA / "two-htex")
    assert differences(readable(inside), readable(intact)) == {}
    assert dnpc("import", linked, "--db", followed, "--follow-links").exit_code == 0
    once = [os.path.realpath(path) for path in files(linked, [], follow_links=True)]
    assert len(once) == len(set(once))
    outside = tmp_path / "outside"
    (outside / "001" / "back").unlink()
    shutil.rmtree(outside / "002")
    for path in (outside / "000").iterdir():
        if path.name != "parsl.log":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    import_logs(apart, DATA / "two-htex", outside)
    same = "SELECT uuid, key, began, ended FROM spans ORDER BY uuid"
    assert query(followed, same) == query(apart, same)
    assert len(query(followed, same)) > len(query(inside, same))


def test_a_link_that_is_given_is_followed(linked: Path, tmp_path: Path) -> None:
    """Whoever gives it asks for it."""
    database, other = tmp_path / "one.sqlite3", tmp_path / "other.sqlite3"
    assert dnpc("import", linked / "run", "--db", database).exit_code == 0
    import_logs(other, tmp_path / "outside" / "001")
    assert differences(readable(database, "sources", "runs"), readable(other, "sources", "runs")) == {}
