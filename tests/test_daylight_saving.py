"""A run that goes on over a change of daylight saving: its local times are read by what its log shows at the time.

What comes twice when clocks are set back: in a log, the order of lines tells; in a monitoring.db it is the first.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sqlite3
from bisect import bisect_left
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from importers.retime import after_set_back
from importers.run_clock import record_from, shown_clock
from importers.times import Clock, UnknownZone, clock_of_name, clock_of_offset
from importers.turns import Shown, turns
from tests import runs
from tests.imports import differences, dnpc, every_row, import_logs, query, readable, rewrite
from tests.stretched import EPOCH_AND_LOCAL, MONITORING_TIMES, Stretched, micros, stretch, text_in
from tests.test_dialects import UNSAID, compare, managers_of, old_dialect

CHANGES = {
    "Chicago, autumn": ("America/Chicago", datetime(2026, 11, 1, 7)),
    "Chicago, spring": ("America/Chicago", datetime(2026, 3, 8, 8)),
    "Berlin, autumn": ("Europe/Berlin", datetime(2026, 10, 25, 1)),
    "Lord Howe, autumn": ("Australia/Lord_Howe", datetime(2026, 4, 4, 15)),
    "Lord Howe, spring": ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30)),
}
AUTUMN = CHANGES["Chicago, autumn"]
MONITORED = "htex-chicago"
ELSEWHERE = clock_of_name("Asia/Kathmandu")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def same(left: Path, right: Path) -> None:
    assert differences(readable(left), readable(right)) == {}


def both_utc(zone: str, text: str) -> tuple[int, int]:
    """Return the UTC microseconds of a local time: the earlier and the later, where there are two."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    both = [local.replace(fold=fold).astimezone(timezone.utc).replace(tzinfo=None) for fold in (0, 1)]
    return micros(both[0]), micros(both[1])


def first_utc(zone: str, text: str) -> int:
    """Return the UTC microseconds of a local time: the earlier, where there are two."""
    return both_utc(zone, text)[0]


def in_old_dialect(folder: Path, zone: str) -> None:
    """Leave HTEX logs local times only, as until January 2026. The folder is called runinfo."""
    run = runs.read_run(folder / "000")
    rewrite(folder, old_dialect(zone, 2023, managers_of(run)))


def told(how: Stretched) -> str:
    """Return how the report names the clock of a run over the change."""
    offsets = [datetime.fromtimestamp(how.change / 1e6 + add, ZoneInfo(how.zone)).strftime("%z") for add in (-1, 0)]
    before, after = (f"UTC{text[:3]}:{text[3:]}" for text in offsets)
    return f"{before}, {after} from {datetime.fromtimestamp(how.change / 1e6, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def texts_of(database: Path, table: str, column: str) -> list[str]:
    """Return a column of times of a monitoring.db."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?immutable=1", uri=True)) as conn:
        rows = conn.execute(f'SELECT {column} FROM "{table}" WHERE {column} IS NOT NULL ORDER BY rowid')
        return [text for (text,) in rows]


@pytest.mark.parametrize("which", CHANGES)
def test_monitoring_is_read_by_the_offset_in_force(tmp_path: Path, database: Path, which: str) -> None:
    folder, how = stretch(MONITORED, tmp_path / "runinfo", *CHANGES[which], hours=7, east=-6)
    import_logs(database, folder, clock=ELSEWHERE)
    after, second_pass = 0, 0
    for table, column in ((table, column) for table, columns in MONITORING_TIMES.items() for column in columns):
        true = [how.local(text)[0] for text in texts_of(runs.DATA / MONITORED / "monitoring.db", table, column)]
        expected = [first_utc(how.zone, text) for text in texts_of(folder / "monitoring.db", table, column)]
        found = query(database, f"SELECT {column} FROM parsl_{table} WHERE {column} IS NOT NULL")
        assert sorted(round(at * 1e6) for (at,) in found) == sorted(expected), column
        after += sum(at > how.change for at in expected)
        second_pass += sum(at != first for at, first in zip(true, expected, strict=True))
    assert after > 20
    assert (second_pass > 0) == ("autumn" in which)
    assert query(database, "SELECT DISTINCT zone, evidence FROM clocks") == [(told(how), "log")]


def told_apart(ours: Path, theirs: Path, how: Stretched) -> tuple[int, int]:
    """Compare the events of logs with local times to those of the same logs with epoch seconds.

    All must be right but those of the hour that comes twice. Return how many are of its second pass, and how many of
    the hour are taken for the other pass.
    """
    sql = """SELECT spans.key, event.type, time FROM event JOIN spans ON spans.uuid = span_uuid
             WHERE event.type NOT IN (?, ?)"""
    found = [sorted(query(path, sql, *UNSAID)) for path in (ours, theirs)]
    assert [row[:2] for row in found[0]] == [row[:2] for row in found[1]]
    second = wrong = 0
    for (*event, time), (*_same, true) in zip(*found, strict=True):
        passes = both_utc(how.zone, text_in(how.zone, round(true * 1e6)))
        assert min(abs(round(time * 1e6) - at) for at in passes) <= 1001, event
        second += round(true * 1e6) > passes[0]
        wrong += abs(time - true) > 1
    return second, wrong


@pytest.mark.parametrize("which", CHANGES)
@pytest.mark.parametrize(("name", "hours"), [("runinfo/000", 4), ("runinfo/000", 0.4), ("two-htex/000", 0.4)])
def test_htex_logs_with_local_times(tmp_path: Path, database: Path, which: str, name: str, hours: float) -> None:
    """All times are right, in the hour that comes twice, too, where the run began less than that before the change."""
    folder, how = stretch(name, tmp_path / "now/runinfo/000", *CHANGES[which], hours=hours, east=0)
    old = Path(shutil.copytree(folder, tmp_path / "old/runinfo/000"))
    in_old_dialect(old.parent, how.zone)
    now = tmp_path / "now.sqlite3"
    import_logs(now, folder)
    import_logs(database, old, clock=ELSEWHERE)
    second, wrong = told_apart(database, now, how)
    assert (second > 0) == ("autumn" in which)
    assert wrong == 0 or hours > 1
    assert query(database, "SELECT DISTINCT clock FROM sources WHERE importer = 'htex'") == [(f"{told(how)} (log)",)]
    if wrong == 0:
        compare(database, now, UNSAID, 0.00101)
    bounds = "SELECT min(time), max(time) FROM events WHERE source = sources.id"
    assert query(database, f"SELECT path FROM sources WHERE (first_time, last_time) <> ({bounds})") == []


def test_other_processes_read_by_the_same_clock(tmp_path: Path, database: Path) -> None:
    folder, how = stretch(MONITORED, tmp_path / "runinfo", *AUTUMN, hours=4, east=-6)
    in_old_dialect(folder, how.zone)
    import_logs(database, folder, jobs=3)
    once = tmp_path / "once.sqlite3"
    import_logs(once, folder, jobs=1)
    same(database, once)


def test_htex_logs_without_the_runs_own_by_the_rules_of_a_zone(tmp_path: Path, database: Path) -> None:
    folder, how = stretch("runinfo/000", tmp_path / "now/runinfo/000", *AUTUMN, hours=0.8, east=0)
    old = Path(shutil.copytree(folder, tmp_path / "old/runinfo/000"))
    in_old_dialect(old.parent, how.zone)
    now = tmp_path / "now.sqlite3"
    for logs in (old, folder):
        (logs / "parsl.log").unlink()
    import_logs(now, folder)
    import_logs(database, old, clock=clock_of_name(how.zone))
    second, wrong = told_apart(database, now, how)
    assert second > 0 and wrong == 0
    assert query(database, "SELECT DISTINCT zone, evidence FROM clocks") == [(how.zone, "option")]


def cut(folder: Path, to: Path, how: Stretched, until: int) -> Path:
    """Copy a runinfo folder as it was at a time, in microseconds: HTEX logs of one dialect, and monitoring.db."""
    shutil.copytree(folder, to)
    for log in [*to.rglob("*.log"), *to.rglob("*.jsonlog")]:
        lines = log.read_text().splitlines(keepends=True)
        later = (
            n for n, line in enumerate(lines) if EPOCH_AND_LOCAL.match(line) and int(line[:17].replace(".", "")) > until
        )
        log.write_text("".join(lines[: next(later, None)]))
    with closing(sqlite3.connect(to / "monitoring.db")) as conn, conn:
        for text, rowid in conn.execute("SELECT timestamp, rowid FROM status").fetchall():
            if micros(datetime.fromisoformat(text)) - micros(datetime.fromisoformat(text_in(how.zone, until))) > 0:
                conn.execute("DELETE FROM status WHERE rowid = ?", [rowid])
    return to


@pytest.mark.parametrize("hours", [-1.5, -0.4, 0.2, 0.7, 1.3])
@pytest.mark.parametrize("whole", [True, False])
def test_a_run_that_grew_over_the_change(tmp_path: Path, database: Path, hours: float, whole: bool) -> None:
    """What was read by the clock of the beginning is read again, or moved where only parsl.log is given again."""
    folder, how = stretch(MONITORED, tmp_path / "runinfo", *AUTUMN, hours=4, east=-6)
    before = cut(folder, tmp_path / "before/runinfo", how, how.change + int(hours * 3.6e9))
    for runinfo in (folder, before):
        in_old_dialect(runinfo, how.zone)
    if not whole:
        # All but the run's own log is as it will be.
        log = (before / "000/parsl.log").read_bytes()
        shutil.rmtree(before)
        shutil.copytree(folder, before)
        (before / "000/parsl.log").write_bytes(log)
    import_logs(database, before, clock=ELSEWHERE)
    early = query(database, "SELECT DISTINCT zone FROM clocks")
    showed = [int(time.replace(".", "")) for time in EPOCH_AND_LOCAL.findall((before / "000/parsl.log").read_text())]
    import_logs(database, folder if whole else folder / "000/parsl.log", clock=ELSEWHERE)
    once = tmp_path / "once.sqlite3"
    import_logs(once, folder, clock=ELSEWHERE)
    assert (early == query(once, "SELECT DISTINCT zone FROM clocks")) == (max(showed) >= how.change)
    same(database, once)


@pytest.mark.parametrize("seed", range(4))
def test_logs_in_any_order(tmp_path: Path, database: Path, seed: int) -> None:
    folder, how = stretch(MONITORED, tmp_path / "runinfo", *AUTUMN, hours=4, east=-6)
    in_old_dialect(folder, how.zone)
    once = tmp_path / "once.sqlite3"
    import_logs(once, folder)
    pieces = [folder / "monitoring.db", folder / "000/parsl.log", folder / "000/submit_scripts"]
    pieces += [folder / "000/htex_Local/block-0", folder / "000/htex_Local/interchange.log"]
    # The run's own log lies elsewhere, so that it does not tell of itself.
    elsewhere = tmp_path / "elsewhere/000"
    elsewhere.mkdir(parents=True)
    random.Random(seed).shuffle(pieces)
    log = shutil.move(folder / "000/parsl.log", elsewhere / "parsl.log")
    head = next(line for line in elsewhere.joinpath("parsl.log").read_text().splitlines() if "Run id is" in line)
    # What is left tells the run, and no clock.
    folder.joinpath("000/parsl.log").write_text(head.split(" ", 3)[3] + "\n")
    for piece in pieces:
        import_logs(database, Path(log) if piece.name == "parsl.log" else piece, clock=ELSEWHERE)
    same(database, once)


def test_several_runs_in_one_monitoring_db(tmp_path: Path, database: Path) -> None:
    """Each has its own clock: that of a jsonlog is known where the run began and completed."""
    folder, how = stretch("runinfo", tmp_path / "runinfo", *AUTUMN, hours=9, east=0)
    import_logs(database, folder, clock=ELSEWHERE)
    began_and_ended = query(
        database, "SELECT key, time_began, time_completed FROM parsl_workflow JOIN runs ON key = run_id"
    )
    zones: dict[str, str] = dict(
        query(database, "SELECT runs.key, zone FROM clocks JOIN runs ON runs.id = run WHERE evidence = 'log'")
    )
    change = how.change / 1e6
    expected = {
        key: told(how) if began < change < ended else told(how)[:9] if ended < change else told(how)[11:20]
        for key, began, ended in began_and_ended
    }
    assert zones == expected
    assert set(expected.values()) > {told(how)}
    status = query(database, "SELECT timestamp FROM parsl_status")
    texts = texts_of(folder / "monitoring.db", "status", "timestamp")
    assert sorted(round(at * 1e6) for (at,) in status) == sorted(first_utc(how.zone, text) for text in texts)


def test_the_report_and_the_same_import_again(tmp_path: Path, database: Path) -> None:
    folder, how = stretch(MONITORED, tmp_path / "runinfo", *AUTUMN, hours=7, east=-6)
    result = dnpc("import", folder, "--db", database)
    assert f"{told(how)} (log)" in result.output
    assert query(database, "SELECT utc_offset FROM runs") == [(-5 * 3600.0,)]
    # parsl.log itself has epoch seconds.
    shown = "SELECT clock, zone, evidence FROM sources JOIN clocks ON source = sources.id WHERE importer = 'parsl_log'"
    assert query(database, shown) == [("epoch seconds", told(how), "log")]
    first = every_row(database)
    again = dnpc("import", folder, "--db", database, "--timezone", "Asia/Tokyo")
    assert again.exit_code == 0
    assert differences(every_row(database), first) == {}


# What parsl.log shows


def record(time: float, east: float, text: str = "MainProcess-1 MainThread-2 parsl:1 f INFO: x") -> bytes:
    """Return a line of a parsl.log, of a clock that is so many seconds east of UTC."""
    local = datetime(1970, 1, 1) + timedelta(seconds=int(time) + east)
    return f"{time:.6f} {local:%Y-%m-%d %H:%M:%S} {text}\n".encode()


def clock_in(log: bytes) -> Clock:
    found = shown_clock(io.BytesIO(log), 0)
    assert found is not None
    return found


JUNK = st.sampled_from([
    b"Traceback (most recent call last):\n", b"\n", b"1795397704.7", b"x" * 5000 + b"\n", b"\xff\x00\n",
    b"1795397704.708 2026-11-23 01:35:0\n", b"0.5 2026-01-01 00:00:00 printed\n", b"12.5 9999-99-99 00:00:00 x\n",
])  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(CHANGES.values())),
    st.lists(st.floats(-9000, 9000), min_size=2, max_size=60),
    st.lists(JUNK, max_size=20),
    st.randoms(use_true_random=False),
)
def test_the_change_is_found_among_all_else(
    change: tuple[str, datetime], apart: list[float], junk: list[bytes], rng: random.Random
) -> None:
    zone, moment = change
    turn = micros(moment) / 1e6
    times = sorted(round(turn + seconds, 6) for seconds in apart)
    easts = [datetime.fromtimestamp(time, ZoneInfo(zone)).utcoffset() for time in times]
    seconds = [east.total_seconds() for east in easts if east is not None]
    lines = [record(time, east) for time, east in zip(times, seconds, strict=True)]
    for piece in junk:
        at = rng.randrange(1, len(lines) + 1)
        lines.insert(at, piece if piece.endswith(b"\n") else piece + b"\n")
    clock = clock_in(b"".join(lines))
    assert [clock.offset(time) for time in times] == seconds
    changes = set(seconds)
    assert len(clock.changes) == len(changes) - 1
    # It is at the hour itself, whatever the records around it.
    assert [at for at, _east in clock.changes] == [turn] * len(clock.changes)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3000), st.integers(0, 10**6))
def test_a_log_that_is_cut_anywhere_is_read_as_far_as_it_goes(count: int, place: int) -> None:
    turn = micros(AUTUMN[1]) / 1e6
    times = [turn - 3000 + n * 6000 / count for n in range(count)]
    log = b"".join(record(time, -18000 if time < turn else -21600) for time in times)
    log = log[: max(place % len(log), 40)]
    clock = clock_in(log)
    whole = [line for line in log.splitlines() if len(line) >= len("1793516400.000000 2026-11-01 01:00:00 ")]
    assert bool(clock.changes) == (float(whole[-1][:17]) >= turn)


def test_a_zone_that_a_program_sets_is_another_from_then_on() -> None:
    """No zone changes then, so that it is the second of the first record that shows it."""
    times = [1795397704.25 + n * 0.75 for n in range(4000)]
    turn = times[2345]
    log = b"".join(record(time, -21600 if time < turn else 0) for time in times)
    assert clock_in(log).changes == ((int(turn), 0.0),)


@pytest.mark.parametrize("step", [-1800.0, -60.0, 47.0, 5000.0])
def test_a_clock_that_is_set_is_no_change_of_zone(step: float) -> None:
    """Epoch and local time are of one clock, so that both jump."""
    start = micros(AUTUMN[1]) / 1e6 - 90_000
    times = [start + n + (step if n > 500 else 0) for n in range(1000)]
    clock = clock_in(b"".join(record(time, -18000) for time in times))
    assert clock == clock_of_offset(-18000)


def test_a_damaged_record_is_no_change_of_zone() -> None:
    """Its two times are apart by no quarter of an hour."""
    lines = [record(1795397704.5 + n, -21600) for n in range(100)]
    lines[-1] = lines[-1].replace(b"2026-11-22 19:36", b"2026-11-22 23:51").replace(b":43 ", b":17 ")
    assert lines[-1] != record(1795397704.5 + 99, -21600)
    assert clock_in(b"".join(lines)) == clock_of_offset(-21600)


def test_a_year_has_two_changes() -> None:
    """The first and the last record show the same offset."""
    zone = ZoneInfo("America/Chicago")
    times = [micros(datetime(2026, 1, 15)) / 1e6 + n * 7200 for n in range(11 * 30 * 12)]
    easts = [datetime.fromtimestamp(time, zone).utcoffset() for time in times]
    log = b"".join(record(time, east.total_seconds()) for time, east in zip(times, easts, strict=True) if east)
    expected = [(micros(datetime(2026, 3, 8, 8)) / 1e6, -18000.0), (micros(datetime(2026, 11, 1, 7)) / 1e6, -21600.0)]
    assert list(clock_in(log).changes) == expected


def test_offsets_without_end_are_not_believed() -> None:
    log = b"".join(record(1.7e9 + n * 40 * 86400, 3600 * (n % 3)) for n in range(400))
    assert clock_in(log) == clock_of_offset(0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 2)), min_size=2, max_size=60))
def test_every_change_between_records_far_apart_is_found(apart: list[tuple[int, int]]) -> None:
    """So far that there may be two changes between any of them."""
    places = [sum(step for step, _offset in apart[:n]) for n in range(len(apart))]
    shown = [Shown(at, 1e7 * n, offset) for n, (at, (_step, offset)) in enumerate(zip(places, apart, strict=True))]
    found = turns(lambda place: shown[bisect_left(places, place)], shown[0], shown[-1])
    assert found == [pair for pair in pairwise(shown) if pair[0].offset != pair[1].offset]


@pytest.mark.parametrize("block", [1 << 12, (1 << 12) + (1 << 14)])
def test_the_first_record_is_found_where_pieces_of_the_file_meet(block: int) -> None:
    for before in range(block - 130, block + 10):
        log = b"x" * before + b"\n" + record(1795397704.5, 3600) + record(1795397705.5, 7200)
        assert clock_in(log).offset(0) == 3600, before


@settings(deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_record_at_or_after_a_place(junk: list[int], rng: random.Random) -> None:
    pieces = [b"x" * size + b"\n" + record(1795397704.5 + n, 3600) for n, size in enumerate(junk)]
    log = b"".join(pieces)
    places = [len(b"".join(pieces[:n])) + size + 1 for n, size in enumerate(junk)]
    for place in (*places, *(rng.randrange(len(log)) for _ in range(20))):
        later = [at for at in places if at >= place]
        found = record_from(io.BytesIO(log), place, len(log))
        assert (found.place if found else None) == (later[0] if later else None)
        assert record_from(io.BytesIO(log), place, min([*later, len(log)])) is None


def test_times_at_the_end_of_time_show_nothing() -> None:
    log = record(253370764799.5, 0) + record(253370764799.5 + 7200, -7200) + b"x\n"
    assert shown_clock(io.BytesIO(log), 0) is None


@pytest.mark.parametrize("which", CHANGES)
def test_records_days_apart_have_the_change_of_a_zone_between(which: str) -> None:
    zone, moment = CHANGES[which]
    turn = micros(moment) / 1e6
    times = [turn - 100_000, turn + 150_000]
    easts = [datetime.fromtimestamp(time, ZoneInfo(zone)).utcoffset() for time in times]
    clock = clock_in(
        b"".join(record(time, east.total_seconds()) for time, east in zip(times, easts, strict=True) if east)
    )
    assert [at for at, _east in clock.changes] == [turn]


class Counted(io.BytesIO):
    """Counts what is read of it."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does."""
        found = super().read(size)
        self.read_bytes += len(found)
        return found


@pytest.mark.parametrize("changes", [False, True])
def test_little_of_a_log_is_read(changes: bool) -> None:
    turn = micros(AUTUMN[1]) / 1e6
    easts = [-18000, -21600 if changes else -18000]
    log = Counted(b"".join(record(turn + n, easts[n >= 0]) for n in range(-120_000, 20_000)))
    clock = shown_clock(log, 0)
    assert clock is not None and len(clock.changes) == changes
    size = log.seek(0, os.SEEK_END)
    assert log.read_bytes < size / (40 if changes else 400)


@pytest.mark.parametrize("line", [
    '{"created": 1e999, "formatted": "x", "parsl.workflow_info.time_began": "2026-11-01 01:00:00"}',
    '{"created": [], "parsl.workflow_info.time_began": 1}',
    '["parsl.workflow_info.time_began"]',
    '{"parsl.workflow_info.time_began": ' + "[" * 100_000,
])  # fmt: skip
def test_a_json_record_that_tells_no_offset(line: str) -> None:
    assert shown_clock(io.BytesIO(line.encode() + b"\n"), 0) is None


def test_a_jsonlog_of_a_thousand_years() -> None:
    began, completed = datetime(1971, 1, 1), datetime(5000, 1, 1, 1)
    names = {"time_began": (began, 0), "time_completed": (completed, 3600)}
    log = "".join(
        json.dumps({"created": micros(at) / 1e6 - east, f"parsl.workflow_info.{name}": str(at)}) + "\n"
        for name, (at, east) in names.items()
    )
    assert clock_in(log.encode()).changes == ((micros(completed) / 1e6 - 3600, 3600.0),)


# Local times of a clock that changes


@settings(deadline=None)
@given(st.sampled_from(sorted(CHANGES.values())), st.integers(-20_000_000_000, 20_000_000_000))
@example(AUTUMN, 0)
@example(AUTUMN, 3_600_000_000)
@example(CHANGES["Chicago, spring"], 0)
def test_a_clock_with_a_change_is_that_of_the_zone(change: tuple[str, datetime], apart: int) -> None:
    zone, moment = change
    turn = micros(moment)
    easts = [datetime.fromtimestamp(turn / 1e6 + add, ZoneInfo(zone)).utcoffset() for add in (-1, 0)]
    before, after = (east.total_seconds() for east in easts if east is not None)
    clock = Clock(timezone(timedelta(seconds=before)), "log", ((turn / 1e6, after),))
    text = text_in(zone, turn + apart)
    naive = micros(datetime.fromisoformat(text)) / 1e6
    assert clock.naive((turn + apart) / 1e6) == pytest.approx(naive, abs=2e-6)
    assert clock.utc(naive) == pytest.approx(first_utc(zone, text) / 1e6, abs=2e-6)
    assert clock_of_name(clock.name, "log") == clock
    set_back = [(turn / 1e6, before - after)] if before > after else []
    assert clock.set_backs(turn / 1e6 - 9000, turn / 1e6 + 9000) == set_back
    assert clock_of_name(zone).set_backs(turn / 1e6 - 9000, turn / 1e6 + 9000) == set_back
    for first, last in ((-9000, -3601), (1, 9000)):
        assert clock.set_backs(turn / 1e6 + first, turn / 1e6 + last) == []


@pytest.mark.parametrize("name", [
    "UTC-05:00, UTC-06:00", "UTC-05:00, UTC-06:00 from 2026-13-01 07:00:00 UTC", "UTC-05:00, ",
    "America/Chicago, UTC-06:00 from 2026-11-01 07:00:00 UTC",
])  # fmt: skip
def test_what_is_no_clock(name: str) -> None:
    with pytest.raises(UnknownZone):
        clock_of_name(name)


@settings(deadline=None)
@given(st.lists(st.integers(-9000, 9000), min_size=1, max_size=80))
def test_the_order_of_lines_tells_where_a_clock_was_set_back(apart: list[int]) -> None:
    """Where lines go on in both passes of the hour by less than half of it, each is found to be of its own."""
    moment, back = 1793516400.0, 3600.0
    true = sorted({moment + seconds for seconds in apart} | {moment + n for n in range(-7200, 7201, 1500)})
    first = [at if at < moment or at >= moment + back else at - back for at in true]
    later = after_set_back(first, moment, back)
    assert [at + back * (n in set(later)) for n, at in enumerate(first)] == true
    # Once told apart, they stay.
    assert after_set_back(true, moment, back) == []


@settings(deadline=None)
@given(st.lists(st.integers(-120, 120), max_size=12), st.integers(-200, 200))
@example([-80, -14, 24, -56, -87], -196)
def test_what_was_told_apart_stays(minutes: list[int], begun: int) -> None:
    """The next import of the run asks again."""
    moment, back = 1793516400.0, 3600.0
    times = [moment + 60 * minute for minute in minutes]
    found = after_set_back(times, moment, back, moment + 60 * begun)
    assert all(moment - back <= times[place] < moment for place in found)
    moved = [time + back * (place in set(found)) for place, time in enumerate(times)]
    assert after_set_back(moved, moment, back, moment + 60 * begun) == []
    early = [time for time in moved if moment - back <= time < moment and time < moment + 60 * begun - 300]
    assert early == []


@pytest.mark.parametrize(("minutes", "later"), [
    ([-90, -65, -59, -30], 0),  # it ends in the hour
    ([-70, -59, -20], 1),  # it does, and a pause in it is longer than half of it
    ([-59, -50, -40, -30, -20, -10, -2, 62, 70], 7),  # it begins in the hour, and goes on after it
    ([-65, -59, -50, -10, -5, 61], 2),  # no step back, a pause in the hour
    ([-30], 0),
    ([-90, 70], 0),
    ([], 0),
])  # fmt: skip
def test_where_no_line_steps_back(minutes: list[int], later: int) -> None:
    """Minutes are from the set-back on, as the earlier that a line may be of."""
    found = after_set_back([1e9 + 60 * minute for minute in minutes], 1e9, 3600.0)
    inside = [n for n, minute in enumerate(minutes) if -60 <= minute < 0]
    assert found == inside[len(inside) - later :]
