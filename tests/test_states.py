"""How many roots are in each state when, and the sequences they go through: against a count event by event."""

from __future__ import annotations

import json
import math
import random
import re
import sqlite3
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasette.app import Datasette
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from datasette_dnpc import plots, queries, sql_files
from datasette_dnpc.meanings import OTHERS_COLOUR
from datasette_dnpc.plot_options import keywords
from datasette_dnpc.plots import over_time
from datasette_dnpc.plots.state_counts import matching
from datasette_dnpc.sql_files import create_views
from datasette_dnpc.sql_functions import register
from tests import synthetic
from tests.imports import dnpc, import_logs
from tests.runs import DATA, read_run, shared_runs
from tests.test_sequences import Slow

Event = tuple[float, str]
Roots = Mapping[str, list[Event]]
"""Root to its events."""

Rows = list[dict[str, Any]]


def state_at(events: list[Event], time: float) -> str | None:
    """Return the state of a root at a time: its latest event, and at one time the last by name."""
    return max((event for event in events if event[0] <= time), default=(0.0, None))[1]


def counted(roots: Roots, time: float, weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return how many roots are in each state at a time, or what they weigh."""
    found: Counter[str] = Counter()
    for root, events in roots.items():
        if state := state_at(events, time):
            found[state] += weights[root] if weights else 1  # type: ignore[assignment]
    return {state: count for state, count in found.items() if count}


def moments(roots: Roots) -> list[float]:
    """Return the times at which any count changes."""
    times = sorted({time for events in roots.values() for time, _ in events})
    counts = [counted(roots, time) for time in times]
    return [time for time, before, now in zip(times, [{}, *counts], counts, strict=False) if now != before]


def between(roots: Roots, start: str, cut: str) -> dict[str, list[Event]]:
    """Return the events from the first start on; a state without a name is entered with the first cut after it."""
    found = {}
    for root, events in roots.items():
        begins = min((time for time, state in events if start in ("", state)), default=None)
        if begins is not None:
            kept = [event for event in events if event[0] >= begins]
            ends = min((time for time, state in kept if state == cut), default=float("inf"))
            found[root] = [event for event in kept if event[0] < ends] + [(ends, "")] * (ends < float("inf"))
    return found


def as_rows(roots: Roots, **more: Mapping[str, object]) -> Rows:
    rows = [
        {"root": root, "time": time, "state": state, **{name: values[root] for name, values in more.items()}}
        for root, events in roots.items()
        for time, state in events
    ]
    random.Random(len(rows)).shuffle(rows)
    return rows


def steps_of(found: tuple[Any, dict[str, Any]]) -> dict[float, dict[str, float]]:
    """Return moment to the counts that are not 0."""
    times, counts = found
    return {
        float(time): {state: float(values[place]) for state, values in counts.items() if values[place]}
        for place, time in enumerate(times)
    }


def of_changes(rows: Rows) -> dict[float, dict[str, float]]:
    """Return moment to the counts that are not 0, as the rows of query state_changes say; ``spans`` is the sum."""
    counts: dict[str, float] = {}
    found: dict[float, dict[str, float]] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + row["change"]
        assert counts[row["state"]] == row["spans"] and row["change"] != 0
        found[row["time"]] = {state: count for state, count in counts.items() if count}
    return found


def many(seed: int) -> dict[str, list[Event]]:
    """Make roots whose events fall on few times, so that many are at one time, within a root and among roots."""
    rng = random.Random(seed)
    return {
        f"r{root}": [(float(rng.randrange(12)), rng.choice("abcd")) for _ in range(rng.randrange(1, 9))]
        for root in range(rng.randrange(1, 30))
    }


@pytest.mark.parametrize("seed", range(40))
def test_steps_are_those_counted_event_by_event(seed: int) -> None:
    roots = many(seed)
    assert steps_of(plots.state_steps(as_rows(roots))) == {time: counted(roots, time) for time in moments(roots)}


@pytest.mark.parametrize("seed", range(20))
def test_steps_between_events(seed: int) -> None:
    roots = many(seed)
    shown = between(roots, "a", "c")
    found = steps_of(plots.state_steps(as_rows(roots), start=["a"], cut=["c"]))
    expected = {time: counted(shown, time) for time in moments(shown)}
    assert found == {time: {s: n for s, n in counts.items() if s} for time, counts in expected.items()}


def test_steps_add_up_weights() -> None:
    roots = many(3)
    weights = {root: 0.5 + place for place, root in enumerate(roots)}
    found = steps_of(plots.state_steps(as_rows(roots, weight=weights)))
    assert len(found) > 5
    for time, counts in found.items():
        assert counts == pytest.approx(counted(roots, time, weights))


def test_all_shapes_of_rows_give_the_same_steps() -> None:
    roots = many(5)
    events = plots.state_steps(as_rows(roots))
    intervals = [
        {"began": began, "ended": ended, "state": state}
        for root in roots.values()
        for (began, state), (ended, _) in pairwise([*sorted(root), (None, "")])
    ]
    counts = [
        {"time": time, "state": state, "spans": values[place]}
        for state, values in events[1].items()
        for place, time in enumerate(events[0])
    ]
    changes = [
        {"time": time, "state": state, "change": change}
        for state, values in events[1].items()
        for time, change in zip(events[0], np.diff(values, prepend=0), strict=True)
    ]
    assert steps_of(events)
    for rows in (intervals, counts, changes):
        assert steps_of(plots.state_steps(rows)) == steps_of(events)


def test_roots_of_several_runs_with_one_key_are_several() -> None:
    rows = [{"run": run, "root": "1", "time": time, "state": "a"} for run, time in (("x", 1.0), ("y", 2.0))]
    assert steps_of(plots.state_steps(rows)) == {1: {"a": 1}, 2: {"a": 2}}


def test_rows_of_no_known_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match="no states in the columns a"):
        plots.state_steps([{"a": 1}])
    with pytest.raises(ValueError, match="one row for each event"):
        plots.states([{"time": 1, "state": "a", "spans": 1}], start=["a"], ax=Figure().add_subplot())
    assert steps_of(plots.state_steps([])) == {}


def test_patterns_are_of_states_or_event_types() -> None:
    states = ["a.b/done", "a.b/task_done", "c/Done", "c/do.e"]
    assert matching(states, ["done"]) == ["a.b/done", "c/Done"]
    assert matching(states, ["a.b/%"]) == states[:2]
    assert matching(states, ["%done", ""]) == states[:3]
    assert matching(states, ["do_e"]) == ["a.b/done", "c/Done", "c/do.e"]
    assert matching(states, ["do.e"]) == ["c/do.e"]


# The databases: samples of real logs, and the made-up one.


@pytest.fixture(scope="module")
def sample_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("states") / "dnpc.sqlite3"
    assert dnpc("import", DATA, "--db", path, "--timezone", "America/Chicago", "--quiet").exit_code == 0
    return path


@pytest.fixture(scope="module")
def chosen(sample_db: Path) -> tuple[str, str]:
    """Return the default root type, and the run that is shown of it unasked."""
    [first, *_] = queries.rows(sample_db, "state_changes")
    return first["root_type"], first["run"]


@pytest.fixture(scope="module")
def roots(sample_db: Path, chosen: tuple[str, str]) -> dict[str, list[Event]]:
    slow = Slow(sample_db, chosen[0])
    return {root: events for root, events in slow.events.items() if slow.runs[root] == chosen[1]}


@pytest.fixture
def conn(synthetic_db: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(synthetic_db)) as conn:
        yield conn


def of_synthetic(database: Path) -> dict[str, list[Event]]:
    slow = Slow(database, synthetic.TASK)
    return {root: events for root, events in slow.events.items() if slow.runs[root] == "run-a"}


@pytest.fixture(scope="module")
def of_work(sample_db: Path, roots: Roots) -> dict[str, list[Event]]:
    """Return the tasks of the app work, as parsl.log names it."""
    apps = read_run(DATA / "runinfo" / "000").tasks
    with closing(sqlite3.connect(sample_db)) as conn:
        keys: dict[str, str] = dict(conn.execute("SELECT uuid, key FROM spans").fetchall())
    found = {root: events for root, events in roots.items() if apps[int(keys[root])] == "work"}
    assert 5 < len(found) < len(roots)
    return found


def test_state_changes_are_those_counted_event_by_event(sample_db: Path, roots: Roots) -> None:
    rows = queries.rows(sample_db, "state_changes", rows="all")
    assert of_changes(rows) == {time: counted(roots, time) for time in moments(roots)}
    assert {row["of_moments"] for row in rows} == {len(moments(roots))}
    began = min(time for events in roots.values() for time, _ in events)
    first = next(row for row in rows if row["time"] == began)
    assert first["since_run_began"] == pytest.approx(began - run_began(sample_db, first["run"]), abs=1e-6)


def run_began(database: Path, run: str) -> float:
    with closing(sqlite3.connect(database)) as conn:
        sql = "SELECT min(time) FROM events JOIN spans ON spans.id = span JOIN runs ON runs.id = run WHERE runs.key = ?"
        return float(conn.execute(sql, [run]).fetchone()[0])


def test_fewer_state_changes_are_exact_where_shown(synthetic_db: Path) -> None:
    roots = of_synthetic(synthetic_db)
    for rows in ("1", "7", "60", "300"):
        found = queries.rows(synthetic_db, "state_changes", rows=rows)
        assert 0 < len(found) <= int(rows)
        assert {row["of_moments"] for row in found} == {len(moments(roots))}
        if int(rows) >= 60:
            shown = of_changes(found)
            assert len(shown) > 5
            assert shown == {time: counted(roots, time) for time in shown}
            assert max(shown) == max(time for events in roots.values() for time, _ in events)


def with_few_as_many(**params: str) -> Callable[[Path], Rows]:
    """Ask state_changes as of a run with more than 100 000 events."""
    query = sql_files.queries()["state_changes"]
    sql, times = re.subn(r"\b100000\b", "10", query.sql)
    assert times == 2
    return lambda database: asked(database, sql, dict.fromkeys(query.params, "") | params)


@pytest.mark.parametrize("params", [{}, {"rows": "700"}, {"from_seconds": "0"}, {"app": ""}, {"weight": "nothing"}])
def test_counts_at_even_times_are_exact(sample_db: Path, roots: Roots, params: dict[str, str]) -> None:
    rows = with_few_as_many(**params)(sample_db)
    assert bool(rows) == (params.get("weight") is None)
    assert {row["of_moments"] for row in rows} <= {None}
    shown = of_changes(rows)
    assert shown == {time: counted(roots, time) for time in shown}


def test_state_changes_within_a_window(synthetic_db: Path) -> None:
    roots = of_synthetic(synthetic_db)
    began = run_began(synthetic_db, "run-a")
    rows = queries.rows(synthetic_db, "state_changes", run="run-a", from_seconds="20", to_seconds="25", rows="all")
    inside = [time for time in moments(roots) if began + 20 < time <= began + 25]
    assert of_changes(rows) == {time: counted(roots, time) for time in [began + 20, *inside]}
    assert len(inside) > 20
    beyond = {"run": "run-a", "from_seconds": "99999"}
    assert of_changes(queries.rows(synthetic_db, "state_changes", **beyond)) == {began + 99999: counted(roots, 1e12)}
    assert queries.rows(synthetic_db, "state_changes", run="run-a", to_seconds="-1") == []


def test_state_changes_between_events(synthetic_db: Path) -> None:
    start, cut = f"{synthetic.TRY}/launched", f"{synthetic.TRY}/exec_done"
    shown = between(of_synthetic(synthetic_db), start, cut)
    rows = queries.rows(synthetic_db, "state_changes", start_event="launched", cut_event=cut, rows="all")
    expected = {time: counted(shown, time) for time in moments(shown)}
    assert of_changes(rows) == {t: {state: n for state, n in counts.items() if state} for t, counts in expected.items()}
    by_plot = plots.state_steps(as_rows(of_synthetic(synthetic_db)), start=["launched"], cut=[cut])
    assert steps_of(by_plot) == of_changes(rows)


def test_hidden_states_are_not_in_state_changes(synthetic_db: Path) -> None:
    rows = queries.rows(synthetic_db, "state_changes", rows="all")
    found = queries.rows(synthetic_db, "state_changes", rows="all", hide='queued, %try/%, odd"name\\')
    left = {row["state"] for row in rows if not row["state"].endswith("/queued") and "try/" not in row["state"]}
    assert {row["state"] for row in found} == left and left
    names = ("time", "state", "change", "spans")
    assert [[row[name] for name in names] for row in found] == [
        [row[name] for name in names] for row in rows if row["state"] in left
    ]


@pytest.fixture
def weighed_db(synthetic_db: Path, tmp_path: Path) -> tuple[Path, dict[str, float]]:
    """Give a database whose tasks have cores: their own, those of a try, or none; and what each weighs."""
    path = tmp_path / "dnpc.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    weights: dict[str, float] = {}
    with closing(sqlite3.connect(path)) as conn:
        tasks = conn.execute(
            "SELECT spans.id, uuid, spans.key FROM spans JOIN span_types ON span_types.id = type"
            " WHERE name = ? AND run = 1",
            [synthetic.TASK],
        ).fetchall()
        for number, (span, uuid, key) in enumerate(tasks):
            cores = 1 + number % 4
            own, below = {"requested": {"cores": cores}}, {"requested": {"cores": 2 * cores, "x": "text", "y": True}}
            if number % 3 == 0:
                weights[uuid] = cores
                conn.execute(
                    "UPDATE spans SET attributes = json_patch(attributes, ?) WHERE id = ?", [json.dumps(own), span]
                )
            if number % 3 < 2:
                weights.setdefault(uuid, 2 * cores)
                conn.execute(
                    "UPDATE spans SET attributes = ? WHERE run = 1 AND key = ? AND type ="
                    " (SELECT id FROM span_types WHERE name = ?)",
                    [json.dumps(below), f"{key}/0", synthetic.TRY],
                )
        conn.commit()
    return path, weights


def test_roots_weigh_what_an_attribute_says(weighed_db: tuple[Path, dict[str, float]]) -> None:
    path, weights = weighed_db
    everyone = of_synthetic(path)
    roots = {root: events for root, events in everyone.items() if root in weights}
    params = {"run": "run-a", "weight": "requested.cores", "rows": "all"}
    rows = queries.rows(path, "state_changes", **params)
    assert {row["without_weight"] for row in rows} == {len(everyone) - len(roots)} != {0}
    shown = of_changes(rows)
    assert shown == {time: counted(roots, time, weights) for time in shown}
    assert steps_of(plots.state_steps(path, "root_events", params)) == shown
    for nothing in ("requested.x", "requested.y", "requested", "it's \"none\\"):
        assert queries.rows(path, "state_changes", run="run-a", weight=nothing) == []


def test_states_over_time_of_an_app(sample_db: Path, of_work: Roots) -> None:
    roots = of_work
    rows = queries.rows(sample_db, "states_over_time", app="work", states="100")
    shown: dict[float, dict[str, float]] = {}
    for row in rows:
        shown.setdefault(row["time"], {})[row["state"]] = row["spans"]
    assert len(shown) > 10
    for time, counts in shown.items():
        assert {state: count for state, count in counts.items() if count} == counted(roots, time)
    times = [time for events in roots.values() for time, _ in events]
    assert min(times) <= min(shown) and max(shown) == pytest.approx(max(times), abs=1e-6)
    assert queries.rows(sample_db, "states_over_time", app="none such") == []
    assert queries.rows(sample_db, "states_over_time", executor="none such") == []


def test_state_changes_of_an_app(sample_db: Path, of_work: Roots) -> None:
    rows = queries.rows(sample_db, "state_changes", app="work", rows="all")
    assert of_changes(rows) == {time: counted(of_work, time) for time in moments(of_work)}
    assert steps_of(plots.state_steps(sample_db, "root_events", {"app": "work", "rows": "all"})) == of_changes(rows)
    assert queries.rows(sample_db, "state_changes", executor="none such") == []
    even = of_changes(with_few_as_many(app="work")(sample_db))
    assert even == {time: counted(of_work, time) for time in even} != {}


def test_root_events_are_all_of_some_roots(synthetic_db: Path) -> None:
    everything = of_synthetic(synthetic_db)
    by_key = {row[0]: row[1] for row in keys(synthetic_db)}
    rows = queries.rows(synthetic_db, "root_events", run="run-a", rows="150")
    shown = {row["root"] for row in rows}
    assert 100 < len(rows) <= 150 and len(shown) > 5
    assert {row["of_roots"] for row in rows} == {len(everything)}
    expected = [(key, *event) for key in shown for event in everything[by_key[key]]]
    assert sorted((row["root"], row["time"], row["state"]) for row in rows) == sorted(expected)
    every = queries.rows(synthetic_db, "root_events", run="run-a", rows="all")
    assert len(every) == sum(map(len, everything.values())) > 900
    assert rows == [row for row in every if row["root"] in shown]


def keys(database: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as conn:
        sql = "SELECT spans.key, uuid FROM spans JOIN span_types ON span_types.id = type WHERE name = ? AND run = 1"
        return conn.execute(sql, [synthetic.TASK]).fetchall()


def test_root_attributes(weighed_db: tuple[Path, dict[str, float]]) -> None:
    path, weights = weighed_db
    with closing(sqlite3.connect(path)) as conn:
        create_views(conn)
        rows = conn.execute(
            "SELECT uuid, name, own, value, root_type FROM root_attribute JOIN spans ON spans.id = root"
            " WHERE root_attribute.run = 1 AND root_type = ?",
            [synthetic.TASK],
        ).fetchall()
    assert {name for _, name, *_ in rows} == {"requested.cores", "priority"}
    found: dict[str, list[tuple[int, float]]] = {}
    for uuid, name, own, value, _ in rows:
        if name == "requested.cores":
            found.setdefault(uuid, []).append((-own, -value))
    assert {uuid: -min(values)[1] for uuid, values in found.items()} == weights


def test_work_queue_run_of_many_tasks(tmp_path: Path) -> None:
    folder = shared_runs()
    if folder is None:
        pytest.skip("no whole runs on this machine")
    [log, *_] = sorted(folder.rglob("transaction_log"))
    database = tmp_path / "dnpc.sqlite3"
    import_logs(database, log)
    with closing(sqlite3.connect(database)) as conn:
        create_views(conn)
    roots: dict[str, list[Event]] = {}
    for line in log.read_text().splitlines():
        match line.split():
            case [time, _, "TASK", task, state, *_]:
                roots.setdefault(task, []).append((int(time) / 1e6, f"workqueue.task/{state}"))
            case [time, _, "TRANSFER", direction, task, *_]:
                roots.setdefault(task, []).append((int(time) / 1e6, f"workqueue.task/TRANSFER_{direction}"))
    rows = queries.rows(database, "state_changes", root_type="workqueue.task", rows="all")
    assert of_changes(rows) == {time: counted(roots, time) for time in moments(roots)}
    assert len(roots) > 100


# What is drawn.


def areas(ax: Axes) -> list[PolyCollection]:
    return [one for one in ax.collections if isinstance(one, PolyCollection)]


def outline(area: PolyCollection) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in np.asarray(area.get_paths()[0].vertices)]


def colour(area: PolyCollection) -> tuple[float, ...]:
    [found] = np.asarray(area.get_facecolor())
    return tuple(found.tolist())


def names_of(ax: Axes) -> list[str]:
    """Return the names in the legend, the lowest area first."""
    box = ax.get_legend()
    return [text.get_text().strip() for text in reversed(box.get_texts())] if box else []


def note_of(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


LINE: Rows = [
    {"root": root, "time": time, "state": state}
    for root, times in {"x": (0, 2, 4), "y": (1, 3, 4), "z": (1, 2, 5)}.items()
    for time, state in zip(times, ("t/wait", "t/run", "t/done"), strict=True)
]


def test_areas_are_steps_of_the_counts() -> None:
    ax = plots.states(LINE, ax=Figure().add_subplot())
    assert names_of(ax) == ["t/done", "t/run", "t/wait"]
    # done: 2, 3 from 4, 5 on; run on it: 2, 3, 1, 0 from 2, 3, 4, 5 on.
    done, run, _ = areas(ax)
    assert {(4, 0), (4, 2), (5, 2), (5, 3)} <= set(outline(done))
    assert {(2, 0), (2, 2), (3, 2), (3, 3), (4, 3), (4, 2), (5, 3)} <= set(outline(run))
    assert note_of(ax) == "9 rows"


def test_order_hide_only_and_colours() -> None:
    ax = plots.states(LINE, order=["wait", "done"], colours={"done": "red"}, ax=Figure().add_subplot())
    assert names_of(ax) == ["t/wait", "t/done", "t/run"]
    assert colour(areas(ax)[1]) == to_rgba("red")
    ax = plots.states(LINE, hide=["wait"], ax=Figure().add_subplot())
    assert names_of(ax) == ["t/done", "t/run"]
    assert note_of(ax) == "9 rows; 1 of 3 states hidden"
    ax = plots.states(LINE, only=["%/r%"], ax=Figure().add_subplot())
    assert names_of(ax) == ["t/run"] and "2 of 3 states hidden" in note_of(ax)
    ax = plots.states(LINE, hide=["%"], ax=Figure().add_subplot())
    assert names_of(ax) == [] and "3 of 3 states hidden" in note_of(ax)


def test_most_states_and_the_others() -> None:
    ax = plots.states(LINE, most=1, ax=Figure().add_subplot())
    # By 5, wait has lasted 1 + 2 + 1 + 1 spans, run 2 + 1 + 3 and done 1 s.
    assert names_of(ax) == ["t/run", "2 others"]
    assert colour(areas(ax)[1]) == to_rgba(OTHERS_COLOUR)
    with pytest.raises(ValueError, match="most is -1"):
        plots.states(LINE, most=-1, ax=Figure().add_subplot())


def test_stream_is_to_both_sides() -> None:
    ax = plots.stream(LINE, ax=Figure().add_subplot())
    low, high = (
        f(area.get_datalim(ax.transData).get_points()[:, 1]) for area, f in ((areas(ax)[0], min), (areas(ax)[-1], max))
    )
    assert (low, high) == (-1.5, 1.5)
    with pytest.raises(ValueError, match="baseline"):
        plots.states(LINE, baseline="x", ax=Figure().add_subplot())


def test_narrow_steps_are_merged_and_keep_their_area(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    rows = [
        {"root": root, "time": began + place * (1 + rng.random()), "state": state}
        for root in range(300)
        for began in [1e9 + 100 * rng.random()]
        for place, state in enumerate("abc")
    ]
    times, counts = plots.state_steps(rows)
    monkeypatch.setattr(over_time, "COLUMNS", 40)
    ax = plots.states(rows, ax=Figure().add_subplot())
    assert f"{len(times)} moments in 40 columns, as high as their mean" in note_of(ax)
    assert names_of(ax) == ["c", "b", "a"]
    for area, state in zip(areas(ax), "cba", strict=True):
        assert area_under(area) == pytest.approx(float((counts[state][:-1] * np.diff(times)).sum()), rel=1e-6)


def area_under(area: PolyCollection) -> float:
    """Return the area of a polygon by the shoelace formula."""
    x, y = np.array(outline(area)).T
    return float(abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2)


def test_rows_left_out_and_samples_are_said() -> None:
    rows: Rows = [*LINE, {"root": "w", "time": None, "state": "t/run"}]
    ax = plots.states([{**row, "of_roots": 7} for row in rows], ax=Figure().add_subplot())
    assert note_of(ax) == "9 of 10 rows; left out 1 where time is NULL, a sample of 3 of 7 roots"
    ax = plots.states(rows, start=["done"], cut=["none"], ax=Figure().add_subplot())
    assert "0 of 3 roots without done" in note_of(ax)
    changes = [{"time": 1, "state": "a", "change": 2, "of_moments": 9}]
    assert note_of(plots.states(changes, ax=Figure().add_subplot())) == "1 rows, at 1 of 9 moments"
    evened = [{**changes[0], "of_moments": None}]
    assert note_of(plots.states(evened, ax=Figure().add_subplot())) == "1 rows, at 1 even times"
    steps = [{"step": "a", "mean": 1.0, "cumulative": 1.0, "roots": 2000, "of_roots": 77000}]
    wanted = "1 rows, means over a sample of 2,000 of 77,000 roots"
    assert note_of(plots.steps(steps, ax=Figure().add_subplot())) == wanted


def test_options_are_read_from_texts() -> None:
    texts = {"most": "3", "hide": "a, b", "colours": "x=red,y=#ff0000", "baseline": "", "nonsense": "1"}
    assert keywords("states", texts) == {"most": 3, "hide": ["a", "b"], "colours": {"x": "red", "y": "#ff0000"}}
    assert keywords("durations", texts) == {}
    for wrong in ({"most": "-1"}, {"colours": "red"}):
        with pytest.raises(ValueError, match="is no"):
            keywords("stream", wrong)


def test_command_draws_with_options(synthetic_db: Path, tmp_path: Path) -> None:
    def drawn(*arguments: str) -> bytes:
        file = tmp_path / "a.svg"
        result = dnpc("plot", "root-events", file, "--db", synthetic_db, "--rows", "all", *arguments)
        assert result.exit_code == 0, result.output
        return file.read_bytes()

    plain = drawn()
    assert plain == drawn("--as", "states", "--baseline", "zero")
    assert drawn("--as", "stream") == drawn("--baseline", "sym") != plain
    assert b"#ff00fe" in drawn("--colours", "queued=#ff00fe") and b"#ff00fe" not in plain
    assert (plain.count(b"PolyCollection"), drawn("--most", "3").count(b"PolyCollection")) == (10, 4)
    result = dnpc("plot", "root-events", tmp_path / "b.svg", "--db", synthetic_db, "--most", "many")
    assert result.exit_code == 1 and "'many' is no number of states" in result.output
    # The query's own parameter of that name, so that no rows are asked for in vain.
    assert dnpc("plot", "state-changes", tmp_path / "c.png", "--db", synthetic_db, "--hide", "%").exit_code == 1


@pytest.mark.asyncio
async def test_address_draws_with_options(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])

    async def drawn(query: str, status: int = 200) -> str:
        response = await datasette.client.get(f"/dnpc/root_events.svg?run=run-b&{query}")
        assert response.status_code == status
        return str(response.text)

    assert "#ff00fe" in await drawn("_colours=queued%3D%23ff00fe")
    assert "spans, as height" in await drawn("_plot=stream")
    assert "is no number of states" in await drawn("_most=x", 400)


@pytest.mark.asyncio
async def test_figures_agree_everywhere(sample_db: Path, roots: Roots) -> None:
    """SQL, command, JSON and plot give the same counts, which are those counted event by event."""
    expected = {time: counted(roots, time) for time in moments(roots)}
    command = dnpc("state-changes", "--db", sample_db, "--rows", "all", "--format", "json")
    datasette = Datasette([str(sample_db)], settings={"max_returned_rows": 100_000})
    response = await datasette.client.get("/dnpc/state_changes.json?_shape=array&rows=all")
    by_rows = [queries.rows(sample_db, "state_changes", rows="all"), json.loads(command.stdout), response.json()]
    for rows in by_rows:
        assert of_changes(rows) == expected
    assert steps_of(plots.state_steps(sample_db, "state_changes", {"rows": "all"})) == expected
    assert steps_of(plots.state_steps(sample_db, "root_events", {"rows": "all"})) == expected
    ax = plots.states(sample_db, "root_events", {"rows": "all"}, most=99, ax=Figure().add_subplot())
    zero = run_began(sample_db, by_rows[0][0]["run"])
    assert len(expected) <= over_time.COLUMNS
    # Not where the next moment is so near that rounding decides.
    apart = [time for time, after in pairwise(sorted(expected)) if after - time > 1e-3]
    for time in apart[:: len(apart) // 7]:
        found = [height_after(area, time - zero + 1e-4) for area in areas(ax)]
        assert sorted(filter(None, found)) == sorted(expected[time].values())


def height_after(area: PolyCollection, x: float) -> float:
    """Return how high an area is at x: between the lines of its outline that pass there."""
    levels = [y for (left, y), (right, _) in pairwise(outline(area)) if min(left, right) <= x < max(left, right)]
    assert len(levels) == 2
    return round(abs(levels[0] - levels[1]), 6)


# Sequences.


def sequences(roots: Roots) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for root, events in roots.items():
        found.setdefault(tuple(state for _, state in sorted(events)), []).append(root)
    return found


@pytest.mark.parametrize("app", ["", "work"])
def test_sequences_and_steps_of_some_roots(
    sample_db: Path, chosen: tuple[str, str], roots: Roots, of_work: Roots, app: str
) -> None:
    wanted, filters = of_work if app else roots, {"run": chosen[1], "app": app}
    expected = sequences(wanted)
    rows = queries.rows(sample_db, "event_sequences", **filters)
    assert {tuple(row["steps"].split(" → ")): row["spans"] for row in rows} == {k: len(v) for k, v in expected.items()}
    for row in rows:
        members = expected[tuple(row["steps"].split(" → "))]
        assert row["share"] == pytest.approx(100 * len(members) / len(wanted))
        check_steps(sample_db, wanted, members, {**filters, "variant": str(row["variant"])})
    common = queries.rows(sample_db, "event_steps", **filters)
    assert {row["variant"] for row in common} == {rows[0]["variant"]}
    assert queries.rows(sample_db, "event_steps", **{**filters, "app": "none such"}) == []


def check_steps(database: Path, roots: Roots, members: list[str], params: dict[str, str]) -> None:
    found = queries.rows(database, "event_steps", **params)
    assert {(row["roots"], row["of_roots"]) for row in found} == {(len(members), len(members))}
    times = np.array([[time for time, _ in sorted(roots[root])] for root in members])
    steps = np.diff(times, axis=1, prepend=times[:, :1])
    assert len(found) == steps.shape[1]
    for place, row in enumerate(found):
        values = steps[:, place]
        figures = [statistics.fmean(values), values.min(), *np.percentile(values, [50, 95]), values.max()]
        assert [row[name] for name in ("mean", "min", "p50", "p95", "max")] == pytest.approx(figures, abs=1e-9)
        assert row["cumulative"] == pytest.approx(float((times[:, place] - times[:, 0]).mean()), abs=1e-6)


def test_steps_and_examples_of_a_sample(sample_db: Path, chosen: tuple[str, str], roots: Roots) -> None:
    """As of variants with more roots than are read for figures: those that come first by uuid."""
    [[_, members], *_] = sorted(sequences(roots).items(), key=lambda item: -len(item[1]))
    assert len(members) > 5
    few = sorted(members)[:3]
    one_in = math.ceil(len(members) / 3)
    examined = sorted(members)[: len(members) // one_in]
    steps = with_limit("event_steps", "limit 2000", "limit 3", run=chosen[1])(sample_db)
    assert {(row["roots"], row["of_roots"]) for row in steps} == {(3, len(members))}
    times = np.array([[time for time, _ in sorted(roots[root])] for root in few])
    assert [row["mean"] for row in steps][1:] == pytest.approx(np.diff(times, axis=1).mean(axis=0).tolist(), abs=1e-9)
    asked_for = {"run": chosen[1], "position": "3"}
    examples = with_limit("sequence_examples", "/ 10000", "/ 3", **asked_for)(sample_db)
    assert {row["uuid"] for row in examples} == set(examined) != set()
    assert {(row["of_rows"], row["one_in"]) for row in examples} == {(len(examined), one_in)}
    every = with_limit("sequence_examples", "/ 10000", "/ 3", **asked_for, sample="all", rows="900")(sample_db)
    assert {row["uuid"] for row in every} == set(members)
    assert {(row["of_rows"], row["one_in"]) for row in every} == {(len(members), 1)}


def with_limit(name: str, old: str, new: str, **params: str) -> Callable[[Path], Rows]:
    """Ask a query whose SQL has another limit."""
    query = sql_files.queries()[name]
    assert query.sql.count(old) == 1
    return lambda database: asked(database, query.sql.replace(old, new), dict.fromkeys(query.params, "") | params)


def asked(database: Path, sql: str, params: dict[str, str]) -> Rows:
    with closing(sqlite3.connect(database)) as conn:
        register(conn)
        conn.row_factory = sqlite3.Row
        return [dict(row) for row in conn.execute(sql, params)]


def test_steps_of_all_roots_are_those_kept(synthetic_db: Path) -> None:
    [first, *_] = queries.rows(synthetic_db, "event_steps")
    assert first["roots"] == first["of_roots"] == 205


def test_examples_are_the_slowest_in_a_step(synthetic_db: Path) -> None:
    roots = of_synthetic(synthetic_db)
    [[_, members], *_] = sorted(sequences(roots).items(), key=lambda item: -len(item[1]))
    times = {root: [time for time, _ in sorted(roots[root])] for root in members}
    for position in ("", "4"):
        rows = queries.rows(synthetic_db, "sequence_examples", run="run-a", position=position, rows="12")
        took = {t: (ts[4] - ts[3] if position else ts[-1] - ts[0]) for t, ts in times.items()}
        slowest = sorted(took.values(), reverse=True)[:12]
        assert [row["duration"] for row in rows] == pytest.approx(slowest, abs=1e-9)
        assert [took[row["uuid"]] for row in rows] == pytest.approx(slowest, abs=1e-9)
        assert {row["of_rows"] for row in rows} == {len(members)}
        for row in rows:
            began = times[row["uuid"]][3 if position else 0]
            assert row["since_run_began"] == pytest.approx(began - run_began(synthetic_db, "run-a"), abs=1e-5)
            assert row["total"] == pytest.approx(times[row["uuid"]][-1] - times[row["uuid"]][0])
    [step] = {row["step"] for row in rows}
    [named] = [row["step"] for row in queries.rows(synthetic_db, "event_steps") if row["position"] == 4]
    assert step == named
    assert queries.rows(synthetic_db, "sequence_examples", position="99") == []


@pytest.mark.asyncio
async def test_page_of_an_app(sample_db: Path, chosen: tuple[str, str], of_work: Roots) -> None:
    datasette = Datasette([str(sample_db)])
    counts = sorted((len(members) for members in sequences(of_work).values()), reverse=True)
    address = f"/-/dnpc/dnpc/sequences?run={chosen[1]}&app=work"
    page = await datasette.client.get(address)
    assert page.status_code == 200
    assert [int(text) for text in re.findall(r"<strong>(\d+)</strong>", page.text)] == counts[:20]
    assert f"Over {counts[0]} roots" in page.text
    assert 'value="work"' in page.text
    live = await datasette.client.get(f"{address}&root_type=parsl.rundir.try")
    tries = [state for events in of_work.values() for _, state in events if state == "parsl.rundir.try/pending"]
    assert f"Computed now, from the events of {len(tries)} roots" in live.text
    nothing = await datasette.client.get("/-/dnpc/dnpc/sequences?app=%3Cb%3E")
    assert "of the app &lt;b&gt;" in nothing.text
