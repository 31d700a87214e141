"""What the database holds of a run is what its logs say, computed another way by tests.runs."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from importers.cli import create_views
from importers.keys import surrogate_key
from importers.times import clock_of_name
from tests import runs
from tests.imports import MONITORING_TABLES, Rows, import_logs
from tests.runs import DATA, Monitoring, find_log, read_monitoring, read_records, shared_runs

SAMPLES = [
    *("runinfo/000", "runinfo/001", "runinfo/002", "htex-chicago/000", "htex-crash/000", "two-htex/000"),
]
WHOLE = [
    *("parsl-2026-htex-json-threads/000", "parsl-2026-htex-json-threads/001", "parsl-2026-htex-json-threads/002"),
    *("parsl-2026-htex-chicago/000", "parsl-2026-htex-crash/000", "parsl-2026-two-htex/000"),
]
HTEX = "parsl.executor.htex."
ZONES = {"htex-chicago": "America/Chicago", "parsl-2026-htex-chicago": "America/Chicago"}

# The event of each line that tests.runs names by the layer and a word of the line.
EVENT_TYPES = {
    ("interchange", "putting"): "interchange_putting_task",
    ("interchange", "put"): "interchange_put_task",
    ("interchange", "sent"): "interchange_to_manager",
    ("interchange", "removing"): "interchange_removing_task",
    ("manager", "got"): "manager_got_task",
    ("worker", "received"): "worker_received_task",
    ("worker", "completed"): "worker_completed_task",
    ("worker", "finished"): "worker_all_finished_task",
}


@dataclass
class Imported:
    """A run directory, and the database that its whole runinfo folder was imported into."""

    directory: Path
    conn: sqlite3.Connection

    @cached_property
    def logs(self) -> runs.Run:
        return runs.read_run(self.directory)

    @property
    def run_id(self) -> str:
        assert self.logs.run_id
        return self.logs.run_id

    @property
    def monitoring_db(self) -> Path:
        return self.directory.parent / "monitoring.db"

    @cached_property
    def monitoring(self) -> Monitoring | None:
        return read_monitoring(self.monitoring_db)[self.run_id] if self.monitoring_db.exists() else None

    def rows(self, sql: str, *params: object) -> Rows:
        return self.conn.execute(sql, params).fetchall()

    def spans(self, span_type: str) -> Rows:
        """Return uuid and key of the run's spans of a type."""
        return self.rows(
            """SELECT uuid, spans.key FROM spans JOIN runs ON runs.id = spans.run JOIN span_types t ON t.id = type
               WHERE runs.key = ? AND t.name = ?""",
            self.run_id,
            span_type,
        )

    def events(self, span_type: str) -> Counter[tuple[Any, ...]]:
        """Return key, event type and time of the events of the run's spans of a type."""
        return Counter(
            self.rows(
                """SELECT spans.key, event.type, event.time FROM spans JOIN runs ON runs.id = spans.run
                   JOIN span_types t ON t.id = spans.type JOIN event ON event.span_uuid = spans.uuid
                   WHERE runs.key = ? AND t.name = ?""",
                self.run_id,
                span_type,
            )
        )

    def below(self, span_type: str, inner: str) -> set[tuple[Any, ...]]:
        """Return the keys of spans of a type with those of the subspans of another."""
        return set(
            self.rows(
                """SELECT a.key, b.key FROM subspans JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
                   JOIN span_types s ON s.id = a.type JOIN span_types t ON t.id = b.type
                   JOIN runs ON runs.id = a.run
                   WHERE runs.key = ? AND s.name = ? AND t.name = ?""",
                self.run_id,
                span_type,
                inner,
            )
        )


@pytest.fixture(scope="module", params=SAMPLES + WHOLE)
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    name = str(request.param)
    shared = shared_runs()
    if name in SAMPLES:
        directory = DATA / name
    elif shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    else:
        directory = shared / name
    database = tmp_path_factory.mktemp("imported") / "dnpc.sqlite3"
    import_logs(database, directory.parent)
    with closing(sqlite3.connect(database)) as conn:
        yield Imported(directory, conn)


@pytest.fixture
def htex(imported: Imported) -> Imported:
    if not imported.logs.htex:
        pytest.skip("a run without HTEX")
    return imported


@pytest.fixture
def monitored(imported: Imported) -> Imported:
    if imported.monitoring is None:
        pytest.skip("a run without monitoring")
    return imported


def launched_on_htex(imported: Imported) -> list[runs.Launch]:
    return [launch for launch in imported.logs.launches if launch.executor_task is not None]


def key_of(launch: runs.Launch) -> str:
    return f"{launch.executor}/{launch.executor_task}"


def test_tasks_and_their_apps(imported: Imported) -> None:
    found = imported.rows(
        """SELECT spans.key, json_extract(attributes, '$.app') FROM spans JOIN runs ON runs.id = run
           JOIN span_types t ON t.id = type WHERE runs.key = ? AND t.name = 'parsl.rundir.task'""",
        imported.run_id,
    )
    assert len(found) > 0
    assert Counter(found) == Counter((str(task), app) for task, app in imported.logs.tasks.items())


def test_dependencies(imported: Imported) -> None:
    found = imported.rows(
        """SELECT CAST(spans.key AS INTEGER), json_each.value FROM spans, json_each(attributes, '$.depends')
           JOIN runs ON runs.id = run JOIN span_types t ON t.id = spans.type
           WHERE runs.key = ? AND t.name = 'parsl.rundir.task'""",
        imported.run_id,
    )
    assert set(found) == imported.logs.dependencies


def test_every_state_line_is_an_event_of_its_try(imported: Imported) -> None:
    expected = Counter((f"{s.task}/{s.try_id}", s.state, s.time) for s in imported.logs.states)
    states = {s.state for s in imported.logs.states}
    found = imported.events("parsl.rundir.try")
    assert Counter({event: n for event, n in found.items() if event[1] in states}) == expected


def test_every_launch_is_an_event_of_its_try(imported: Imported) -> None:
    expected = Counter((f"{x.task}/{x.try_id}", "launched_on_executor", x.time) for x in imported.logs.launches)
    found = imported.events("parsl.rundir.try")
    assert Counter({event: n for event, n in found.items() if event[1] == "launched_on_executor"}) == expected
    attributes = imported.rows(
        """SELECT spans.key, json_extract(attributes, '$.executor'), json_extract(attributes, '$.executor_task')
           FROM spans JOIN runs ON runs.id = run JOIN span_types t ON t.id = type
           WHERE runs.key = ? AND t.name = 'parsl.rundir.try' AND json_extract(attributes, '$.executor') IS NOT NULL""",
        imported.run_id,
    )
    assert Counter(attributes) == Counter(
        (f"{x.task}/{x.try_id}", x.executor, x.executor_task) for x in imported.logs.launches
    )


def test_tries_are_those_of_the_log_and_lie_in_their_tasks(imported: Imported) -> None:
    tries = {f"{s.task}/{s.try_id}" for s in imported.logs.states}
    tries |= {f"{x.task}/{x.try_id}" for x in imported.logs.launches}
    spans = imported.spans("parsl.rundir.try")
    assert Counter(key for _, key in spans) == Counter(tries)
    assert imported.below("parsl.rundir.task", "parsl.rundir.try") == {(t.split("/")[0], t) for t in tries}
    assert imported.below("parsl.rundir.workflow", "parsl.rundir.task") == {
        (imported.run_id, str(task)) for task in imported.logs.tasks
    }


def test_tries_are_counted_as_monitoring_has_them(monitored: Imported) -> None:
    assert monitored.monitoring
    logged = {key for _, key in monitored.spans("parsl.rundir.try")}
    stored = {f"{task}/{try_id}" for task, try_id in monitored.monitoring.tries}
    assert {key for _, key in monitored.spans("parsl.monitoring.try")} == stored
    assert logged == stored
    # State lines and status rows agree in task, try and state, one for one.
    from_log, from_db = (
        Counter(
            {
                (key, state): n
                for (key, state), n in Counter(
                    (key, state) for key, state, _time in monitored.events(f"parsl.{source}.try").elements()
                ).items()
                if state in {s.state for s in monitored.logs.states}
            }
        )
        for source in ("rundir", "monitoring")
    )
    assert (
        from_log
        == from_db
        == Counter({(f"{task}/{t}", state): n for (task, t, state), n in monitored.monitoring.state_counts().items()})
    )


@pytest.mark.parametrize("layer", ["interchange", "manager", "worker"])
def test_every_line_of_a_layer_is_an_event(htex: Imported, layer: str) -> None:
    expected = Counter(
        (f"{e.executor}/{e.executor_task}", EVENT_TYPES[e.layer, e.event], e.time)
        for e in htex.logs.htex
        if e.layer == layer
    )
    assert htex.events(f"{HTEX}{layer}.task") == expected
    launched = {key_of(launch) for launch in launched_on_htex(htex)}
    if layer == "worker" or expected:
        assert {key for key, _, _ in expected} >= launched, "the sample is whole"


def test_every_launched_try_has_all_its_layers(htex: Imported) -> None:
    """A try holds the outermost layer that was logged, and each layer the next one."""
    layers = [
        f"{HTEX}{layer}.task" for layer in ("interchange", "manager", "worker") if htex.logs.executor_tasks(layer)
    ]
    launched = {(f"{x.task}/{x.try_id}", key_of(x)) for x in launched_on_htex(htex)}
    assert launched
    assert htex.below("parsl.rundir.try", layers[0]) == launched
    for outer, inner in pairwise(layers):
        assert htex.below(outer, inner) == {(key, key) for _, key in launched}


def test_every_launched_try_is_under_the_right_manager_and_worker(htex: Imported) -> None:
    managers: dict[str, str] = {}
    workers: dict[str, str] = {}
    for event in htex.logs.htex:
        key = f"{event.executor}/{event.executor_task}"
        if event.manager:
            assert managers.setdefault(key, event.manager) == event.manager
        if event.worker is not None:
            workers[key] = f"{event.manager}/{event.worker}"
    launched = {key_of(launch) for launch in launched_on_htex(htex)}
    assert launched <= set(managers) and launched <= set(workers)
    if htex.logs.executor_tasks("interchange"):
        sent = htex.rows(
            """SELECT spans.key, json_extract(attributes, '$.manager') FROM spans JOIN runs ON runs.id = run
               JOIN span_types t ON t.id = type WHERE runs.key = ? AND t.name = ?""",
            htex.run_id,
            f"{HTEX}interchange.task",
        )
        assert dict(sent) == {key: managers[key] for key, _ in sent} and len(sent) >= len(launched)
    if htex.logs.executor_tasks("manager"):
        assert {(b, a) for a, b in htex.below(f"{HTEX}manager", f"{HTEX}manager.task")} == set(managers.items())
    on_worker = htex.below(f"{HTEX}worker", f"{HTEX}worker.task")
    assert {(task, worker) for worker, task in on_worker} == set(workers.items())
    assert htex.below(f"{HTEX}manager", f"{HTEX}worker") >= {(w.split("/")[0], w) for w in workers.values()}


def test_everything_below_a_task_is_its_descendant(htex: Imported) -> None:
    """In whichever account the task is the root: the other account and all layers are below it."""
    has_layer = [x for x in ("interchange", "manager", "worker") if htex.logs.executor_tasks(x)]
    expected = set()
    for launch in launched_on_htex(htex):
        expected |= {(str(launch.task), f"{HTEX}{layer}.task", key_of(launch)) for layer in has_layer}
    accounts = ["rundir", "monitoring"] if htex.monitoring else ["rundir"]
    for task in htex.logs.tasks:
        for account in accounts:
            expected.add((str(task), f"parsl.{account}.task", str(task)))
    for state in htex.logs.states:
        for account in accounts:
            expected.add((str(state.task), f"parsl.{account}.try", f"{state.task}/{state.try_id}"))
    for account in accounts:
        found = htex.rows(
            """SELECT DISTINCT root.key, t.name, below.key FROM descendants
               JOIN spans root ON root.id = descendants.root JOIN span_types r ON r.id = root.type
               JOIN spans below ON below.id = descendants.span JOIN span_types t ON t.id = below.type
               JOIN runs ON runs.id = root.run
               WHERE runs.key = ? AND r.name = ?""",
            htex.run_id,
            f"parsl.{account}.task",
        )
        assert set(found) == expected


def test_two_accounts_of_one_thing_are_facets(monitored: Imported) -> None:
    assert monitored.monitoring
    found = set(
        monitored.rows(
            """SELECT s.name, t.name, a.key, b.key FROM facets JOIN spans a ON a.id = left JOIN spans b ON b.id = right
               JOIN span_types s ON s.id = a.type JOIN span_types t ON t.id = b.type JOIN runs ON runs.id = a.run
               WHERE runs.key = ?""",
            monitored.run_id,
        )
    )
    pairs = {
        ("workflow", monitored.run_id),
        *(("task", str(task)) for task in monitored.monitoring.tasks),
        *(("try", f"{task}/{try_id}") for task, try_id in monitored.monitoring.tries),
    }
    expected = {(f"parsl.monitoring.{kind}", f"parsl.rundir.{kind}", key, key) for kind, key in pairs}
    assert {row for row in found if row[0].rsplit(".", 1)[1] in ("workflow", "task", "try")} == expected
    managers = {e.manager for e in monitored.logs.htex if e.manager}
    nodes = {row for row in found if row[0] == "parsl.monitoring.node"}
    assert nodes == {("parsl.monitoring.node", f"{HTEX}manager", m, m) for m in managers}
    # No facet leads out of the run.
    assert not monitored.rows(
        "SELECT 1 FROM facets JOIN spans a ON a.id = left JOIN spans b ON b.id = right WHERE a.run <> b.run"
    )


def seconds_of(imported: Imported, text: str | None) -> float | None:
    """Turn a local time of monitoring.db into UTC, as Python does."""
    if text is None:
        return None
    zone = ZoneInfo(ZONES.get(imported.directory.parent.name, "UTC"))
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp(), 6)


def monitoring_rows(imported: Imported, sql: str) -> Rows:
    uri = f"{imported.monitoring_db.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as conn:
        return conn.execute(sql, [imported.run_id]).fetchall()


def test_monitoring_spans_have_just_the_events_of_the_first_dnpc(monitored: Imported) -> None:
    expected: dict[str, Rows] = {
        "workflow": [
            (monitored.run_id, name, seconds_of(monitored, str(time)))
            for began, completed in monitoring_rows(
                monitored, "SELECT time_began, time_completed FROM workflow WHERE run_id = ?"
            )
            for name, time in (("began", began), ("completed", completed))
            if time is not None
        ],
        "task": [
            (str(task), name, seconds_of(monitored, str(time)))
            for task, invoked, returned in monitoring_rows(
                monitored, "SELECT task_id, task_time_invoked, task_time_returned FROM task WHERE run_id = ?"
            )
            for name, time in (("invoked", invoked), ("returned", returned))
            if time is not None
        ],
        "try": [
            (f"{task}/{try_id}", state, seconds_of(monitored, str(time)))
            for task, try_id, state, time in monitoring_rows(
                monitored, "SELECT task_id, try_id, task_status_name, timestamp FROM status WHERE run_id = ?"
            )
        ],
    }
    for kind, events in expected.items():
        assert monitored.events(f"parsl.monitoring.{kind}") == Counter(events)


@pytest.mark.parametrize("table", MONITORING_TABLES)
def test_monitoring_tables_are_copied(monitored: Imported, table: str) -> None:
    with closing(sqlite3.connect(f"{monitored.monitoring_db.resolve().as_uri()}?immutable=1", uri=True)) as conn:
        theirs = [row[1] for row in conn.execute(f'PRAGMA table_info("{table}")')]
    ours = [row[1] for row in monitored.conn.execute(f"PRAGMA table_info(parsl_{table})")]
    columns = [name for name in theirs if name in ours]
    assert set(theirs) <= set(ours) and set(ours) - set(theirs) == {"uuid"}
    listed = ", ".join(columns)
    times = {name for name in columns if ("time_" in name and not name.startswith("psutil")) or name == "timestamp"}
    times |= {"last_heartbeat"} & set(columns)
    expected = [
        tuple(
            seconds_of(monitored, str(value)) if name in times and value is not None else value
            for name, value in zip(columns, row, strict=True)
        )
        for row in monitoring_rows(monitored, f'SELECT {listed} FROM "{table}" WHERE run_id = ?')
    ]
    found = monitored.rows(f"SELECT {listed} FROM parsl_{table} WHERE run_id = ?", monitored.run_id)
    assert Counter(found) == Counter(expected)
    # The uuid of each row is its span's.
    scope = {"workflow": "", "task": "task_id", "node": "uid", "block": "executor_label, block_id"}
    key, kind = scope.get(table, "task_id, try_id"), table if table in scope else "try"
    for uuid, *parts in monitored.rows(
        f"SELECT uuid{', ' if key else ''}{key} FROM parsl_{table} WHERE run_id = ?", monitored.run_id
    ):
        assert uuid == surrogate_key(f"parsl.monitoring.{kind}", monitored.run_id, *map(str, parts))


def test_monitoring_and_log_agree_on_times(monitored: Imported) -> None:
    """The database has local times, the log has epoch seconds; nothing but the same clock makes them agree."""
    apart = monitored.rows(
        """SELECT e.time - f.time FROM facets JOIN spans a ON a.id = left JOIN spans b ON b.id = right
           JOIN span_types t ON t.id = a.type JOIN runs ON runs.id = a.run
           JOIN events e ON e.span = a.id JOIN events f ON f.span = b.id AND f.type = e.type
           WHERE runs.key = ? AND t.name = 'parsl.monitoring.try'""",
        monitored.run_id,
    )
    assert len(apart) == len(monitored.logs.states)
    assert max(abs(difference) for (difference,) in apart) <= 0.010
    zone = ZONES.get(monitored.directory.parent.name, "UTC")
    clocks = monitored.rows(
        "SELECT zone, evidence FROM clocks JOIN runs ON runs.id = run WHERE runs.key = ?", monitored.run_id
    )
    # The offset is that of the zone at the time of the run.
    (time,) = monitored.rows("SELECT min(time) FROM event")[0]
    offset = clock_of_name(zone).naive(time) - time
    hours, minutes = divmod(round(abs(offset) / 60), 60)
    assert clocks == [(f"UTC{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}", "log")]


def test_executors_and_blocks(imported: Imported) -> None:
    """A block that is scaled in is of the executor that was named last."""
    log = find_log(imported.directory, "parsl")
    assert log
    executors, blocks, label = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]](), ""
    for record in read_records(log):
        text, at = record.message, record.time
        if match := re.match(r"\[Scaling executor (\S+)\] |Scaling in executor (\S+)", text):
            label = match[1] or match[2]
        if match := re.match(r"Adding executor (\S+) of type \S+$", text):
            executors[match[1], "added", at] += 1
        elif match := re.search(r"\] (Allocated|Launched) block (?:ID )?(\d+)", text):
            blocks[f"{label}/{match[2]}", match[1].lower(), at] += 1
        elif match := re.match(r"Marking block (\d+) as SCALED_IN", text):
            blocks[f"{label}/{match[1]}", "scaled_in", at] += 1
    for path in imported.directory.glob("submit_scripts/*"):
        if match := re.fullmatch(r"parsl\.(.+)\.block-(\d+)\.(\d+\.\d+)\.sh\.out", path.name):
            blocks[f"{match[1]}/{match[2]}", "submitted", float(match[3])] += 1
    assert executors and imported.events("parsl.rundir.executor") == executors
    assert imported.events("parsl.rundir.block") == blocks
    managers = {(f"{e.executor}/", e.manager) for e in imported.logs.htex if e.layer == "manager"}
    found = {(re.sub(r"\d+$", "", block), manager) for block, manager in
             imported.below("parsl.rundir.block", f"{HTEX}manager")}  # fmt: skip
    assert found == managers


def test_spans_begin_and_end_with_their_events(imported: Imported) -> None:
    assert not imported.rows(
        """SELECT spans.uuid FROM spans LEFT JOIN events ON events.span = spans.id GROUP BY spans.id
           HAVING began IS NOT min(events.time) OR ended IS NOT max(events.time)"""
    )
    assert imported.rows("SELECT count(*) FROM spans WHERE ended > began") > [(0,)]


def test_uuids_are_keys_that_anyone_can_make(imported: Imported) -> None:
    for kind in ("workflow", "task", "try"):
        for uuid, key in imported.spans(f"parsl.rundir.{kind}"):
            parts = [] if kind == "workflow" else str(key).split("/")
            assert uuid == surrogate_key(f"parsl.rundir.{kind}", imported.run_id, *parts)


def test_events_tell_where_they_were_read(imported: Imported) -> None:
    """The offset of an event is that of the line that holds its time."""
    found = imported.rows(
        """SELECT path, offset, time FROM events JOIN sources ON sources.id = source JOIN runs ON runs.id = sources.run
           WHERE runs.key = ? ORDER BY path""",
        imported.run_id,
    )
    assert found
    contents: dict[str, bytes] = {}
    for path, offset, time in found:
        name = str(path)
        if "/submit_scripts/" in name:
            assert offset == 0 and f".{time}.sh.out" in name
            continue
        if name not in contents:
            contents[name] = (imported.directory.parent / name).read_bytes()
        data, start = contents[name], offset
        assert start == 0 or data[start - 1 : start] == b"\n"
        line = data[start : data.index(b"\n", start)]
        logged = json.loads(line)["created"] if line.startswith(b"{") else line.split(b" ")[0]
        assert float(logged) == time


def test_counts_of_sources_add_up(imported: Imported) -> None:
    events = imported.rows("SELECT count(*) FROM events")
    assert imported.rows("SELECT sum(events) FROM sources") == events
    assert imported.rows("SELECT sum(count) FROM unmatched") == imported.rows(
        "SELECT nullif(sum(unmatched), 0) FROM sources"
    )
    for path, first, last in imported.rows("SELECT path, first_time, last_time FROM sources WHERE events > 0"):
        assert first <= last, path


def test_joins_made_and_missing_add_up(imported: Imported) -> None:
    """Each span that could be joined is counted once from its side."""
    joins = imported.rows(
        """SELECT kind, l.name, r.name, sum(made), sum(missing) FROM joins JOIN runs ON runs.id = joins.run
           JOIN span_types l ON l.id = left_type JOIN span_types r ON r.id = right_type
           WHERE runs.key = ? GROUP BY 1, 2, 3""",
        imported.run_id,
    )
    counted = {(kind, left, right): (made, missing) for kind, left, right, made, missing in joins}
    on_htex = len(launched_on_htex(imported))
    layers = [f"{HTEX}{x}.task" for x in ("interchange", "manager", "worker") if imported.logs.executor_tasks(x)] \
        if on_htex else []  # fmt: skip
    chain = ["parsl.rundir.try", *layers]
    for outer, inner in pairwise(chain):
        assert counted["subspan", outer, inner] == (on_htex, 0)
        assert counted["subspan", inner, outer] == (on_htex, 0)
    if imported.monitoring:
        for kind, n in (("task", len(imported.monitoring.tasks)), ("try", len(imported.monitoring.tries))):
            ours, theirs = f"parsl.monitoring.{kind}", f"parsl.rundir.{kind}"
            assert counted["facet", ours, theirs] == counted["facet", theirs, ours] == (n, 0)
    else:
        assert not [key for key in counted if key[0] == "facet"]


def test_no_line_that_names_a_task_is_left_over(imported: Imported) -> None:
    """What was not understood is noise: no line of the shapes that tests.runs reads."""
    shapes = [runs.LAUNCHED, *(shape for layer in (runs.INTERCHANGE, runs.MANAGER, runs.WORKER) for _, shape in layer)]
    for (text,) in imported.rows("SELECT text FROM unmatched"):
        assert not any(re.search(shape, str(text)) for shape in shapes), text


def test_memoized_and_dependent_tasks_of_a_threads_run(tmp_path: Path) -> None:
    database, directory = tmp_path / "dnpc.sqlite3", DATA / "runinfo" / "002"
    import_logs(database, directory)
    run = runs.read_run(directory)
    with closing(sqlite3.connect(database)) as conn:

        def named(event: str) -> set[int]:
            found = conn.execute(
                "SELECT key FROM spans JOIN event ON span_uuid = spans.uuid WHERE event.type = ?", [event]
            )
            return {int(key.split("/")[0]) for (key,) in found}

        reused, failed = named("memo_reused"), named("dependency_failed")
        launched = named("launched_on_executor")
    by_state = {state: {s.task for s in run.states if s.state == state} for state in ("memo_done", "dep_fail")}
    assert reused == by_state["memo_done"] != set()
    assert failed == by_state["dep_fail"] != set()
    assert launched == {x.task for x in run.launches}
    assert not launched & (reused | failed)


@pytest.mark.parametrize(
    ("number", "tasks", "db_tries", "launches", "joined", "states"),
    [("000", 309, 329, 322, 319, 983), ("001", 309, 326, 320, 317, 975), ("002", 309, 327, 299, 0, 956)],
)
def test_known_counts_of_the_whole_runs(
    tmp_path_factory: pytest.TempPathFactory,
    number: str,
    tasks: int,
    db_tries: int,
    launches: int,
    joined: int,
    states: int,
) -> None:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    folder = shared / "parsl-2026-htex-json-threads"
    database = tmp_path_factory.mktemp("whole") / "dnpc.sqlite3"
    import_logs(database, folder / number, folder / "monitoring.db")
    run = next(
        r.message for r in read_records(find_log(folder / number, "parsl") or Path()) if "Run id is" in r.message
    )
    run_id = run.split()[-1]
    with closing(sqlite3.connect(database)) as conn:

        def count(sql: str, *params: object) -> int:
            return int(conn.execute(sql, [run_id, *params]).fetchone()[0])

        of_type = """SELECT count(*) FROM spans JOIN runs ON runs.id = run JOIN span_types t ON t.id = type
                     WHERE runs.key = ? AND t.name = ?"""
        assert count(of_type, "parsl.rundir.task") == count(of_type, "parsl.monitoring.task") == tasks
        assert count(of_type, "parsl.monitoring.try") == db_tries
        events = """SELECT count(*) FROM event JOIN spans ON spans.uuid = span_uuid JOIN runs ON runs.id = run
                    JOIN span_types t ON t.id = spans.type WHERE runs.key = ? AND t.name = 'parsl.rundir.try'"""
        assert count(events + " AND event.type = 'launched_on_executor'") == launches
        assert count(events + " AND event.type NOT IN ('launched_on_executor', 'exception')") == states
        whole = """WITH RECURSIVE below(try, span, manager) AS (
                       SELECT spans.id, spans.id, NULL FROM spans JOIN runs ON runs.id = run
                       JOIN span_types t ON t.id = type WHERE runs.key = ? AND t.name = 'parsl.rundir.try'
                       UNION SELECT try, subspan, NULL FROM below JOIN subspans ON superspan = span)
                   SELECT count(*) FROM (
                       SELECT try FROM below JOIN spans ON spans.id = span JOIN span_types t ON t.id = type
                       WHERE t.name LIKE 'parsl.executor.htex.%.task' AND began IS NOT NULL
                       GROUP BY try HAVING count(*) = 3)"""
        assert count(whole) == joined


def test_resource_sample_has_each_number_of_monitoring(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    import_logs(database, DATA / "runinfo", finish=create_views)
    with closing(sqlite3.connect(DATA / "runinfo" / "monitoring.db")) as conn:
        columns = [row[1] for row in conn.execute("PRAGMA table_info(resource)")]
        numbers = [
            name
            for name in columns
            if name.startswith("psutil_process_") and name not in ("psutil_process_pid", "psutil_process_status")
        ]
        wanted = Counter(
            (name, value)
            for row in conn.execute(f"SELECT {', '.join(numbers)} FROM resource")
            for name, value in zip(numbers, row, strict=True)
            if value is not None
        )
    with closing(sqlite3.connect(database)) as conn:
        found = Counter(conn.execute("SELECT metric, value FROM resource_sample").fetchall())
        strays = "SELECT count(*) FROM resource_sample WHERE uuid NOT IN (SELECT uuid FROM spans)"
        assert conn.execute(strays).fetchone() == (0,)
    assert found == wanted
