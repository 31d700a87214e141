"""What is neither a file nor a folder: a pipe is not read, and stays what it is. Links that are not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.imports import dnpc, query
from tests.runs import DATA


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "parsl.log"
    os.mkfifo(path)
    return path


def test_a_pipe_is_no_place_for_a_database(pipe: Path) -> None:
    result = dnpc("import", DATA / "two-htex", "--db", pipe)
    assert result.exit_code == 1
    assert f"{pipe} is not a regular file. Choose another place with --db" in result.output.replace("\n", "")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(pipe.parent.iterdir()) == [pipe]


def test_a_link_to_a_pipe_is_no_place_for_a_database_either(pipe: Path) -> None:
    link = pipe.with_name("dnpc.sqlite3")
    link.symlink_to(pipe)
    assert dnpc("import", DATA / "two-htex", "--db", link).exit_code == 1
    assert stat.S_ISFIFO(pipe.stat().st_mode) and link.is_symlink()


def test_a_pipe_is_not_read(pipe: Path) -> None:
    result = dnpc("import", pipe, "--db", pipe.with_name("dnpc.sqlite3"))
    assert result.exit_code == 1
    assert f"{pipe}: it is neither a file nor a folder" in result.output.replace("\n", "")


def test_beside_a_pipe_logs_are_read(pipe: Path) -> None:
    database = pipe.with_name("dnpc.sqlite3")
    result = dnpc("import", DATA / "two-htex", pipe, "--db", database)
    assert result.exit_code == 1 and "neither a file nor a folder" in result.output
    assert query(database, "SELECT count(*) > 0 FROM events") == [(1,)]


@pytest.mark.parametrize(("links", "told"), [(1, "1 symbolic link was"), (2, "2 symbolic links were")])
def test_where_links_hold_all_logs_the_way_out_is_said(tmp_path: Path, links: int, told: str) -> None:
    folder = tmp_path / "runinfo"
    folder.mkdir()
    for number in range(links):
        (folder / f"{number:03}").symlink_to(DATA / "two-htex" / "000")
    result = dnpc("import", folder, "--db", tmp_path / "dnpc.sqlite3")
    assert result.exit_code == 1
    assert f"({told} not followed: --follow-links does so)" in " ".join(result.output.split())
