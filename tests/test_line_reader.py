"""Logs of any form, read by a table of patterns: lines, times, and what must not harm them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers import stall
from importers.line_reader import LineTime, Moment, read_lines
from importers.pattern import Pattern
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from tests.imports import copied, dnpc, query
from tests.own_formats import (
    MICRO,
    RUN_ID,
    TOML,
    WHOLE,
    changed,
    events_in,
    named,
    own,
    read_with,
    rejected,
    run_of,
    runs_and_logs,
    write,
)
from tests.runs import DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runs_and_logs(tmp_path)


def test_a_log_cut_at_every_byte(tmp_path: Path) -> None:
    """Only whole lines count: 'step=1' may be the start of 'step=12'."""
    run_of(tmp_path)
    lines = [b"# myapp 1.0\n", b"1795397707.25 step=1 begins\n", b"1795397707.5 step=1 ends residual=0.25\n",
             b"1795397707.75 step=12 begins\n", b"noise\n", b"1795397708.5 step=12 ends\n"]  # fmt: skip
    kinds = {1: ("12/1", 1795397707.25, "begins"), 2: ("12/1", 1795397707.5, "ends"),
             3: ("12/12", 1795397707.75, "begins"), 5: ("12/12", 1795397708.5, "ends")}  # fmt: skip
    whole = b"".join(lines)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    for size in range(len(whole) + 1):
        batch = read_with(TOML, whole[:size], tmp_path)
        count = sum(end <= size for end in starts[1:])
        assert events_in(batch) == sorted((*kinds[n], starts[n]) for n in range(count) if n in kinds)
        assert ("last line is incomplete" in rejected(batch)) == (size not in starts)
        assert rejected(batch) or count > 1


HOSTILE = [
    b"\0" * 100 + b"\n", b"\xff\xfe step=2 begins\n", b"1795397707.25\n", b"\n\n\n", b"\r\n",
    b"9" * 400 + b".5 step=2 begins\n", b"nan step=2 begins\n", b"inf step=2 begins\n",
    b"1e999 step=2 begins\n", b"-5.0 step=2 begins\n", b"100000000001.5 step=2 begins\n",
    b"step=2 begins\n", b"1795397707.25 step= begins\n", b"x" * 3_000_000 + b" step=2 begins\n",
    "\u0661795397707.25 step=2 begins\n".encode(), b"\x1b[2J\x00 step=2 begins\n",
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:20]))
@pytest.mark.parametrize("literal", ["begins", "(?:begins)"])
def test_a_hostile_line_harms_no_other(tmp_path: Path, line: bytes, literal: str) -> None:
    """Patterns are found by their literal text, or by a look at every line."""
    run_of(tmp_path)
    text = changed(("begins'", f"{literal}'"), (" ends(?", " (?:ends)(?"))
    batch = read_with(text, WHOLE + line + WHOLE.replace(b"25", b"75"), tmp_path)
    found = events_in(batch)
    assert (found[0][:3], found[-1][:3]) == (("12/1", 1795397707.25, "begins"), ("12/1", 1795397707.75, "begins"))
    assert len(found) == 2
    has_match = re.search(rb"step=\d+ begins", line) is not None
    assert bool(rejected(batch)) == has_match


@MICRO
@given(st.lists(st.binary(max_size=60) | st.sampled_from([WHOLE, b"step=1 ends\n", b"1795397707.5 step=3 ends\n"])))
def test_any_bytes_at_all(tmp_path: Path, pieces: list[bytes]) -> None:
    if not (tmp_path / "runinfo").exists():
        run_of(tmp_path)
    log = b"".join(pieces)
    batch = read_with(TOML, log, tmp_path)
    expected = []
    for line in log.split(b"\n")[:-1]:
        time = re.search(rb"^(\d+\.\d+) ", line)
        rest = line[time.end() :] if time else b""
        expected += [
            (f"12/{found[1].decode()}", float(time[1]), event)
            for event in ("begins", "ends")
            if time and float(time[1]) <= 1e11 and (found := re.search(rb"step=(\d+) " + event.encode(), rest))
        ]
    assert [event[:3] for event in events_in(batch)] == sorted(expected)


def test_lines_without_time_are_kept_as_unmatched(tmp_path: Path) -> None:
    run_of(tmp_path)
    batch = read_with(TOML, b"at noon step=1 begins\n" + WHOLE, tmp_path)
    assert rejected(batch) == ["a line that a pattern matches, without a time that can be"]
    assert len(batch.event_times) == 1


def test_a_log_that_no_pattern_fits_says_so(tmp_path: Path) -> None:
    run_of(tmp_path)
    batch = read_with(TOML, b"first line\nsecond line\n", tmp_path)
    ((reason, _), first) = next(iter(batch.unmatched.items()))
    assert reason == "no line is as a pattern says" and first.text == "first line"


def test_every_pattern_that_matches_a_line_counts(tmp_path: Path) -> None:
    run_of(tmp_path)
    batch = read_with(TOML, b"1795397707.25 step=2 begins, step=1 ends\n", tmp_path)
    assert [event[:3] for event in events_in(batch)] == [
        ("12/1", 1795397707.25, "ends"),
        ("12/2", 1795397707.25, "begins"),
    ]


def test_a_pattern_sees_the_message_alone(tmp_path: Path) -> None:
    """Neither the time, nor the next line, nor the carriage return of another system."""
    run_of(tmp_path)
    text = changed((r"step=(?P<step>\d+) begins", r"^step=(?P<step>\d+)\s+begins$"))
    batch = read_with(text, b"1795397707.25 step=1 begins\r\n1795397707.5 step=2 \nbegins\n", tmp_path)
    assert [event[:3] for event in events_in(batch)] == [("12/1", 1795397707.25, "begins")]


LIST = r"""
name = "myapp"
files = ["*.stdout"]
time = '^(?P<time>\d+\.\d+) '

[[patterns]]
regex = 'stage=(?P<stage>\w+)(?: on (?P<host>\w+))? does \[(?P<items>[^\]]*)\]'
span = ["myapp.item", "stage", "items"]
event = "done"
each = "items"
parents = [["myapp.stage", "stage"], ["myapp.host", "host"], ["myapp.all"]]
attributes = ["host"]
"""


def test_a_line_that_tells_of_a_list(tmp_path: Path) -> None:
    run_of(tmp_path)
    log = b"1.5 stage=a on n1 does [1, 2,3,]\n2.5 stage=b does [1]\n3.5 stage=c does []\n"
    batch = read_with(LIST, log, tmp_path)
    assert [event[:3] for event in events_in(batch)] == [
        ("a/1", 1.5, "done"),
        ("a/2", 1.5, "done"),
        ("a/3", 1.5, "done"),
        ("b/1", 2.5, "done"),
    ]
    assert all(above >= 0 for above, _ in batch.subspans)
    nested = {(batch.span_types[a], batch.keys[a], batch.keys[b], key) for (a, b), key in batch.subspans.items()}
    items = ["1", "2", "3"]
    assert nested == {
        *(("myapp.stage", "a", f"a/{item}", item) for item in items),
        *(("myapp.host", "n1", f"a/{item}", item) for item in items),
        *(("myapp.all", RUN_ID, f"a/{item}", item) for item in items),
        ("myapp.stage", "b", "b/1", "1"),
        ("myapp.all", RUN_ID, "b/1", "1"),
    }
    assert {batch.keys[span]: json.loads(found) for span, found in batch.attributes_json.items()} == {
        f"a/{item}": {"host": "n1"} for item in items
    }


def test_no_span_lies_in_itself(tmp_path: Path) -> None:
    run_of(tmp_path)
    text = changed(("step=(?P<step>\\d+) begins", "step=(?P<step>\\d+) of (?P<outer>\\d+) begins"),
                   ('"parsl.rundir.task", "task"', '"myapp.step", "task", "outer"'))  # fmt: skip
    batch = read_with(text, b"1.5 step=1 of 2 begins\n2.5 step=2 of 2 begins\n", tmp_path)
    assert [(batch.keys[a], batch.keys[b]) for a, b in batch.subspans] == [("12/2", "12/1")]


def test_an_empty_field_in_the_key_is_no_span(tmp_path: Path) -> None:
    run_of(tmp_path)
    text = changed((r"step=(?P<step>\d+) begins", r"step=(?P<step>\d+)? ?begins"))
    batch = read_with(text, b"1795397707.25 step=begins\n" + WHOLE, tmp_path)
    assert rejected(batch) == ["a field that the span's key needs is empty"]
    assert [event[0] for event in events_in(batch)] == ["12/1"]


MESSAGES = ['says "step=1 begins"', "step=1 ends", "nothing"]


def dialects() -> Iterator[tuple[str, str]]:
    """Yield logs of the known dialects, of the messages a second apart from 1795397704 on."""
    text = "179539770{}.250000 2026-11-23 01:35:04 MainProcess-1 Thread-2 my.app:3 f INFO: {}\n"
    local = "2026-11-23 01:35:0{}.250000 app:3 App(7) MainThread f [INFO]  {}\n"
    yield "text", "".join(text.format(4 + i, message) for i, message in enumerate(MESSAGES))
    yield "text local", "".join(local.format(4 + i, message) for i, message in enumerate(MESSAGES))
    records = ({"created": 1795397704.25 + i, "formatted": message} for i, message in enumerate(MESSAGES))
    yield "jsonlog", "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(("dialect", "log"), list(dialects()), ids=lambda value: value[:10])
@pytest.mark.parametrize(
    "regex", [r"says .step=(?P<step>\d+) begins", r'"step=(?P<step>\d+) begins"$', r"(?i)p=(?P<step>\d) B"]
)
def test_lines_as_parsls_logs_have_them(folder: Path, dialect: str, log: str, regex: str) -> None:
    """A quote stands in JSON otherwise than in text, which the search for literal text must not mind."""
    text = changed(("time = '^(?P<time>\\d+\\.\\d+) '", ""), (r"step=(?P<step>\d+) begins", regex))
    path = write(folder, "0000/task_0004_x.stdout", log)
    database = folder / "db"
    result = dnpc("import", path, "--pattern-file", named(folder, text), "--db", database, "--timezone", "UTC")
    assert result.exit_code == 0, result.output
    assert query(database, "SELECT format FROM sources") == [(dialect,)]
    # The run's own log shows that its clock is UTC-06:00 in the sample made so, else UTC.
    zone = query(database, "SELECT coalesce(max(utc_offset), 0) FROM runs")[0][0]
    begins = 1795397704.25 if dialect != "text local" else datetime(
        2026, 11, 23, 1, 35, 4, 250000, timezone(timedelta(seconds=zone))).timestamp()  # fmt: skip
    assert own(database) == [("4/1", begins, "begins"), ("4/1", begins + 1, "ends")]


# Times

SECONDS = 1795397704.708
UTC = datetime(2026, 11, 23, 1, 35, 4, 708000, timezone.utc)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("seconds", "1795397704.708", (SECONDS, False)),
        ("seconds", "1795397704", (1795397704.0, False)),
        ("milliseconds", "1795397704708", (SECONDS, False)),
        ("microseconds", "1795397704708000", (SECONDS, False)),
        ("nanoseconds", "1795397704708000123", (SECONDS, False)),
        ("seconds", "1_795_397_704", None),
        ("seconds", "nan", None),
        ("seconds", "-5", None),
        ("seconds", "0x10", None),
        ("seconds", "\u0661", None),
        ("iso", "2026-11-23 01:35:04.708", (SECONDS, True)),
        ("iso", "2026-11-23T01:35:04,708000001", (SECONDS, True)),
        ("iso", "2026-11-23T01:35:04.708Z", (SECONDS, False)),
        ("iso", "2026-11-23T01:35:04.708 +00:00", (SECONDS, False)),
        ("iso", "2026-11-22T19:35:04.708-0600", (SECONDS, False)),
        ("iso", "2026-11-23T07:05:04.708+05:30", (SECONDS, False)),
        ("iso", "2026-11-23", None),
        ("iso", "2026-02-30T01:35:04", None),
        ("iso", "0001-01-01T00:00:00", None),
        ("iso", "2026-11-23T01:35:04+24:00", None),
        ("%d/%b/%Y:%H:%M:%S.%f", "23/Nov/2026:01:35:04.708", (SECONDS, True)),
        ("%d/%b/%Y:%H:%M:%S.%f %z", "22/Nov/2026:19:35:04.708 -0600", (SECONDS, False)),
        ("%Y%m%d %I:%M:%S %p", "20261123 01:35:04 PM", (UTC.replace(hour=13, microsecond=0).timestamp(), True)),
        ("%Y%m%d %H:%M", "99999999 00:00", None),
        ("%Y%m%d %H:%M", "00010101 00:00", None),
        ("%Y%m%d %H:%M", "00020101 00:00", (UTC.replace(2, 1, 1, 0, 0, 0, 0).timestamp(), True)),
        ("%Y%m%d %H:%M", "99981231 23:59", (UTC.replace(9998, 12, 31, 23, 59, 0, 0).timestamp(), True)),
        ("%Y%m%d %H:%M", "99990101 00:00", None),
    ],
)
def test_forms_of_times(form: str, text: str, expected: tuple[float, bool] | None) -> None:
    assert UTC.timestamp() == SECONDS
    assert LineTime(rb"(?P<time>.*)", form).moment(text) == expected


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("noon", "'noon' is no form of a time. Give seconds, milliseconds, microseconds, nanoseconds, iso, or a format"
         " of strptime such as '%d/%b/%Y %H:%M:%S'"),
        ("%Y-%m-%d %H:%M %Z", "%Z is not the same on every machine: use %z, or say utc"),
        ("%Y-%m-%d %H:%M %%%Z", "%Z is not the same on every machine: use %z, or say utc"),
        ("%Y-%m-%d %H:%M %%Z", None),
        ("%Y-%m-%d %H:%M:%S.%f %z", None),
        ("%Y-%m-%d", "'%Y-%m-%d' does not say year, month, day, hour and minute"),
        ("%Y-%m-%d %I:%M", "'%Y-%m-%d %I:%M' does not say year, month, day, hour and minute"),
        ("%Y-%d %H:%M", "'%Y-%d %H:%M' does not say year, month, day, hour and minute"),
    ],
)  # fmt: skip
def test_a_format_that_does_not_say_a_time_is_refused(form: str, said: str | None) -> None:
    if said is None:
        assert LineTime(b"(?P<time>.*)", form).form == form
    else:
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            LineTime(b"(?P<time>.*)", form)


def test_a_format_that_cannot_be_read_is_refused_with_what_can() -> None:
    said = "^'%Q %d' is no format of strptime: .*'Q'.* Give seconds, .* such as '%d/%b/%Y %H:%M:%S'$"
    with pytest.raises(ValueError, match=said):
        LineTime(b"(?P<time>.*)", "%Q %d")


def test_lines_with_and_without_a_time() -> None:
    time = LineTime(rb"^(?P<time>\d+\.\d+|noon) ")
    assert time.has_time(b"1.5 begins") and not time.has_time(b"begins 1.5") and not time.has_time(b"noon begins")
    assert time.split(b"1.5 begins") == (Moment(1.5, False), b"begins")
    assert time.split(b"noon begins") == (None, b"begins")
    assert time.split(b"begins") == (None, b"begins")


@pytest.mark.parametrize("stalled", ["pattern", "time"])
def test_what_takes_too_long_is_kept_with_the_line_that_it_took_too_long_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stalled: str
) -> None:
    run_of(tmp_path)
    tried: list[tuple[bool, bytes]] = []
    matched = stall.match

    def match(how: Any, text: Any) -> Any:
        of_time = "time" in how.__self__.groupindex
        if isinstance(text, bytes):
            tried.append((of_time, text))
            if b"slow" in text and (stalled == "time") == of_time:
                raise stall.Stalled
        return matched(how, text)

    monkeypatch.setattr(stall, "match", match)
    # Of a long regular expression, the beginning tells which it is.
    long = r"step=(?P<step>\d+) begins" + "(?:)" * 40
    text = changed((r"step=(?P<step>\d+) begins", long), (r"step=(?P<step>\d+) ends", r"step=(?P<step>\d+) slow ends"))
    log = b"1.5 step=1 begins\n2.5 step=2 begins slow\n3.5 step=3 begins\n4.5 step=4 begins\n"
    batch = read_with(text, log, tmp_path)
    regex = long[:100] if stalled == "pattern" else r"^(?P<time>\d+\.\d+) "
    why = f"a regular expression takes too long on this line, so that it is not used on it and what follows: {regex}"
    found = {reason: (kind.times, kind.offset, kind.text) for (reason, _), kind in batch.unmatched.items()}
    assert found[why] == (1, 18, ("" if stalled == "pattern" else "2.5 ") + "step=2 begins slow")
    # It is not tried on a line after that one.
    assert [event[:2] for event in events_in(batch)] == [("12/1", 1.5)]
    of_time = [text for is_time, text in tried if is_time]
    assert (b"4.5 step=4 begins" in of_time) == (stalled == "pattern")
    assert (False, b"step=3 begins") not in tried


def test_a_regular_expression_with_bytes_that_are_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise stall.Stalled

    monkeypatch.setattr(stall, "match", never)
    monkeypatch.setattr(LineTime, "split", lambda _, line: (Moment(1.5, False), line))
    log = tmp_path / "log"
    log.write_bytes(b"1.5 \xff begins\n")
    source, batch = Source("x", log, "log", Run("run", None, None, "")), Batch("run")
    pattern = Pattern(b"\xff begins", span=("x",), event="began", anywhere=True)
    read_lines(source, batch, lambda _: None, [pattern], LineTime(rb"(?P<time>\d\.\d) "))
    assert [reason.split(": ")[1] for reason in rejected(batch)] == ["\ufffd begins"]


@pytest.mark.parametrize("utc", [False, True])
def test_local_times_are_read_by_the_runs_clock(tmp_path: Path, utc: bool) -> None:
    """The sample was made at UTC-06:00, which its parsl.log shows."""
    runinfo = copied(DATA / "htex-chicago", tmp_path / "runinfo")
    (runinfo / "000/app.log").write_text("2026-11-23 01:35:04 step=1 begins\n")
    text = changed(
        (r"path = 'task_logs/\d+/task_0*(?P<task>\d+)_(?P<app>\w+)\.stdout'", "files = ['app.log']"),
        (r"^(?P<time>\d+\.\d+) '", "^(?P<time>.{19}) '\ntime_format = 'iso'" + "\nutc = true" * utc),
        ('"task", "step"', '"step"'),
        ('"parsl.rundir.task", "task"', '"myapp.run"'),
        ('attributes = ["app"]', ""),
    )
    naive = datetime(2026, 11, 23, 1, 35, 4, 0, timezone.utc).timestamp()
    format_ = ("--pattern-file", named(tmp_path, text))
    for database in (tmp_path / "one", tmp_path / "two"):
        log = runinfo / "000/app.log"
        if database.name == "two":
            # Read by another clock at first, and moved once the run's own log is there.
            moved = tmp_path / "elsewhere/000"
            moved.mkdir(parents=True)
            (moved / "parsl.log").write_bytes(
                re.sub(rb"(?m)^\S+ \S+ \S+ ", b"", (runinfo / "000/parsl.log").read_bytes())
            )
            (moved / "app.log").write_bytes(log.read_bytes())
            options = (*format_, "--timezone", "Asia/Tokyo", "--db", database)
            assert dnpc("import", moved / "app.log", *options).exit_code == 0
            assert own(database) == [("1", naive if utc else naive - 9 * 3600, "begins")]
        assert dnpc("import", runinfo, *format_, "--timezone", "Asia/Tokyo", "--db", database).exit_code == 0
        assert own(database) == [("1", naive if utc else naive + 6 * 3600, "begins")]
        clocks = query(
            database,
            "SELECT zone, evidence FROM clocks JOIN sources ON sources.id = source WHERE importer = 'myapp'",
        )
        assert clocks == ([] if utc else [("UTC-06:00", "log")])
