"""METRIC lines, in the logs of Parsl and in any other: compared with what simple code reads of the same lines."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from importers import metric_lines
from importers.formats import FORMATS
from importers.pattern import Hit
from importers.reading import read_source
from importers.rows import Batch
from importers.runs import read_run
from importers.sources import Source, find_sources
from importers.times import clock_of_name
from tests import runs
from tests.imports import copied, differences, dnpc, every_row, import_logs, query, readable, text_of
from tests.runs import DATA

Samples = Counter[tuple[str, str, str, float, float]]
"""(span type, log and id, metric, time, value), and how often."""

PREFIX = "{:.6f} 2022-11-25 13:33:14 MainProcess-30062 FlowControl-Thread-1400 parsl.x:217 f DEBUG: "
START = 1795397700.0

METRICS = [
    "METRIC STRATEGY htex_Local active_tasks=3 running_blocks=2",
    "METRIC STRATEGY htex_Local active_tasks=0 running_blocks=-1.5",
    "METRIC STRATEGY _parsl_internal active_tasks=1e-3 running_blocks=+.5",
    "METRIC COUNTED_DEPS 3 total=7 outstanding=2",
    "METRIC COUNTED_DEPS 4 total=0 outstanding=0",
    "METRIC GATHERED_DEPS 3 depends=5.0E+2",
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def text_lines(*messages: str) -> str:
    return "".join(PREFIX.format(START + i) + message + "\n" for i, message in enumerate(messages))


def json_lines(*messages: str) -> str:
    return "".join(text_of({"created": START + i, "formatted": text}) for i, text in enumerate(messages))


def local_lines(*messages: str) -> str:
    """The dialect of HTEX until January 2026, in UTC-06:00."""
    return "".join(
        f"2026-11-23 01:35:{i:02}.000 interchange:485 HTEX-Interchange(18277) MainThread f [DEBUG]  {message}\n"
        for i, message in enumerate(messages)
    )


LOCAL_START = 1795397700.0 + 6 * 3600
"""2026-11-23 01:35:00 in UTC-06:00."""


def expected(log: str, *messages: str, start: float = START) -> Samples:
    """Read METRIC lines that are as they should be, one second after the other."""
    found: Samples = Counter()
    for i, message in enumerate(messages):
        if message.startswith("METRIC "):
            _, kind, span_id, *pairs = message.split()
            for name, value in (pair.split("=") for pair in pairs):
                found[f"metric.{kind}", f"{log}/{span_id}" if log else span_id, name, start + i, float(value)] += 1
    return found


def samples(database: Path, run: str = "%") -> Samples:
    return Counter(
        query(
            database,
            """SELECT span.type, spans.key, metrics.name, samples.time, value
               FROM samples JOIN spans ON spans.id = span JOIN span ON span.uuid = spans.uuid
               JOIN metrics ON metrics.id = metric JOIN runs ON runs.id = spans.run
               WHERE span.type LIKE 'metric.%' AND runs.key LIKE ?""",
            run,
        )
    )


def appended(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def subspans(database: Path) -> set[tuple[str, str, str, str]]:
    return set(
        query(
            database,
            """SELECT s.type, a.key, t.type, b.key FROM subspans
               JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
               JOIN span s ON s.uuid = a.uuid JOIN span t ON t.uuid = b.uuid WHERE t.type LIKE 'metric.%'""",
        )
    )


def source_of(path: Path) -> Source | None:
    read_run.cache_clear()
    return next(iter(find_sources([path], FORMATS.values(), [], Counter())), None)


@pytest.mark.parametrize(
    ("number", "log", "lines"),
    [
        ("000", "parsl.log", text_lines),
        ("001", "parsl.jsonlog", json_lines),
        ("000", "htex_Local/interchange.log", text_lines),
        ("001", "htex_Local/interchange.jsonlog", json_lines),
        ("000", "htex_Local/block-0/2d216d98b581/manager.log", text_lines),
        ("000", "htex_Local/block-0/2d216d98b581/worker_0.log", text_lines),
    ],
)
def test_lines_in_the_logs_of_a_run(tmp_path: Path, database: Path, number: str, log: str, lines: Any) -> None:
    folder = copied(DATA / "runinfo", tmp_path / "runinfo")
    before = tmp_path / "before.sqlite3"
    import_logs(before, folder)
    appended(folder / number / log, lines(*METRICS))
    import_logs(database, folder)
    run = runs.read_run(DATA / "runinfo" / number)
    assert run.run_id
    assert samples(database) == samples(database, run.run_id) == expected(log, *METRICS)
    # A task and an executor hold what is said of them; the other spans are as they were.
    assert subspans(database) == {
        ("parsl.rundir.executor", "htex_Local", "metric.STRATEGY", f"{log}/htex_Local"),
        ("parsl.rundir.executor", "_parsl_internal", "metric.STRATEGY", f"{log}/_parsl_internal"),
        ("parsl.rundir.task", "3", "metric.COUNTED_DEPS", f"{log}/3"),
        ("parsl.rundir.task", "4", "metric.COUNTED_DEPS", f"{log}/4"),
        ("parsl.rundir.task", "3", "metric.GATHERED_DEPS", f"{log}/3"),
    }
    assert readable(database)["event"] == readable(before)["event"]
    assert readable(database)["variants"] == readable(before)["variants"]
    assert query(database, "SELECT sum(count) FROM unmatched") == query(before, "SELECT sum(count) FROM unmatched")
    # A source gets its metric spans' joins, though they have no events.
    joins = query(
        database,
        """SELECT path, l.name, r.name, made, missing FROM joins JOIN sources ON sources.id = source
           JOIN span_types l ON l.id = left_type JOIN span_types r ON r.id = right_type
           WHERE l.name LIKE 'metric.%' OR r.name LIKE 'metric.%'""",
    )
    made = {("parsl.rundir.executor", "metric.STRATEGY", 2), ("parsl.rundir.task", "metric.COUNTED_DEPS", 2),
            ("parsl.rundir.task", "metric.GATHERED_DEPS", 1)}  # fmt: skip
    own = runs.find_log(folder / number, "parsl")
    assert own
    assert set(joins) == {(f"{number}/{own.name}", outer, inner, count, 0) for outer, inner, count in made} | {
        (f"{number}/{log}", inner, outer, count, 0) for outer, inner, count in made
    }
    assert query(
        database,
        "SELECT DISTINCT began, ended FROM spans JOIN span USING (uuid) WHERE span.type LIKE 'metric.%'",
    ) == [(None, None)]


def test_local_lines_are_read_by_the_clock_of_the_run(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "htex-chicago", tmp_path / "r")
    log = "htex_Local/interchange.log"
    (folder / "000" / log).write_text(local_lines(*METRICS))
    import_logs(database, folder)
    assert samples(database) == expected(log, *METRICS, start=LOCAL_START)


def test_samples_move_with_the_clock(tmp_path: Path, database: Path) -> None:
    """The run's log, imported later, shows that the guess was wrong."""
    folder = copied(DATA / "htex-chicago", tmp_path / "r")
    log = "htex_Local/interchange.log"
    (folder / "000" / log).write_text(local_lines(*METRICS))
    alone = copied(folder / "000" / "htex_Local", tmp_path / "alone" / "htex_Local").parent
    for path in alone.rglob("*.log"):
        if path.name != "interchange.log":
            path.unlink()
    # The monitoring.db tells the run of a manager, so the log needs one of them.
    (manager,) = {path.parent.name for path in folder.rglob("manager.log")}
    named = f"Registered manager b'{manager}' (py3.11, 2026.10.26) and added to ready queue"
    appended(alone / "htex_Local" / "interchange.log", local_lines(named))
    appended(folder / "000" / log, local_lines(named))
    import_logs(database, folder / "monitoring.db", alone, clock=clock_of_name("UTC"))
    assert samples(database) == expected(log, *METRICS, start=START)
    import_logs(database, folder / "000" / "parsl.log", clock=clock_of_name("UTC"))
    assert samples(database) == expected(log, *METRICS, start=LOCAL_START)


# Logs that nobody else knows


@pytest.mark.parametrize("name", ["my.log", "stdout.txt", "task.out", "task.err", "my.jsonlog"])
@pytest.mark.parametrize("folder", ["", "logs", "htex_Local/block-0/2d216d98b581"])
def test_a_log_in_a_run_directory(tmp_path: Path, database: Path, name: str, folder: str) -> None:
    run_directory = copied(DATA / "runinfo" / "000", tmp_path / "000")
    path = run_directory / folder / name
    path.parent.mkdir(exist_ok=True)
    lines = json_lines if name.endswith("jsonlog") else text_lines
    path.write_text(lines("hello", *METRICS, "bye"))
    import_logs(database, run_directory)
    log = f"{folder}/{name}".lstrip("/")
    run_id = runs.read_run(run_directory).run_id
    assert run_id
    assert samples(database, run_id) == samples(database) == expected(log, "hello", *METRICS)
    assert query(database, "SELECT importer, path, records FROM sources WHERE path LIKE ?", f"%{name}") == [
        ("metric_lines", f"000/{log}", len(METRICS))
    ]
    assert len(subspans(database)) == 5


PREFIXES = [
    "{:.6f} ",
    "{:.1f} 2022-11-25 13:33:14 ",
    "{:.6f} 2022-08-03 11:26:35 DEBUG MainProcess-2 MainThread-140 some.logger:57 f ",
    "{:.6f} a: b]  c: d ",
    "{:.6f} \t",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_log_of_its_own_with_any_prefix(tmp_path: Path, database: Path, prefix: str) -> None:
    path = tmp_path / "my.log"
    path.write_text("# made by me\n" + "".join(prefix.format(START + i) + m + "\n" for i, m in enumerate(METRICS)))
    import_logs(database, path)
    assert samples(database) == expected("", *METRICS)
    assert query(database, "SELECT sum(count) FROM unmatched") == [(None,)]
    # It is the same wherever it lies, whatever its name, and as it grows.
    moved = tmp_path / "elsewhere" / "renamed.txt"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    rows = every_row(database)
    assert [source.name for source in import_logs(database, moved).unchanged] == ["renamed.txt"]
    assert every_row(database) == rows
    more = "METRIC STRATEGY later x=1"
    appended(moved, prefix.format(START + 6) + more + "\n")
    import_logs(database, moved)
    assert samples(database) == expected("", *METRICS, more)
    assert query(database, "SELECT count(*) FROM sources") == [(1,)]


def test_local_time_in_a_log_of_its_own(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "my.log"
    path.write_text("".join(f"2026-11-23 01:35:{i:02},000 {m}\n" for i, m in enumerate(METRICS)))
    import_logs(database, path, clock=clock_of_name("-06:00"))
    assert samples(database) == expected("", *METRICS, start=LOCAL_START)
    assert query(database, "SELECT zone, evidence FROM clocks") == [("UTC-06:00", "option")]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no such lines\n",
        "METRIC STRATEGY x a=1\n",
        "a line without time METRIC STRATEGY x a=1\n",
        "1795397700.5 MYMETRIC STRATEGY x a=1\n",
        "1795397700.5 METRICS STRATEGY x a=1\n",
        "1795397700.5 METRIC STRATEGY x a=1",
        '{"created": 1, "formatted": "METRICS a"}\n',
    ],
)
def test_a_log_without_such_a_line_is_not_taken(tmp_path: Path, content: str) -> None:
    path = tmp_path / "my.log"
    path.write_text(content)
    assert metric_lines.find(path) is None


@pytest.mark.parametrize("name", ["my.csv", "my", "my.log.gz", "core"])
def test_files_of_other_kinds_are_not_searched(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(text_lines(*METRICS))
    assert metric_lines.find(path) is None


def test_a_line_is_found_across_blocks_and_after_very_long_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.setattr(metric_lines, "_BLOCK", 50)
    monkeypatch.setattr(metric_lines, "_LINE_KEPT", 120)
    path = tmp_path / "my.log"
    path.write_text("x" * 1000 + "\n" + "y\n" * 60 + text_lines(METRICS[0]))
    assert metric_lines.find(path) is not None
    import_logs(database, path)
    assert samples(database) == expected("", METRICS[0])


def test_other_importers_keep_their_logs(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    for path in folder.rglob("*.log"):
        appended(path, text_lines(METRICS[0]))
    import_logs(database, folder)
    assert query(database, "SELECT count(*) FROM sources WHERE importer = 'metric_lines'") == [(0,)]
    logs = [path.relative_to(folder / "000").as_posix() for path in folder.rglob("*.log")]
    assert len(logs) >= 9
    assert sum(map(Counter.total, (samples(database),))) == 2 * len(logs)
    # Named on the command line, it reads the same samples itself.
    other = tmp_path / "other.sqlite3"
    import_logs(other, folder, importer="metric_lines")
    assert samples(other) == samples(database)


def test_order_and_repetition_do_not_matter(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "runinfo" / "000", tmp_path / "000")
    appended(folder / "parsl.log", text_lines(*METRICS))
    (folder / "my.log").write_text(text_lines(*METRICS))
    import_logs(database, folder)
    first = every_row(database)
    import_logs(database, folder)
    assert every_row(database) == first
    paths = sorted(path for path in folder.rglob("*") if source_of(path))
    for number, order in enumerate((paths, paths[::-1])):
        other = tmp_path / f"{number}.sqlite3"
        for path in order:
            import_logs(other, path)
        assert differences(readable(other), readable(database)) == {}
    jobs = tmp_path / "jobs.sqlite3"
    import_logs(jobs, folder, jobs=2)
    assert every_row(jobs) == first


# Bad lines


BAD: list[tuple[str, Samples | None]] = [
    ("METRIC STRATEGY a x=1 y=nan", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 y=", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 =2", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 y=1_000", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 y=0x10", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 y=\N{ARABIC-INDIC DIGIT FIVE}", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 y=2=3", expected("", "METRIC STRATEGY a x=1")),
    ("METRIC STRATEGY a x=1 waffle z=2", expected("", "METRIC STRATEGY a x=1 z=2")),
    ("METRIC STRATEGY a x=1e999 z=2", expected("", "METRIC STRATEGY a z=2")),
    ("METRIC STRATEGY a x=" + "9" * 400 + " z=2", expected("", "METRIC STRATEGY a z=2")),
    ("METRIC STRATEGY a x=" + "9" * 10_000 + " z=2", expected("", "METRIC STRATEGY a z=2")),
    ("METRIC STRATEGY a x=True", None),
    ("METRIC STRATEGY a x=1e", None),
    ("METRIC STRATEGY a", None),
    ("METRIC STRATEGY", None),
    ("METRIC STRATEGY x=1", None),
    ("METRIC ", None),
    ("METRIC  ", None),
    ("METRIC ST/RATEGY a x=1", None),
    ("METRIC " + "T" * 101 + " a x=1", None),
    ("METRIC STRATEGY " + "a" * 301 + " x=1", None),
    ("METRIC STRATEGY a " + "x" * 301 + "=1", None),
    ("METRIC \ufffd a x=1", None),
]


@pytest.mark.parametrize("lines", [text_lines, json_lines])
@pytest.mark.parametrize(("message", "found"), BAD, ids=lambda x: x[:40] if isinstance(x, str) else "")
def test_bad_lines(tmp_path: Path, database: Path, message: str, found: Samples | None, lines: Any) -> None:
    path = tmp_path / "my.log"
    intact = "METRIC STRATEGY b x=5"
    path.write_text(lines(message, intact))
    import_logs(database, path)
    assert samples(database) == (found or Counter()) + expected("", intact, start=START + 1)
    assert query(database, "SELECT sum(count) FROM unmatched") == [(1,)]
    assert query(database, "SELECT records, unmatched FROM sources") == [(1 + bool(found), 1)]
    # The importers of Parsl's logs say the same.
    run_directory = copied(DATA / "two-htex" / "000", tmp_path / "000")
    appended(run_directory / "cpu" / "interchange.log", text_lines(message, intact))
    other = tmp_path / "other.sqlite3"
    import_logs(other, run_directory)
    assert {row[2:] for row in samples(other)} == {row[2:] for row in samples(database)}
    assert query(other, "SELECT sum(count) FROM unmatched") == [(1,)]


def test_a_sample_is_of_the_run_that_the_line_is_of() -> None:
    """Where two DataFlowKernels share a process, a log holds lines of both."""
    batch = Batch("one")
    match = metric_lines.PATTERN.compiled.match(METRICS[0].encode())
    assert match and metric_lines.add_metric(batch, Hit(0, START, match, metric_lines.PATTERN), "parsl.log", run="two")
    assert batch.span_runs == ["two"]


def test_an_executor_whose_label_has_spaces(tmp_path: Path, database: Path) -> None:
    (tmp_path / "my.log").write_text(text_lines("METRIC STRATEGY my own one x=1"))
    import_logs(database, tmp_path / "my.log")
    assert samples(database) == Counter({("metric.STRATEGY", "my own one", "x", START, 1.0): 1})


@pytest.mark.parametrize("time", ["-1.5", "100000000001.0", "999999999999.0", "0.0", "100000000000.0"])
def test_times_far_off(tmp_path: Path, database: Path, time: str) -> None:
    (tmp_path / "my.log").write_text(f"{time} METRIC STRATEGY a x=1\n" + text_lines("METRIC STRATEGY b x=1"))
    import_logs(database, tmp_path / "my.log")
    kept = 0 <= float(time) <= 1e11
    assert len(samples(database)) == 1 + kept
    assert query(database, "SELECT coalesce(sum(count), 0) FROM unmatched") == [(1 - kept,)]


def test_a_local_time_that_is_none(tmp_path: Path, database: Path) -> None:
    (tmp_path / "my.log").write_text("2026-02-30 01:35:00,000 METRIC STRATEGY a x=1\n" + text_lines(METRICS[0]))
    import_logs(database, tmp_path / "my.log")
    assert samples(database) == expected("", METRICS[0])
    assert query(database, "SELECT sum(count) FROM unmatched") == [(1,)]


@pytest.mark.parametrize(
    "junk",
    [b"\0", b"\xff\xfe", b"\r", b"\x85", b"x" * 10_000_000, b"\n\n\n", b"METRIC " * 100_000, b'{"created": "METRIC ',
     b'{"a": ' * 50_000 + b" METRIC ", b'{"created": NaN, "formatted": "METRIC S a x=1"}'],
    ids=lambda junk: repr(junk[:20]),
)  # fmt: skip
def test_bytes_of_all_kinds(tmp_path: Path, database: Path, junk: bytes) -> None:
    intact = text_lines(METRICS[0]).encode()
    lines = [intact, junk, intact[:-1] + b" " + junk, b"1795397700.5 METRIC S " + junk + b" x=1", junk + intact]
    (tmp_path / "my.log").write_bytes(b"\n".join(lines) + b"\n" + intact.replace(b"htex_Local", b"last"))
    assert dnpc("import", tmp_path / "my.log", "--db", database).exit_code == 0
    found = {row[1] for row in samples(database)}
    assert {"htex_Local", "last"} <= found


def test_a_log_cut_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "my.log"
    whole = text_lines("hello", *METRICS[:4])
    lines = whole.splitlines(keepends=True)
    for size in range(len(whole) + 1):
        path.write_text(whole[:size])
        complete = sum(len("".join(lines[:n])) <= size for n in range(1, len(lines) + 1))
        source = source_of(path)
        if complete < 2:
            assert source is None
            continue
        assert source is not None
        batch = read_source(source).batch
        assert batch.records == complete - 1
        found = Counter((batch.span_types[s], batch.keys[s], n, t, v) for s, n, t, v in batch.samples)
        assert found == expected("", "hello", *METRICS[: complete - 1])
        assert bool(batch.unmatched) == (not whole[:size].endswith("\n"))


def test_every_metric_span_says_its_id(tmp_path: Path, database: Path) -> None:
    (tmp_path / "my.log").write_text(text_lines(*METRICS))
    import_logs(database, tmp_path / "my.log")
    found = query(database, "SELECT key, attributes FROM spans")
    assert {key: json.loads(attributes) for key, attributes in found} == {
        m.split()[2]: {"id": m.split()[2]} for m in METRICS
    }


def test_the_words_in_other_messages_are_no_metric(tmp_path: Path, database: Path) -> None:
    """In a log of Parsl, METRIC begins the message: an app may be called anything."""
    folder = copied(DATA / "two-htex" / "000", tmp_path / "000")
    appended(
        folder / "parsl.log", text_lines("Task 77 submitted for App METRIC S a x=1, not waiting on any dependency")
    )
    import_logs(database, folder)
    assert samples(database) == Counter()
    assert query(database, "SELECT attributes FROM spans JOIN span USING (uuid) WHERE key = '77'") == [
        ('{"app": "METRIC S a x=1"}',)
    ]
    assert re.fullmatch(r"METRIC \(\?P<metric>.*\)", metric_lines.PATTERN.regex.decode())
