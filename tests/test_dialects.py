"""One run in the dialects of other years: the same spans, events and links come of it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from importers import parsl_log
from importers.times import clock_of_name
from tests import runs
from tests.imports import Rows, copied, import_logs, query, read_in_blocks, readable, rewrite, text_of
from tests.runs import DATA

# epoch, date, time, process, pid, thread, logger, line, function, level, message
HEADER = re.compile(r"(\d{10}\.\d{6}) (\S+) (\S+) (\S+?)-(\d+) (.+?)-(\d+) (\S+):(\d+) (\S+) ([A-Z]+): (.*)", re.DOTALL)
ZONES = ["UTC", "America/Chicago", "Asia/Kathmandu"]
SAMPLES = ["runinfo/000", "two-htex/000", "htex-crash/000"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def local(epoch: str, zone: str) -> datetime:
    return datetime.fromtimestamp(float(epoch), timezone.utc).astimezone(ZoneInfo(zone))


def each_line(change: Callable[[re.Match[str]], str]) -> Callable[[Path, bytes], bytes]:
    """Change every record of a text log; continuation lines stay."""

    def changed(_path: Path, data: bytes) -> bytes:
        lines = data.decode().splitlines()
        return "".join((change(m) if (m := HEADER.fullmatch(x)) else x) + "\n" for x in lines).encode()

    return changed


def in_zone(zone: str) -> Callable[[re.Match[str]], str]:
    """Write the local time of another zone beside the same epoch seconds."""
    return lambda m: f"{m[1]} {local(m[1], zone):%Y-%m-%d %H:%M:%S} {m.string[m.start(4) :]}"


def said_then(message: str, manager: str, year: int) -> list[str]:
    """Say what HTEX said in other years: some things otherwise, some not at all."""
    if message.startswith(("Putting task", "Put task")):
        return []
    if found := re.match(r"Removing task (\d+) from manager", message):
        return [
            f"Processing message type 'result' from manager b'{manager}'",
            f"Removing task {found[1]} from manager record b'{manager}'",
        ]
    if year == 2022:
        message = re.sub(r"^(Got|Received|Completed|All processing finished for) executor task", r"\1 task", message)
    return [message]


def old_dialect(zone: str, year: int, managers: dict[tuple[str, str], str]) -> Callable[[Path, bytes], bytes]:
    """Write HTEX logs with local time and no epoch seconds, as until January 2026; parsl.log always had both."""

    def changed(path: Path, data: bytes) -> bytes:
        if path.stem == "parsl":
            return each_line(in_zone(zone))(path, data)
        label = next(part for part in path.parts[path.parts.index("runinfo") + 2 :])
        lines = []
        for line in data.decode().splitlines():
            if (m := HEADER.fullmatch(line)) is None:
                lines.append(line)
                continue
            task = re.match(r"Removing task (\d+)", m[12])
            for message in said_then(m[12], managers.get((label, task[1]), "") if task else "", year):
                stamp = f"{local(m[1], zone):%Y-%m-%d %H:%M:%S}.{m[1][11:14]}"
                if path.stem == "interchange":
                    lines.append(
                        f"{stamp} interchange:{m[9]} HTEX-Interchange({m[5]}) {m[6]} {m[10]} [{m[11]}]  {message}"
                    )
                else:
                    logger = "worker_log" if path.stem.startswith("worker") else "parsl"
                    lines.append(f"{stamp} {logger}:{m[9]} {m[5]} {m[6]} [{m[11]}]  {message}")
        return "".join(f"{line}\n" for line in lines).encode()

    return changed


def as_json(path: Path, data: bytes) -> bytes:
    """Write a text log as JSONLogging does: continuation lines belong to the record above them."""
    records: list[dict[str, Any]] = []
    for line in data.decode().splitlines():
        if m := HEADER.fullmatch(line):
            records.append(
                {"created": float(m[1]), "process": int(m[5]), "processName": m[4], "threadName": m[6],
                 "thread": int(m[7]), "name": m[8], "lineno": int(m[9]), "funcname": m[10], "levelname": m[11],
                 "msg": "%s", "formatted": m[12]}
            )  # fmt: skip
        elif records:
            records[-1]["formatted"] += "\n" + line
    return "".join(map(text_of, records)).encode()


def rewritten(name: str, tmp_path: Path, change: Callable[[Path, bytes], bytes | None]) -> Path:
    """Copy a run directory as runinfo/000 and rewrite its logs."""
    folder = copied(DATA / name, tmp_path / "runinfo" / "000")
    rewrite(folder, change)
    return folder


def managers_of(run: runs.Run) -> dict[tuple[str, str], str]:
    return {(e.executor, str(e.executor_task)): e.manager for e in run.htex if e.manager}


def logged(rows: Rows, without: tuple[str, ...] = ()) -> Counter[tuple[Any, ...]]:
    """Return span and type of the events, those of some types left out."""
    return Counter((row[1], row[3]) for row in rows if row[3] not in without)


def times(rows: Rows) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for row in sorted(rows, key=lambda row: float(row[2])):
        found.setdefault((row[1], row[3]), []).append(row[2])
    return found


UNSAID = ("interchange_putting_task", "interchange_put_task")


def compare(ours: Path, theirs: Path, unsaid: tuple[str, ...] = (), apart: float = 0.0) -> None:
    """Compare all that two dialects of one run gave."""
    left, right = readable(ours), readable(theirs)
    for name in ("span", "subspan", "facet", "joins", "descendants"):
        columns = slice(0, 1) if name == "joins" else slice(0, 4)
        assert {row[columns] for row in left[name]} == {row[columns] for row in right[name]}, name
    assert logged(left["event"]) == logged(right["event"], unsaid)
    expected = times(right["event"])
    for event, found in times(left["event"]).items():
        assert found == pytest.approx(expected[event], abs=apart + 1e-9), event
    # Joins are between the same kinds of spans, as many made and none missing; sources have other names.
    for side in (left, right):
        side["joins"] = sorted((row[0], *row[2:]) for row in side["joins"])
    assert left["joins"] == right["joins"]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2022, 2023])
def test_the_dialect_with_local_times(tmp_path: Path, database: Path, name: str, zone: str, year: int) -> None:
    """The run's own log tells the zone, whatever the machine's is or --timezone says."""
    run = runs.read_run(DATA / name)
    folder = rewritten(name, tmp_path, old_dialect(zone, year, managers_of(run)))
    import_logs(database, folder, clock=clock_of_name("Australia/Lord_Howe"))
    now = tmp_path / "now.sqlite3"
    import_logs(now, DATA / name)
    compare(database, now, UNSAID, 0.001)
    formats: dict[str, str] = dict(query(database, "SELECT path, format FROM sources WHERE importer = 'htex'"))
    assert set(formats.values()) == {"text local"}
    assert query(database, "SELECT DISTINCT evidence FROM clocks") == [("log",)]
    assert query(database, "SELECT sum(count) FROM unmatched") == query(now, "SELECT sum(count) FROM unmatched")


def test_the_manager_is_known_by_either_wording(tmp_path: Path, database: Path) -> None:
    """Where the interchange did not say whom it sent a task to, the line of its result does."""
    run = runs.read_run(DATA / "two-htex" / "000")
    old = old_dialect("UTC", 2023, managers_of(run))

    def without_sent(path: Path, data: bytes) -> bytes:
        return b"".join(x for x in old(path, data).splitlines(keepends=True) if b"Sent tasks" not in x)

    import_logs(database, rewritten("two-htex/000", tmp_path, without_sent))
    found = query(
        database,
        """SELECT key, json_extract(attributes, '$.manager') FROM spans JOIN span USING (uuid)
           WHERE span.type = 'parsl.executor.htex.interchange.task'""",
    )
    assert dict(found) == {f"{label}/{task}": manager for (label, task), manager in managers_of(run).items()}


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_where_no_log_tells_the_zone(tmp_path: Path, database: Path, zone: str) -> None:
    run = runs.read_run(DATA / "two-htex" / "000")
    folder = rewritten("two-htex/000", tmp_path, old_dialect(zone, 2023, managers_of(run)))
    (folder / "parsl.log").unlink()
    import_logs(database, folder, clock=clock_of_name(zone))
    expected = Counter(
        (f"{e.executor}/{e.executor_task}", round(e.time, 2)) for e in run.htex if e.event not in ("putting", "put")
    )
    found = query(
        database,
        """SELECT key, time FROM spans JOIN span USING (uuid) JOIN event ON span_uuid = spans.uuid
           WHERE span.type LIKE 'parsl.executor.htex.%.task'""",
    )
    assert len(found) == expected.total()
    # Milliseconds were cut off, not rounded.
    by_task = Counter(key for key, _ in found)
    assert by_task == Counter(key for key, _ in expected.elements())
    logged_times = sorted(e.time for e in run.htex if e.event not in ("putting", "put"))
    assert sorted(at for _, at in found) == pytest.approx(logged_times, abs=0.0011)
    assert query(database, "SELECT DISTINCT evidence FROM clocks") == [("option",)]


def test_local_times_are_corrected_when_the_runs_log_comes(tmp_path: Path, database: Path) -> None:
    run = runs.read_run(DATA / "two-htex" / "000")
    folder = rewritten("two-htex/000", tmp_path, old_dialect("America/Chicago", 2023, managers_of(run)))
    import_logs(database, folder / "cpu", clock=clock_of_name("Asia/Tokyo"))
    import_logs(database, folder)
    whole = tmp_path / "whole.sqlite3"
    import_logs(whole, folder)
    assert readable(database) == readable(whole)


@pytest.mark.parametrize("name", [*SAMPLES, "runinfo/002"])
def test_jsonlog_says_the_same_as_text(tmp_path: Path, database: Path, name: str) -> None:
    folder = rewritten(name, tmp_path, as_json)
    for path in sorted(folder.rglob("*.log")):
        if path.read_bytes().startswith(b"{"):
            path.rename(path.with_suffix(".jsonlog"))
    import_logs(database, folder)
    text = tmp_path / "text.sqlite3"
    import_logs(text, DATA / name)
    compare(database, text)
    formats = query(database, "SELECT DISTINCT format FROM sources WHERE importer != 'submit_scripts'")
    assert formats == [("jsonlog",)]


def test_a_file_that_changes_its_dialect(tmp_path: Path, database: Path) -> None:
    """Parsl was upgraded between two blocks, or the file was put together."""
    run = runs.read_run(DATA / "two-htex" / "000")
    old = old_dialect("America/Chicago", 2023, managers_of(run))

    def half(path: Path, data: bytes) -> bytes:
        if path.stem == "parsl":
            return old(path, data)
        middle = data.find(b"\n", len(data) // 2) + 1
        return old(path, data[:middle]) + data[middle:]

    import_logs(database, rewritten("two-htex/000", tmp_path, half))
    now = tmp_path / "now.sqlite3"
    import_logs(now, DATA / "two-htex" / "000")
    ours, theirs = (times(readable(path)["event"]) for path in (database, now))
    for event in theirs:
        if event[1] not in UNSAID:
            assert ours[event] == pytest.approx(theirs[event], abs=0.0011)


@pytest.mark.parametrize("name", ["runinfo/000", "two-htex/000"])
def test_a_log_without_state_lines(tmp_path: Path, database: Path, name: str) -> None:
    """Until 2026 a try was known by its launch alone."""

    def without_states(path: Path, data: bytes) -> bytes:
        if path.stem != "parsl":
            return data
        unsaid = (b" initializing state to ", b" changing state from ", b"Adding executor ", b" has dependency task ")
        return b"".join(x for x in data.splitlines(keepends=True) if not any(text in x for text in unsaid))

    run = runs.read_run(DATA / name)
    import_logs(database, rewritten(name, tmp_path, without_states))
    tries = query(database, "SELECT key FROM spans JOIN span USING (uuid) WHERE span.type = 'parsl.rundir.try'")
    failed = {key for (key,) in tries}
    launched = {f"{x.task}/{x.try_id}" for x in run.launches}
    assert launched <= failed
    tasks = query(database, "SELECT key FROM spans JOIN span USING (uuid) WHERE span.type = 'parsl.rundir.task'")
    assert {int(key) for (key,) in tasks} == set(run.tasks)
    links = query(
        database,
        """SELECT a.key, b.key FROM subspans JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
           JOIN span_types s ON s.id = a.type JOIN span_types t ON t.id = b.type
           WHERE s.name = 'parsl.rundir.try' AND t.name = 'parsl.executor.htex.interchange.task'""",
    )
    assert set(links) == {
        (f"{x.task}/{x.try_id}", f"{x.executor}/{x.executor_task}") for x in run.launches if x.executor_task is not None
    }


OLD_STATES = {
    "pending": b"set to pending state with AppFuture: <AppFuture at 0x7f2e1f1c4a50 state=pending>",
    "exec_done": b"completed (launched -> exec_done)",
    "memo_done": b"completed (pending -> memo_done)",
    "failed": b"failed (launched -> failed)",
    "dep_fail": b"failed (pending -> dep_fail)",
    "fail_retryable": b"marked for retry",
}
"""What was said of states until April 2026: of these, and of no others."""


def in_old_words(path: Path, data: bytes) -> bytes:
    """Say what parsl.log says of states and blocks as it was said until 2025."""
    if path.stem != "parsl":
        return data

    def state(match: re.Match[bytes]) -> bytes:
        said, now = match["said"], match["state"].decode()
        # A retry's return to pending was not told of.
        is_told = now in OLD_STATES and (now != "pending" or said.startswith(b"initializing"))
        return match["head"] + OLD_STATES[now] + b"\n" if is_told else b""

    data = re.sub(
        rb"(?m)^(?P<head>.* INFO: Task \d+ )(?P<said>initializing state to|changing state from \w+ to) "
        rb"(?P<state>\w+)\n",
        state,
        data,
    )
    data = re.sub(rb"\[Scaling executor \S+\] (Allocated block ID)", rb"\1", data)
    return re.sub(rb"\[Scaling executor (\S+)\] (Launched block \S+) with", rb"\2 on executor \1 with", data)


@pytest.mark.parametrize("name", ["runinfo/000", "two-htex", "htex-chicago"])
def test_states_and_blocks_in_the_words_of_2025(tmp_path: Path, database: Path, name: str) -> None:
    old = tmp_path / "old.sqlite3"
    import_logs(database, DATA / name)
    import_logs(old, rewritten(name, tmp_path, in_old_words))
    told = """SELECT span_types.name, spans.key, event_types.name, events.time, events.n FROM events
              JOIN spans ON spans.id = events.span JOIN span_types ON span_types.id = spans.type
              JOIN event_types ON event_types.id = events.type
              WHERE span_types.name IN ('parsl.rundir.try', 'parsl.rundir.block')"""
    now, before = set(query(database, told)), set(query(old, told))
    unsaid = {row for row in now if row[2] in ("launched", "joining", "running") and row[0] == "parsl.rundir.try"}
    again = {row for row in now if row[2] == "pending" and row[1].split("/")[-1] != "0"}
    assert {row[2] for row in now} >= {"pending", "exec_done", "allocated", "launched"}
    assert before == now - unsaid - again


# Two kernels in one process


def merged(
    tmp_path: Path, labels: dict[str, str], as_jsonlog: bool = False, one_thread: bool = False
) -> tuple[Path, dict[str, Path]]:
    """Make two runs of one process out of two sample runs.

    Each kernel's lines go to every log that is open: the first kernel's log has all of both, the second's all
    since its own start. Threads and executor labels differ, as they do in one process.
    Returns the folder of both, and the folders with each run alone.
    """
    both = tmp_path / "both" / "runinfo"
    alone = {}
    records: list[tuple[float, int, list[str]]] = []
    begins = []
    started, main = 0.0, ""
    for number, (directory, label) in enumerate(labels.items()):
        folder = copied(DATA / directory, tmp_path / f"alone{number}" / "runinfo" / f"00{number}")
        alone[f"00{number}"] = folder
        log = folder / "parsl.log"
        text = log.read_text().replace("htex_Local", label).replace("cpu", f"{label}_cpu")
        if number:
            text = re.sub(r"-(13\d{11,14}|14\d{11,14})( |$)", lambda m: f"-{int(m[1]) + 12345678}{m[2]}", text)
            # The script that starts them has one thread, or one for each.
            text = re.sub(r"MainThread-\d+", main if one_thread else "Second-1", text)
        else:
            main = next(iter(re.findall(r"MainThread-\d+", text)))
        lines = text.splitlines()
        # The second kernel starts when the first has its first task: from then on they go on together.
        shift = started - float(lines[0].split()[0]) if number else 0.0
        own: list[tuple[float, int, list[str]]] = []
        for line in lines:
            if m := HEADER.fullmatch(line):
                at = float(m[1]) + shift
                own.append(
                    (at, number, [f"{at:.6f} {local(f'{at:.6f}', 'UTC'):%Y-%m-%d %H:%M:%S} {line[m.start(4) :]}"])
                )
            else:
                own[-1][2].append(line)
        log.write_text("".join(f"{line}\n" for _, _, lines in own for line in lines))
        begins.append(own[0][0])
        if not number:
            first_task = " initializing state " if one_thread else "Task 0 submitted"
            started = max(at for at, _, texts in own if f" {main} " in texts[0] and first_task in texts[0]) + 1e-5
        records = sorted([*records, *own], key=lambda r: r[0])
        named = [path for path in folder.iterdir() if (path / "interchange.log").exists()]
        for path in sorted([*named, *folder.glob("submit_scripts/*")]):
            path.rename(path.with_name(path.name.replace("htex_Local", label).replace("cpu", f"{label}_cpu")))
    for number, (name, folder) in enumerate(alone.items()):
        target = copied(folder, both / name)
        seen = [lines for at, _, lines in records if at >= begins[number]]
        (target / "parsl.log").write_text("".join(f"{line}\n" for lines in seen for line in lines))
        if as_jsonlog:
            for log in (target / "parsl.log", folder / "parsl.log"):
                log.with_suffix(".jsonlog").write_bytes(with_run_ids(log))
                log.unlink()
    return both, alone


def with_run_ids(log: Path) -> bytes:
    """Write as JSON lines, without the keys of the kernel: they are not on all records."""
    return as_json(log, log.read_bytes())


def states_of(database: Path, run_id: str) -> Counter[tuple[Any, ...]]:
    return Counter(
        query(
            database,
            """SELECT span.type, spans.key, event.type, event.time FROM spans JOIN runs ON runs.id = run
               JOIN span USING (uuid) JOIN event ON span_uuid = spans.uuid
               WHERE runs.key = ? AND span.type LIKE 'parsl.rundir.%'""",
            run_id,
        )
    )


@pytest.mark.parametrize("as_jsonlog", [False, True], ids=["text", "jsonlog"])
@pytest.mark.parametrize("one_thread", [False, True], ids=["a thread each", "one thread"])
def test_two_runs_in_one_process(tmp_path: Path, database: Path, as_jsonlog: bool, one_thread: bool) -> None:
    both, alone = merged(tmp_path, {"htex-chicago/000": "first", "runinfo/000": "second"}, as_jsonlog, one_thread)
    counts = [log.read_bytes().count(b"Run id is") for log in sorted(both.glob("*/parsl.*log"))]
    assert counts == [2, 1]
    import_logs(database, both)
    expected_total = 0
    for name, folder in alone.items():
        run_id = runs.read_run(folder).run_id
        assert run_id
        own = tmp_path / f"{name}.sqlite3"
        import_logs(own, folder)
        expected = states_of(own, run_id)
        assert expected
        assert states_of(database, run_id) == expected
        expected_total += expected.total()
        # Links to the layers of HTEX, too.
        layers = "SELECT count(*) FROM joins WHERE kind = 'subspan' AND missing > 0"
        assert query(database, layers) == query(own, layers) == [(0,)]
    found = query(database, "SELECT count(*) FROM event JOIN span ON span.uuid = span_uuid"
                  " WHERE span.type LIKE 'parsl.rundir.%'")  # fmt: skip
    assert found == [(expected_total,)]
    assert query(database, "SELECT count(*) FROM runs") == [(2,)]


def test_two_runs_of_one_process_in_blocks(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block of what was read ends does not change which run a line belongs to."""
    both, _ = merged(tmp_path, {"htex-chicago/000": "first", "runinfo/000": "second"})
    import_logs(database, both)
    for size in (3_000, 20_000):
        read_in_blocks(monkeypatch, size)
        monkeypatch.setattr(parsl_log, "BLOCKS_AT_ONCE", 10_000)
        other = tmp_path / f"{size}.sqlite3"
        import_logs(other, both)
        assert readable(other)["event"] == readable(database)["event"]


def test_the_log_of_one_of_two_runs_alone(tmp_path: Path, database: Path) -> None:
    """A user has kept one directory: nothing of the other run is taken for this one's."""
    both, alone = merged(tmp_path, {"htex-chicago/000": "first", "runinfo/000": "second"})
    for name, folder in alone.items():
        run_id = runs.read_run(folder).run_id
        assert run_id
        own = tmp_path / f"{name}.sqlite3"
        import_logs(own, folder)
        database.unlink(missing_ok=True)
        import_logs(database, both / name)
        assert states_of(database, run_id) == states_of(own, run_id)


def test_the_zone_of_the_machine_is_the_last_resort(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.read_run(DATA / "two-htex" / "000")
    folder = rewritten("two-htex/000", tmp_path, old_dialect("Asia/Kathmandu", 2023, managers_of(run)))
    (folder / "parsl.log").unlink()
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        import_logs(database, folder)
    finally:
        monkeypatch.undo()
        time.tzset()
    sent = min(e.time for e in run.htex if e.event == "sent")
    found = query(database, "SELECT min(time) FROM event WHERE type = 'interchange_to_manager'")[0][0]
    assert found == pytest.approx(sent, abs=0.0011)
    assert query(database, "SELECT DISTINCT evidence FROM clocks") == [("machine",)]


def test_json_of_the_samples_is_what_parsl_writes() -> None:
    """The records that these tests write have the keys of a real jsonlog."""
    (line, *_) = (DATA / "runinfo" / "001" / "parsl.jsonlog").read_text().splitlines()
    (ours, *_) = as_json(Path(), (DATA / "runinfo" / "000" / "parsl.log").read_bytes()).decode().splitlines()
    assert json.loads(ours).keys() == json.loads(line).keys()
