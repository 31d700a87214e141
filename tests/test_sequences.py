"""Event sequences kept in the database, against a slow computation from the four plain views."""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from importers import roots
from importers.formats import root_types
from importers.sequences import GRID
from importers.times import clock_of_name
from tests.imports import copied, differences, dnpc, import_logs, opened, query, readable
from tests.runs import DATA, shared_runs

ROOTS = ("parsl.monitoring.task", "parsl.rundir.task")

# What the first dnpc's users wrote: nothing but its four tables.
FIRST_DNPC = """
    WITH RECURSIVE below(root, uuid) AS (
        SELECT uuid, uuid FROM span WHERE type = 'parsl.monitoring.task'
        UNION
        SELECT below.root, subspan.subspan_uuid FROM below JOIN subspan ON subspan.superspan_uuid = below.uuid
        UNION
        SELECT below.root, facet.right_uuid FROM below JOIN facet ON facet.left_uuid = below.uuid
        UNION
        SELECT below.root, facet.left_uuid FROM below JOIN facet ON facet.right_uuid = below.uuid
    )
    SELECT below.root, event.time, span.type || '/' || event.type
    FROM below JOIN event ON event.span_uuid = below.uuid JOIN span ON span.uuid = below.uuid
    ORDER BY below.root, event.time
"""


class Slow:
    """Every root's events in time order, found root by root from the views."""

    def __init__(self, database: Path, root_type: str) -> None:
        with closing(sqlite3.connect(database)) as conn:
            types: dict[str, str] = dict(conn.execute("SELECT uuid, type FROM span").fetchall())
            near = defaultdict(set)
            for above, below in conn.execute("SELECT superspan_uuid, subspan_uuid FROM subspan"):
                near[above].add(below)
            for left, right in conn.execute("SELECT left_uuid, right_uuid FROM facet"):
                near[left].add(right)
                near[right].add(left)
            events = defaultdict(list)
            for uuid, at, name in conn.execute("SELECT span_uuid, time, type FROM event"):
                events[uuid].append((at, f"{types[uuid]}/{name}"))
            self.runs = dict(conn.execute("SELECT uuid, runs.key FROM spans JOIN runs ON runs.id = run").fetchall())
        self.below: dict[str, set[str]] = {}
        self.events: dict[str, list[tuple[float, str]]] = {}
        for root in (uuid for uuid, kind in types.items() if kind == root_type):
            reached, new = set(), {root}
            while new:
                reached |= new
                new = {other for uuid in new for other in near[uuid]} - reached
            self.below[root] = reached
            if found := sorted(event for uuid in reached for event in events[uuid]):
                self.events[root] = found

    def sequences(self) -> dict[str, tuple[str, ...]]:
        return {root: tuple(name for _, name in events) for root, events in self.events.items()}

    def steps(self, variant: tuple[str, ...]) -> list[tuple[float, ...]]:
        """Return mean, minimum, median, 95th percentile, maximum and cumulated mean of each step."""
        times = [
            [at for at, _ in self.events[root]] for root, sequence in self.sequences().items() if sequence == variant
        ]
        found: list[tuple[float, ...]] = []
        for position in range(len(variant)):
            steps = [row[position] - row[max(position - 1, 0)] for row in times]
            since = [row[position] - row[0] for row in times]
            found.append(
                (
                    statistics.mean(steps),
                    min(steps),
                    statistics.median(steps),
                    float(np.percentile(steps, 95)),
                    max(steps),
                    statistics.mean(since),
                )
            )
        return found

    def states(self, run: str, at: float) -> Counter[str]:
        """Count the roots of a run whose latest event at a time is each state."""
        found: Counter[str] = Counter()
        for root, events in self.events.items():
            if self.runs[root] == run and (before := bisect_right([t for t, _ in events], at)):
                found[events[before - 1][1]] += 1
        return found


def check(database: Path, root_types: Iterable[str] = ROOTS) -> None:
    """Check everything that is kept of event sequences."""
    for root_type in root_types:
        slow = Slow(database, root_type)
        assert slow.events
        kept = query(
            database,
            """SELECT spans.uuid, sequence, sequences.began, sequences.ended FROM sequences
               JOIN variants ON variants.id = variant JOIN spans ON spans.id = root
               JOIN span_types ON span_types.id = root_type WHERE span_types.name = ?""",
            root_type,
        )
        assert {row[0]: tuple(json.loads(row[1])) for row in kept} == slow.sequences()
        assert {row[0]: row[2:] for row in kept} == {
            root: (events[0][0], events[-1][0]) for root, events in slow.events.items()
        }
        below: dict[str, set[str]] = defaultdict(set)
        for root, span in query(
            database,
            """SELECT r.uuid, s.uuid FROM descendants JOIN spans r ON r.id = root JOIN spans s ON s.id = span
               JOIN span_types ON span_types.id = r.type WHERE span_types.name = ?""",
            root_type,
        ):
            below[root].add(span)
        assert below == slow.below
        check_variants(database, root_type, slow)
        check_states(database, root_type, slow)


def check_variants(database: Path, root_type: str, slow: Slow) -> None:
    variants = query(
        database,
        """SELECT variants.id, sequence, events, variants.spans, spans.uuid FROM variants
           JOIN span_types ON span_types.id = root_type JOIN spans ON spans.id = example WHERE name = ?""",
        root_type,
    )
    expected = Counter(slow.sequences().values())
    assert {tuple(json.loads(row[1])): row[3] for row in variants} == expected
    for variant, sequence, events, _spans, example in variants:
        names = tuple(json.loads(sequence))
        assert events == len(names)
        assert slow.sequences()[example] == names
        steps = query(
            database,
            """SELECT position, span_type || '/' || event_type, mean, min, p50, p95, max, cumulative FROM steps
               WHERE variant = ? ORDER BY position""",
            variant,
        )
        assert [row[:2] for row in steps] == list(enumerate(names))
        for row, figures in zip(steps, slow.steps(names), strict=True):
            assert row[2:] == pytest.approx(figures, abs=1e-8)
        assert steps[0][2:] == (0.0,) * 6


def check_states(database: Path, root_type: str, slow: Slow) -> None:
    rows = query(
        database,
        """SELECT runs.key, time, state, state_counts.spans FROM state_counts JOIN runs ON runs.id = run
           JOIN span_types ON span_types.id = root_type WHERE span_types.name = ?""",
        root_type,
    )
    found: dict[str, dict[float, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for run, at, state, spans in rows:
        found[run][at][state] = spans
    assert set(found) == {slow.runs[root] for root in slow.events}
    for run, grid in found.items():
        events = [at for root, events in slow.events.items() if slow.runs[root] == run for at, _ in events]
        assert (min(grid), max(grid)) == (min(events), max(events))
        assert len(grid) <= GRID
        apart = np.diff(sorted(grid))
        assert apart == pytest.approx(np.full(len(apart), (max(events) - min(events)) / (GRID - 1)), abs=1e-5)
        for at, counts in grid.items():
            assert +counts == slow.states(run, at)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sequences") / "dnpc.sqlite3"
    import_logs(path, DATA / "runinfo")
    return path


def test_the_tasks_of_both_accounts_are_among_the_kept_roots() -> None:
    assert set(ROOTS) <= set(root_types())


def test_all_that_is_kept_of_three_runs(database: Path) -> None:
    check(database)


def test_a_second_run_in_a_second_import_counts_with_the_first(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "dnpc.sqlite3"
    folder = DATA / "runinfo"
    import_logs(path, folder / "000")
    before = query(path, "SELECT sum(spans) FROM variants")[0][0]
    check_rundir(path)
    import_logs(path, folder / "001")
    # Runs 000 and 001 are of one workflow, and so share variants.
    assert query(path, "SELECT sum(spans) FROM variants")[0][0] > before
    check_rundir(path)
    import_logs(path, folder / "002", folder / "monitoring.db")
    check(path)
    kept = ("variants", "sequences", "steps", "state_counts", "descendants")
    ours, theirs = readable(path), readable(database)
    assert differences({name: ours[name] for name in kept}, {name: theirs[name] for name in kept}) == {}


def check_rundir(database: Path) -> None:
    slow = Slow(database, "parsl.rundir.task")
    check_variants(database, "parsl.rundir.task", slow)
    check_states(database, "parsl.rundir.task", slow)


def test_variants_shared_by_runs_are_measured_over_all_of_them(database: Path) -> None:
    shared = query(
        database,
        """SELECT variant FROM sequences JOIN spans ON spans.id = root GROUP BY variant
           HAVING count(DISTINCT run) > 1""",
    )
    assert shared, "the sample runs should share a variant"


def test_events_at_one_time_are_in_order_of_their_names(tmp_path: Path) -> None:
    """So that one variant stays one, whatever ids its names were given."""
    sequences = []
    for words in (("pending", "launched", "exec_done"), ("exec_done", "pending", "launched")):
        run = tmp_path / words[0] / "000"
        run.mkdir(parents=True)
        record = "1795397698.{micro:06} 2026-11-23 01:34:58 MainProcess-1 MainThread-2 parsl:1 f INFO: {text}\n"
        lines = [record.format(micro=0, text="Run id is: 11111111-2222-4333-8444-555555555555")]
        lines += [record.format(micro=5, text=f"Task 0 changing state from x to {word}") for word in words]
        lines += [record.format(micro=9, text="Task 0 submitted for App a, not waiting on any dependency")]
        (run / "parsl.log").write_text("".join(lines))
        path = tmp_path / f"{words[0]}.sqlite3"
        import_logs(path, run)
        (sequence,) = (json.loads(row[0]) for row in query(path, "SELECT sequence FROM variants"))
        sequences.append(sequence)
        slow = Slow(path, "parsl.rundir.task")
        check_variants(path, "parsl.rundir.task", slow)
        check_states(path, "parsl.rundir.task", slow)
    expected = [*(f"parsl.rundir.try/{word}" for word in ("exec_done", "launched", "pending")),
                "parsl.rundir.task/submitted"]  # fmt: skip
    assert sequences == [expected, expected]


def test_a_run_with_all_its_events_at_one_time(tmp_path: Path) -> None:
    run = tmp_path / "000"
    run.mkdir()
    record = "1795397698.000000 2026-11-23 01:34:58 MainProcess-1 MainThread-2 parsl:1 f INFO: "
    texts = ["Run id is: 11111111-2222-4333-8444-555555555555", "Task 0 initializing state to pending",
             "Task 1 initializing state to pending", "Task 1 changing state from pending to launched"]  # fmt: skip
    (run / "parsl.log").write_text("".join(f"{record}{text}\n" for text in texts))
    path = tmp_path / "dnpc.sqlite3"
    import_logs(path, run)
    check_rundir(path)
    assert query(path, "SELECT DISTINCT time FROM state_counts") == [(1795397698.0,)]


def test_variants_that_nothing_has_any_more_are_dropped(tmp_path: Path) -> None:
    """A log that grew gives its tasks longer sequences."""
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    path = tmp_path / "dnpc.sqlite3"
    log = folder / "000" / "parsl.log"
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: 2 * len(lines) // 3]))
    import_logs(path, folder)
    check_rundir(path)
    log.write_bytes(whole)
    import_logs(path, folder)
    check_rundir(path)
    assert query(path, "SELECT count(*) FROM variants WHERE spans = 0") == [(0,)]
    assert query(path, "SELECT count(*) FROM steps WHERE variant NOT IN (SELECT id FROM variants)") == [(0,)]


def expected_2023(folder: Path) -> list[str]:
    lines = (folder / "list_event_sequences.out.expected").read_text().splitlines()
    return [line for line in lines if "/" in line]


@pytest.fixture(params=["option", "machine", "UTC"])
def first_dnpc(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first dnpc's sample, read in several zones: differences of times do not depend on them."""
    shared = shared_runs()
    if shared is None or not (shared / "dnpc-2023-monitoring").is_dir():
        pytest.skip("the first dnpc's sample is not here; DNPC_SHARED_DATA can name its folder")
    folder, database = shared / "dnpc-2023-monitoring", tmp_path / "dnpc.sqlite3"
    if request.param == "machine":
        monkeypatch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        import_logs(database, folder)
    else:
        zone = "America/Chicago" if request.param == "option" else "UTC"
        dnpc("import", folder, "--db", database, "--timezone", zone)
    yield database
    monkeypatch.undo()
    time.tzset()


def test_steps_are_those_of_the_first_dnpc(first_dnpc: Path) -> None:
    folder = shared_runs()
    assert folder
    rows = query(
        first_dnpc,
        """SELECT cumulative, mean, span_type || '/' || event_type FROM steps
           WHERE variant = (SELECT variants.id FROM variants JOIN span_types ON span_types.id = root_type
                            WHERE name = 'parsl.monitoring.task' ORDER BY spans DESC LIMIT 1)
           ORDER BY position""",
    )
    printed = [f"{cumulative:15.9f} {mean:15.9f} {name}" for cumulative, mean, name in rows]
    assert [line.split() for line in printed] == [
        line.split() for line in expected_2023(folder / "dnpc-2023-monitoring")
    ]
    assert query(first_dnpc, "SELECT count(*), sum(spans) FROM variants") == [(1, 50)]


def test_sql_for_the_first_dnpcs_tables_gives_its_figures(first_dnpc: Path) -> None:
    folder = shared_runs()
    assert folder
    roots: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for root, at, name in query(first_dnpc, FIRST_DNPC):
        roots[root].append((at, name))
    sequences = Counter(tuple(name for _, name in events) for events in roots.values())
    ((variant, count),) = sequences.most_common()
    assert count == 50
    cumulative, printed = 0.0, []
    for position, name in enumerate(variant):
        mean = statistics.mean(e[position][0] - e[max(position - 1, 0)][0] for e in roots.values())
        cumulative += mean
        printed.append(f"{cumulative:.9f} {mean:.9f} {name}".split())
    assert printed == [line.split() for line in expected_2023(folder / "dnpc-2023-monitoring")]


def test_span_types_are_those_of_the_first_dnpc(first_dnpc: Path) -> None:
    folder = shared_runs()
    assert folder
    expected = (folder / "dnpc-2023-monitoring" / "list_span_types.out.expected").read_text().split()
    found = {row[0] for row in query(first_dnpc, "SELECT DISTINCT type FROM span")}
    assert set(expected) <= found
    with_events: list[Any] = query(
        first_dnpc, "SELECT span.type, count(*) FROM span JOIN event ON span_uuid = span.uuid GROUP BY 1"
    )
    assert {kind: n for kind, n in with_events if kind in expected} == {
        "parsl.monitoring.workflow": 2,
        "parsl.monitoring.task": 100,
        "parsl.monitoring.try": 250,
    }


def test_times_follow_the_zone(tmp_path: Path) -> None:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the first dnpc's sample is not here; DNPC_SHARED_DATA can name its folder")
    began = []
    for zone in ("UTC", "America/Chicago", "+05:45"):
        path = tmp_path / f"{zone.replace('/', '-')}.sqlite3"
        dnpc("import", shared / "dnpc-2023-monitoring", "--db", path, "--timezone", zone)
        began.append(query(path, "SELECT time_began FROM parsl_workflow")[0][0])
        assert query(path, "SELECT DISTINCT evidence FROM clocks") == [("option",)]
        (naive,) = query(shared / "dnpc-2023-monitoring" / "monitoring.db", "SELECT time_began FROM workflow")[0]
        assert clock_of_name(zone).naive(began[-1]) == pytest.approx(clock_of_name("UTC").naive(began[0]), abs=1e-6)
        assert str(naive).startswith("20")
    assert len(set(began)) == 3


def test_events_of_a_run_are_not_sorted_by_their_roots(tmp_path: Path) -> None:
    """They come in that order. Of ten million, it would take seconds, and space on the disk."""
    import_logs(tmp_path / "d.sqlite3", DATA / "runinfo")
    with opened(tmp_path / "d.sqlite3") as conn:
        (run, root_type), *_ = conn.execute("SELECT run, type FROM spans JOIN sequences ON root = id").fetchall()
        values = {"run": run, "type": root_type}
        plan = [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {roots.EVENTS}", values)]
        found = [root for root, _time, _code in conn.execute(roots.EVENTS, values)]
    assert found == sorted(found) and len(set(found)) > 20
    assert not [line for line in plan if "B-TREE" in line or line.startswith("SCAN")]
