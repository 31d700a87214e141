"""What has not changed since it was imported is not read again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importers.database import open_store
from importers.fingerprint import Fingerprint
from importers.formats import Formats
from importers.reading import ReadSource, Sink, read_all
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from importers.unchanged import parted
from tests.imports import copied, every_row, import_logs, query
from tests.runs import DATA

OF_THEIR_FILE_ALONE = {"parsl_log", "parsl_monitoring", "htex", "work_queue", "taskvine"}
"""Importers of the large files. Others look at what lies beside theirs, too."""


class Read:
    """The sources that are read in an import, by importer and name."""

    def __init__(self) -> None:
        self.sources: list[tuple[str, str]] = []

    def __call__(
        self,
        sources: list[Source],
        formats: Formats,
        /,
        progress: Callable[[int], object],
        sink_of: Callable[[Source], Sink | None],
    ) -> Iterator[ReadSource]:
        """Read as an import does."""
        self.sources += [(source.importer, source.path.name) for source in sources]
        return read_all(sources, formats, jobs=1, progress=progress, sink_of=sink_of)


def read_by(database: Path, *paths: Path) -> list[tuple[str, str]]:
    """Import, and return the sources that were read, of those that are told by their file alone."""
    read = Read()
    import_logs(database, *paths, reading=read)
    return sorted(source for source in read.sources if source[0] in OF_THEIR_FILE_ALONE)


@pytest.mark.parametrize("name", [folder.name for folder in sorted(DATA.iterdir()) if folder.is_dir()])
def test_a_folder_that_is_imported_again(tmp_path: Path, name: str) -> None:
    database = tmp_path / "dnpc.sqlite3"
    assert read_by(database, DATA / name)
    before = every_row(database)
    assert read_by(database, DATA / name) == []
    assert every_row(database) == before


def test_all_bytes_are_told_of(tmp_path: Path) -> None:
    """The progress bar comes to its end."""
    for _ in range(2):
        sizes: list[int] = []
        pieces: list[int] = []
        import_logs(tmp_path / "db", DATA / "runinfo", started=sizes.append, progress=pieces.append)
        assert sum(pieces) == sum(sizes) > 0


def test_another_content_of_the_same_size(tmp_path: Path) -> None:
    folder, database = copied(DATA / "runinfo", tmp_path / "runinfo"), tmp_path / "dnpc.sqlite3"
    import_logs(database, folder)
    log = folder / "000" / "parsl.log"
    before = log.read_bytes()
    log.write_bytes(before.replace(b"submitted for App ", b"submitted for App X")[: len(before)])
    assert log.stat().st_size == len(before)
    assert read_by(database, folder) == [("parsl_log", "parsl.log")]
    named = "SELECT count(*) FROM spans WHERE json_extract(attributes, '$.app') GLOB 'X*'"
    assert query(database, named) == [(before.count(b"submitted for App "),)]


def test_a_longer_copy_beside_one_that_is_unchanged(tmp_path: Path) -> None:
    """Two states of one log are one source."""
    folder, database = copied(DATA / "two-htex", tmp_path / "older"), tmp_path / "dnpc.sqlite3"
    (log,) = folder.glob("*/parsl.log")
    text = log.read_bytes()
    log.write_bytes(text[: text.rfind(b"\n", 0, len(text) * 3 // 4) + 1])
    import_logs(database, folder)
    assert read_by(database, folder, DATA / "two-htex") == [("parsl_log", "parsl.log")]
    import_logs(tmp_path / "whole.sqlite3", DATA / "two-htex")
    events = "SELECT * FROM event ORDER BY uuid"
    assert query(database, events) == query(tmp_path / "whole.sqlite3", events)


def test_rows_that_are_in_the_write_ahead_log_alone(tmp_path: Path) -> None:
    folder, database = copied(DATA / "htex-chicago", tmp_path / "runinfo"), tmp_path / "dnpc.sqlite3"
    monitoring = folder / "monitoring.db"
    with closing(sqlite3.connect(monitoring, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        import_logs(database, folder)
        before = monitoring.read_bytes()
        conn.execute("UPDATE workflow SET user = 'somebody else'")
        assert monitoring.read_bytes() == before
        assert read_by(database, folder) == [("parsl_monitoring", "monitoring.db")]
    assert query(database, "SELECT DISTINCT user FROM parsl_workflow") == [("somebody else",)]


def test_a_run_more_beside_those_that_were_imported(tmp_path: Path) -> None:
    """That run is read, and the monitoring.db, whose times of that run were read by a clock that was guessed."""
    folder, database = copied(DATA / "runinfo", tmp_path / "runinfo"), tmp_path / "dnpc.sqlite3"
    runs = sorted(path.name for path in folder.iterdir() if (path / "parsl.log").is_file())
    later = folder / runs[-1]
    later.rename(tmp_path / "later")
    import_logs(database, folder)
    (tmp_path / "later").rename(later)
    read = [name for _importer, name in read_by(database, folder)]
    assert len(runs) > 1 and read.count("parsl.log") == 1
    assert set(read) <= {"monitoring.db", *(path.name for path in later.rglob("*") if path.is_file())}
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, folder)
    count = "SELECT count(*) FROM spans UNION ALL SELECT count(*) FROM events UNION ALL SELECT count(*) FROM subspans"
    assert query(database, count) == query(whole, count)


def test_a_run_that_stood_for_one_that_is_known_now(tmp_path: Path) -> None:
    """Its rows are dropped as those of the other come: what is read again must not be left out."""
    log = tmp_path / "parsl.log"
    log.write_bytes(b"a line\n")
    before = Source("parsl_log", log, "parsl.log", Run("stand-in", None, None, ""))
    now = Source("parsl_log", tmp_path / "000" / "parsl.log", "parsl.log", Run("id", "id", None, "000", "stand-in"))
    batch = Batch("stand-in")
    batch.seal()
    with open_store(tmp_path / "dnpc.sqlite3") as store:
        store.add(before, batch, len(b"a line\n"), Fingerprint(b"a line\n").hexdigest())

        def unchanged(*sources: Source) -> list[Source]:
            return parted(list(sources), store, Formats(), 1, lambda size: None)[1]

        assert unchanged(before) == [before]
        assert unchanged(before, now) == []
        store.flush()
