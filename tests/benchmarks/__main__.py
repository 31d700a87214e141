"""Measure imports against plain tools over the same input, and print the ratios.

Ratios of times measured in turn on one machine travel to other machines; seconds do not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from uuid import UUID

import click

from tests.benchmarks.htex_run import write_run
from tests.benchmarks.monitoring_db import write_database
from tests.benchmarks.query_times import time_pages, time_queries, with_views
from tests.benchmarks.workqueue_log import write_log

SEARCHING_MODULES = ("importers.htex", "importers.parsl_log")
IMPORT_TARGET = 15.0
WORK_QUEUE_TARGET = 8.0
MONITORING_TARGET = 4.0
ADDING_TARGET = 1.5
GREPS_PER_ROUND = 3
SPLITS_PER_ROUND = 3
RUNS_BEFORE = 100
"""Runs in the database that one more is added to."""
STATES_TARGET = 3.0
"""Seconds, from the database to the picture of 50 000 tasks: the one target that does not travel."""

MEMORY_OF_ANY, MEMORY_OF_A_TASK = 500_000_000, 1000
"""Bytes that an import of an HTEX run may take, and for each task: 1.5 GB for a million."""
SCALE_TARGET = 1.3
"""Time that each of many tasks takes, against each of a quarter of them."""
WATCH_PERIOD = 0.2
"""Seconds from one look at the memory of processes to the next."""

QUERY_TARGET = 1.0
"""Seconds that Datasette gives a query."""


@dataclass(frozen=True)
class Finished:
    """A process that ended: wall clock seconds and most memory held, in bytes."""

    seconds: float
    peak: int


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    name: str
    measured: str
    figure: str
    target: str = "-"
    verdict: str = "-"

    def __str__(self) -> str:
        return f"{self.name:<14} {self.measured:<72} {self.figure:<26} {self.target:<8} {self.verdict}"


def run(command: list[str], **environment: str) -> Finished:
    """Run a process to its end. Raises ClickException with what it wrote if it fails."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | environment)
        try:
            # wait4 tells this child's own peak; getrusage would tell that of the largest child.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise click.ClickException(f"{command[0]} ended with {process.returncode}: {text}")
    return Finished(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def searched_literals() -> list[bytes]:
    """Return the texts that the importers look for, as their pattern tables give them."""
    found: set[bytes] = set()
    for name in SEARCHING_MODULES:
        tables = import_module(name).PATTERNS
        tables = tables.values() if isinstance(tables, dict) else [tables]
        found.update(pattern.literal for table in tables for pattern in table)
    return sorted(found)


def grep_seconds(literals: Path, logs: Iterable[Path]) -> float:
    """Return how long grep takes to count the lines with any of the literals."""
    command = ["grep", "-cF", "-f", str(literals), *map(str, logs)]
    # Bytes, as the importers search: in a UTF-8 locale grep would decode first.
    return statistics.median(run(command, LC_ALL="C").seconds for _ in range(GREPS_PER_ROUND))


def measure_import(folder: Path, tasks: int, rounds: int) -> list[Result]:
    """Measure ``dnpc import`` of an HTEX run against grep over the same files."""
    logs = write_run(folder / "runinfo" / "000", tasks)
    literals = folder / "literals"
    literals.write_bytes(b"\n".join(searched_literals()) + b"\n")
    database = folder / "dnpc.sqlite3"
    command = dnpc_import(folder / "runinfo", database)

    grep_seconds(literals, logs)  # fills the file cache
    ratios, peaks, imports, greps = [], [], [], []
    for _ in range(rounds):
        database.unlink(missing_ok=True)
        grep = grep_seconds(literals, logs)
        imported = run(command)
        greps.append(grep)
        imports.append(imported.seconds)
        ratios.append(imported.seconds / grep)
        peaks.append(imported.peak)
    with contextlib.closing(sqlite3.connect(database)) as conn:
        (events,) = conn.execute("SELECT count(*) FROM events").fetchone()

    size = database.stat().st_size
    megabytes = sum(path.stat().st_size for path in logs) / 1e6
    what = f"{tasks} tasks, {megabytes:.0f} MB"
    return [
        ratio_of("import / grep", f"dnpc import, whole process: {what}", ratios, IMPORT_TARGET),
        Result("grep", "grep -cF, median", f"{statistics.median(greps):.3f} s"),
        Result("import", "dnpc import, median", f"{statistics.median(imports):.2f} s"),
        Result("memory", "dnpc import, peak resident", f"{max(peaks) / 1e6:.0f} MB"),
        Result("database", f"{events} events", f"{size / 1e6:.1f} MB"),
        Result("event", "database bytes for each event", f"{size / max(events, 1):.0f} B"),
    ]


def read_and_split_seconds(log: Path) -> float:
    """Return how long Python takes to read a log and split its lines, without its own start."""
    code = (
        "import sys, time; began = time.perf_counter()\n"
        "for line in open(sys.argv[1]): line.split()\n"
        "print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code, str(log)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(SPLITS_PER_ROUND)]
    return statistics.median(float(run.stdout) for run in runs)


def measure_work_queue(folder: Path, tasks: int, rounds: int) -> list[Result]:
    """Measure ``dnpc import`` of a Work Queue log, sequences included, against splitting its lines."""
    log = write_log(folder / "transaction_log", tasks)
    database = folder / "dnpc.sqlite3"
    command = dnpc_import(log, database)
    read_and_split_seconds(log)  # fills the file cache
    splits, imports = [], []
    for _ in range(rounds):
        database.unlink(missing_ok=True)
        splits.append(read_and_split_seconds(log))
        imports.append(run(command))
    with contextlib.closing(sqlite3.connect(database)) as conn:
        (events,) = conn.execute("SELECT count(*) FROM events").fetchone()
        (records, sequences) = conn.execute(
            "SELECT (SELECT sum(records) FROM sources), (SELECT count(*) FROM sequences)"
        ).fetchone()
    drawn = measure_states(database, folder, rounds)
    ratios = [imported.seconds / split for imported, split in zip(imports, splits, strict=True)]
    what = f"{sequences} tasks, {records} records, {log.stat().st_size / 1e6:.0f} MB"
    size = database.stat().st_size
    return [
        ratio_of("wq / split", f"dnpc import, whole process: {what}", ratios, WORK_QUEUE_TARGET),
        Result("split", "for line in open(log): line.split(), median", f"{statistics.median(splits):.3f} s"),
        Result("import", "dnpc import, median", f"{statistics.median(i.seconds for i in imports):.2f} s"),
        Result("memory", "dnpc import, peak resident", f"{max(i.peak for i in imports) / 1e6:.0f} MB"),
        Result("event", f"database bytes for each of {events} events", f"{size / max(events, 1):.0f} B"),
        *drawn,
    ]


COPY = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[2])
conn.execute("ATTACH ? AS source", [sys.argv[1]])
tables = conn.execute("SELECT name, sql FROM source.sqlite_master WHERE type = 'table'").fetchall()
for name, sql in tables:
    conn.execute(sql)
    conn.execute(f"INSERT INTO main.{name} SELECT * FROM source.{name}")
conn.commit()
"""
"""Copies the tables of a database into tables of the same columns and keys: that is when SQLite is fastest."""


def measure_monitoring(folder: Path, tasks: int, rounds: int) -> list[Result]:
    """Measure ``dnpc import`` of a monitoring.db against copying its tables, both as whole processes."""
    monitoring, copied, database = write_database(folder / "monitoring.db", tasks), folder / "copy.db", folder / "dnpc"
    command = dnpc_import(monitoring, database)
    copies, imports = [], []
    for _ in range(rounds):
        copied.unlink(missing_ok=True)
        database.unlink(missing_ok=True)
        copies.append(run([sys.executable, "-c", COPY, str(monitoring), str(copied)]).seconds)
        imports.append(run(command))
    ratios = [imported.seconds / copy for imported, copy in zip(imports, copies, strict=True)]
    what = f"{tasks} tasks, {monitoring.stat().st_size / 1e6:.0f} MB"
    return [
        ratio_of("db / copy", f"dnpc import of a monitoring.db, whole process: {what}", ratios, MONITORING_TARGET),
        Result("copy", "INSERT ... SELECT of its tables, median", f"{statistics.median(copies):.2f} s"),
        Result("import", "dnpc import, median", f"{statistics.median(i.seconds for i in imports):.2f} s"),
        Result("memory", "dnpc import, peak resident", f"{max(i.peak for i in imports) / 1e6:.0f} MB"),
    ]


def measure_adding(folder: Path, tasks: int, rounds: int) -> list[Result]:
    """Measure how long one more run takes in a database of a hundred, against the same in an empty one.

    Once where that run is named, and once where the folder of all runs is.
    """
    for number in range(RUNS_BEFORE):
        write_run(folder / "runinfo" / f"{number:03}", tasks, str(UUID(int=number)))
    before, database = folder / "before.sqlite3", folder / "dnpc.sqlite3"
    run(dnpc_import(folder / "runinfo", before))
    more = folder / "runinfo" / f"{RUNS_BEFORE:03}"
    write_run(more, tasks, str(UUID(int=RUNS_BEFORE)))
    command = dnpc_import(more, database)
    ratios, added, whole = [], [], []
    for _ in range(rounds):
        database.unlink(missing_ok=True)
        alone = run(command).seconds
        shutil.copyfile(before, database)
        added.append(run(command).seconds)
        ratios.append(added[-1] / alone)
        shutil.copyfile(before, database)
        whole.append(run(dnpc_import(folder / "runinfo", database)).seconds)
    return [
        ratio_of(
            "adding",
            f"dnpc import of a run of {tasks} tasks to {RUNS_BEFORE} runs, against alone",
            ratios,
            ADDING_TARGET,
        ),
        Result("import", "dnpc import of the added run, median", f"{statistics.median(added):.2f} s"),
        Result("import all", "dnpc import of the folder of all runs, median", f"{statistics.median(whole):.2f} s"),
    ]


def held_below(process: int) -> int:
    """Return the bytes of memory that all processes hold which a process started, as ``ps`` tells them: itself, too."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    family = {process}
    # A process may be listed ahead of the one that started it.
    while more := {pid for pid, parent, _ in rows if parent in family} - family:
        family |= more
    return sum(held for pid, _, held in rows if pid in family - {process}) * 1024


def run_watched(command: list[str]) -> Finished:
    """Run a process to its end, its peak being that of all its processes together. Raises ClickException."""
    ended, peaks = threading.Event(), [0]

    def watch() -> None:
        while not ended.wait(WATCH_PERIOD):
            peaks.append(held_below(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        finished = run(command)
    finally:
        ended.set()
        watcher.join()
    return Finished(finished.seconds, max(finished.peak, *peaks))


def measure_scale(folder: Path, tasks: int) -> list[Result]:
    """Measure time and memory of ``dnpc import`` of so many tasks: by themselves, and against a quarter of them."""
    results, times = [], []
    for count in (tasks // 4, tasks):
        logs = write_run(folder / str(count) / "000", count)
        size = sum(log.stat().st_size for log in logs)
        imported = run_watched(dnpc_import(folder / str(count), folder / f"{count}.sqlite3"))
        shutil.rmtree(folder / str(count))
        times.append(imported.seconds / count)
        most = MEMORY_OF_ANY + MEMORY_OF_A_TASK * count
        results.append(
            Result(
                "memory",
                f"dnpc import, all processes together: {count} tasks, {size / 1e6:.0f} MB",
                f"{imported.peak / 1e6:.0f} MB",
                f"{most / 1e6:.0f} MB",
                "met" if imported.peak <= most else "MISSED",
            )
        )
    what = f"seconds for each of {tasks} tasks ({1e6 * times[1]:.0f} us), against a quarter of them"
    return [*results, ratio_of("scale", what, [times[1] / times[0]], SCALE_TARGET)]


def ratio_of(name: str, measured: str, ratios: list[float], target: float) -> Result:
    """Return the line of a ratio that should not be above a target."""
    ratio = statistics.median(ratios)
    figure = f"{ratio:.1f} ({min(ratios):.1f} .. {max(ratios):.1f})"
    return Result(name, measured, figure, f"{target:g}", "met" if ratio <= target else "MISSED")


def dnpc_import(path: Path, database: Path) -> list[str]:
    """Return the command that imports what is at a path."""
    return [sys.executable, "-m", "importers.cli", "import", str(path), "--db", str(database), "--quiet"]


def measure_states(database: Path, folder: Path, rounds: int) -> list[Result]:
    """Measure the exact plot of the states of all tasks, as whole processes: the command, and the Python helper."""
    sql = "select root, time, state from root_event where root_type = 'workqueue.task'"
    code = (
        "import sys; from matplotlib.figure import Figure; from datasette_dnpc import plots\n"
        "figure = Figure(); plots.states(sys.argv[1], sys.argv[2], ax=figure.add_subplot())\n"
        "figure.savefig(sys.argv[3])"
    )
    picture = str(folder / "states.png")
    command = [sys.executable, "-m", "importers.cli", "plot", "root-events", picture, "--db", str(database)]
    ways = {
        "states": ("dnpc plot root-events --rows all", [*command, "--rows", "all"]),
        "states helper": (
            "plots.states(database, sql), and saved",
            [sys.executable, "-c", code, str(database), sql, picture],
        ),
    }
    results = []
    for name, (what, words) in ways.items():
        taken = [run(words).seconds for _ in range(rounds)]
        seconds = statistics.median(taken)
        figure = f"{seconds:.2f} s ({min(taken):.2f} .. {max(taken):.2f})"
        verdict = "met" if seconds <= STATES_TARGET else "MISSED"
        results.append(Result(name, f"{what}: whole process", figure, f"{STATES_TARGET:.0f} s", verdict))
    return results


def measure_queries(database: Path, rounds: int) -> bool:
    """Print how long each query and page takes; return whether one takes longer than Datasette lets it."""
    with_views(database)
    found = [*time_queries(database, rounds), *time_pages(database, rounds)]
    for taken in found:
        click.echo(str(taken))
    return any(taken.processor > QUERY_TARGET for taken in found)


@click.command(help=__doc__)
@click.option("--tasks", default=20_000, show_default=True, help="Tasks in the generated run.")
@click.option("--wq-tasks", default=50_000, show_default=True, help="Tasks in the generated Work Queue log.")
@click.option("--db-tasks", default=100_000, show_default=True, help="Tasks in the generated monitoring.db.")
@click.option(
    "--added-tasks", default=500, show_default=True, help=f"Tasks in each of {RUNS_BEFORE} runs, to which one is added."
)
@click.option("--scale-tasks", default=0, show_default=True, help="Tasks in a large run: 1000000 have 8 GB of logs.")
@click.option("--rounds", default=5, show_default=True, help="Times that each is measured.")
@click.option(
    "--queries",
    "database",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure instead every query and page on this database, in which the views are made again.",
)
def main(
    tasks: int, wq_tasks: int, db_tasks: int, added_tasks: int, scale_tasks: int, rounds: int, database: Path | None
) -> None:
    """Write the input into a temporary folder, measure, print; exit 1 if a target is missed."""
    if database:
        sys.exit(measure_queries(database, rounds))
    # Stopped by a signal, leave neither the child nor 160 MB of logs behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="dnpc-benchmark-") as folder:
        # Modules are compiled once, as they are where pip installs them, whatever the environment here says.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        run([sys.executable, "-m", "importers.cli", "--version"])
        results = measure_import(Path(folder, "htex"), tasks, rounds) if tasks else []
        results += measure_work_queue(Path(folder, "workqueue"), wq_tasks, rounds) if wq_tasks else []
        results += measure_monitoring(Path(folder, "monitoring"), db_tasks, rounds) if db_tasks else []
        results += measure_adding(Path(folder, "adding"), added_tasks, rounds) if added_tasks else []
        results += measure_scale(Path(folder, "scale"), scale_tasks) if scale_tasks else []
    click.echo(Result("name", "measured", "median (min .. max)", "target", "verdict"))
    for result in results:
        click.echo(str(result))
    sys.exit(any(result.verdict == "MISSED" for result in results))


if __name__ == "__main__":
    main()
