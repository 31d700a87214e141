"""Files beside a log that tell whose it is: not read through a symbolic link out of the folder, unless asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importers.neighbours import is_open, staying_inside
from importers.pipeline import NothingToImport, import_paths
from tests.imports import copied, differences, dnpc, import_logs, query, readable
from tests.runs import DATA

NEIGHBOURS = {
    "two-htex": "000/parsl.log",
    "workqueue": "000/WorkQueueExecutor/transaction_log",
    "taskvine": "TaskVineExecutor/2026-11-23T014643/vine-logs/taskgraph",
    "runinfo": "001/htex_Local",
}
"""Of a folder of samples, a file or a folder that tells whose the logs beside it are."""


@pytest.mark.parametrize("sample", NEIGHBOURS)
def test_a_neighbour_behind_a_link_is_as_none(tmp_path: Path, sample: str) -> None:
    outside, folder = copied(DATA / sample, tmp_path / "outside"), copied(DATA / sample, tmp_path / "inside")
    moved = folder / NEIGHBOURS[sample]
    moved.rename(tmp_path / "moved")
    without, linked, followed = (tmp_path / f"{name}.sqlite3" for name in ("without", "linked", "followed"))
    import_logs(without, folder)
    moved.symlink_to(outside / NEIGHBOURS[sample])
    result = dnpc("import", folder, "--db", linked)
    assert result.exit_code == 0 and f"{moved.name}: a symbolic link to outside the folder" in result.output
    assert differences(readable(linked), readable(without)) == {}
    assert dnpc("import", folder, "--db", followed, "--follow-links").exit_code == 0
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / sample)
    assert query(followed, "SELECT uuid FROM spans ORDER BY 1") == query(whole, "SELECT uuid FROM spans ORDER BY 1")
    assert differences(readable(without), readable(whole)) != {}


def test_a_run_is_not_known_by_the_log_of_another_behind_a_link(tmp_path: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "inside")
    (folder / "000" / "parsl.log").unlink()
    (folder / "000" / "parsl.log").symlink_to(DATA / "runinfo" / "000" / "parsl.log")
    for given, runs in ((folder, 0), (folder / "000", 0)):
        database = tmp_path / f"{given.name}.sqlite3"
        assert dnpc("import", given, "--db", database).exit_code == 0
        assert query(database, "SELECT count(*) FROM runs WHERE key LIKE '2cf25028-%'") == [(runs,)]


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "inside")
    (folder / "000" / "parsl.log").rename(folder / "kept.log")
    (folder / "000" / "parsl.log").symlink_to("../kept.log")
    database, whole = tmp_path / "linked.sqlite3", tmp_path / "whole.sqlite3"
    assert dnpc("import", folder, "--db", database).exit_code == 0
    import_logs(whole, DATA / "two-htex")
    assert query(database, "SELECT uuid FROM spans ORDER BY 1") == query(whole, "SELECT uuid FROM spans ORDER BY 1")


def test_what_is_open(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").touch()
    (inside / "out").symlink_to(outside / "file")
    (inside / "folder").symlink_to(outside)
    (inside / "in").symlink_to("file")
    (outside / "back").symlink_to(inside / "out")
    (tmp_path / "given").symlink_to(inside)
    names = ("file", "in", "out", "folder/file", "folder", "nothing")
    with staying_inside([tmp_path / "given"]):
        for folder in (inside, tmp_path / "given"):
            assert {name for name in names if is_open(folder / name)} == {"file", "in"}
        # Nobody gave this folder, so nothing is said of its links.
        assert is_open(outside / "back")
        with staying_inside([inside, outside]):
            assert is_open(inside / "out") and is_open(inside / "folder" / "file")
        with ThreadPoolExecutor(1) as pool:
            # Another thread may import meanwhile.
            assert pool.submit(is_open, inside / "out").result()
        assert not is_open(inside / "out")
    assert is_open(inside / "out")


def test_what_an_import_was_given_does_not_outlast_it(tmp_path: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "inside")
    (folder / "000" / "other").symlink_to(DATA / "runinfo" / "000" / "parsl.log")
    import_logs(tmp_path / "dnpc.sqlite3", folder)
    assert is_open(folder / "000" / "other")
    (folder / "empty").mkdir()
    with pytest.raises(NothingToImport):
        import_paths([folder / "empty"], tmp_path / "other.sqlite3")
    assert is_open(folder / "000" / "other")
