"""Importers fed with faulty logs: real sample lines, and the same made wrong by ``tests.mutations``, in one file.

``python -m tests.fuzz --lines 1000000`` reads so many faulty lines with each importer, ``--only NAME`` with one. It
prints a row for each, and ends with an error at the first import that raises, takes longer than ``LIMIT``, leaves the
database damaged or loses a row of an intact line. ``tests/test_fuzz.py`` does a few thousand of them.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import pickle
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from datasette_dnpc.sql_files import create_views
from importers.formats import Added, load_formats
from importers.parsl_tracing import NotPlainData, plain_data
from importers.pipeline import Summary, import_paths
from importers.report import drift_lines, summary_text
from importers.times import clock_of_name
from tests import test_cloudwatch, test_funcx, test_metric_lines, test_tracing
from tests.mutations import JUNK, NUMBERS, TIMES, mutated, mutated_lines
from tests.own_formats import TOML, example
from tests.runs import DATA, read_run

LIMIT = 300
"""Seconds that one import may take, of ``AT_ONCE`` faulty lines: it takes one to five."""

AT_ONCE = 20_000
"""Faulty lines in one import of the command."""

Write = Callable[[Path, Random, int], None]
"""Makes the files of a target in a folder, with so many faulty lines; none: as they are."""


class Failed(Exception):
    """What an import did wrong."""


@dataclass(frozen=True)
class Target:
    """What one importer is fed with."""

    name: str
    write: Write
    source: str
    """Path of the faulty file, as in the table ``sources``."""
    pattern_file: str = ""
    module: str = ""
    """Text of a format of the user's own."""
    accounts_for_all: bool = False
    """Whether each line that is neither blank nor a comment is a record or is kept as unmatched."""
    offsets_are_ordinals: bool = False
    """Whether the offset of a row is no place in the file."""
    may_take_rows: bool = False
    """Whether faulty lines may make it unknown whose the intact ones are; then these are kept as unmatched."""


def _seed_lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line]


_OF_ANOTHER_RUN = re.compile(
    rb"Run id is|launched on executor|Task 0 (?:initializing|submitted)|Adding executor|Creating executor task"
    rb"|Function data"
)
"""In a parsl.log, such lines tell which runs and executors share the log, and so whose the other lines are."""


def _log(
    sample: str | bytes,
    *,
    beside: Sequence[str] = (),
    mixed: bool = False,
    without: re.Pattern[bytes] = re.compile(rb"Run id is"),
) -> Callable[[str], Write]:
    """Return what writes a log: a sample and its lines made wrong, after it or ``mixed`` among it.

    ``beside`` names sample files, below tests/data, that lie with it. ``without`` finds faulty lines that are left out.
    """
    data = (DATA / sample).read_bytes() if isinstance(sample, str) else sample
    lines = _seed_lines(data)

    def to(place: str) -> Write:
        def write(folder: Path, rng: Random, count: int) -> None:
            for name in beside:
                _put(folder, name.split("/", 1)[1], (DATA / name).read_bytes())
            faulty = [line for line in mutated_lines(lines, count, rng) if not without.search(line)]
            whole = data.splitlines(keepends=True)
            parts = [line + b"\n" for line in faulty]
            if mixed and whole:
                for place_of_intact, line in zip(
                    sorted(rng.randint(0, len(parts)) for _ in whole[1:]), whole[1:], strict=True
                ):
                    parts[place_of_intact:place_of_intact] = [line]
                whole = whole[:1]
            _put(folder, place, b"".join(whole + parts))

        return write

    return to


def _put(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


MONITORING = ("workflow", "task", "try", "status", "resource", "node", "block")


def _monitoring(folder: Path, rng: Random, count: int) -> None:
    """Copy monitoring.db, its tables made again without their rules, and add rows with wrong values."""
    path = folder / "monitoring.db"
    shutil.copy(DATA / "htex-crash/monitoring.db", path)
    with closing(sqlite3.connect(path)) as conn, conn:
        tables = {}
        (own,) = conn.execute("SELECT run_id FROM workflow").fetchone()
        for table in MONITORING:
            conn.execute(f'CREATE TABLE kept AS SELECT * FROM "{table}"')
            conn.execute(f'DROP TABLE "{table}"')
            conn.execute(f'ALTER TABLE kept RENAME TO "{table}"')
            tables[table] = conn.execute(f'SELECT * FROM "{table}"').fetchall()
        filled = [table for table in MONITORING if tables[table]]
        for _ in range(count):
            table = rng.choice(filled)
            # They are of another run: of a node the first row counts, which would take the place of an intact one.
            row = ["faulty" if value == own else value for value in rng.choice(tables[table])]
            row = [_wrong(value, rng) if rng.random() < 0.2 else value for value in row]
            conn.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(row))})', row)


def _wrong(value: object, rng: Random) -> Any:
    kind = rng.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return rng.choice((-1, 0, 1 << 62, -(1 << 63), (1 << 63) - 1, 1e308, -1e308, float("inf"), 5e-324))
    if kind == 2:
        return rng.choice(JUNK)
    if kind == 3:
        return rng.choice(NUMBERS).decode()
    if kind == 4:
        return rng.choice(TIMES).decode()
    if kind == 5:
        return rng.choice(JUNK).decode("utf-8", "replace")
    return mutated(str(value).encode(), rng, [b"2026-11-23 01:35:21.623117", b"0"]).decode("utf-8", "replace")


def _cloudwatch(folder: Path, rng: Random, count: int) -> None:
    """Write results of queries, the first intact, with at most as many rows as a query gives."""
    intact = [test_cloudwatch.row(task, step) for task in range(4) for step in range(3)]
    seeds = [json.dumps(row).encode() for row in intact]
    values = [str(item["value"]).encode() for row in intact for item in row]
    _put(folder, "aws.json", json.dumps(test_cloudwatch.result(intact)).encode())
    for number, first in enumerate(range(0, count, 5000)):
        rows: list[Any] = []
        for _ in range(min(5000, count - first)):
            row = [dict(item) for item in rng.choice(intact)]
            item = rng.choice(row)
            what = rng.randrange(4)
            if what == 0:
                item["value"] = mutated(str(item["value"]).encode(), rng, values).decode("utf-8", "replace")
            elif what == 1:
                item[rng.choice(("field", "value"))] = rng.choice((None, 1, [], {}, True, 1e308, "", "\ud800"))
            elif what == 2:
                item["field"] = mutated(item["field"].encode(), rng, values).decode("utf-8", "replace")
            else:
                others: list[Any] = [None, [], {}, 7, "x", [None], [[]], row[:1], row * 2]
                rows.append(rng.choice(others))
                continue
            rows.append(row)
        text = json.dumps(test_cloudwatch.result(rows)).encode()
        _put(folder, f"q-{number}-full.json", text)
        # In a file of its own each, since the file ends for the reader where it is no JSON.
        _put(folder, f"q-{number}-partial.json", b'{"results": [' + mutated(rng.choice(seeds), rng, seeds) + b"]}")


def _tracing(folder: Path, rng: Random, count: int) -> None:
    """Write a trace with wrong rows, and read as many small pickles with wrong bytes, of which none is a file."""
    run = DATA / "two-htex" / "000"
    _put(folder, "000/parsl.log", (run / "parsl.log").read_bytes())
    trace: dict[str, list[Any]] = {**test_tracing.trace_of(read_run(run))}
    events, binds = list(trace["events"]), list(trace["binds"])
    odd: list[Any] = [
        None,
        True,
        -1,
        1 << 70,
        -1.5,
        1e308,
        float("inf"),
        float("nan"),
        "",
        "\ud800",
        "\0",
        "x" * 400,
        (),
        ((),),
        [],
        {},
        "a/b",
    ]
    for _ in range(count // 2):
        row = list(rng.choice(events if rng.random() < 0.5 else binds))
        what = rng.randrange(3)
        if what == 0:
            row[rng.randrange(len(row))] = rng.choice(odd)
        elif what == 1:
            del row[rng.randrange(len(row))]
        else:
            row[rng.randrange(len(row))] = mutated(str(rng.choice(row)).encode(), rng, JUNK).decode("utf-8", "replace")
        trace[rng.choice(("events", "binds"))].append(
            rng.choice((tuple(row), row, None, 7)) if what == 2 else tuple(row)
        )
    _put(folder, "000/parsl_tracing.pickle", pickle.dumps(trace, protocol=rng.randint(0, 5)))
    small = [pickle.dumps({"events": events[:2], "binds": binds[:2]}, protocol=n) for n in range(6)]
    for _ in range(count - count // 2):
        with suppress(NotPlainData):
            plain_data(mutated(rng.choice(small), rng, small))


_TASKVINE = "taskvine/TaskVineExecutor/2026-11-23T014643/vine-logs"
_WORK_QUEUE = "workqueue/000/WorkQueueExecutor"
_PARSL_LOG = "workqueue/000/parsl.log"
_OF_WORK_QUEUE = (_PARSL_LOG, f"{_WORK_QUEUE}/transaction_log")
_METRICS = test_metric_lines.METRICS
_OWN = "".join(
    f"{1795397707 + n}.25 simulate step={n} begins\n{1795397707 + n}.5 simulate step={n} ends residual=1e-3\n"
    for n in range(40)
).encode()
_GRAPH_OF_2023 = (
    b'digraph "taskvine" {\nnode [shape=rect];\n"file-file-meta-b983" [shape=rect,color=blue,label="function"];\n'
    b'"file-file-meta-b983" -> "task-84";\n"task-84" [color=green,label=""];\n"task-84" -> "file-file-rnd-nnys";\n}\n'
)
_FUNCTION_LOG = b"".join(b"%d.125 %s\n" % (1670000000 + n, event) for n, event in enumerate(
    (b"START", b"META_PATH numpy", b"EXECUTEFUNCTION", b"DONE") * 5))  # fmt: skip
_BLOCK_OUTPUT = "workqueue/000/submit_scripts/parsl.WorkQueueExecutor.block-0.1795397977.5836048.sh.out"
_OWN_PLACE = "runinfo/000/task_logs/0000/task_0012_simulate.stdout"


_NOTHING = re.compile(rb"(?!)")


def _at(place: str, make: Callable[[str], Write]) -> tuple[Write, str]:
    return make(place), place


TARGETS = (
    *(
        Target(f"{place.split('/')[1]} of {run}", *_at(place, _log(f"{run}/{place}", without=_OF_ANOTHER_RUN)))
        for run, place in (
            ("runinfo", "000/parsl.log"),
            ("runinfo", "001/parsl.jsonlog"),
            ("workqueue", "000/parsl.log"),
            ("taskvine", "000/parsl.log"),
        )
    ),
    *(
        Target(
            f"{place.split('/')[1]} of many runs",
            *_at(place, _log(f"runinfo/{place}", without=_NOTHING)),
            may_take_rows=True,
        )
        for place in ("000/parsl.log", "001/parsl.jsonlog")
    ),
    *(
        Target(
            f"{place.rsplit('/', 1)[-1]} of {run}",
            *_at(place, _log(f"{run}/{place}", beside=(f"{run}/{log}",), mixed=True)),
        )
        for run, log, place in (
            ("two-htex", "000/parsl.log", "000/cpu/interchange.log"),
            ("two-htex", "000/parsl.log", "000/cpu/block-0/f5eae87c7095/manager.log"),
            ("two-htex", "000/parsl.log", "000/cpu/block-0/f5eae87c7095/worker_1.log"),
            ("htex-chicago", "000/parsl.log", "000/htex_Local/interchange.log"),
            ("runinfo", "001/parsl.jsonlog", "001/htex_Local/interchange.jsonlog"),
            ("runinfo", "001/parsl.jsonlog", "001/htex_Local/block-0/d5af69eb2476/manager.jsonlog"),
            ("runinfo", "001/parsl.jsonlog", "001/htex_Local/block-0/d5af69eb2476/worker_0.jsonlog"),
        )
    ),
    Target("monitoring.db", _monitoring, "monitoring.db", offsets_are_ordinals=True),
    Target(
        "Work Queue transaction_log",
        *_at("000/WorkQueueExecutor/transaction_log", _log(f"{_WORK_QUEUE}/transaction_log", beside=(_PARSL_LOG,))),
        accounts_for_all=True,
    ),
    Target("TaskVine transactions", *_at("transactions", _log(f"{_TASKVINE}/transactions")), accounts_for_all=True),
    Target(
        "Work Queue master_log",
        *_at("000/WorkQueueExecutor/master_log", _log(f"{_WORK_QUEUE}/master_log", beside=_OF_WORK_QUEUE)),
        accounts_for_all=True,
    ),
    Target(
        "TaskVine performance",
        *_at(
            "TaskVineExecutor/2026-11-23T014643/vine-logs/performance",
            _log(f"{_TASKVINE}/performance", beside=(f"{_TASKVINE}/transactions",)),
        ),
        accounts_for_all=True,
    ),
    Target(
        "TaskVine taskgraph",
        *_at(
            "TaskVineExecutor/2026-11-23T014643/vine-logs/taskgraph",
            _log(f"{_TASKVINE}/taskgraph", beside=(f"{_TASKVINE}/transactions",)),
        ),
    ),
    Target(
        "TaskVine taskgraph of 2023",
        *_at(
            "TaskVineExecutor/2026-11-23T014643/vine-logs/taskgraph",
            _log(_GRAPH_OF_2023, beside=(f"{_TASKVINE}/transactions",)),
        ),
    ),
    Target(
        "Work Queue debug_log",
        *_at("000/WorkQueueExecutor/debug_log", _log(f"{_WORK_QUEUE}/debug_log", beside=_OF_WORK_QUEUE)),
    ),
    Target(
        "Work Queue function log",
        *_at("000/WorkQueueExecutor/function_data/0001/log", _log(_FUNCTION_LOG, beside=(_PARSL_LOG,), mixed=True)),
    ),
    Target("output of a block", *_at(_BLOCK_OUTPUT.split("/", 1)[1], _log(_BLOCK_OUTPUT, beside=(_PARSL_LOG,)))),
    Target("parsl_tracing.pickle", _tracing, "000/parsl_tracing.pickle", offsets_are_ordinals=True),
    Target("funcX client", *_at("client.log", _log(test_funcx.client_log(range(6)).encode(), mixed=True))),
    Target("funcX endpoint", *_at("endpoint.log", _log(test_funcx.endpoint_log(range(6)).encode(), mixed=True))),
    Target(
        "Globus Compute endpoint",
        *_at("endpoint.log", _log(test_funcx.endpoint_log(range(6), compute=True).encode(), mixed=True)),
    ),
    Target(
        "funcX worker",
        *_at(f"{test_funcx.MANAGER}/funcx_worker_0.log", _log(test_funcx.worker_log(0, range(8)).encode(), mixed=True)),
    ),
    Target("CloudWatch", _cloudwatch, "aws.json", offsets_are_ordinals=True),
    Target("METRIC lines", *_at("metrics.txt", _log(test_metric_lines.text_lines(*_METRICS).encode()))),
    Target("METRIC lines in JSON", *_at("metrics.jsonlog", _log(test_metric_lines.json_lines(*_METRICS).encode()))),
    Target("pattern file", _log(_OWN, mixed=True)(_OWN_PLACE), "task_0012_simulate.stdout", pattern_file=TOML),
    Target("module", _log(_OWN, mixed=True)(_OWN_PLACE), "task_0012_simulate.stdout", module=example("myapp.py")),
)


def load(target: Target, folder: Path) -> Any:
    if not (target.pattern_file or target.module):
        return load_formats(Added(installed=False))
    suffix, text = ("toml", target.pattern_file) if target.pattern_file else ("py", target.module)
    file = folder / f"own_format.{suffix}"
    file.write_text(text)
    return load_formats(Added((file,) if suffix == "toml" else (), (file,) if suffix == "py" else (), False))


_ROWS = """
SELECT 'event', offset, time, event_types.name FROM events JOIN event_types ON event_types.id = events.type
WHERE source = :source
UNION ALL SELECT 'sample', metrics.name, time, value FROM samples JOIN metrics ON metrics.id = metric
WHERE source = :source"""


@dataclass(frozen=True)
class Imported:
    """What an import made of the faulty file."""

    importer: str
    rows: set[tuple[Any, ...]]
    """Of each event its line, time and type; of each sample its name, time and value."""
    records: int
    unmatched: int
    lines: int
    """Lines of the file that are neither blank nor comments."""


def imported(target: Target, folder: Path, rng: Random, count: int) -> Imported:
    """Write the files of a target, import them, and look at the database. Raises Failed."""
    logs = folder / "logs"
    logs.mkdir()
    target.write(logs, rng, count)
    database = folder / "dnpc.sqlite3"
    summary: Summary = import_paths(
        [logs], database, clock=clock_of_name("UTC"), formats=load(target, folder), jobs=1, finish=create_views
    )
    if failed := [found.error for found in summary.read if found.error]:
        raise Failed(f"not read: {failed}")
    with closing(sqlite3.connect(database)) as conn:
        _check(conn)
        shown = "\n".join([summary_text(conn, summary), *drift_lines(conn)])
        if any(ord(char) < 32 and char != "\n" for char in shown):
            raise Failed("control characters in the report")
        found = conn.execute(
            "SELECT id, importer, records, unmatched FROM sources WHERE path = ?", [target.source]
        ).fetchall()
        if len(found) != 1:
            raise Failed(f"{target.source} is imported {len(found)} times")
        source, importer, records, unmatched = found[0]
        rows = conn.execute(_ROWS, {"source": source}).fetchall()
        everything = conn.execute("SELECT sum(records), sum(unmatched) FROM sources").fetchone()
    if target.offsets_are_ordinals:
        # Some are in several files.
        records, unmatched = everything
        return Imported(importer, set(rows), records, unmatched, 0)
    (file,) = logs.rglob(target.source.rsplit("/", 1)[-1])
    data = file.read_bytes()
    said = {(data[row[1] : data.find(b"\n", row[1])] if row[0] == "event" else row[1], *row[2:]) for row in rows}
    return Imported(
        importer,
        said,
        records,
        unmatched,
        sum(line.split()[:1] != [] and not line.lstrip().startswith(b"#") for line in data.split(b"\n")),
    )


def _check(conn: sqlite3.Connection) -> None:
    (state,) = conn.execute("PRAGMA integrity_check").fetchone()
    if state != "ok":
        raise Failed(f"integrity_check: {state}")
    if dangling := conn.execute("PRAGMA foreign_key_check").fetchall():
        raise Failed(f"foreign_key_check: {dangling[:3]} and more, {len(dangling)} in all")
    wrong = conn.execute(
        # Links add what contradicts itself.
        """SELECT path FROM sources WHERE unmatched > (SELECT coalesce(sum(count), 0) FROM unmatched
                                                       WHERE source = sources.id)"""
    ).fetchall()
    if wrong:
        raise Failed(f"the counts of what is unmatched differ: {wrong}")
    bad = conn.execute("SELECT count(*) FROM events WHERE NOT time BETWEEN 0 AND 1e11").fetchone()
    if bad != (0,):
        raise Failed(f"{bad[0]} events at no time that can be")


def compare(target: Target, intact: Imported, found: Imported) -> None:
    """Compare what came of a faulty file with what its intact lines give. Raises Failed."""
    lost = intact.rows - found.rows
    if lost and not (target.may_take_rows and found.unmatched >= len(lost)):
        raise Failed(f"rows of intact lines are lost: {sorted(lost, key=repr)[:3]}")
    if found.records < intact.records and not target.may_take_rows:
        raise Failed(f"{found.records} records, where intact lines are {intact.records}")
    if target.accounts_for_all and found.records + found.unmatched < found.lines:
        raise Failed(f"{found.records} records and {found.unmatched} unmatched of {found.lines} lines")


def fuzz(target: Target, folder: Path, seed: object, counts: Iterator[int]) -> Iterator[tuple[int, Imported]]:
    """Import one faulty file after the other, each compared with the intact one; yield each. Raises Failed."""
    (folder / "intact").mkdir()
    intact = imported(target, folder / "intact", Random(0), 0)
    for number, count in enumerate(counts):
        here = folder / "faulty"
        here.mkdir()
        try:
            found = imported(target, here, Random(f"{target.name} {seed} {number}"), count)
            compare(target, intact, found)
        except Exception as error:
            raise Failed(f"{target.name}, seed {seed}, import {number} of {count} lines: {error!r}") from error
        shutil.rmtree(here)
        yield count, found


def _resident() -> float:
    """Return the megabytes of memory that this process has."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="faulty lines for each importer")
    parser.add_argument("--only", action="append", default=[], help="name of a target")
    parser.add_argument("--seed", default="0")
    options = parser.parse_args()
    write = sys.stdout.write
    for target in TARGETS:
        if options.only and target.name not in options.only:
            continue
        begin, before, done, records, unmatched = time.perf_counter(), 0.0, 0, 0, 0
        sizes = (min(AT_ONCE, options.lines - first) for first in range(0, options.lines, AT_ONCE))
        with tempfile.TemporaryDirectory(prefix="dnpc-fuzz-") as folder:
            faulthandler.dump_traceback_later(LIMIT, exit=True)
            for number, (count, found) in enumerate(fuzz(target, Path(folder), options.seed, sizes)):
                faulthandler.dump_traceback_later(LIMIT, exit=True)
                done, records, unmatched = done + count, records + found.records, unmatched + found.unmatched
                before = _resident() if number == 2 else before
            faulthandler.cancel_dump_traceback_later()
        write(
            f"{target.name:28} {done:>9,} lines {records:>9,} records {unmatched:>9,} not understood "
            f"{time.perf_counter() - begin:6.0f} s {_resident() - before:+6.0f} MB since the third import\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
