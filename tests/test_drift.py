"""Drift is reported: messages that a release words in another way, or adds, with how many of them there are.

How many is counted here by plain regular expressions over the lines of the logs, by `tests.runs.read_records`.
"""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from importers import htex, logfile, parsl_log
from importers.alternatives import alternatives, marked, unnamed
from importers.drift import FEW_COLONS, HTEX_KNOWN, PARSL_KNOWN, Watch, watch
from importers.pattern import Hit, by_literal
from importers.rows import DRIFT, KINDS_KEPT, OTHER_KINDS, Batch, template
from importers.times import EPOCH
from tests.batches import read
from tests.imports import copied, dnpc, import_logs, query, read_in_blocks, readable
from tests.runs import DATA, read_records, read_run, shared_runs
from tests.test_dialects import merged

SAMPLES = ["runinfo", "two-htex", "htex-crash", "htex-chicago"]

DRIFTED = f"""SELECT path, template, count, unmatched.offset, text FROM unmatched JOIN sources ON sources.id = source
              WHERE reason = '{DRIFT}' ORDER BY path, template"""

PREFIX = "1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 MainThread-1398 parsl.x:1 f INFO: "
LOCAL = "2023-03-06 11:20:07.190 interchange:485 HTEX-Interchange(18277) MainThread f [DEBUG]  "
RUN_ID = "4ad4fbd2-1a4c-4b0e-a5f4-5c1c1b9cf8f3"
MANAGER = "2d216d98b581"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def in_dialect(message: str, dialect: str) -> str:
    """Return a line that says something."""
    if dialect == "jsonlog":
        return json.dumps({"created": 1795397698.5, "name": "parsl.x", "formatted": message}) + "\n"
    return {"text": PREFIX, "text local": LOCAL}[dialect] + message + "\n"


def log_of(folder: Path, component: str, messages: list[str], dialect: str = "text") -> Path:
    """Write the log of a component of a run, with these messages."""
    name = {"parsl": "parsl", "interchange": "htex/interchange", "manager": f"htex/block-0/{MANAGER}/manager",
            "worker": f"htex/block-0/{MANAGER}/worker_0"}[component]  # fmt: skip
    path = folder / f"{name}.{'jsonlog' if dialect == 'jsonlog' else 'log'}"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = [f"Run id is: {RUN_ID}"] if component == "parsl" else []
    path.write_text("".join(in_dialect(message, dialect) for message in [*first, *messages]))
    return path


def drifted(batch: Batch) -> dict[str, int]:
    """Return how many lines of each template look like events, but match no pattern."""
    return {kind: found.times for (reason, kind), found in batch.unmatched.items() if reason == DRIFT}


# What is known


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_drift_in_samples(database: Path, sample: str) -> None:
    import_logs(database, DATA / sample)
    assert query(database, DRIFTED) == []
    assert query(database, "SELECT count(*) > 100 FROM events") == [(1,)]
    result = dnpc("sources", "--check", "--db", database)
    assert (result.exit_code, result.output) == (0, "No drift: every line that looks like an event is known.\n")


def test_no_drift_in_whole_runs() -> None:
    folder = shared_runs()
    if folder is None:
        pytest.skip("the whole runs are not here")
    kinds = ["parsl", "interchange", "manager", "worker_*"]
    logs = [log for kind, suffix in product(kinds, ["log", "jsonlog"])
            for log in sorted(folder.glob(f"parsl-2026-*/**/{kind}.{suffix}"))]  # fmt: skip
    assert len(logs) > 30
    assert {str(log): found for log in logs if (found := drifted(read(log)))} == {}


KNOWN_THEN = {
    "parsl": [
        "Task 3 set to pending state with AppFuture: <AppFuture at 0x7f3 state=pending>",
        "Task 3 completed (launched -> exec_done)",
        "Task 3 marked for retry",
        "Task 3 try 0 failed",
        "Task 3 failed due to failure of inner join future",
        "Standard output for task 3 available at /dev/null",
        "Allocated block ID 0",
        "Launched block 0 on executor htex_Local with job ID 1234",
        "Executor htex_Local has 12 active tasks, 0/1 running/pending blocks, and 4 connected workers",
        "Strategy case 1b: Executor has no active tasks, and more (2) than minimum blocks (0)",
        "Scale in called, blocks=1",
        "Updating Future for Parsl Task 3",
        "Updating Future for executor task 3",
    ],
    "interchange": [
        f"Adding manager: b'{MANAGER}' to ready queue",
        f"Manager b'{MANAGER}' sent heartbeat via results connection",
        f"Manager b'{MANAGER}' has compatible Parsl version 2023.03.06",
        f"Manager b'{MANAGER}' has free capacity 2",
        f"Manager b'{MANAGER}' is now saturated",
        f"Got 1 result items in batch from manager b'{MANAGER}'",
        f"Current tasks on manager b'{MANAGER}': [1]",
        f"Removing task 3 from manager record b'{MANAGER}'",
        f"Sent tasks: [1, 2] to manager b'{MANAGER}'",
        "Cancelling htex tasks [] on removed manager",
        f"Processing message type \"it's\" from manager b'{MANAGER}'",
    ],
    "manager": [
        f"Manager ID: {MANAGER}",
        "Block ID: 0",
        "ready workers: 2, pending tasks: 0",
        "Worker 1 was not busy when it died",
    ],
    "worker": ["Worker 0 started", "Received executor task 3", "Manager (77) died; worker 0 shutting down"],
}


@pytest.mark.parametrize("component", KNOWN_THEN)
@pytest.mark.parametrize("dialect", ["text", "text local", "jsonlog"])
def test_what_earlier_releases_said_is_known(tmp_path: Path, component: str, dialect: str) -> None:
    if (component, dialect) == ("parsl", "text local"):
        dialect = "text"
    log = log_of(tmp_path / "000", component, KNOWN_THEN[component], dialect)
    assert drifted(read(log)) == {}


# What a release changes


CHANGES = [
    ("parsl", r"Task (\d+) initializing state to (\w+)$", r"Task \1 begins as \2", "Task # begins as pending"),
    ("parsl", r"Task (\d+) submitted for App (\w+), ", r"Task \1 was submitted: App \2, ", None),
    ("parsl", r"Task (\d+) changing state from", r"Task \1 goes from", "Task # goes from # to #"),
    ("parsl", r"Parsl task (\d+) try (\d+) launched on executor (\w+) with", r"Parsl task \1 try \2 is now on \3 with",
     "Parsl task # try # is now on htex_Local with executor id #"),
    ("interchange", r"Sent tasks: (\[[\d, ]+\]) to manager (\S+)", r"Handed tasks \1 over to manager \2",
     "Handed tasks [#] over to manager '#'"),
    ("interchange", r"Removing task (\d+) from manager", r"Task \1 is back", "Task # is back"),
    ("interchange", r"Registered manager (\S+) ", r"Manager \1 has come ",
     "Manager '#' has come (py#, #.#) and added to ready queue"),
    ("manager", r"Got executor tasks: (\[[\d, ]+\])", r"Got these tasks: \1",
     "Got these tasks: [#], cumulative count of tasks: #"),
    ("worker_*", r"Completed executor task (\d+)", r"Executor task \1 is complete", "Executor task # is complete"),
]  # fmt: skip


@pytest.mark.parametrize("run", ["runinfo/000", "runinfo/001", "two-htex/000"])
@pytest.mark.parametrize(("component", "said", "says", "kind"), CHANGES, ids=[change[2] for change in CHANGES])
def test_a_message_in_other_words(
    tmp_path: Path, database: Path, run: str, component: str, said: str, says: str, kind: str | None
) -> None:
    folder = copied(DATA / run, tmp_path / "runinfo" / "000")
    expected: dict[str, int] = {}
    dialects = set()
    for log in sorted(folder.glob(f"**/{component}.*log")):
        name = log.relative_to(tmp_path / "runinfo").as_posix()
        expected[name] = sum(re.match(said, record.message) is not None for record in read_records(log))
        # Nothing in these messages is written otherwise in JSON.
        end = r"(?=[\"\\]|$)" if log.suffix == ".jsonlog" else "$"
        log.write_text(re.sub(said.replace("$", end), says, log.read_text(), flags=re.MULTILINE))
        dialects.add("jsonlog" if log.suffix == ".jsonlog" else "text")
    assert sum(expected.values()) > 0

    import_logs(database, folder)
    found = query(database, DRIFTED)
    assert {path: sum(row[2] for row in found if row[0] == path) for path in {row[0] for row in found}} == {
        path: count for path, count in expected.items() if count
    }
    kinds = {row[1] for row in found}
    if kind is not None and run != "two-htex/000":
        assert kinds == {kind}
    assert len(kinds) <= 3
    for path, _kind, _count, offset, text in found:
        with (folder.parent / path).open("rb") as log_file:
            log_file.seek(offset)
            assert text[:200] in re.sub(r"\\(.)", r"\1", log_file.readline().decode())

    result = dnpc("sources", "--check", "--db", database)
    assert result.exit_code == 1
    for path, found_kind, count, *_ in found:
        assert re.search(rf"{re.escape(path)}, [\d,]+ lines of dialect {dialects.copy().pop()}: {DRIFT}", result.output)
        assert f"{count:>12,}  {found_kind}\n" in result.output
    assert "importers/drift.py" in result.output
    assert ("parsl_log" if component == "parsl" else "htex") in result.output.splitlines()[-1]
    assert "Not understood in" in dnpc("import", folder, "--db", tmp_path / "again.sqlite3").output


NEW = {
    "parsl": ["Task 5 is thought of", "Thinking of tasks: [5, 6]", "Block 0 has a flat tyre", "Executor id 5 is new",
              "Parsl task 5 try 2 cancelled", "Manager b'2d216d98b581' is asked", "Run id is: "],
    "interchange": ["task_id 7 dropped", "Manager b'2d216d98b581' naps", "manager: 2d216d98b581 has left",
                    "Dropping task(s) for b'2d216d98b581'", "Block ID 0 has no manager", "Putting task back"],
    "manager": ["Worker 1 sings", "Workers: 1 of 2 sing", "Task id: 7 is lost"],
    "worker": ["executor task 3 is in work", "Try 2 of it", "Received executor task three"],
}  # fmt: skip


@pytest.mark.parametrize("component", NEW)
@pytest.mark.parametrize("dialect", ["text", "text local", "jsonlog"])
def test_a_new_message_that_names_a_thing(tmp_path: Path, component: str, dialect: str) -> None:
    if (component, dialect) == ("parsl", "text local"):
        dialect = "text"
    for times, message in enumerate(NEW[component], 1):
        log = log_of(tmp_path / str(times), component, [message] * times, dialect)
        assert list(drifted(read(log)).values()) == [times], message


@pytest.mark.parametrize("component", ["parsl", "interchange", "manager", "worker"])
def test_a_message_that_names_no_thing_is_no_drift(tmp_path: Path, component: str) -> None:
    messages = ["", "5", "12 tasks", "multitask 5", "active_blocks 5", "the manager said 'no'", "tasks and 5 more"]
    assert drifted(read(log_of(tmp_path, component, messages))) == {}


def test_records_of_other_libraries_are_no_drift(tmp_path: Path) -> None:
    log = log_of(tmp_path, "worker", ["Worker 0 started", "Task 5 sings"], "jsonlog")
    assert drifted(read(log)) == {"Task # sings": 1}
    log.write_text(log.read_text().replace("parsl.x", "users.code"))
    assert drifted(read(log)) == {}


def test_text_that_a_record_continues_with_is_no_drift(tmp_path: Path) -> None:
    log = log_of(tmp_path, "parsl", ["Task 5 failed after 1 retry attempts"])
    log.write_text(
        log.read_text() + "Traceback:\n  Task 5 is lost: Task 6, too\n2026-11-23 task 5\n1795397698 task 5\n"
    )
    assert drifted(read(log)) == {}
    log = log_of(tmp_path / "json", "parsl", ["Task 5 failed after 1 retry attempts\nTask 5 is lost"], "jsonlog")
    assert drifted(read(log)) == {}


def test_a_line_counts_once(tmp_path: Path) -> None:
    log = log_of(tmp_path, "interchange", ["task 5: Task 6: Sent tasks: [5] to: Putting task 5 [x]  task 7"])
    assert list(drifted(read(log)).values()) == [1]
    nested = {"created": 1795397698.5, "x": {"formatted": "Task 5 naps"}, "formatted": "Task 6 naps"}
    log = log_of(tmp_path, "interchange", [], "jsonlog")
    log.write_text(json.dumps(nested) + "\n")
    assert drifted(read(log)) == {"Task # naps": 1}


# What lines look like otherwise


@pytest.mark.parametrize(
    "prefix",
    [
        PREFIX.replace("MainThread", "Thread-5 (a b)"),
        PREFIX.replace("MainThread", "Thread:5"),
        PREFIX.replace("MainThread", "a:b:c:d"),
        PREFIX.replace(".766988 ", ".766 "),
        LOCAL.replace("MainThread", "Thread [5]"),
        LOCAL.replace(".190", ",190123"),
    ],
)
@pytest.mark.parametrize("before", ["", "x\n", f"{PREFIX[:40]}\n", f"{LOCAL[:30]}\n", PREFIX + "\n", LOCAL + "\n"])
def test_prefixes_and_broken_lines_above(tmp_path: Path, prefix: str, before: str) -> None:
    log = log_of(tmp_path, "interchange", [])
    known = (
        f"{prefix}Sent tasks: [1] to manager b'{MANAGER}': x]  y: z\n{prefix}Manager b'{MANAGER}' -> {{'task': 5}}\n"
    )
    log.write_text(f"{before}{prefix}Task 5 naps\n{before}{known}{before}{prefix}Task 6 naps: [5]  x\n")
    batch = read(log)
    assert drifted(batch) == {"Task # naps": 1, "Task # naps: [#]  x": 1}
    assert [batch.event_type_names[i] for i in batch.event_types] == ["interchange_to_manager"]


def test_hostile_bytes_and_long_lines(tmp_path: Path) -> None:
    log = log_of(tmp_path, "parsl", [])
    prefix = PREFIX.encode()
    noise = [b"\0" * 50, b"\xff\xfe task 5", prefix + b":" * 5000, b"1795397698.5 " + b"a:" * 9000, b"'" * 9000,
             prefix + b"Task " + b"9" * 5000, prefix + b"\xff\0 task 5 \xe2\x82", b"2026-11-23 [" * 2000]  # fmt: skip
    log.write_bytes(log.read_bytes() + b"\n".join([*noise, prefix + b"Task 5 naps" + b"!" * 3_000_000]) + b"\n")
    found = drifted(read(log))
    assert sum(found.values()) == 3
    assert all(len(kind) <= 200 for kind in found)


@pytest.mark.parametrize("dialect", ["text", "text local", "jsonlog"])
def test_cut_off_anywhere(tmp_path: Path, dialect: str) -> None:
    """Only whole lines count, however much of a log there is."""
    messages = ["Task 5 naps", f"Sent tasks: [1] to manager b'{MANAGER}'", "Task 6 naps: x", "task 5 \N{SNOWMAN}"]
    whole = log_of(tmp_path, "interchange", messages, dialect).read_bytes()
    log = tmp_path / "cut" / "htex" / whole_name(dialect)
    log.parent.mkdir(parents=True)
    for size in range(1, len(whole) + 1):
        log.write_bytes(whole[:size])
        lines = whole[:size].count(b"\n")
        assert sum(drifted(read(log)).values()) == sum("Sent" not in message for message in messages[:lines])


def whole_name(dialect: str) -> str:
    return "interchange.jsonlog" if dialect == "jsonlog" else "interchange.log"


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_blocks_of_any_size(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    folder = copied(DATA / "runinfo" / "000", tmp_path / "000")
    for log in folder.glob("**/*.log"):
        log.write_bytes(re.sub(rb"\b([Tt]ask)s?:? (\d+|\[\d)", rb"\1 ~\2 task 5", log.read_bytes()))
    import_logs(database, folder)
    assert query(database, f"SELECT sum(count) > 500 FROM unmatched WHERE reason = '{DRIFT}'") == [(1,)]
    read_in_blocks(monkeypatch, size)
    import_logs(tmp_path / "pieces.sqlite3", folder)
    assert readable(tmp_path / "pieces.sqlite3")["unmatched"] == readable(database)["unmatched"]


def test_memory_is_bounded(tmp_path: Path) -> None:
    """However many kinds there are, some are kept apart, and the others are counted as one."""
    words = ["".join(word) for word in product("abcdefgh", repeat=4)]
    peaks = []
    for said in (["same"] * len(words), words):
        log = log_of(tmp_path, "parsl", [f"Task 5 says {word} {'x' * 400}" for word in said])
        tracemalloc.start()
        found = drifted(read(log))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(found.values()) == len(words) == 4096
    assert len(found) == KINDS_KEPT + 1
    assert found[OTHER_KINDS] == len(words) - KINDS_KEPT
    # Of each kind, half a thousand characters and a template are kept.
    assert peaks[1] - peaks[0] < 2000 * KINDS_KEPT < log.stat().st_size


# Runs that share a log, and logs that are none of a run


def test_two_runs_in_one_process(tmp_path: Path, database: Path) -> None:
    """Each line is reported once, though the logs of both runs may have it."""
    both, alone = merged(tmp_path, {"htex-chicago/000": "first", "runinfo/000": "second"})
    launched = {name: sum(state.state == "launched" for state in read_run(folder).states)
                for name, folder in alone.items()}  # fmt: skip
    lines = 0
    for log in both.glob("*/parsl.log"):
        text = log.read_text()
        lines += text.count(" changing state from pending to launched")
        log.write_text(text.replace(" changing state from pending to launched", " leaves pending for launched"))
    assert lines > sum(launched.values())
    import_logs(database, both)
    found = query(database, DRIFTED)
    assert Counter(row[0].split("/")[0] for row in found) == Counter(launched.keys())
    assert {row[0].split("/")[0]: row[2] for row in found} == launched


@pytest.mark.parametrize("name", ["runinfo/000/parsl.log", "runinfo/001/parsl.jsonlog"])
def test_a_run_id_in_other_words(tmp_path: Path, database: Path, name: str) -> None:
    folder = tmp_path / "000"
    folder.mkdir()
    log = folder / Path(name).name
    log.write_bytes((DATA / name).read_bytes().replace(b"Run id is: ", b"The run: "))
    import_logs(database, folder)
    (found,) = [row[1] for row in query(database, DRIFTED)]
    assert found.startswith("a log with tasks but no run id")
    # Its tasks are kept, in a run of their own.
    tasks = query(database, "SELECT count(*) FROM span WHERE type = 'parsl.rundir.task'")
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, DATA / name)
    assert tasks == query(whole, "SELECT count(*) FROM span WHERE type = 'parsl.rundir.task'") != [(0,)]
    assert dnpc("sources", "--check", "--db", database).exit_code == 1


def test_the_log_of_a_child_process_is_no_drift(tmp_path: Path) -> None:
    log = tmp_path / "parsl.log"
    log.write_text(PREFIX + "Starting DataFlowKernel with config\n")
    assert drifted(read(log)) == {}


def test_a_log_in_no_known_dialect(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    log = folder / "000" / "cpu" / "interchange.log"
    log.write_text("".join(f"at {line}\n" for line in log.read_text().splitlines()))
    import_logs(database, folder)
    result = dnpc("sources", "--check", "--db", database)
    assert result.exit_code == 1
    assert "000/cpu/interchange.log: none of its first lines is in a known dialect" in result.output


# Reports


def test_what_is_broken_otherwise_is_no_drift(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "runinfo")
    for name in ("000/parsl.log", "001/parsl.jsonlog", "000/htex_Local/interchange.log"):
        log = folder / name
        log.write_bytes(log.read_bytes()[:-1])
    (folder / "monitoring.db").write_bytes(b"no database")
    import_logs(database, folder)
    assert query(database, "SELECT count(*) FROM unmatched") >= [(4,)]
    assert dnpc("sources", "--check", "--db", database).exit_code == 0


def test_the_report_lists_the_most_frequent(tmp_path: Path, database: Path) -> None:
    words = ["".join(word) for word in product("abc", repeat=3)]
    messages = [f"Task {n} {word} \x1b[2J" for n, word in enumerate(words, 1) for _ in range(n)]
    log = log_of(tmp_path / "000", "parsl", messages)
    output = dnpc("import", log, "--db", database).output
    assert f"378 lines of dialect text: {DRIFT}\n" in output
    assert "          27  Task # ccc" in output
    assert "          18  Task # bcc" in output
    assert "Task # bcb" not in output
    assert f"{sum(range(18)):>12}  of 17 other kinds\n" in output
    assert "\x1b" not in output
    listed = dnpc("sources", "--db", database)
    assert listed.exit_code == 0
    assert "of 17 other kinds" in listed.output
    checked = dnpc("sources", "--check", "--db", database)
    assert all(f"  Task # {word} " in checked.output for word in words)
    assert "\x1b" not in checked.output


def test_the_page_shows_drift_first(tmp_path: Path, database: Path) -> None:
    from datasette_dnpc import queries

    log = log_of(tmp_path / "000", "parsl", ["Task 5 naps", *["Workflow startup information: {(}"] * 5])
    dnpc("import", log, "--db", database, "--quiet")
    found = queries.rows(database, "unmatched_report")
    assert [row["count"] for row in found] == [1, 5]
    assert found[0]["template"] == "Task # naps"
    assert {row["format"] for row in found} == {"text"}
    assert {row["run"] for row in found} == {RUN_ID}


def test_check_of_no_database(tmp_path: Path) -> None:
    assert dnpc("sources", "--check", "--db", tmp_path / "none.sqlite3").exit_code == 1
    (tmp_path / "other").write_text("other")
    result = dnpc("sources", "--check", "--db", tmp_path / "other")
    assert result.exit_code == 1 and "No drift" not in result.output


# Parts


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Task 5 sent to 10.0.0.1", "Task # sent to #.#"),
        ("id 4ad4fbd2-1a4c-4b0e-a5f4-5c1c1b9cf8f3 at 0x7f12ab", "id # at #"),
        ("manager b'2d216d98b581' of 'htex'", "manager '#' of '#'"),
        ("it can't be, won't be", "it can't be, won't be"),
        ("waiting on task 7, task 9, task 11", "waiting on task #"),
        ("tasks [1, 2] ([3])", "tasks [#] ([#])"),
        ("names ['a', 'b', 'c'] end", "names ['#'] end"),
        ("Pushing function <function work at 0x7f> to <AppFuture at 0x1 state=<x>>", "Pushing function <#> to <#>"),
        ("slots 2 < 3 -> more", "slots # < # -> more"),
        ("in /home/alice/runinfo/000/parsl.log, tcp://127.0.0.1:5000 too", "in # too"),
        ("info {'a': [1, {'b': 2}]} end", "info {#} end"),
        ("info {'a': [1, {'b'", "info {#}"),
        ('{"a": 1, "b": "c"}', '{"a": #, "b": "c"}'),
        ("Task 0 submitted for App work, not", "Task # submitted for App #, not"),
        ("on executor htex_Local with executor id 5", "on executor # with executor id #"),
        ("executor task 5 of type a.B", "executor task # of type #"),
        ("state from pending to launched", "state from # to #"),
        ("z" * 300, "z" * 200),
    ],
)
def test_template(text: str, kind: str) -> None:
    assert template(text) == kind


ALL_PATTERNS = parsl_log.PATTERNS + htex.PATTERNS


def test_alternatives_match_what_any_matches() -> None:
    regexes = [unnamed(pattern.regex) for pattern in ALL_PATTERNS]
    regexes += [rb"Task \d+ (?:a|b)$", rb"Task \d+ x{2,3}y", rb"Task \d+ x+", rb"\[a\]\\b[(|]", rb"\x41b", rb"\x42b"]
    joined = re.compile(alternatives(regexes))
    each = [re.compile(regex) for regex in regexes]
    logs = [*DATA.glob("**/parsl.*log"), *DATA.glob("**/interchange.log"), *DATA.glob("**/worker_0.log")]
    messages = {record.message.encode() for log in logs for record in read_records(log)}
    messages |= {b"Task 5 a", b"Task 5 ac", b"Task 5 xxy", b"Task 5 x", b"Task 5 y", b"[a]\\b|", b"Ab", b"Bb", b"ab"}
    outcomes: Counter[bool] = Counter()
    for message in messages:
        expected = any(regex.match(message) for regex in each)
        assert (joined.match(message) is not None) == expected, message
        outcomes[expected] += 1
    assert min(outcomes.values()) > 100


def test_a_shorter_alternative_decides() -> None:
    joined = re.compile(alternatives([b"abc", b"ab", b"x"]))
    assert [bool(joined.match(text)) for text in (b"abd", b"abc", b"a", b"x")] == [True, True, False, True]


def test_marks_tell_the_first_that_matches() -> None:
    regexes = [rb"a\d+ x", rb"b", rb"a\d+ x?y", rb"a\d+ ", rb"a\d+ z", rb"a"]
    joined = re.compile(marked(regexes))
    assert joined.groups == len(regexes)
    expected = {b"a1 x": 1, b"b": 2, b"a1 xy": 1, b"a1 y": 3, b"a1 z": 4, b"a1": 6, b"a": 6, b"c": None}
    assert {text: (match := joined.match(text)) and match.lastindex for text in expected} == expected


def test_marks_of_all_patterns_tell_what_trying_one_after_the_other_does() -> None:
    logs = [*DATA.glob("**/parsl.*log"), *DATA.glob("**/interchange.*log"), *DATA.glob("**/*_0.*log")]
    messages = {record.message.encode() for log in logs for record in read_records(log)}
    for patterns in (parsl_log.PATTERNS, htex.PATTERNS):
        joined = re.compile(marked(unnamed(pattern.regex) for pattern in patterns), re.MULTILINE)
        assert joined.groups == len(patterns)
        told: Counter[int | None] = Counter()
        for message in messages:
            first = next((i for i, pattern in enumerate(patterns, 1) if pattern.compiled.match(message)), None)
            match = joined.match(message)
            assert (match and match.lastindex) == first, message
            told[first] += 1
        assert len(told) > 10


# One pass over a block, against a search for the literal of each pattern


def by_searching(patterns: tuple[Any, ...], data: bytes, dialect: str) -> list[tuple[int, float, bytes, Any]]:
    """Return the hits of a block that starts at byte 1000, as the slower way finds them."""
    batch = Batch("", format=dialect)
    groups = by_literal(patterns)
    found = [hit for group in groups for hit in logfile.hits(logfile.Block(1000, data), group, EPOCH, batch, True)]
    return sorted((hit.offset, hit.time, hit.match[0], hit.pattern) for hit in found)


def by_one_pass(patterns: tuple[Any, ...], data: bytes, dialect: str) -> list[tuple[int, float, bytes, Any]]:
    known = PARSL_KNOWN if patterns is parsl_log.PATTERNS else HTEX_KNOWN
    found = [record for record in records_of(watch(patterns, known), data, dialect) if isinstance(record, Hit)]
    return [(hit.offset, hit.time, hit.match[0], hit.pattern) for hit in found]


COMPONENTS = ("parsl", "interchange", "manager", "worker_0")
LOGS = sorted(log for sample in SAMPLES for log in (DATA / sample).glob("**/*log") if log.stem in COMPONENTS)


@pytest.mark.parametrize("log", LOGS, ids=[log.relative_to(DATA).as_posix() for log in LOGS])
def test_one_pass_finds_what_searching_finds(log: Path) -> None:
    patterns = parsl_log.PATTERNS if log.stem == "parsl" else htex.PATTERNS
    data = log.read_bytes()
    dialect = logfile.dialect(logfile.Block(0, data))
    expected = by_searching(patterns, data, dialect)
    assert len(expected) >= 3
    assert by_one_pass(patterns, data, dialect) == expected


PREFIXES = [
    PREFIX, LOCAL, "1795397698.5 ", "1795397698.5 INFO: ", "1795397698.5 a b INFO: ", "17953976980.5 x: ", "-5.5 x: ",
    PREFIX.replace("MainThread", "a:b"), PREFIX.replace("MainThread", "Thread-5 (a b)"),
    PREFIX.replace(".766988", ".7"), "1795397698.766988 2026-11-23 01:34:58 a INFO: ",
    PREFIX.replace(".766988", ".766988123"), PREFIX.replace("MainThread", "x" * 3 * FEW_COLONS), "x ", "",
    "2026-11-23 01:34:58.123 INFO ]  ", LOCAL.replace("MainThread", "a]b"),
]  # fmt: skip
SAID = ["Putting task 5 onto pending_task_queue", f"Sent tasks: [1] to manager b'{MANAGER}'", "", ":", "x: y",
        "leaving worker message section", "Put task 6 onto pending_task_queue: x", "Removing task 7",
        "x: Put task 8 onto pending_task_queue"]  # fmt: skip


@pytest.mark.parametrize("dialect", ["text", "text local", "unknown"])
def test_one_pass_finds_what_searching_finds_whatever_the_prefix(dialect: str) -> None:
    """Any line may follow any other, and take it for part of its own prefix."""
    lines = [prefix + said + "\n" for prefix in PREFIXES for said in SAID]
    chosen = random.Random(6)
    for _ in range(300):
        data = "".join(chosen.choices(lines, k=8)).encode()
        expected = by_searching(htex.INTERCHANGE_PATTERNS, data, dialect)
        assert by_one_pass(htex.INTERCHANGE_PATTERNS, data, dialect) == expected, data


def test_a_block_with_few_colons_is_read_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line begins as a record does, and the next colon is far: searching from each would take their square."""
    data = b"1795397698.766988 nothing\n" * 40_000 + f"{PREFIX}Putting task 5 onto pending_task_queue\n".encode()
    watched = Watch(htex.INTERCHANGE_PATTERNS, HTEX_KNOWN)
    monkeypatch.setattr(Watch, "_epoch_stops", None)  # which would be that search
    (hit,) = records_of(watched, data, "text")
    assert (hit.offset, hit.match["task"]) == (1000 + 26 * 40_000, b"5")


@pytest.mark.parametrize("known", [*PARSL_KNOWN, *HTEX_KNOWN])
def test_each_known_message_is_needed_once(known: str) -> None:
    """A known message is no event, so no pattern takes it, and it is in a table once."""
    said = known.rstrip("$").replace("#", "5").replace("*", "word")
    assert not any(pattern.compiled.match(said.encode()) for pattern in ALL_PATTERNS)
    for table in (PARSL_KNOWN, HTEX_KNOWN):
        assert sum(said.startswith(other) for other in table if not set("#*$") & set(other)) <= 1


def test_a_watch_is_made_once() -> None:
    assert watch(parsl_log.PATTERNS, PARSL_KNOWN) is watch(parsl_log.PATTERNS, PARSL_KNOWN)


def records_of(watched: Watch, data: bytes, dialect: str) -> list[Any]:
    """Return what is found in a block that starts at byte 1000."""
    return list(watched.records(logfile.Block(1000, data), EPOCH, Batch("", format=dialect)))


def test_every_dialect_of_a_block_is_watched() -> None:
    watched = watch(htex.INTERCHANGE_PATTERNS, HTEX_KNOWN)
    data = (PREFIX + "Task 5 naps\n" + LOCAL + "Task 6 naps\n" + "- task 7 naps\n").encode()
    lines = list(records_of(watched, data, "text"))
    assert [(line.offset, line.message) for line in lines] == [
        (1000, b"Task 5 naps"),
        (1000 + len(PREFIX + "Task 5 naps\n"), b"Task 6 naps"),
    ]
    assert [line.text for line in lines] == [data.splitlines()[0], data.splitlines()[1]]
