"""The page Distributions, the queries it is made of, and what it draws in Chromium, against raw rows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from datasette.app import Datasette
from matplotlib.figure import Figure
from playwright.sync_api import Locator, Page

from datasette_dnpc import plots, queries
from datasette_dnpc.pages import distributions
from datasette_dnpc.pages.value_axis import ValueAxis, axis_of, seconds_text
from datasette_dnpc.plots.distributions import is_wide
from datasette_dnpc.sql_files import SqlFileError, load
from tests import synthetic
from tests.imports import dnpc, query
from tests.raw_rows import Raw, Rows, agreed, imported, made_of, read_raw
from tests.runs import DATA
from tests.synthetic import TASK, TRY
from tests.test_browser import address, browser, page, real, real_address  # noqa: F401

SLOW = "node07"


@pytest.fixture(scope="module")
def made(synthetic_db: Path) -> Raw:
    return read_raw(synthetic_db)


def seconds_between(raw: Raw, root_type: str, start: str, end: str) -> dict[str, tuple[float, float]]:
    """Return of each root by uuid when it first came into one state, and how long until it last came into another."""
    zero: dict[str | None, float] = {}
    for span, events in raw.events.items():
        for time, _ in events:
            zero[raw.runs[span]] = min(time, zero.get(raw.runs[span], time))
    found = {}
    for root in raw.of_type(root_type):
        starts = [time for time, state in raw.states(root) if state == start]
        ends = [time for time, state in raw.states(root) if state == end]
        if starts and ends:
            found[raw.uuids[root]] = (min(starts) - zero[raw.runs[root]], max(ends) - min(starts))
    return found


PAIR = {"start_state": f"{TRY}/pending", "end_state": f"{TRY}/exec_done"}


def test_histogram_counts_every_root_and_its_figures_are_those_of_the_events(synthetic_db: Path, made: Raw) -> None:
    rows = agreed(synthetic_db, "pair_histogram", **PAIR, bins="20", scale="even")
    found = seconds_between(made, TASK, *PAIR.values())
    durations = np.array([seconds for _, seconds in found.values()])
    counts, edges = np.histogram(durations, bins=20)
    assert [row["spans"] for row in rows] == list(counts)
    assert [row["from_seconds"] for row in rows] == pytest.approx(list(edges[:-1]))
    assert [row["to_seconds"] for row in rows] == pytest.approx(list(edges[1:]))
    figures = [durations.mean(), *np.percentile(durations, [50, 95]), durations.max()]
    starts = [start for start, _ in found.values()]
    for row in rows:
        assert [row[name] for name in ("mean", "p50", "p95", "max")] == pytest.approx(figures)
        assert [row["first_start"], row["last_start"]] == pytest.approx([min(starts), max(starts)])
        assert (row["of_spans"], row["of_inside"]) == (len(found), len(found))
        assert row["without"] == len(made.of_type(TASK)) - len(found)
    ax = plots.histogram(
        synthetic_db, "pair_histogram", {**PAIR, "bins": "20", "scale": "even"}, ax=Figure().subplots()
    )
    assert [patch.get_height() for patch in ax.patches] == list(counts)  # type: ignore[attr-defined]


def test_histogram_of_a_region_counts_what_lies_in_it(synthetic_db: Path, made: Raw) -> None:
    found = seconds_between(made, TASK, *PAIR.values())
    low, high = np.percentile([seconds for _, seconds in found.values()], [30, 80])
    first, last = np.percentile([start for start, _ in found.values()], [10, 60])
    region = {"shortest": str(low), "longest": str(high), "from_start": str(first), "to_start": str(last)}
    inside = {
        uuid: seconds for uuid, (start, seconds) in found.items() if low <= seconds <= high and first <= start <= last
    }
    assert 5 < len(inside) < len(found) / 2
    rows = queries.rows(synthetic_db, "pair_histogram", **PAIR, **region)
    assert sum(row["inside"] for row in rows) == len(inside)
    assert {row["of_inside"] for row in rows} == {len(inside)} and {row["of_spans"] for row in rows} == {len(found)}
    for row in rows[:-1]:
        assert row["inside"] == sum(row["from_seconds"] <= seconds < row["to_seconds"] for seconds in inside.values())
    pairs = agreed(synthetic_db, "event_pairs", **PAIR, **region, order="slowest")
    assert {row["uuid"]: row["duration"] for row in pairs} == pytest.approx(inside, abs=1e-6)
    assert [row["duration"] for row in pairs] == sorted((row["duration"] for row in pairs), reverse=True)
    assert {row["of_spans"] for row in pairs} == {len(inside)}
    [slowest] = queries.rows(synthetic_db, "event_pairs", **PAIR, order="slowest", rows="1")
    assert slowest["duration"] == pytest.approx(max(seconds for _, seconds in found.values()), abs=1e-6)


def of_durations(path: Path, *durations: float) -> Path:
    spans = [("t", [(100.0 + i, "start"), (100.0 + i + seconds, "stop")]) for i, seconds in enumerate(durations)]
    return made_of(path, spans)


@pytest.mark.parametrize(
    "durations",
    [
        (1.0, 2.0, 3.0),
        (0.001, 0.01, 0.5, 2.0),
        (0.001, 1.0, 99.0, 100.0),
        (-1.0, 1.0, 500.0),
        (0.0, 1.0, 500.0),
        (2.0,),
    ],
)
def test_histogram_is_logarithmic_by_the_rule_of_the_plots(tmp_path: Path, durations: tuple[float, ...]) -> None:
    path = of_durations(tmp_path / "d.sqlite3", *durations)
    # An end before its start has the later event first, so the states are named.
    asked = {"root_type": "t", "start_state": "t/start", "end_state": "t/stop"}
    rows = queries.rows(path, "pair_histogram", **asked)
    log = is_wide(np.array(durations))
    assert {row["scale"] for row in rows} == {"log" if log else "even"}
    assert (rows[0]["from_seconds"], rows[-1]["to_seconds"]) == pytest.approx((min(durations), max(durations)))
    assert sum(row["spans"] for row in rows) == len(durations)
    if log:
        ratios = [row["to_seconds"] / row["from_seconds"] for row in rows]
        assert ratios == pytest.approx([ratios[0]] * len(rows))
    positive = [seconds for seconds in durations if seconds > 0]
    asked_for = queries.rows(path, "pair_histogram", **asked, scale="log", bins="7")
    assert sum(row["spans"] for row in asked_for) == len(positive)
    assert asked_for[0]["from_seconds"] == pytest.approx(min(positive))
    assert {row["of_spans"] for row in asked_for} == {len(durations)}


def test_types_whose_sequences_are_not_kept_have_their_own_events(synthetic_db: Path, made: Raw) -> None:
    rows = queries.rows(synthetic_db, "event_pairs", root_type=TRY)
    found = seconds_between(made, TRY, rows[0]["start_state"], rows[0]["end_state"])
    assert {row["uuid"]: (row["since_run_began"], row["duration"]) for row in rows} == {
        uuid: pytest.approx(times, abs=1e-6) for uuid, times in found.items()
    }
    assert all(rows[0][name].startswith(f"{TRY}/") for name in ("start_state", "end_state"))


def planted(path: Path, slow: Callable[[int], bool] = lambda node: node == 7) -> Path:
    """Make 10 nodes of two workers each, in each of which 20 tasks run; on slow nodes they take ten times as long."""
    spans: list[tuple[str, list[tuple[float, str]]]] = []
    nodes = range(10)
    spans += [("manager", [])] * 10 + [("worker", [])] * 20
    for task in range(400):
        node = task % 20 // 2
        seconds = (10 if slow(node) else 1) * (1 + task % 7 / 10)
        spans.append(("task", [(1000.0 + task, "start"), (1000.0 + task + seconds, "stop")]))
    made_of(path, spans)
    with closing(sqlite3.connect(path)) as conn, conn:
        for node in nodes:
            # Two numbers which all nodes have, and what each has alone.
            attributes = {"host": f"node{node:02}", "cores": 4 + node % 2, "room": {"memory": 64}}
            conn.execute("UPDATE spans SET attributes = ? WHERE id = ?", [json.dumps(attributes), node + 1])
        pairs = [(worker // 2 + 1, 11 + worker) for worker in range(20)]
        pairs += [(11 + task % 20, 31 + task) for task in range(400)]
        conn.executemany("INSERT INTO subspans VALUES (?, ?, '', NULL)", pairs)
        for task in range(400):
            attributes = {"size": (15 if slow(task % 20 // 2) else 10) + task % 5, "app": f"app{task % 3}"}
            conn.execute("UPDATE spans SET attributes = ? WHERE id = ?", [json.dumps(attributes), 31 + task])
    return path


def test_what_makes_some_slow_ranks_first(tmp_path: Path) -> None:
    rows = agreed(planted(tmp_path / "p.sqlite3"), "attribute_ranking", root_type="task", shortest="5", rows="900")
    assert (rows[0]["attribute"], rows[0]["value"]) == ("manager.host", SLOW)
    assert (rows[0]["inside"], rows[0]["outside"], rows[0]["of_inside"], rows[0]["of_outside"]) == (40, 0, 40, 360)
    assert (rows[0]["inside_share"], rows[0]["outside_share"], rows[0]["lift"]) == (100, 0, None)
    # The manager is told by its host: the same tasks have both.
    assert rows[0]["also"] == "manager = 8"
    assert rows[0]["score"] > 0.9
    found = {(row["attribute"], row["value"]): row for row in rows}
    workers = [found["worker", key] for key in ("25", "26")]
    assert [(row["inside"], row["outside"], row["inside_share"]) for row in workers] == [(20, 0, 50)] * 2
    assert 0.2 < workers[0]["score"] < 0.5
    # What tells nothing is last, or not there.
    assert ("manager.room.memory", 64) not in found
    assert all(found["task.app", f"app{i}"]["score"] < 0.01 for i in range(3))
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_scores_are_correlations(tmp_path: Path) -> None:
    """Against a correlation of samples made even by weights, reckoned by numpy from the raw rows."""
    path = planted(tmp_path / "p.sqlite3", lambda node: node in (3, 7))
    rows = queries.rows(path, "attribute_ranking", root_type="task", shortest="5", rows="900")
    found = {(row["attribute"], row["value"]): row for row in rows}
    tasks = query(path, "SELECT id - 31, ended - began, attributes FROM spans WHERE key + 0 > 30")
    inside = np.array([seconds >= 5 for _, seconds, _ in tasks])

    def share(has: np.ndarray, side: np.ndarray) -> float:
        return float((has[side].sum() + 0.5) / (side.sum() + 1))

    cores = np.array([4 + task % 20 // 2 % 2 for task, _, _ in tasks])
    p, q = share(cores == 5, inside), share(cores == 5, ~inside)
    row = found["manager.cores", 5]
    assert row["score"] == pytest.approx(((p - q) / 2) ** 2 / ((p + q) / 2 * (1 - (p + q) / 2)))
    assert row["lift"] == pytest.approx(np.mean(cores[inside] == 5) / np.mean(cores[~inside] == 5))
    sizes = np.array([json.loads(attributes)["size"] for _, _, attributes in tasks])
    row = found["task.size", None]
    one, other = sizes[inside], sizes[~inside]
    assert (row["inside_mean"], row["outside_mean"]) == pytest.approx((one.mean(), other.mean()))
    assert (row["inside_p50"], row["outside_p50"]) == (np.median(one), np.median(other))
    deviations = [float(side.std(ddof=1)) for side in (one, other)]
    difference = one.mean() - other.mean()
    assert row["standardised_difference"] == pytest.approx(difference / np.mean(deviations))
    known = share(sizes > 0, inside) * share(sizes > 0, ~inside)
    between = (difference / 2) ** 2
    assert row["score"] == pytest.approx(known * between / (between + np.mean(np.square(deviations))))


def test_without_a_region_the_slowest_are_compared(tmp_path: Path) -> None:
    path = planted(tmp_path / "p.sqlite3")
    rows = queries.rows(path, "attribute_ranking", root_type="task")
    durations = [ended - began for began, ended in query(path, "SELECT began, ended FROM spans WHERE key + 0 > 30")]
    slowest = sum(seconds >= np.percentile(durations, 95) for seconds in durations)
    assert {(row["of_inside"], row["of_outside"]) for row in rows} == {(slowest, 400 - slowest)}
    assert rows[0]["value"] == SLOW


def test_regions_of_all_or_nothing_have_no_ranking(tmp_path: Path) -> None:
    path = planted(tmp_path / "p.sqlite3")
    assert queries.rows(path, "attribute_ranking", root_type="task", shortest="0") == []
    assert queries.rows(path, "attribute_ranking", root_type="task", shortest="1000") == []


def test_more_than_can_be_compared_are_a_sample(tmp_path: Path) -> None:
    path = of_durations(tmp_path / "d.sqlite3", *(1.0 + (i % 2) for i in range(1300)))
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE spans SET attributes = json_object('odd', key % 2)")
    rows = queries.rows(path, "attribute_ranking", root_type="t", shortest="1.5")
    assert {(row["compared_inside"], row["of_inside"]) for row in rows} == {(500, 650)}
    assert {(row["compared_outside"], row["of_outside"]) for row in rows} == {(500, 650)}
    shares = {row["value"]: (row["inside_share"], row["outside_share"]) for row in rows if row["attribute"] == "t.odd"}
    # The key is one more than the number that the duration is of.
    assert shares == {None: (100, 100), 0: (100, 0), 1: (0, 100)}
    assert rows == queries.rows(path, "attribute_ranking", root_type="t", shortest="1.5")


def test_attributes_of_transfers_belong_to_their_task(tmp_path: Path) -> None:
    path = imported(tmp_path / "wq.sqlite3", DATA / "workqueue")
    rows = queries.rows(path, "attribute_ranking", rows="900")
    names = {row["attribute"] for row in rows} | {
        one.partition(" = ")[0] for row in rows for one in (row["also"] or "").split("; ")
    }
    assert {"workqueue.transfer.megabytes", "workqueue.task.category", "number of workqueue.transfer"} <= names


def test_a_part_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sql").write_text("/*\n@title t\n@description d\n*/\nwith\n-- part nowhere\nselect 1\n")
    with pytest.raises(SqlFileError, match=r"x\.sql: there is no part nowhere"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("axis", "places", "texts"),
    [
        (ValueAxis(0, 10), {0: 0, 5: 50, 10: 100, 20: 100}, ["0 s", "2 s", "4 s", "6 s", "8 s", "10 s"]),
        (ValueAxis(0.001, 10, True), {0.001: 0, 0.1: 50, 0: 0, -1: 0}, ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]),
        (ValueAxis(-0.002, 0.002), {0: 50}, ["-2 ms", "-1 ms", "0 s", "1 ms", "2 ms"]),
    ],
)
def test_places_and_ticks_of_an_axis(axis: ValueAxis, places: dict[float, float], texts: list[str]) -> None:
    assert {value: axis.place(value) for value in places} == pytest.approx(places)
    assert [text for _, text in axis.ticks()] == texts
    assert axis.ticks() == sorted(axis.ticks())


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("least", "most"), [(1e-7, 3e-7), (2.0, 2.0), (1e-6, 1e5), (3.0, 70000.0), (99.0, 101.0)])
def test_every_axis_holds_its_values_and_names_some(least: float, most: float, log: bool) -> None:
    axis = axis_of(least, most, log)
    assert 0 <= axis.place(least) <= axis.place(most) <= 100 and axis.low < axis.high
    assert 2 <= len(axis.ticks()) <= 12 and all(0 <= place <= 100 for place, _ in axis.ticks())
    assert len({text for _, text in axis.ticks()}) == len(axis.ticks())


def test_round_seconds() -> None:
    texts = [seconds_text(value) for value in (0.0, 2e-9, 5e-6, 0.02, 1.0, 1500.0, -0.5)]
    assert texts == ["0 s", "2 ns", "5 µs", "20 ms", "1 s", "1,500 s", "-500 ms"]
    assert axis_of(0.0, 0.0, False).ticks() and axis_of(-3.0, -3.0, False).place(-3.0) >= 0


async def get(datasette: Datasette, path: str, **params: str) -> str:
    await datasette.invoke_startup()
    response = await datasette.client.get(f"/-/dnpc/{path}/distributions", params=params)
    assert response.status_code == 200, response.text
    return str(response.text)


@pytest.mark.asyncio
async def test_page_shows_the_rows_of_its_queries(tmp_path: Path) -> None:
    path = planted(tmp_path / "p.sqlite3")
    region = {"root_type": "task", "shortest": "5"}
    html = await get(Datasette([str(path)]), "p", **region)
    ranking = queries.rows(path, "attribute_ranking", **region)
    slowest = queries.rows(path, "event_pairs", **region, order="slowest", rows=50)
    table = html.partition('aria-label="Slowest spans in the region"')[2]
    assert re.findall(r'/span/(\w+)">', table.partition("</table>")[0]) == [row["uuid"] for row in slowest]
    assert "All 40." in html and "In the region: 40 of 400 spans" in html
    shown = html.partition('aria-label="Attributes in which they differ"')[2].partition("</table>")[0]
    names = [re.split(r"<|\n", row)[0] for row in shown.split('<th scope="row" class="dnpc-long">')[1:]]
    assert names == [row["attribute"] for row in ranking]
    assert [f"{row['score']:.2f}" for row in ranking] == re.findall(r"</b>([\d.]+)<", shown)


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["exec_done", "failed"])
async def test_points_of_a_sample_are_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Also where there are so few that they are not all among those drawn by lot."""
    path = synthetic.build(tmp_path / "d.sqlite3", tasks=900)
    monkeypatch.setattr(distributions, "POINTS", 20)
    monkeypatch.setattr(distributions, "SAMPLED", 500)
    asked = {"root_type": TASK, "end_state": f"{TRY}/{end}", "end_which": "first"}
    drawn, all_of_them = (
        queries.rows(path, "event_pairs", **asked, rows="20", sample=sample) for sample in ("500", "all")
    )
    assert drawn[0]["one_in"] == 32 and len(all_of_them) == 20
    assert (len(drawn) == 20) == (end == "exec_done")
    html = await get(Datasette([str(path)]), "d", **asked)
    assert set(re.findall(r'/span/([\w-]+)" tabindex', html)) == {row["uuid"] for row in all_of_them}
    assert "not all was looked at" not in html


@pytest.mark.asyncio
async def test_odd_arguments_do_not_fail(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    for params in (
        {"root_type": "none"},
        {"start_state": "none", "end_state": "<script>alert(1)", "start_which": "x"},
        {"shortest": "nonsense", "longest": "inf", "from_start": "nan"},
        {"shortest": "9", "longest": "1", "scale": "log"},
        {"run": "none", "app": "<script>alert(1)", "executor": "x"},
        {"root_type": TRY, "scale": "even", "to_start": "1e300"},
    ):
        assert "<script>alert(1)" not in await get(datasette, "dnpc", **params)
    assert "There is no such span type" in await get(datasette, "dnpc", root_type="none")
    assert "There is no such run" in await get(datasette, "dnpc", run="none")
    assert "No span has both events" in await get(datasette, "dnpc", app="none")
    assert "There is none in the region" in await get(datasette, "dnpc", shortest="1e9")
    assert "there is no rest" in await get(datasette, "dnpc", shortest="-1e9")


@pytest.mark.asyncio
@pytest.mark.parametrize("durations", [(5.0,), (0.0,), (-1.0, 1.0), (1.0,) * 1000])
async def test_one_span_or_all_alike(tmp_path: Path, durations: tuple[float, ...]) -> None:
    path = of_durations(tmp_path / "d.sqlite3", *durations)
    html = await get(Datasette([str(path)]), "d", root_type="t", start_state="t/start", end_state="t/stop")
    assert html.count('tabindex="-1"><path') == min(len(durations), 900)
    assert "nan" not in html.partition("<figure")[2].partition("</figure")[0]


def attributes(found: Locator, name: str) -> list[float]:
    return [
        float(value or 0) for value in found.evaluate_all("(all, name) => all.map(a => a.getAttribute(name))", name)
    ]


@pytest.mark.browser
def test_charts_draw_what_the_queries_return(page: Page, real: Path, real_address: str) -> None:  # noqa: F811
    page.goto(f"{real_address}/distributions")
    points = queries.rows(real, "event_pairs")
    bins = queries.rows(real, "pair_histogram")
    drawn = page.locator(".dnpc-points a")
    assert drawn.count() == len(points) > 10
    links = drawn.evaluate_all("all => all.map(a => a.getAttribute('href').split('/').pop())")
    assert links == [row["uuid"] for row in points]
    bars = page.locator(".dnpc-bin > rect:first-of-type")
    most = max(row["spans"] for row in bins)
    assert attributes(bars, "width") == pytest.approx([100 * row["spans"] / most for row in bins], abs=0.01)
    chart = page.locator(".dnpc-points").bounding_box()
    assert chart and chart["width"] > 300 and chart["height"] > 200
    # Places of points are even in the duration, or in its logarithm.
    scale = np.log if bins[0]["scale"] == "log" else np.asarray
    places = [
        float(d.split()[1].partition("h")[0])
        for d in drawn.locator("path").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    ]
    durations = scale([row["duration"] for row in points])
    slope, constant = np.polyfit(durations, places, 1)
    assert slope < 0 and places == pytest.approx(list(slope * durations + constant), abs=0.05)


def asked(page: Page) -> dict[str, str]:  # noqa: F811
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def dragged(page: Page, chart: str, *ends: tuple[float, float]) -> None:  # noqa: F811
    """Drag from one place to another, each as shares from the upper left."""
    box = page.locator(chart).bounding_box()
    assert box
    (x, y), (to_x, to_y) = ((box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in ends)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move((x + to_x) / 2, (y + to_y) / 2)
    page.mouse.move(to_x, to_y)
    with page.expect_navigation():
        page.mouse.up()
    assert page.url.endswith("#charts")


def region_of(page: Page) -> Rows:  # noqa: F811
    links = page.locator("[aria-label='Slowest spans in the region'] tbody a")
    return links.evaluate_all("all => all.map(a => a.getAttribute('href').split('/').pop())")  # type: ignore[no-any-return]


REGION = ("shortest", "longest", "from_start", "to_start")


@pytest.mark.browser
def test_dragging_over_a_chart_chooses_a_region(page: Page, real: Path, real_address: str) -> None:  # noqa: F811
    page.goto(f"{real_address}/distributions")
    dragged(page, ".dnpc-points", (0.02, 0.02), (0.98, 0.5))
    region = {name: asked(page)[name] for name in REGION}
    rows = queries.rows(real, "event_pairs", **region, order="slowest", rows=50)
    assert 0 < len(rows) < len(queries.rows(real, "event_pairs"))
    assert region_of(page) == [row["uuid"] for row in rows]
    inside = {row["uuid"] for row in queries.rows(real, "event_pairs", **region)}
    marked = page.locator(".dnpc-points a:has(.dnpc-inside)")
    assert set(marked.evaluate_all("all => all.map(a => a.getAttribute('href').split('/').pop())")) == inside
    box, chart = (page.locator(one).bounding_box() for one in (".dnpc-region", ".dnpc-points"))
    assert box and chart
    assert box["height"] / chart["height"] == pytest.approx(0.48, abs=0.02)
    assert box["width"] / chart["width"] == pytest.approx(0.96, abs=0.02)
    # Over the histogram, it is of durations alone.
    dragged(page, ".dnpc-bins", (0.3, 0.02), (0.6, 0.3))
    assert set(REGION) & asked(page).keys() == {"shortest", "longest"}
    page.locator("figcaption a", has_text="no region").click()
    page.wait_for_url("**/distributions?*")
    assert not set(REGION) & asked(page).keys()


@pytest.mark.browser
def test_region_by_keyboard_and_to_a_span(page: Page, real: Path, real_address: str) -> None:  # noqa: F811
    page.goto(f"{real_address}/distributions")
    median = queries.rows(real, "pair_histogram")[0]["p50"]
    page.locator("input[name=shortest]").focus()
    page.keyboard.type(str(median))
    page.keyboard.press("Enter")
    page.wait_for_url("**shortest=**")
    rows = queries.rows(real, "event_pairs", shortest=str(median), order="slowest")
    assert f"In the region: {len(rows)} of" in page.locator("#region").inner_text()
    assert page.locator(".dnpc-ranking tbody tr").count() == len(
        queries.rows(real, "attribute_ranking", shortest=str(median))
    )
    page.locator("[aria-label='Slowest spans in the region'] tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/span/{rows[0]['uuid']}")


@pytest.mark.browser
def test_a_point_leads_to_its_span(page: Page, real: Path, real_address: str) -> None:  # noqa: F811
    page.goto(f"{real_address}/distributions")
    link = page.locator(".dnpc-points a").last
    uuid = (link.get_attribute("href") or "").rpartition("/")[2]
    link.locator("path").dispatch_event("click")
    page.wait_for_url(f"**/span/{uuid}")


def test_commands_answer_for_scripts(synthetic_db: Path) -> None:
    found = dnpc("attribute-ranking", "--db", synthetic_db, "--rows", "3", "--format", "json")
    assert json.loads(found.output) == queries.rows(synthetic_db, "attribute_ranking", rows="3")
