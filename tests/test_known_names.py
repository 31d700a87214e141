"""Who asks for a run, a span type, an app, an executor or a query that is not there is told so, and what there is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datasette_dnpc.sql_files import queries
from importers.cli import main
from tests.imports import query
from tests.runs import DATA


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("known") / "dnpc.sqlite3"
    assert run("import", DATA / "two-htex", "--db", path).exit_code == 0
    return path


NAMES = {
    "run": "SELECT name FROM runs",
    "span_type": "SELECT name FROM span_types",
    "app": "SELECT DISTINCT app FROM task_totals",
    "executor": "SELECT DISTINCT executor FROM task_totals",
}


@pytest.mark.parametrize("param", NAMES)
def test_a_name_that_is_not_there(database: Path, param: str) -> None:
    there = [name for (name,) in query(database, NAMES[param])]
    result = run("slowest-spans", "--db", database, f"--{param.replace('_', '-')}", "no such")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"No rows. There is no {param.replace('_', ' ')} 'no such'. There are '")
    told = [name for name in there if repr(name) in result.stderr]
    assert len(told) == min(len(there), 6)
    assert (f"and {len(there) - 6} more" in result.stderr) == (len(there) > 6)


def test_what_is_most_like_it_comes_first(database: Path) -> None:
    result = run("slowest-spans", "--db", database, "--span-type", "parsl.rundir.tri")
    assert "There are 'parsl.rundir.try'," in result.stderr
    part = run("slowest-spans", "--db", database, "--span-type", "INTERCHANGE")
    assert "There are 'parsl.executor.htex.interchange.task'," in part.stderr


def test_what_is_there_is_not_said_to_be_missing(database: Path) -> None:
    """Of two parameters, the one that names what is there gives no sentence; nor does a run's key."""
    ((key, name),) = query(database, "SELECT key, name FROM runs")
    for known in (key, name):
        result = run("slowest-spans", "--db", database, "--run", known, "--app", "no such")
        assert result.stderr.startswith("No rows. There is no app 'no such'.") and "no run" not in result.stderr


def test_a_picture_and_the_graph_say_it_too(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    for arguments in (["plot", "durations", file], ["graph", "-o", file], ["graph"]):
        result = run(*arguments, "--db", database, "--run", "no such")
        assert "There is no run 'no such'. There are '" in result.stderr
    assert not file.exists()


def test_an_empty_database_has_no_names(empty_db: Path) -> None:
    for param in NAMES:
        result = run("slowest-spans", "--db", empty_db, f"--{param.replace('_', '-')}", "x\x1b[2J")
        assert result.stderr.endswith(r"'x\x1b[2J'. There are none." + "\n")


def test_a_plan_of_what_is_not_there(database: Path) -> None:
    for word in ("slowest-spanss", "", "x\x1b[2J"):
        result = run("plan", word, "--db", database)
        assert result.exit_code == 1 and f"There is no query or view {word!r}. dnpc --help" in result.stderr
    assert "no such table: none" in run("plan", "select 1 from none", "--db", database).stderr


@pytest.mark.parametrize("arguments", [["tasks"], ["sources"], ["import", DATA / "two-htex"]], ids=str)
def test_a_log_given_as_the_database(tmp_path: Path, arguments: list[str | Path]) -> None:
    log = tmp_path / "monitoring.db"
    shutil.copy(DATA / "runinfo" / "monitoring.db", log)
    result = run(*arguments, "--db", log)
    assert result.exit_code == 1 and "is no dnpc database: it is a monitoring.db of Parsl" in result.stderr
    assert f"with dnpc import {log}. Choose another with --db" in result.stderr
    assert log.read_bytes() == (DATA / "runinfo" / "monitoring.db").read_bytes()


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("dependencies", "rows"),
        ("runs_overview", "rows"),
        ("states_over_time", "states"),
        ("tasks", "rows"),
        ("utilisation", "bins"),
        ("worker_gantt", "rows"),
        ("worker_gaps", "rows"),
    ],
)
def test_what_is_no_number_is_as_empty(synthetic_db: Path, name: str, param: str) -> None:
    assert param in queries()[name].params
    command = name.replace("_", "-")
    usual, odd = (
        run(command, "--db", synthetic_db, "--format", "json", f"--{param}", value).stdout for value in ("", "some")
    )
    one = run(command, "--db", synthetic_db, "--format", "json", f"--{param}", "1").stdout
    assert usual == odd != one
