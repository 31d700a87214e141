"""Formats of the user's own, from a file or a package to rows: the examples of the README, and what an import makes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from importers.formats import Formats
from tests import docs
from tests.imports import copied, differences, dnpc, query, readable
from tests.own_formats import (
    LOG,
    README,
    RUN_ID,
    TOML,
    changed,
    example,
    module,
    named,
    own,
    runs_and_logs,
    unmatched,
    write,
)
from tests.runs import DATA, WORKER, read_htex


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runs_and_logs(tmp_path)


# The examples of the README


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Follow the examples of the README, as printed, and return the folder that they leave."""
    folder = tmp_path_factory.mktemp("examples")
    printed = [(block["console"], output) for block, output in docs.run(README, folder)]
    assert len(printed) == 3
    for console, output in printed:
        assert console == output
    return folder


def in_the_log(text: str) -> list[tuple[str, float, str]]:
    """Read the README's log by eye, as it were."""
    found = []
    for line in text.splitlines():
        time, _, step, event, *_ = line.split()
        found.append((f"15/{step.removeprefix('step=')}", float(time), event))
    return found


@pytest.mark.parametrize("database", ["dnpc", "module", "installed"])
def test_each_example_gives_what_the_log_says(examples: Path, database: str) -> None:
    expected = in_the_log((examples / LOG).read_text())
    assert len(expected) == 4
    made = examples / f"{database}.sqlite3"
    assert own(made) == sorted(expected, key=lambda event: event[1])
    attributes = query(made, "SELECT key, attributes FROM spans WHERE key LIKE '15/%' AND attributes LIKE '%memo%'")
    assert {key: json.loads(text) for key, text in attributes} == {
        "15/1": {"app": "memo", "residual": "0.25"},
        "15/2": {"app": "memo", "residual": "0.0625"},
    }
    parents = query(
        made,
        """SELECT a.key, b.key, subspans.key, runs.key FROM subspans JOIN spans a ON a.id = superspan
           JOIN spans b ON b.id = subspan JOIN runs ON runs.id = b.run JOIN span_types ON span_types.id = b.type
           WHERE span_types.name = 'myapp.step' ORDER BY 2""",
    )
    assert parents == [("15", "15/1", "1", RUN_ID), ("15", "15/2", "2", RUN_ID)]


def test_the_three_ways_differ_in_nothing_but_how_the_source_was_read(examples: Path) -> None:
    pattern_file_, module = (readable(examples / f"{name}.sqlite3") for name in ("dnpc", "module"))
    assert set(differences(pattern_file_, module)) == {"sources"}
    for ways in (pattern_file_, module):
        ways["sources"] = [row[:6] + row[7:] for row in ways["sources"]]
    assert differences(pattern_file_, module) == {}


def test_the_event_sequence_of_the_task_holds_the_apps_events(examples: Path) -> None:
    run = DATA / "runinfo/000"
    of_worker = [
        (event.time, f"parsl.executor.htex.worker.task/{WORKER_EVENTS[event.event]}")
        for log in run.glob("*/block-*/*/worker_*.log")
        for event in read_htex(log, "worker", WORKER, "htex_Local")
        if event.executor_task == 14  # Parsl task 15 try 0 launched on executor htex_Local with executor id 14
    ]
    of_app = [(time, f"myapp.step/{event}") for _, time, event in in_the_log((examples / LOG).read_text())]
    (sequence,) = query(
        examples / "dnpc.sqlite3",
        """SELECT sequence FROM sequences JOIN variants ON variants.id = variant JOIN spans ON spans.id = root
           JOIN runs ON runs.id = spans.run JOIN span_types ON span_types.id = spans.type
           WHERE spans.key = '15' AND span_types.name = 'parsl.rundir.task' AND runs.key = ?""",
        RUN_ID,
    )
    found = [event for event in json.loads(sequence[0]) if ".worker.task/" in event or event.startswith("myapp")]
    assert len(of_worker) == 3
    assert found == [event for _, event in sorted(of_worker + of_app)]


WORKER_EVENTS = {
    "received": "worker_received_task",
    "completed": "worker_completed_task",
    "finished": "worker_all_finished_task",
}


# What an import gives


def test_import_by_a_pattern_file(folder: Path) -> None:
    database = folder / "db"
    result = dnpc("import", folder / "runinfo", "--pattern-file", named(folder), "--db", database)
    assert result.exit_code == 0
    assert own(database) == [
        (f"{task}/1", 1795397707 + task + fraction, event)
        for task in (0, 15, 16)
        for fraction, event in ((0.25, "begins"), (0.5, "ends"))
    ]
    assert unmatched(database) == []
    assert dnpc("sources", "--db", database).exit_code == 0


def test_same_rows_by_any_number_of_jobs_in_any_order_and_again(folder: Path) -> None:
    formats = ("--pattern-file", named(folder), "--module", module(folder, find="return None", name="other"))
    runinfo = folder / "runinfo"
    one, two, three = folder / "one", folder / "two", folder / "three"
    assert dnpc("import", runinfo, *formats, "--db", one, "--jobs", 1).exit_code == 0
    first = readable(one)
    assert len(own(one)) == 6
    again = dnpc("import", runinfo, *formats, "--db", one)
    assert "are unchanged" in again.output and differences(first, readable(one)) == {}
    assert dnpc("import", runinfo, *formats, "--db", two, "--jobs", 3).exit_code == 0
    assert differences(first, readable(two)) == {}
    moved = copied(runinfo, folder / "moved" / "elsewhere")
    for path in sorted(moved.rglob("*"), reverse=True):
        if path.is_file():
            # Each file on its own, the last first. Files of no format say so.
            assert dnpc("import", path, *formats, "--db", three).exit_code in (0, 1)
    assert differences(first, readable(three)) == {}


def test_reading_processes_that_are_started_afresh_know_the_formats(folder: Path) -> None:
    steps = folder / "myapp.py"
    steps.write_text(example("myapp.py"))
    code = (
        "import multiprocessing, sys; multiprocessing.set_start_method('spawn')\n"
        "from importers.cli import main; main(sys.argv[1:])"
    )
    toml = named(folder, changed(('"myapp"', '"other"'), ("task_logs", "nowhere")))
    arguments = ["import", "runinfo", "--module", "myapp.py", "--pattern-file", toml.name, "--jobs", "3"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert len(own(folder / "dnpc.sqlite3")) == 6


def test_yaml_says_the_same(folder: Path) -> None:
    yaml = r"""
name: myapp
path: 'task_logs/\d+/task_0*(?P<task>\d+)_(?P<app>\w+)\.stdout'
time: '^(?P<time>\d+\.\d+) '
patterns:
- regex: 'step=(?P<step>\d+) begins'
  span: [myapp.step, task, step]
  event: begins
  parents: [[parsl.rundir.task, task]]
  attributes: [app]
- regex: 'step=(?P<step>\d+) ends(?: residual=(?P<residual>\S+))?'
  span: [myapp.step, task, step]
  event: ends
  attributes: [residual]
"""
    databases = []
    for name, text in (("myapp.toml", TOML), ("myapp.yaml", yaml), ("myapp.yml", yaml)):
        databases.append(folder / f"{name}.sqlite3")
        file = named(folder, text, name)
        assert dnpc("import", folder / "runinfo", "--pattern-file", file, "--db", databases[-1]).exit_code == 0
    toml, *others = (readable(database, "sources") for database in databases)
    assert all(differences(toml, other) == {} for other in others)


def test_two_formats_at_once_and_one_chosen(folder: Path) -> None:
    other = named(folder, changed(('"myapp"', '"mine"'), ("myapp.step", "mine.step"), ("stdout", "stderr")), "o.toml")
    write(folder, "0000/task_0007_x.stderr", "1795397707.5 step=3 begins\n")
    database = folder / "db"
    both = ("--pattern-file", named(folder), "--pattern-file", other)
    assert dnpc("import", folder / "runinfo", *both, "--importer", "mine", "--db", database).exit_code == 0
    assert query(database, "SELECT importer FROM sources") == [("mine",)]
    assert dnpc("import", folder / "runinfo", *both, "--db", database).exit_code == 0
    counts: dict[str, int] = dict(query(database, "SELECT importer, sum(events) FROM sources GROUP BY 1"))
    assert (counts["mine"], counts["myapp"]) == (1, 6)


def test_a_format_named_on_the_command_line_goes_before_dnpcs_own(folder: Path) -> None:
    text = changed(
        (r"path = 'task_logs/\d+/task_0*(?P<task>\d+)_(?P<app>\w+)\.stdout'", "files = ['worker_0.log']"),
        ("time = '^(?P<time>\\d+\\.\\d+) '", ""),
        (r"step=(?P<step>\d+) begins", r"Received executor task (?P<task>\d+)"),
        (r"step=(?P<step>\d+) ends(?: residual=(?P<residual>\S+))?", r"^Completed executor task (?P<task>\d+)$"),
        (', "step"]', "]"),
        ('attributes = ["app"]', ""),
        ('attributes = ["residual"]', ""),
    )
    database = folder / "db"
    result = dnpc("import", folder / "runinfo/000", "--pattern-file", named(folder, text), "--db", database)
    assert result.exit_code == 0
    expected = Counter(
        (str(event.executor_task), event.time, {"received": "begins", "completed": "ends"}[event.event])
        for log in (folder / "runinfo/000").glob("*/block-*/*/worker_0.log")
        for event in read_htex(log, "worker", WORKER[:2], "htex_Local")
    )
    assert len(expected) > 10 and Counter(own(database)) == expected
    assert query(database, "SELECT DISTINCT importer FROM sources WHERE path LIKE '%worker_0.log'") == [("myapp",)]


# Roots


def roots_of(database: Path, root_type: str) -> list[tuple[object, ...]]:
    return query(
        database,
        """SELECT spans.key, sequence FROM sequences JOIN variants ON variants.id = variant
           JOIN spans ON spans.id = root JOIN span_types ON span_types.id = spans.type
           WHERE span_types.name = ? ORDER BY 1""",
        root_type,
    )


def test_event_sequences_of_own_roots_are_kept(folder: Path) -> None:
    with_roots = named(folder, changed(("[[patterns]]\nregex = 'step=(?P<step>\\d+) begins", "roots = ['myapp.step']\n"
                                        "[[patterns]]\nregex = 'step=(?P<step>\\d+) begins")))  # fmt: skip
    database = folder / "db"
    runinfo = folder / "runinfo"
    assert dnpc("import", runinfo, "--pattern-file", with_roots, "--db", database).exit_code == 0
    sequence = '["myapp.step/begins", "myapp.step/ends"]'
    assert roots_of(database, "myapp.step") == [(f"{task}/1", sequence) for task in (0, 15, 16)]
    # An import that does not name the format keeps them up to date all the same.
    other = changed(('"myapp"', '"other"'), ("stdout", "stderr"), ('"begins"', '"noted"'))
    write(folder, "0000/task_0015_simulate.stderr", "1795397722.3 step=1 begins\n")
    options = ("--pattern-file", named(folder, other, "other.toml"), "--db", database)
    assert dnpc("import", runinfo, *options).exit_code == 0
    assert roots_of(database, "myapp.step") == [
        ("0/1", sequence),
        ("15/1", '["myapp.step/begins", "myapp.step/noted", "myapp.step/ends"]'),
        ("16/1", sequence),
    ]


def test_a_new_type_of_root_is_kept_for_what_was_imported_before(folder: Path) -> None:
    database = folder / "db"
    steps = folder / "myapp.py"
    steps.write_text(example("myapp.py"))
    options = ("--db", database, "--module", steps)
    write(folder, "0000/task_0015_simulate.stdout", (example(LOG)))
    assert dnpc("import", folder / "runinfo", *options).exit_code == 0
    assert roots_of(database, "myapp.step") == []
    steps.write_text(example("myapp.py").replace("ROOTS = ()", 'ROOTS = ("myapp.step",)'))
    result = dnpc("import", folder / "runinfo", *options)
    assert "another state of its format" in result.output
    assert [key for key, _ in roots_of(database, "myapp.step")] == ["0/1", "15/1", "15/2", "16/1"]


def test_a_format_that_changed_needs_a_new_database_unless_it_understood_nothing(folder: Path) -> None:
    database = folder / "db"
    options = ("--db", database, "--pattern-file")
    # At first it fits nothing, as happens.
    wrong = named(folder, changed(("step=(", "stage=(")))
    assert dnpc("import", folder / "runinfo", *options, wrong).exit_code == 0
    assert own(database) == [] and len(unmatched(database)) == 3
    assert dnpc("import", folder / "runinfo", *options, named(folder)).exit_code == 0
    right = own(database)
    assert len(right) == 6 and unmatched(database) == []
    changed_event = named(folder, changed(('"ends"', '"finishes"')))
    result = dnpc("import", folder / "runinfo", *options, changed_event)
    assert result.exit_code == 0 and "new database" in result.output
    assert own(database) == right


def test_a_format_that_takes_no_file_says_so(folder: Path) -> None:
    nowhere = named(folder, changed(("task_logs", "nowhere")))
    result = dnpc("import", folder / "runinfo", "--pattern-file", nowhere, "--db", folder / "db")
    assert result.exit_code == 0 and f"{nowhere}: no file under these paths is one that it takes" in result.output
    result = dnpc("import", folder / "runinfo", "--pattern-file", nowhere, "--importer", "myapp", "--db", folder / "x")
    assert result.exit_code == 1 and "nowhere/" in result.output
    assert not (folder / "x").exists()


def test_two_formats_of_one_name(folder: Path) -> None:
    one, two = named(folder), named(folder, name="other.toml")
    result = dnpc("import", folder / "runinfo", "--pattern-file", one, "--pattern-file", two, "--db", folder / "db")
    assert result.exit_code == 1 and f"{two}: the name 'myapp' is taken ({one})" in result.output


def test_a_name_that_is_no_importers_is_answered_by_those_that_are(folder: Path) -> None:
    result = dnpc("import", folder / "runinfo", "--pattern-file", named(folder), "--importer", "nix")
    known = [*Formats().importers, "myapp"]
    assert result.exit_code == 2 and ", ".join(sorted(known)) in result.output
    shown = dnpc("import", "--help").output
    assert all(name in shown for name in Formats().importers)
