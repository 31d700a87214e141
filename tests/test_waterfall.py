"""Waterfalls and Gantt charts: trees of spans against simple walks, times against the logs, plots against rows."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import defaultdict, deque
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from datasette_dnpc import plots, queries
from datasette_dnpc.plots.spans import MOST_IN_TREE, MOST_LINES, MOST_NAMED
from datasette_dnpc.render import shape
from datasette_dnpc.sql_files import create_views
from importers import totals
from importers.keys import surrogate_key
from importers.schema import create_indexes, create_tables
from tests import synthetic
from tests.imports import dnpc, query
from tests.runs import DATA, read_run

Edges = set[tuple[int, int]]

LAYERS = {"interchange": "interchange.task", "manager": "manager.task", "worker": "worker.task"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on HTEX with retries and dependencies."""
    path = tmp_path_factory.mktemp("waterfall") / "dnpc.sqlite3"
    assert dnpc("import", DATA / "htex-chicago", "--db", path, "--quiet", "--jobs", "1").exit_code == 0
    return path


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def texts(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


def graph(path: Path, spans: int, subspans: Edges, facets: Edges) -> Path:
    """Make a database of spans 1 to ``spans``, each with two events, and these edges."""
    with closing(sqlite3.connect(path)) as conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs (id, key, name) VALUES (1, 'run', 'a run')")
        conn.execute("INSERT INTO span_types VALUES (1, 'thing')")
        conn.execute("INSERT INTO event_types VALUES (1, 'here')")
        conn.executemany(
            "INSERT INTO spans (id, uuid, type, run, key, began, ended) VALUES (?, ?, 1, 1, ?, ?, ?)",
            [(n, f"uuid-{n}", f"k{n}", 10.0 + n % 7, 20.0 + n % 7) for n in range(1, spans + 1)],
        )
        conn.executemany(
            "INSERT INTO events (span, time, type, n, source) VALUES (?, ?, 1, 0, 1)",
            [(n, time + n % 7) for n in range(1, spans + 1) for time in (10.0, 20.0)],
        )
        conn.executemany("INSERT INTO subspans (superspan, subspan, key) VALUES (?, ?, '')", sorted(subspans))
        conn.executemany("INSERT INTO facets (left, right) VALUES (?, ?)", sorted(facets))
        create_views(conn)
        totals.update(conn, [1])
        conn.commit()
    return path


def levels(root: int, subspans: Edges, facets: Edges) -> dict[int, int]:
    """Return the least number of levels down to each span that can be reached; a facet is no level."""
    below, beside = defaultdict(set), defaultdict(set)
    for above, part in subspans:
        below[above].add(part)
    for left, right in facets:
        beside[left].add(right)
        beside[right].add(left)
    found, todo = {root: 0}, deque([root])
    while todo:
        here = todo.popleft()
        for there, level in [(n, found[here]) for n in beside[here]] + [(n, found[here] + 1) for n in below[here]]:
            if level < found.get(there, 10**9):
                found[there] = level
                todo.append(there)
    return found


def check_tree(rows: list[dict[str, Any]], root: int, subspans: Edges, facets: Edges) -> None:
    """Check that the rows are the whole tree: each span once, at its level, under what it is a part or facet of."""
    numbers = [int(row["key"][1:]) for row in rows]
    expected = levels(root, subspans, facets)
    assert dict(zip(numbers, (row["depth"] for row in rows), strict=True)) == expected
    assert len(numbers) == len(expected) == rows[0]["of_spans"] and numbers[0] == root
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    both_ways = facets | {(right, left) for left, right in facets}
    # Accounts of one thing, by depth: the one that stands there, and those under it.
    group: dict[int, list[int]] = {0: [root]}
    for before, row, number in zip(rows, rows[1:], numbers[1:], strict=False):
        assert row["depth"] <= before["depth"] + 1
        if row["is_facet"]:
            assert any((number, other) in both_ways for other in group[row["depth"]])
            group[row["depth"]].append(number)
        else:
            assert any((above, number) in subspans for above in group[row["depth"] - 1])
            group[row["depth"]] = [number]


@pytest.mark.parametrize("seed", range(25))
def test_every_span_below_is_shown_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    spans = rng.randint(1, 40)
    # Any two: so there are circles, and spans with several ways down to them.
    subspans = {(rng.randint(1, spans), rng.randint(1, spans)) for _ in range(rng.randint(0, 60))}
    paired = list(range(1, spans + 1))
    rng.shuffle(paired)
    facets = set(zip(paired[: spans // 3], paired[spans // 2 :], strict=False))
    path = graph(tmp_path / "graph.sqlite3", spans, subspans, facets)
    for root in rng.sample(range(1, spans + 1), min(5, spans)):
        rows = queries.rows(path, "waterfall", root=f"uuid-{root}", rows=900)
        check_tree(rows, root, subspans, facets)
        assert queries.rows(path, "waterfall", root=f"k{root}", run="a run", rows=900) == rows


def test_siblings_are_in_order_of_time(tmp_path: Path) -> None:
    path = graph(tmp_path / "graph.sqlite3", 8, {(1, n) for n in range(2, 9)}, set())
    rows = queries.rows(path, "waterfall", root="uuid-1")
    assert [row["began"] for row in rows[1:]] == sorted(row["began"] for row in rows[1:])
    # Span 7 begins first of all, at 10.
    assert rows[0]["since_root_began"] == 1 and rows[1]["key"] == "k7" and rows[1]["since_root_began"] == 0


def test_a_root_with_thousands_below_says_how_many(tmp_path: Path, ax: Axes) -> None:
    count = 2500
    edges = {(1, n) for n in range(2, 52)} | {(2 + n % 50, n) for n in range(52, count + 1)}
    path = graph(tmp_path / "graph.sqlite3", count, edges, set())
    rows = queries.rows(path, "waterfall", root="uuid-1")
    assert len(rows) == 300 and {row["of_spans"] for row in rows} == {count}
    more = queries.rows(path, "waterfall", root="uuid-1", rows=900)
    assert more[:300] == rows and len(more) == 900
    plots.waterfall(rows, ax=ax)
    assert "300 rows, the first of 2,500 spans" in texts(ax)
    assert len(ax.get_yticks()) == 0 and len(rows) > MOST_NAMED


def test_more_than_can_be_looked_at_is_said(tmp_path: Path, ax: Axes) -> None:
    path = graph(tmp_path / "graph.sqlite3", MOST_IN_TREE + 10, {(1, n) for n in range(2, MOST_IN_TREE + 11)}, set())
    rows = queries.rows(path, "waterfall", root="uuid-1", rows=5)
    assert rows[0]["of_spans"] == MOST_IN_TREE
    plots.waterfall(rows, ax=ax)
    assert "5 rows, the first of 20,000 or more spans" in texts(ax)


def test_waterfall_of_each_task_has_the_times_of_the_logs(sample: Path) -> None:
    run = read_run(DATA / "htex-chicago" / "000")
    tried = {(launch.executor, launch.executor_task): launch for launch in run.launches}
    expected: dict[int, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for event in run.htex:
        task = tried[event.executor, event.executor_task].task
        key = (f"parsl.executor.htex.{LAYERS[event.layer]}", f"{event.executor}/{event.executor_task}")
        expected[task][key].append(event.time)
    assert expected
    for task, spans in expected.items():
        rows = queries.rows(sample, "waterfall", root=surrogate_key("parsl.rundir.task", run.run_id, task))
        first = rows[0]
        assert (first["span_type"], first["depth"], first["run"]) == ("parsl.rundir.task", 0, run.run_id)
        began = min(row["began"] for row in rows)
        found = {(row["span_type"], row["key"]): row for row in rows}
        assert {key for key in found if "executor.htex" in key[0]} == spans.keys()
        for key, times in spans.items():
            row = found[key]
            assert (row["began"], row["ended"]) == (min(times), max(times))
            assert row["events"] == len(times)
            assert json.loads(row["event_times"]) == pytest.approx([time - began for time in sorted(times)], abs=1e-6)
            assert row["since_root_began"] == pytest.approx(min(times) - began, abs=1e-6)
            assert row["duration"] == pytest.approx(max(times) - min(times), abs=1e-6)
        tries = [row["key"] for row in rows if row["span_type"] == "parsl.rundir.try"]
        assert tries == [f"{task}/{one.try_id}" for one in run.launches if one.task == task]
        for above, row in pairwise(rows):
            if row["span_type"].startswith("parsl.monitoring."):
                assert row["is_facet"] and above["span_type"] == row["span_type"].replace("monitoring", "rundir")
                assert row["depth"] == above["depth"] and row["log"].endswith("monitoring.db")


def test_a_key_is_that_of_a_task_before_others(sample: Path) -> None:
    by_number = queries.rows(sample, "waterfall", root=3)
    assert by_number[0]["key"] == "3" and by_number[0]["span_type"].endswith(".task")
    assert queries.rows(sample, "waterfall", root="3", run=by_number[0]["run"]) == by_number
    assert queries.rows(sample, "waterfall", root="3/0")[0]["span_type"].endswith(".try")


def test_the_slowest_task_is_shown_unasked(synthetic_db: Path) -> None:
    [(slowest,)] = query(
        synthetic_db,
        "SELECT uuid FROM sequences JOIN spans ON spans.id = root JOIN span_types ON span_types.id = spans.type"
        " WHERE name = ? ORDER BY sequences.ended - sequences.began DESC LIMIT 1",
        synthetic.TASK,
    )
    rows = queries.rows(synthetic_db, "waterfall")
    assert rows[0]["uuid"] == slowest
    assert queries.rows(synthetic_db, "waterfall", root=slowest) == rows
    assert queries.rows(synthetic_db, "waterfall", root=slowest, run="no such run") == []
    assert queries.rows(synthetic_db, "waterfall", root="no such key") == []


def test_waterfall_plot_shows_the_rows(sample: Path, ax: Axes) -> None:
    rows = queries.rows(sample, "waterfall")
    assert shape(list(rows[0])) == "waterfall"
    plots.waterfall(sample, "waterfall", ax=ax)
    bars = [value for bar in ax.patches if isinstance(bar, Rectangle) for value in (bar.get_x(), bar.get_width())]
    assert bars == pytest.approx([value for row in rows for value in (row["since_root_began"], row["duration"])])
    assert [label.get_text() for label in ax.get_yticklabels()] == [row["label"] for row in rows]
    times = [time for row in rows for time in json.loads(row["event_times"])]
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == times
    assert f"{len(rows)} rows" in texts(ax) and "seconds" in ax.get_xlabel()


def test_waterfall_plot_of_few_columns(ax: Axes) -> None:
    rows: list[dict[str, object]] = [
        {"since_root_began": 1, "duration": 2, "depth": 0, "label": "a"},
        {"since_root_began": None, "duration": None, "depth": 1, "label": "b"},
    ]
    plots.waterfall(rows, ax=ax)
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [1, 3]
    assert "1 of 2 rows; left out 1 where since_root_began is NULL" in texts(ax)


def test_gantt_has_each_span_or_a_sample(synthetic_db: Path) -> None:
    rows = queries.rows(synthetic_db, "gantt", span_type=synthetic.TRY, rows=900)
    spans = query(
        synthetic_db,
        "SELECT uuid, began, ended, run FROM spans JOIN span_types ON span_types.id = type WHERE name = ?",
        synthetic.TRY,
    )
    starts: dict[int, float] = dict(query(synthetic_db, "SELECT run, min(began) FROM spans GROUP BY run"))
    assert len(rows) == rows[0]["of_spans"] == len(spans)
    assert [row["began"] for row in rows] == sorted(began for _, began, _, _ in spans)
    expected = {uuid: (began, ended, run) for uuid, began, ended, run in spans}
    last = {
        uuid: ending
        for uuid, ending, _ in query(synthetic_db, "SELECT span_uuid, type, max(time) FROM event GROUP BY span_uuid")
    }
    for row in rows:
        began, ended, run = expected[row["uuid"]]
        assert (row["began"], row["ended"], row["ending"]) == (began, ended, last[row["uuid"]])
        assert row["duration"] == pytest.approx(ended - began, abs=1e-6)
        assert row["since_run_began"] == pytest.approx(began - starts[run], abs=1e-6)
    few = queries.rows(synthetic_db, "gantt", span_type=synthetic.TRY, rows=30)
    chosen = sorted(expected)[:30]
    assert {row["uuid"] for row in few} == set(chosen) and few[0]["of_spans"] == len(spans)


def test_gantt_of_an_app_or_executor(sample: Path) -> None:
    run = read_run(DATA / "htex-chicago" / "000")
    for app in set(run.tasks.values()):
        rows = queries.rows(sample, "gantt", span_type="parsl.rundir.try", app=app, rows=900)
        assert {row["app"] for row in rows} == {app}
        tried = {f"{state.task}/{state.try_id}" for state in run.states if run.tasks[state.task] == app}
        assert {row["key"] for row in rows} == tried
    launched = {f"{launch.task}/{launch.try_id}" for launch in run.launches if launch.executor == "htex_Local"}
    rows = queries.rows(sample, "gantt", span_type="parsl.rundir.try", executor="htex_Local", rows=900)
    assert launched <= {row["key"] for row in rows}
    assert queries.rows(sample, "gantt", executor="no such executor") == []


def test_gantt_plot_shows_the_rows(sample: Path, ax: Axes) -> None:
    rows = queries.rows(sample, "gantt", span_type="parsl.rundir.try")
    assert shape(list(rows[0])) == "timeline"
    plots.timeline(rows, ax=ax)
    [lines] = [one for one in ax.collections if isinstance(one, LineCollection)]
    drawn = [value for segment in lines.get_segments() for value in segment[:, 0]]
    began = {row["began"] - row["since_run_began"] for row in rows}
    assert max(began) - min(began) < 1e-5
    assert drawn == pytest.approx([row[name] - min(began) for row in rows for name in ("began", "ended")], abs=1e-5)
    assert ax.get_xlabel() == "seconds since the run began"
    legend = ax.get_legend()
    assert legend is not None and len(legend.get_texts()) > 1
    names = {
        tuple(to_rgba(line.get_color())): text.get_text().strip()
        for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True)
    }
    assert [names[tuple(colour)] for colour in to_rgba_array(lines.get_color())] == [row["ending"] for row in rows]
    assert f"{len(rows)} rows, of {len(rows)} spans" in texts(ax)


def test_timeline_by_another_column(sample: Path, ax: Axes) -> None:
    rows = queries.rows(sample, "gantt", span_type="parsl.rundir.try")
    plots.timeline(rows, ax=ax, by="app")
    legend = ax.get_legend()
    assert legend is not None
    assert {text.get_text().strip() for text in legend.get_texts()} == {row["app"] for row in rows}
    with pytest.raises(ValueError, match="there is no column 'host' to colour by"):
        plots.timeline(rows, by="host", ax=ax)


def test_many_lines_are_one_image(ax: Axes) -> None:
    rows = [{"began": n, "ended": n + 1, "ending": str(n % 3)} for n in range(MOST_LINES + 1)]
    plots.timeline(rows, ax=ax)
    assert all(one.get_rasterized() for one in (*ax.collections, *ax.lines))
    assert "5,001 rows, more than there are pixels" in texts(ax)
    few = plots.timeline(rows[:-1], ax=Figure().add_subplot())
    assert not any(one.get_rasterized() for one in (*few.collections, *few.lines))
