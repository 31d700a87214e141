"""A made-up Parsl run on HTEX with monitoring, as a dnpc database, for tests of what reads one.

Everything is a function of the number of tasks: no clock, no random seed of the machine.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from datasette_dnpc.sql_files import create_views
from importers import task_table, totals, worker_stays
from importers.keys import surrogate_key
from importers.roots import Roots
from importers.schema import create_indexes, create_tables

START = 1795397697.0
"""When the first run begins: 2026-11-23T01:34:57Z."""

HTEX = "parsl.executor.htex."
TASK, TRY, RUNDIR_TASK = "parsl.monitoring.task", "parsl.monitoring.try", "parsl.rundir.task"
ROOT_TYPES = (TASK, RUNDIR_TASK)
GRID = 40
"""Times in ``state_counts`` of each run."""


class Builder:
    """Collects rows by names and gives out ids."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self.names: dict[str, dict[str, int]] = {"span_types": {}, "event_types": {}}
        self.spans: list[tuple[object, ...]] = []
        self.times: dict[int, list[tuple[float, str]]] = defaultdict(list)
        self.children: dict[int, list[int]] = defaultdict(list)
        self.peers: dict[int, list[int]] = defaultdict(list)
        self.types: dict[int, str] = {}
        self.runs: dict[int, int] = {}
        self.subspans: list[tuple[int, int, str]] = []
        self.facets: list[tuple[int, int]] = []

    def name(self, table: str, name: str) -> int:
        ids = self.names[table]
        return ids.setdefault(name, len(ids) + 1)

    def span(
        self,
        type_name: str,
        run: int,
        key: str,
        events: list[tuple[float, str]],
        parents: tuple[int, ...] = (),
        attributes: dict[str, object] | None = None,
    ) -> int:
        number = len(self.spans) + 1
        times = [time for time, _ in events]
        self.spans.append(
            (
                number,
                surrogate_key(type_name, run, key),
                self.name("span_types", type_name),
                run,
                key,
                min(times, default=None),
                max(times, default=None),
                json.dumps(attributes) if attributes else None,
            )
        )
        self.types[number], self.runs[number], self.times[number] = type_name, run, events
        for parent in parents:
            self.children[parent].append(number)
            self.subspans.append((parent, number, key))
        return number

    def facet(self, left: int, right: int) -> None:
        self.peers[left].append(right)
        self.peers[right].append(left)
        self.facets.append((left, right))

    def reach(self, root: int) -> list[int]:
        """Return the root and all that subspans downwards and facets either way reach."""
        found, todo = {root}, [root]
        while todo:
            here = todo.pop()
            for there in self.children[here] + self.peers[here]:
                if there not in found:
                    found.add(there)
                    todo.append(there)
        return sorted(found)

    def states(self, root: int) -> list[tuple[float, str]]:
        return sorted(
            (time, f"{self.types[span]}/{event}") for span in self.reach(root) for time, event in self.times[span]
        )


def build(path: Path, tasks: int = 200, hostile: bool = False) -> Path:
    """Make a database of one run of ``tasks`` tasks and one of a fifth as many."""
    conn = sqlite3.connect(path)
    create_tables(conn)
    create_indexes(conn)
    builder = Builder(conn)
    for run, count in ((1, tasks), (2, max(tasks // 5, 2))):
        _add_run(builder, run, count)
    if hostile:
        _add_hostile(builder)
    _write(builder)
    _write_report(builder)
    _write_derived(builder)
    log = {"task_id": "00000000-0000-4000-8000-000000000001", "name": "funcx.forwarder", "message": "received"}
    record = {"@timestamp": "2026-11-23 01:34:57.099", "@message": {"log": log}}
    conn.execute("INSERT INTO records VALUES (1, 0, ?)", [json.dumps(record)])
    _write_samples(conn)
    create_views(conn)
    _write_tasks(builder)
    conn.commit()
    conn.close()
    return path


def build_empty(path: Path) -> Path:
    """Make a dnpc database without rows."""
    conn = sqlite3.connect(path)
    create_tables(conn)
    create_indexes(conn)
    create_views(conn)
    conn.commit()
    conn.close()
    return path


def _add_run(builder: Builder, run: int, count: int) -> None:
    rng = random.Random(run)
    start = START + 7200.0 * (run - 1)
    workflow = builder.span(
        "parsl.monitoring.workflow",
        run,
        f"run{run}",
        [(start, "began"), (start + count, "completed")],
    )
    managers = [builder.span(HTEX + "manager", run, f"m{i}", [(start + 1 + i, "started")]) for i in range(2)]
    for number in range(count):
        time = start + 0.5 * number
        depends: dict[str, object] = {"depends": [number - 3]} if number % 5 == 4 else {}
        about = {"app": f"app{number % 3}", "priority": 0}
        task = builder.span(TASK, run, str(number), [], (workflow,), depends | about)
        other = builder.span(RUNDIR_TASK, run, str(number), [(time + 0.001, "submitted")], (), depends | {"app": "app"})
        builder.facet(task, other)
        invoked = time
        for attempt in range(2 if number % 7 == 3 else 1):
            time = _add_try(builder, rng, run, number, attempt, time, task, managers[number % 2])
        builder.times[task] += [(invoked, "invoked"), (time, "returned")]
        row = list(builder.spans[task - 1])
        row[5:7] = [invoked, time]
        builder.spans[task - 1] = tuple(row)
    builder.span("parsl.monitoring.node", run, "never-seen", [])
    _add_manager(builder, run, start)


def _add_manager(builder: Builder, run: int, start: float) -> None:
    """Add a Work Queue worker in a block with three tasks and the file of each, which belong to no task of Parsl."""
    block = builder.span("parsl.rundir.block", run, "wq/0", [(start - 0.1, "allocated"), (start + 9.1, "scaled_in")])
    connected = [(start, "CONNECTION"), (start + 9, "DISCONNECTION")]
    worker = builder.span("workqueue.worker", run, "wq/w0", connected, (block,))
    for number in range(3):
        began = start + 1 + 2.5 * number
        builder.span(
            "workqueue.task", run, f"wq/{number}", [(began, "RUNNING"), (began + 2, "WAITING_RETRIEVAL")], (worker,)
        )
        builder.span(
            "workqueue.transfer",
            run,
            f"wq/{number}.0",
            [(began - 0.2, "started"), (began - 0.1, "ended")],
            (worker,),
            {"direction": "INPUT", "file": ("function", "map")[number % 2], "megabytes": 0.5},
        )


def _add_try(
    builder: Builder,
    rng: random.Random,
    run: int,
    number: int,
    attempt: int,
    time: float,
    task: int,
    manager: int,
) -> float:
    """Add one try with its executor's accounts; return when it ended."""
    work = rng.lognormvariate(1.0, 0.7)
    failed = attempt == 0 and number % 7 == 3
    key = f"{number}/{attempt}"
    end = time + 0.3 + work
    attempt_span = builder.span(
        TRY,
        run,
        key,
        [
            (time + 0.01, "pending"),
            (time + 0.02, "launched"),
            (end, "failed" if failed else "exec_done"),
        ],
        (task,),
    )
    executor = builder.span(
        HTEX + "interchange.task",
        run,
        f"htex/{key}",
        [
            (time + 0.03, "queued"),
            (time + 0.05, "interchange_to_manager"),
            (end - 0.02, "result"),
        ],
        (attempt_span,),
    )
    builder.span(
        HTEX + "worker.task",
        run,
        f"htex/{key}",
        [(time + 0.10 + 0.1 * rng.random(), "start"), (end - 0.05, "end")],
        (executor, manager),
    )
    return end


def _add_hostile(builder: Builder) -> None:
    """Add a root whose every text is made to break out of HTML, URLs and mathtext."""
    evil = "<script>alert('&\"')</script>/$\\foo$"
    root = builder.span(TASK, 1, evil, [(START, evil), (START + 1, "returned")])
    builder.span("evil" + evil, 1, evil, [(START + 0.5, evil)], (root,))


def _write(builder: Builder) -> None:
    conn = builder.conn
    many = conn.executemany
    runs = [(1, "run-a", "demo.py 000", -21600.0), (2, "run-b", "demo.py 001", -21600.0)]
    many("INSERT INTO runs VALUES (?, ?, ?, ?)", runs)
    many(
        "INSERT INTO spans (id, uuid, type, run, key, began, ended, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        builder.spans,
    )
    many(
        "INSERT INTO events (span, time, type, n, source, offset) VALUES (?, ?, ?, 0, 1, 0)",
        (
            (span, time, builder.name("event_types", event))
            for span, events in builder.times.items()
            for time, event in events
        ),
    )
    for table, ids in builder.names.items():
        many(f"INSERT INTO {table} (name, id) VALUES (?, ?)", ids.items())
    many("INSERT INTO subspans (superspan, subspan, key) VALUES (?, ?, ?)", builder.subspans)
    many("INSERT INTO facets (left, right) VALUES (?, ?)", builder.facets)


def _write_report(builder: Builder) -> None:
    conn = builder.conn
    types = builder.names["span_types"]
    events = sum(map(len, builder.times.values()))
    for number, (importer, path) in enumerate(
        [("parsl_monitoring", "monitoring.db"), ("parsl_log", "000/parsl.log")], start=1
    ):
        conn.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?, 'text 2026', ?, 1000, 'f', 400, ?, 3, ?, ?, 'utc', ?)",
            (number, path, importer, path, number, events, START, START + 100, START + 9000),
        )
        conn.execute("INSERT INTO clocks VALUES (?, ?, 'UTC-06:00', 'log')", (number, number))
        conn.execute(
            "INSERT INTO unmatched VALUES (?, 'no pattern', 'odd line #', 3, 17, 'odd line 1')",
            (number,),
        )
        for kind, left, right in (
            ("facet", TASK, RUNDIR_TASK),
            ("subspan", TRY, HTEX + "interchange.task"),
        ):
            conn.execute(
                "INSERT INTO joins VALUES (?, ?, ?, ?, ?, 40, ?)",
                (number, number, kind, types[left], types[right], number - 1),
            )


def _write_samples(conn: sqlite3.Connection) -> None:
    """Add two samples of each first try: when it began, and when it ended."""
    for time, seconds in (("began", "0.1 + 0.2"), ("ended", "1.3")):
        conn.execute(
            "INSERT INTO parsl_resource (run_id, task_id, try_id, timestamp, uuid, psutil_process_pid,"
            " psutil_process_time_user, psutil_process_time_system, psutil_process_memory_resident)"
            f" SELECT runs.key, CAST(spans.key AS INTEGER), 0, {time}, uuid, spans.id, {seconds}, 0.5, 2e8 FROM spans"
            " JOIN runs ON runs.id = run JOIN span_types ON span_types.id = type"
            " WHERE span_types.name = ? AND spans.key LIKE '%/0'",
            [TRY],
        )


def _write_derived(builder: Builder) -> None:
    """Fill descendants, variants, sequences, steps and state_counts, the plain slow way."""
    conn = builder.conn
    roots = [span for span, name in builder.types.items() if name in ROOT_TYPES]
    groups: dict[tuple[str, str], list[tuple[int, list[float]]]] = defaultdict(list)
    changes: dict[tuple[str, int], list[tuple[float, int, str]]] = defaultdict(list)
    for root in roots:
        conn.executemany("INSERT INTO descendants VALUES (?, ?)", ((root, span) for span in builder.reach(root)))
        states = builder.states(root)
        names = [state for _, state in states]
        times = [time for time, _ in states]
        groups[builder.types[root], json.dumps(names)].append((root, times))
        moves = changes[builder.types[root], builder.runs[root]]
        moves += [(time, 1, state) for time, state in states]
        moves += [(after, -1, state) for (_, state), after in zip(states, times[1:], strict=False)]
    for number, ((root_type, sequence), members) in enumerate(groups.items(), start=1):
        _write_variant(builder, number, root_type, json.loads(sequence), members)
    for (root_type, run), moves in changes.items():
        _write_state_counts(builder, root_type, run, moves)


def _write_tasks(builder: Builder) -> None:
    """Fill task_times and stays as an import does: what is right in there, the tests of each find out."""
    for run in (1, 2):
        for root_type in ROOT_TYPES:
            task_table.update(builder.conn, Roots(builder.conn, run, builder.name("span_types", root_type)))
    task_table.relate(builder.conn, (1, 2))
    worker_stays.update(builder.conn, (1, 2))
    totals.update(builder.conn, (1, 2))


def _write_variant(
    builder: Builder,
    number: int,
    root_type: str,
    names: list[str],
    members: list[tuple[int, list[float]]],
) -> None:
    conn = builder.conn
    conn.execute(
        "INSERT INTO variants VALUES (?, ?, ?, ?, ?, ?)",
        (
            number,
            builder.name("span_types", root_type),
            json.dumps(names),
            len(names),
            len(members),
            members[0][0],
        ),
    )
    conn.executemany(
        "INSERT INTO sequences VALUES (?, ?, ?, ?)",
        ((root, number, times[0], times[-1]) for root, times in members),
    )
    cumulative = 0.0
    for position, state in enumerate(names):
        steps = [times[position] - times[position - 1] if position else 0.0 for _, times in members]
        mean = statistics.fmean(steps)
        cumulative += mean
        span_type, _, event_type = state.partition("/")
        p50, p95 = (float(value) for value in np.percentile(steps, [50, 95]))
        figures = (mean, min(steps), p50, p95, max(steps), cumulative)
        conn.execute(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, position, span_type, event_type, *figures),
        )


def _write_state_counts(builder: Builder, root_type: str, run: int, moves: list[tuple[float, int, str]]) -> None:
    moves.sort()
    first, last = moves[0][0], moves[-1][0]
    counts: Counter[str] = Counter()
    position = 0
    for i in range(GRID):
        time = first + (last - first) * i / (GRID - 1)
        while position < len(moves) and moves[position][0] <= time:
            counts[moves[position][2]] += moves[position][1]
            position += 1
        builder.conn.executemany(
            "INSERT INTO state_counts VALUES (?, ?, ?, ?, ?)",
            (
                (builder.name("span_types", root_type), run, time, state, spans)
                for state, spans in counts.items()
                if spans
            ),
        )
