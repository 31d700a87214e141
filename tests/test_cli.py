"""The command ``dnpc`` on a terminal and off it."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from importers.cli import main
from tests.imports import dnpc, on_a_terminal
from tests.runs import DATA

COMMAND = [sys.executable, "-m", "importers.cli"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_progress_bar_on_a_terminal_reaches_the_end(tmp_path: Path, jobs: str) -> None:
    shown = on_a_terminal("import", DATA / "runinfo", "--db", tmp_path / "db", "--jobs", jobs)
    assert "Importing  [" in shown and "100%" in shown
    assert "has 3 runs" in shown


def test_quiet(tmp_path: Path) -> None:
    assert on_a_terminal("import", DATA / "runinfo", "--db", tmp_path / "db", "--quiet") == ""


def test_summary_is_what_the_database_says(tmp_path: Path) -> None:
    database = tmp_path / "db"
    result = CliRunner().invoke(main, ["import", str(DATA / "runinfo"), "--db", str(database)])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    shown = [line.replace(",", "").split() for line in lines]
    with closing(sqlite3.connect(database)) as conn:
        rows = conn.execute(
            """SELECT path, records, sources.events, unmatched,
                      (SELECT coalesce(sum(made), 0) FROM joins WHERE source = sources.id),
                      (SELECT coalesce(sum(missing), 0) FROM joins WHERE source = sources.id)
               FROM sources"""
        ).fetchall()
    assert len(rows) == 22
    for path, *figures in rows:
        (words,) = (words for words in shown if path in words)
        wanted = [str(figure) for figure in figures]
        assert any(words[i : i + 5] == wanted for i in range(len(words))), path
    again = CliRunner().invoke(main, ["sources", "--db", str(database)])
    assert again.exit_code == 0
    # What the import says besides: of other files, and of the database.
    assert again.output.splitlines() == lines[:-2]


def test_sources_of_no_database(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["sources", "--db", str(tmp_path / "none")])
    assert result.exit_code == 1 and "dnpc import" in result.output
    (tmp_path / "text").write_text("no database")
    result = CliRunner().invoke(main, ["sources", "--db", str(tmp_path / "text")])
    assert result.exit_code == 1 and "is no dnpc database" in result.output


def test_every_command_has_help() -> None:
    for name, command in main.commands.items():
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0 and command.help


def test_what_was_not_understood_once_is_not_the_second_time(tmp_path: Path) -> None:
    log = tmp_path / "monitoring.db"
    log.write_bytes(b"no database")
    outcomes = [dnpc("import", log, "--db", tmp_path / "d.db").exit_code for _ in range(2)]
    assert outcomes == [1, 1]
