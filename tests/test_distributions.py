"""How long spans took: the query of groups, the plots of durations, and which plot is drawn of which columns."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import statistics
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner, Result
from datasette.app import Datasette
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from datasette_dnpc import plots, queries, render, sql_files
from datasette_dnpc.plots import distributions
from datasette_dnpc.queries import Table
from importers.cli import main
from tests import synthetic
from tests.runs import DATA, find_log, read_records, read_run

TRY = synthetic.TRY

Rows = list[dict[str, Any]]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def htex_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample run whose two workers are known, and one with two executors."""
    path = tmp_path_factory.mktemp("htex") / "dnpc.sqlite3"
    assert run("import", DATA / "htex-chicago", DATA / "two-htex", "--db", path, "--quiet").exit_code == 0
    return path


def whole(ax: Axes) -> Figure:
    assert isinstance(ax.figure, Figure)
    return ax.figure


def texts(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


def legend_texts(ax: Axes) -> list[str]:
    box = ax.get_legend()
    return [text.get_text().strip() for text in box.get_texts()] if box else []


def tick_texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_yticklabels()]


def bars(ax: Axes) -> list[Rectangle]:
    return [bar for bar in ax.patches if isinstance(bar, Rectangle)]


def first_x(line: Line2D) -> float:
    return float(np.asarray(line.get_xdata())[0])


def percentile(values: Sequence[float], percent: float) -> float:
    """Between the two nearest ranks, in proportion."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def figures(values: Sequence[float]) -> dict[str, float]:
    found = {name: percentile(values, p) for name, p in (("p5", 5), ("p25", 25), ("p50", 50), ("p75", 75), ("p95", 95))}
    return found | {
        "spans": len(values),
        "min": min(values),
        "max": max(values),
        "mean": statistics.fmean(values),
    }


def check_groups(rows: Rows, wanted: Mapping[str, Sequence[float]]) -> None:
    assert {row["group"] for row in rows} == set(wanted)
    for row in rows:
        expected = figures(wanted[row["group"]])
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=2e-6)
        assert (row["of_groups"], row["of_spans"]) == (len(wanted), sum(map(len, wanted.values())))
    assert [row["spans"] for row in rows] == sorted((len(one) for one in wanted.values()), reverse=True)


def events_by_span(path: Path, span_type: str) -> dict[tuple[str, str], list[tuple[float, str]]]:
    """Return (run, key) to the events in order of time, of spans with a duration."""
    found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    with closing(sqlite3.connect(path)) as conn:
        for run_key, key, time, name in conn.execute(
            "SELECT runs.key, spans.key, events.time, event_types.name FROM events"
            " JOIN spans ON spans.id = events.span JOIN event_types ON event_types.id = events.type"
            " JOIN span_types ON span_types.id = spans.type LEFT JOIN runs ON runs.id = spans.run"
            " WHERE span_types.name = ?",
            [span_type],
        ):
            found[run_key, key].append((time, name))
    return {key: sorted(events) for key, events in found.items() if max(events)[0] > min(events)[0]}


def test_boxes_of_endings_are_those_of_the_events(synthetic_db: Path) -> None:
    wanted: dict[str, list[float]] = defaultdict(list)
    for events in events_by_span(synthetic_db, TRY).values():
        wanted[events[-1][1]].append(events[-1][0] - events[0][0])
    assert len(wanted) == 2
    check_groups(queries.rows(synthetic_db, "duration_boxes", span_type=TRY), wanted)


def test_boxes_of_runs_and_apps(synthetic_db: Path) -> None:
    by_run: dict[str, list[float]] = defaultdict(list)
    by_app: dict[str, list[float]] = defaultdict(list)
    for (run_key, key), events in events_by_span(synthetic_db, synthetic.TASK).items():
        seconds = events[-1][0] - events[0][0]
        by_run[{"run-a": "demo.py 000", "run-b": "demo.py 001"}[run_key]].append(seconds)
        by_app[f"app{int(key) % 3}"].append(seconds)
    assert len(by_run) == 2 and len(by_app) == 3
    check_groups(queries.rows(synthetic_db, "duration_boxes", span_type=synthetic.TASK, by="run"), by_run)
    rows = queries.rows(synthetic_db, "duration_boxes", span_type=synthetic.TASK, by="app", run="run-b")
    assert sum(row["spans"] for row in rows) == len(by_run["demo.py 001"])


def seconds_of_tries(directory: Path) -> dict[tuple[int, int], float]:
    """Return (task, try) to the seconds from its first to its last line in parsl.log."""
    found = read_run(directory)
    times: dict[tuple[int, int], list[float]] = defaultdict(list)
    for state in found.states:
        times[state.task, state.try_id].append(state.time)
    return {key: max(times[key]) - min(times[key]) for key in times if max(times[key]) > min(times[key])}


def test_boxes_by_place_are_those_of_the_logs(htex_db: Path) -> None:
    directory = DATA / "htex-chicago" / "000"
    logged = read_run(directory)
    seconds = seconds_of_tries(directory)
    place = {
        (event.executor, event.executor_task): f"{event.manager}/{event.worker}"
        for event in logged.htex
        if event.layer == "worker"
    }
    by_worker: dict[str, list[float]] = defaultdict(list)
    for launch in logged.launches:
        assert launch.executor_task is not None
        worker = place[launch.executor, launch.executor_task]
        by_worker[worker].append(seconds.pop((launch.task, launch.try_id)))
    assert not seconds and len(by_worker) == 2
    options: dict[str, Any] = {"span_type": "parsl.rundir.try", "run": run_of(htex_db, directory)}
    check_groups(queries.rows(htex_db, "duration_boxes", by="worker", **options), by_worker)
    everything = [one for group in by_worker.values() for one in group]
    [block] = queries.rows(htex_db, "duration_boxes", by="block", **options)
    [host] = queries.rows(htex_db, "duration_boxes", by="host", **options)
    log = find_log(directory / "htex_Local" / "block-0" / "b503f68b06ce", "manager")
    assert log is not None
    [logged_host] = {
        found[1] for one in read_records(log) for found in re.finditer(r"'hostname': '(\w+)'", one.message)
    }
    assert (block["group"], host["group"]) == ("htex_Local/0", logged_host)
    for row in (block, host):
        assert row["spans"] == len(everything)
        assert row["mean"] == pytest.approx(statistics.fmean(everything), abs=2e-6)


def run_of(path: Path, directory: Path) -> str:
    """Return the key of the run of a directory in a database."""
    logged = read_run(directory).run_id
    with closing(sqlite3.connect(path)) as conn:
        [key] = conn.execute("SELECT key FROM runs WHERE key = ?", [logged]).fetchone()
    return str(key)


def test_boxes_by_executor_are_those_of_the_launches(htex_db: Path) -> None:
    directory = DATA / "two-htex" / "000"
    seconds = seconds_of_tries(directory)
    wanted: dict[str, list[float]] = defaultdict(list)
    for launch in read_run(directory).launches:
        wanted[launch.executor].append(seconds[launch.task, launch.try_id])
    assert set(wanted) == {"cpu", "gpu"}
    options: dict[str, Any] = {"span_type": "parsl.rundir.try", "run": run_of(htex_db, directory)}
    rows = {row["group"]: row for row in queries.rows(htex_db, "duration_boxes", by="executor", **options)}
    for executor, values in wanted.items():
        expected = figures(values)
        assert {name: rows[executor][name] for name in expected} == pytest.approx(expected, abs=2e-6)
    [only] = queries.rows(htex_db, "duration_boxes", by="executor", executor="gpu", **options)
    assert (only["group"], only["spans"]) == ("gpu", len(wanted["gpu"]))


def test_a_task_on_two_workers_is_on_several(htex_db: Path) -> None:
    directory = DATA / "two-htex" / "000"
    logged = read_run(directory)
    place = {(e.executor, e.executor_task): (e.manager, e.worker) for e in logged.htex if e.layer == "worker"}
    on: dict[int, set[Any]] = defaultdict(set)
    for launch in logged.launches:
        assert launch.executor_task is not None
        on[launch.task].add(place[launch.executor, launch.executor_task])
    moved = sum(len(workers) > 1 for workers in on.values())
    with closing(sqlite3.connect(htex_db)) as source, closing(sqlite3.connect(":memory:")) as conn:
        source.backup(conn)
        # The log's account of a task is one event: give all of them a duration.
        conn.execute(
            "UPDATE spans SET ended = began + 1"
            " WHERE type = (SELECT id FROM span_types WHERE name = 'parsl.rundir.task')"
        )
        params = {"span_type": "parsl.rundir.task", "by": "worker", "run": run_of(htex_db, directory)}
        rows = queries.select(conn, "duration_boxes", params).dicts()
    assert moved and {row["group"]: row["spans"] for row in rows}["several"] == moved


def test_the_largest_forty_groups_are_shown_and_the_rest_said(synthetic_db: Path, ax: Axes) -> None:
    with closing(sqlite3.connect(synthetic_db)) as source, closing(sqlite3.connect(":memory:")) as conn:
        source.backup(conn)
        conn.execute("UPDATE spans SET attributes = json_object('executor', key) WHERE run = 1")
        table = queries.select(conn, "duration_boxes", {"span_type": TRY, "by": "executor", "run": "run-a"})
    assert len(table.rows) == 40
    [total], [spans] = set(table.column("of_groups")), set(table.column("of_spans"))
    assert total == spans == len([1 for run_key, _ in events_by_span(synthetic_db, TRY) if run_key == "run-a"])
    plots.boxes(table, ax=ax)
    assert f"40 rows, 40 of {spans} spans, the first 40 of {total} groups" in texts(ax)


def test_unknown_grouping_is_by_ending(synthetic_db: Path) -> None:
    assert queries.rows(synthetic_db, "duration_boxes", by="nonsense") == queries.rows(synthetic_db, "duration_boxes")


def test_boxes_agree_among_sql_command_and_plot(synthetic_db: Path, ax: Axes) -> None:
    rows = queries.rows(synthetic_db, "duration_boxes", span_type=TRY)
    printed = run("duration-boxes", "--span-type", TRY, "--db", synthetic_db, "--format", "json").stdout
    assert json.loads(printed) == rows
    plots.boxes(synthetic_db, "duration_boxes", {"span_type": TRY}, ax=ax)
    assert tick_texts(ax) == [f"{row['group']} ({row['spans']})" for row in rows]
    drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars(ax)]
    assert drawn == [pytest.approx((row["p25"], row["p75"])) for row in rows]
    left, right, inner = (one for one in ax.collections if isinstance(one, LineCollection))
    whiskers = [path.get_extents() for one in (left, right) for path in one.get_paths()]
    medians = [path.get_extents() for path in inner.get_paths()]
    ends = [("p5", "p25"), ("p75", "p95")]
    wanted = [[row[low], row[high]] for low, high in ends for row in rows]
    assert [[box.x0, box.x1] for box in whiskers] == [pytest.approx(one) for one in wanted]
    assert [box.x0 for box in medians] == pytest.approx([row["p50"] for row in rows])
    for line, name in zip(ax.lines, ("mean", "min", "max"), strict=True):
        assert np.asarray(line.get_xdata()).tolist() == [row[name] for row in rows]


DURATIONS = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0, 20.0]


def spans_of(durations: Sequence[Any], **more: Any) -> Rows:
    return [{"since_run_began": float(n), "duration": value, **more} for n, value in enumerate(durations)]


def test_boxes_of_durations_by_any_column(ax: Axes) -> None:
    rows = spans_of(DURATIONS, app="a") + spans_of([7.0, None], app="b")
    plots.boxes(rows, by="app", ax=ax)
    assert tick_texts(ax) == ["a (10)", "b (1)"]
    first, second = bars(ax)
    wanted = figures(DURATIONS)
    assert (first.get_x(), first.get_width()) == pytest.approx((wanted["p25"], wanted["p75"] - wanted["p25"]))
    assert (second.get_x(), second.get_width()) == (7, 0)
    assert "11 of 12 rows; left out 1 where duration is NULL" in texts(ax)
    with pytest.raises(ValueError, match="no column none"):
        plots.boxes(rows, by="none", ax=ax)


def test_histogram_of_durations_counts_each_once_and_marks_four_figures(ax: Axes) -> None:
    plots.histogram(spans_of([*DURATIONS, "x"], of_spans=700), ax=ax, bins=5)
    limits = [0.5 + 3.9 * n for n in range(6)]
    counts = [sum(low <= one < high for one in DURATIONS) for low, high in pairwise(limits)]
    counts[-1] += 1  # the longest is in the last bin, too
    assert [bar.get_height() for bar in bars(ax)] == counts
    assert [bar.get_x() for bar in bars(ax)] == pytest.approx(limits[:-1])
    wanted = [statistics.fmean(DURATIONS), percentile(DURATIONS, 50), percentile(DURATIONS, 95), 20.0]
    assert [first_x(line) for line in ax.lines] == pytest.approx(wanted)
    names = ("mean", "median", "95 %", "maximum")
    assert legend_texts(ax) == [f"{name} {value:.4g} s" for name, value in zip(names, wanted, strict=True)]
    assert "10 of 11 rows; left out 1 where duration is not a number, a sample of 700 spans" in texts(ax)


def test_histogram_of_bins_marks_what_the_rows_say(ax: Axes) -> None:
    marks = {"mean": 1.5, "p50": 0.75, "p95": 1.9, "max": 40.0, "of_spans": 12}
    rows = [
        {"from_seconds": 0, "to_seconds": 1, "spans": 7, **marks},
        {"from_seconds": 1, "to_seconds": 2, "spans": 3, **marks},
        {"from_seconds": 2, "to_seconds": 40, "spans": 2, **marks},
    ]
    plots.histogram(rows, ax=ax)
    # The longest is beyond the last bin, which is cut.
    assert [first_x(line) for line in ax.lines] == [1.5, 0.75, 1.9]
    assert legend_texts(ax)[-1] == "maximum 40 s, in the last bin"
    assert "3 rows, 12 spans" in texts(ax)


def test_histogram_agrees_among_query_and_plot(synthetic_db: Path, ax: Axes) -> None:
    plots.histogram(synthetic_db, "duration_histogram", {"span_type": TRY}, ax=ax)
    seconds = [events[-1][0] - events[0][0] for events in events_by_span(synthetic_db, TRY).values()]
    starts = [bar.get_x() for bar in bars(ax)]
    # Counted by where each bin begins; a duration on a limit may be rounded to either side.
    counted = Counter(bisect_right(starts, one + 1e-9) - 1 for one in seconds)
    heights = [bar.get_height() for bar in bars(ax)]
    assert sum(heights) == len(seconds)
    assert heights == [counted[place] for place in range(len(starts))]


def mesh(ax: Axes) -> tuple[list[list[int]], list[float], list[float]]:
    """Return the counts by row and column, and the limits of the cells."""
    [found] = [one for one in ax.collections if isinstance(one, QuadMesh)]
    corners = np.asarray(found.get_coordinates())
    counts = np.ma.filled(np.ma.asarray(found.get_array()), 0).astype(int)
    return counts.tolist(), corners[0, :, 0].tolist(), corners[:, 0, 1].tolist()


@pytest.mark.parametrize("log", [False, True])
def test_density_has_every_span_in_its_cell(ax: Axes, log: bool) -> None:
    rng = np.random.default_rng(1)
    rows = [
        {"since_run_began": float(a), "duration": float(b)}
        for a, b in zip(rng.uniform(0, 50, 700), rng.lognormal(0, 1, 700), strict=True)
    ]
    plots.density(rows, ax=ax, log=log)
    counts, x, y = mesh(ax)
    wanted: Counter[tuple[int, int]] = Counter()
    for row in rows:
        across = min(bisect_right(x, row["since_run_began"]), len(x) - 1) - 1
        up = min(bisect_right(y, row["duration"]), len(y) - 1) - 1
        wanted[up, across] += 1
    found = {(i, j): count for i, line in enumerate(counts) for j, count in enumerate(line) if count}
    assert found == wanted
    assert (x[0], x[-1], y[0], y[-1]) == tuple(
        edge(row[name] for row in rows) for name in ("since_run_began", "duration") for edge in (min, max)
    )
    steps = np.diff(np.log(y) if log else y)
    assert steps == pytest.approx(np.full(len(steps), steps[0]))
    assert ax.get_yscale() == ("log" if log else "linear")
    [bar] = [other for other in ax.figure.axes if other is not ax]
    assert bar.get_ylabel() == "spans in a cell"


def test_density_of_one_span(ax: Axes) -> None:
    plots.density(spans_of([2.0]), ax=ax)
    assert mesh(ax)[0] == [[1]]


def test_cumulative_is_the_share_of_spans_that_took_at_most_so_long(ax: Axes) -> None:
    plots.cumulative(spans_of(DURATIONS, run="a") + spans_of([4.0, 2.0], run="b"), ax=ax)
    # Two groups, each with its line and its marks; two lines across.
    lines = {len(np.asarray(line.get_xdata())): line for line in ax.lines if line.get_drawstyle() == "steps-post"}
    for durations in (DURATIONS, [4.0, 2.0]):
        line = lines[len(durations) + 1]
        x, y = map(np.asarray, (line.get_xdata(), line.get_ydata()))
        for at in (*durations, 0.7, 3.2, 30.0):
            place = bisect_right(x.tolist(), at) - 1
            share = 100 * sum(one <= at for one in durations) / len(durations)
            assert (y[place] if place >= 0 else 0) == pytest.approx(share)
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert np.asarray(marks[0].get_xdata()) == pytest.approx([percentile(DURATIONS, 50), percentile(DURATIONS, 95)])
    assert legend_texts(ax)[1] == "b: median 3 s, 95 % 3.9 s"


def test_small_groups_of_cumulative_are_one_line(ax: Axes) -> None:
    rows = [row for n in range(30) for row in spans_of([1.0] * (40 - n), run=f"r{n:02}")]
    plots.cumulative(rows, ax=ax)
    assert legend_texts(ax)[-1].startswith("21 others: ") and len(legend_texts(ax)) == distributions.MOST_GROUPS + 1
    assert f"{len(rows)} rows" in texts(ax)


def test_many_durations_of_cumulative_keep_exact_shares(ax: Axes) -> None:
    values = np.random.default_rng(2).lognormal(0, 1, 30_000)
    plots.cumulative(Table(("duration",), [(float(one),) for one in values]), ax=ax, log=True)
    [line] = [line for line in ax.lines if line.get_drawstyle() == "steps-post"]
    x, y = map(np.asarray, (line.get_xdata(), line.get_ydata()))
    assert len(x) <= distributions.MOST_POINTS + 1
    for at, share in list(zip(x, y, strict=True))[1::100]:
        assert share == pytest.approx(100 * np.count_nonzero(values <= at) / len(values))
    assert y[-1] == 100 and x[-1] == values.max()


@pytest.mark.parametrize("kind", ["durations", "density", "cumulative", "histogram", "boxes"])
def test_axis_of_durations_is_logarithmic_where_they_range_widely_and_only_there(kind: str) -> None:
    even, wide = [1.0, 2.0, 3.0, 99.0], [1.0, 1.0, 2.0, 201.0]
    for durations, scale in ((even, "linear"), (wide, "log"), ([0.0, *wide], "linear"), ([-1.0, *wide], "linear")):
        ax = Figure().add_subplot()
        getattr(plots, kind)(spans_of(durations), ax=ax)
        assert (ax.get_yscale() if kind in ("durations", "density") else ax.get_xscale()) == scale
        whole(ax).draw_without_rendering()


@pytest.mark.parametrize("kind", ["density", "cumulative", "histogram", "boxes"])
def test_what_a_logarithmic_axis_can_not_show_is_said(kind: str, ax: Axes) -> None:
    getattr(plots, kind)(spans_of([0.0, -1.0, 1.0, 2.0, 3.0]), ax=ax, log=True)
    assert "3 of 5 rows; left out 2 where a duration is not above 0" in texts(ax)


@pytest.mark.parametrize("kind", ["durations", "scatter", "density", "cumulative", "histogram", "boxes"])
@pytest.mark.parametrize("rows", [[], spans_of([None]), spans_of([0.0, 0.0]), spans_of([-2.0])], ids=len)
def test_axes_have_units_whatever_the_rows(kind: str, rows: Rows) -> None:
    columns = ("since_run_began", "duration")
    data = Table(columns, [[row[name] for name in columns] for row in rows])
    ax = Figure().add_subplot()
    getattr(plots, kind)(data, ax=ax)
    assert "duration (s)" in (ax.get_xlabel(), ax.get_ylabel())
    whole(ax).draw_without_rendering()


def test_new_axes_are_made_where_none_are_given(synthetic_db: Path) -> None:
    ax = plots.cumulative(synthetic_db, "durations")
    assert legend_texts(ax) and isinstance(ax.figure, Figure)
    plt.close("all")


KINDS = ("durations", "scatter", "density", "cumulative", "histogram", "boxes", "timeline")


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_plot_by_name_is_the_same_from_command_and_datasette(
    synthetic_db: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "x.svg"
    assert run("plot", "durations", file, "--as", kind, "--db", synthetic_db).output == ""
    response = await Datasette([str(synthetic_db)]).client.get(f"/dnpc/durations.svg?_plot={kind}")
    assert response.status_code == 200 and response.content == file.read_bytes()
    data = queries.rows(synthetic_db, "durations")
    table = Table(tuple(data[0]), [list(row.values()) for row in data])
    assert render.picture(table, sql_files.queries()["durations"].title, "svg", kind=kind) == file.read_bytes()


@pytest.mark.asyncio
async def test_plot_that_does_not_fit_is_refused_with_those_that_do(synthetic_db: Path, tmp_path: Path) -> None:
    result = run("plot", "durations", tmp_path / "x.png", "--as", "steps", "--db", synthetic_db)
    assert result.exit_code == 2 and all(kind in result.output for kind in KINDS)
    client = Datasette([str(synthetic_db)]).client
    for kind in ("steps", "nonsense", "__class__", "<b>"):
        response = await client.get("/dnpc/durations.png", params={"_plot": kind})
        assert response.status_code == 400 and "<b>" not in response.text
        assert all(kind in response.text for kind in KINDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_plot_by_name_of_own_sql_and_of_a_table(synthetic_db: Path) -> None:
    client = Datasette([str(synthetic_db)]).client
    sql = "select duration from span_duration where duration > 0"
    refused = await client.get("/dnpc.png", params={"sql": sql}, follow_redirects=True)
    assert refused.status_code == 400 and "cumulative" in refused.text
    for params in ({"sql": sql, "_plot": "cumulative"}, {"sql": sql, "_plot": "histogram"}):
        response = await client.get("/dnpc.png", params=params, follow_redirects=True)
        assert response.status_code == 200 and response.content.startswith(b"\x89PNG")
    assert (await client.get("/dnpc/span_duration.svg?_plot=boxes")).status_code == 200


def test_query_without_a_usual_plot_is_drawn_by_name(synthetic_db: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    query = next(
        name
        for name, one in sql_files.queries().items()
        if render.shape(list(one.columns)) is None
        and render.shapes(list(one.columns))
        and queries.rows(synthetic_db, name)
    )
    missing = run("plot", query, file, "--db", synthetic_db)
    assert missing.exit_code == 2 and "Missing option '--as'" in missing.output
    assert run("plot", query, file, "--as", "histogram", "--db", synthetic_db).exit_code == 0
    assert file.read_bytes().startswith(b"\x89PNG")


def test_help_lists_the_plots_with_their_columns() -> None:
    told = run("plot", "--help").output
    for name, needed in render.SHAPES + render.MORE_SHAPES:
        assert f" {name} " in told and ", ".join(needed) in told


def test_every_plot_that_is_listed_is_there() -> None:
    for name, _ in render.SHAPES + render.MORE_SHAPES:
        assert name in plots.__all__ and callable(getattr(plots, name))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.floats(1e-9, 1e9), st.just(math.inf), st.just("x")), max_size=30
    ),
    st.sampled_from(["durations", "density", "cumulative", "histogram", "boxes"]),
)
def test_nothing_is_dropped_silently(values: list[Any], kind: str) -> None:
    ax = Figure().add_subplot()
    data = Table(("since_run_began", "duration"), [(float(n), value) for n, value in enumerate(values)])
    getattr(plots, kind)(data, ax=ax)
    good = sum(isinstance(value, float) and math.isfinite(value) for value in values)
    told = f"{good} of {len(values)} rows; left out" if good < len(values) else f"{good} rows"
    assert told in texts(ax)
