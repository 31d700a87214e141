"""The page of a run: charts on one axis of time, zoom, layers, workers, blocks; and links from tables to spans."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from datasette.app import Datasette
from datasette.database import Database
from playwright.sync_api import Browser, Page

from datasette_dnpc import queries, sql_files
from datasette_dnpc.meanings import NOT_KNOWN
from datasette_dnpc.pages import run as run_page
from datasette_dnpc.pages.areas import HEIGHT, WIDTH, areas
from datasette_dnpc.pages.lanes import by_app, by_slot
from datasette_dnpc.pages.run import GROUPS, group_colours
from datasette_dnpc.pages.time_axis import TICKS, TimeAxis, part_of_run
from datasette_dnpc.sql_files import create_views
from importers import totals
from tests import test_browser
from tests.imports import dnpc, import_logs, query
from tests.managers import log_alone
from tests.runs import DATA
from tests.test_browser import bytes_of, serious, watched
from tests.test_sequences import Slow
from tests.test_site import address, cells, get

browser, page = test_browser.browser, test_browser.page
real, real_address = test_browser.real, test_browser.real_address

drives_chromium = pytest.mark.browser
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three HTEX runs with monitoring."""
    path = tmp_path_factory.mktemp("run") / "real.sqlite3"
    import_logs(path, DATA / "runinfo", finish=create_views)
    return path


@pytest.fixture(scope="module")
def manager_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a Work Queue manager, without Parsl."""
    path = tmp_path_factory.mktemp("manager") / "wq.sqlite3"
    alone = log_alone(path.parent)
    import_logs(path, alone, finish=create_views)
    return path


def runs_of(database: Path) -> Rows:
    return queries.rows(database, "runs_overview")


def run_with_workers(database: Path) -> dict[str, Any]:
    return next(run for run in runs_of(database) if queries.rows(database, "worker_gantt", run=run["run"]))


def run_address(database: Path, run: str, /, **arguments: object) -> str:
    given = urlencode({name: value for name, value in arguments.items() if value not in ("", None)})
    return address(database, "run", run) + (f"?{given}" if given else "")


def bars_of(page: str) -> list[tuple[str, str, float, float]]:
    """Return the address, text, place and width of each bar in the lanes of a page."""
    found = re.findall(
        r'<a href="([^"]+)" tabindex="-1"><title>([^<]*)</title><rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', page
    )
    return [(unescape(href), unescape(text), float(x), float(width)) for href, text, x, width in found]


# The axis.


@pytest.mark.parametrize("seed", range(50))
def test_ticks_are_round_times_at_their_places(seed: int) -> None:
    lot = random.Random(seed)
    whole = 10 ** lot.uniform(-4, 6)
    first = lot.uniform(0, whole * 0.9)
    axis = TimeAxis(first, lot.uniform(first + whole / 1000, whole), whole)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= TICKS + 1
    units = {"s": 1, "min": 60, "h": 3600}
    times = [float(tick.text.split()[0].replace(",", "")) * units[tick.text.split()[1]] for tick in ticks]
    assert len({tick.text.split()[1] for tick in ticks}) == 1
    for tick, time in zip(ticks, times, strict=True):
        assert tick.place == pytest.approx(100 * (time - axis.first) / axis.seconds, abs=0.01)
        assert -0.001 <= tick.place <= 100.001
    steps = {round((b - a) / axis.seconds, 6) for a, b in pairwise(times)}
    assert len(steps) <= 1


def test_axis_of_an_address() -> None:
    assert part_of_run(100, "", "") == TimeAxis(0, 100, 100)
    assert part_of_run(100, "10", "20.5") == TimeAxis(10, 20.5, 100)
    assert part_of_run(100, "-5", "1e9").is_whole
    for first, last in (("20", "10"), ("x", "y"), ("nan", "inf"), ("7", "7"), ("200", "300")):
        assert part_of_run(100, first, last).is_whole
    assert part_of_run(0, "", "").seconds > 0
    assert TimeAxis(0, 100, 100).arguments() == {}


@pytest.mark.parametrize("seed", range(20))
def test_zoom_stays_in_the_run_and_in_the_address(seed: int) -> None:
    lot = random.Random(seed)
    whole = 10 ** lot.uniform(-2, 5)
    axis = part_of_run(whole, "", "")
    for _ in range(12):
        change: Callable[[float], TimeAxis] = lot.choice([axis.zoomed, axis.moved])
        by = lot.choice([0.5, 2]) if change == axis.zoomed else lot.choice([-0.5, 0.5])
        before, axis = axis, change(by)
        assert 0 <= axis.first < axis.last <= whole * (1 + 1e-12)
        wanted = before.seconds * by if change == axis.zoomed or by > 0.6 else before.seconds
        assert axis.seconds <= max(wanted, before.seconds) * (1 + 1e-9) or by == 2
        told = axis.arguments()
        again = part_of_run(whole, told.get("from", ""), told.get("to", ""))
        assert again.first == pytest.approx(axis.first, abs=axis.seconds / 500)
        assert again.last == pytest.approx(axis.last, abs=axis.seconds / 500)
    assert axis.zoomed(1e12).is_whole


# The lanes.


def slot_row(lane: int, began: float, duration: float, **other: Any) -> dict[str, Any]:
    row = {"lane": f"l{lane}", "lane_number": lane, "since_run_began": began, "duration": duration, "busy": duration}
    return {**row, "stays": 1, "app": "a", "apps": 1, "outcome": "done", "task": "t", "uuid": "u", **other}


def test_lanes_of_slots() -> None:
    rows = [
        slot_row(7, 2, 3),
        slot_row(7, 5, 1, stays=4, busy=0.5, uuid=None, task=None, apps=2),
        slot_row(9, 0, 20, app=None),
    ]
    lanes = by_slot(rows, TimeAxis(1, 11, 100), "app")
    assert [lane.label for lane in lanes.lanes] == ["l7", "l9"]
    assert [(bar.x, bar.width) for bar in lanes.bars] == [(100, 300), (400, 100), (0, 1000)]
    assert [bar.share for bar in lanes.bars] == [1, 0.5, 1]
    assert [bar.group for bar in lanes.bars] == ["a", "a", NOT_KNOWN]
    assert lanes.bars[0].text == "t, a, done, 3.000 s"
    assert lanes.bars[1].text == "4 stays of tasks, mostly a, of 2 apps, done, 500 ms busy of 1.000 s"
    for bar, lane in zip(lanes.bars, [lanes.lanes[i] for i in (0, 0, 1)], strict=True):
        assert lane.y <= bar.y and bar.y + bar.height <= lane.y + lane.height
    assert by_slot([], TimeAxis(0, 1, 1), "app").bars == []


@pytest.mark.parametrize("seed", range(10))
def test_spans_of_an_app_do_not_hide_each_other(seed: int) -> None:
    lot = random.Random(seed)
    rows: Rows = [
        {
            "app": lot.choice(["a", "b", None]),
            "since_run_began": lot.uniform(0, 100),
            "duration": lot.choice([0.0, None, lot.expovariate(0.1)]),
            "key": str(number),
            "ending": "done",
            "uuid": str(number),
        }
        for number in range(lot.choice([1, 30, 300]))
    ]
    lanes = by_app(rows, TimeAxis(0, 200, 200), "app")
    assert sorted(str(bar.uuid) for bar in lanes.bars) == sorted(str(row["uuid"]) for row in rows)
    place = {lane.label: lane for lane in lanes.lanes}
    of = {row["uuid"]: row for row in rows}
    for i, bar in enumerate(lanes.bars):
        row = of[bar.uuid]
        lane = place[row["app"] or NOT_KNOWN]
        assert lane.y - 0.02 <= bar.y and bar.y + bar.height <= lane.y + lane.height + 0.02 <= lanes.height + 0.02
        assert bar.x == pytest.approx(row["since_run_began"] * 5, abs=1.01)
        for other in lanes.bars[:i]:
            apart = bar.x >= other.x + other.width - 0.02 or other.x >= bar.x + bar.width - 0.02
            assert apart or abs(bar.y - other.y) > bar.height


def test_counts_hold_to_the_end_of_the_axis() -> None:
    rows = [
        {"time": 0.0, "state": "a", "spans": 2},
        {"time": 10.0, "state": "a", "spans": 4},
        {"time": 20.0, "state": "a", "spans": 1},
    ]
    [area] = areas(rows, ["a"], (5, 25)).areas
    corners = [tuple(map(float, corner.split())) for corner in area.path.strip("MZ").split("L")]
    top = corners[: len(corners) // 2]
    assert top[0] == (0, HEIGHT / 2)
    assert (WIDTH / 4, 0) in top
    assert top[-1] == (WIDTH, HEIGHT * 3 / 4) and (WIDTH * 3 / 4, HEIGHT * 3 / 4) in top


def test_few_groups_have_colours_of_their_own() -> None:
    rows = [slot_row(1, i, 0.5, app=f"app{i // 2}" if i < 30 else None) for i in range(31)]
    lanes = by_slot(rows, TimeAxis(0, 40, 40), "app")
    colours = group_colours(lanes)
    assert len(colours) == GROUPS + 1 and NOT_KNOWN in colours
    assert len(set(colours.values())) == GROUPS + 1
    assert lanes.groups[-1] == NOT_KNOWN


# The queries within a part of the time.


def windows(whole: float) -> list[tuple[float, float]]:
    return [(0, whole / 3), (whole * 0.4, whole / 2), (whole * 0.8, whole * 2), (-5, whole / 2), (whole * 2, whole * 3)]


def asked(first: float, last: float) -> dict[str, str]:
    return {"from_seconds": str(first), "to_seconds": str(last)}


def counted_at(rows: Rows) -> dict[float, dict[str, int]]:
    found: dict[float, dict[str, int]] = {}
    for row in rows:
        counts = found.setdefault(row["time"], {})
        if row["spans"]:
            counts[row["state"]] = row["spans"]
    return found


@pytest.mark.parametrize("fixture", ["database", "manager_db"])
def test_states_within_a_part_of_the_time(fixture: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(fixture)
    root_type = queries.rows(path, "states_over_time")[0]["root_type"]
    slow = Slow(path, root_type)
    looked_at = 0
    for run in runs_of(path):
        roots = [events for root, events in slow.events.items() if slow.runs[root] == run["run"] and events]
        if not roots:
            continue
        first_event, last_event = (pick(time for root in roots for time, _ in root) for pick in (min, max))
        for first, last in windows(run["makespan"]):
            rows = queries.rows(path, "states_over_time", run=run["run"], states="100", **asked(first, last))
            shown = counted_at(rows)
            if run["began"] + first >= last_event:
                assert shown == {}
                continue
            looked_at += len(shown)
            for time, counts in shown.items():
                states = (max((e for e in root if e[0] <= time), default=(0, None))[1] for root in roots)
                assert counts == dict(Counter(state for state in states if state))
            begin, end = max(first_event, run["began"] + first), min(last_event, run["began"] + last)
            assert len(rows) <= 900
            assert min(shown) == pytest.approx(begin, abs=1e-5)
            assert max(shown) == pytest.approx(end, abs=1e-5)
    assert looked_at > 100


def test_states_of_a_part_with_too_many_events_are_those_that_are_kept(database: Path) -> None:
    run = runs_of(database)[0]
    sql = sql_files.queries()["states_over_time"].sql
    assert len(re.findall(r"<= 200000\b", sql)) == 1
    sql = sql.replace("<= 200000", "< 0")
    params = {**dict.fromkeys(sql_files.queries()["states_over_time"].params, ""), "run": run["run"], "states": "4"}
    with queries.connected(database) as conn:
        every = counted_at(queries.select(conn, sql, params).dicts())
        first, last = run["makespan"] * 0.4, run["makespan"] * 0.7
        part = counted_at(queries.select(conn, sql, {**params, **asked(first, last)}).dicts())
    inside = [time for time in every if run["began"] + first < time <= run["began"] + last]
    before = max(time for time in every if time <= run["began"] + first)
    assert sorted(part) == [before, *inside] and len(inside) > 5
    for time, counts in part.items():
        assert sum(counts.values()) == sum(every[time].values())


def test_gantt_within_a_part_of_the_time(database: Path) -> None:
    [run, *_] = runs_of(database)
    spans = query(
        database,
        """SELECT spans.uuid, spans.began, spans.ended FROM spans JOIN span_types ON span_types.id = type
           JOIN runs ON runs.id = run WHERE span_types.name = 'parsl.rundir.try' AND runs.key = ?""",
        run["run"],
    )
    for first, last in windows(run["makespan"]):
        rows = queries.rows(database, "gantt", run=run["run"], span_type="parsl.rundir.try", **asked(first, last))
        wanted = {
            uuid for uuid, began, ended in spans if ended >= run["began"] + first and began <= run["began"] + last
        }
        assert {row["uuid"] for row in rows} == wanted
        assert {row["of_spans"] for row in rows} <= {len(wanted)}


# The page.


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", [{}, {"from": "", "to": ""}, {"colour": "outcome"}, {"executor": "htex_Local"}])
async def test_page_command_and_json_have_the_same_bars_and_counts(database: Path, arguments: dict[str, str]) -> None:
    datasette = Datasette([str(database)])
    run = run_with_workers(database)
    if "from" in arguments:
        arguments = {"from": str(run["makespan"] * 0.6), "to": str(run["makespan"] * 0.8)}
    page = await get(datasette, run_address(database, run["run"], **arguments))
    asked_for = {"run": run["run"], "executor": arguments.get("executor", "")}
    if "from" in arguments:
        axis = part_of_run(run["makespan"], arguments["from"], arguments["to"]).arguments()
        asked_for |= {"from_seconds": axis["from"], "to_seconds": axis["to"]}
    given = {name: value for name, value in asked_for.items() if value}
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    for name, more in (("worker_gantt", {"lanes": "40"}), ("states_over_time", {})):
        rows = queries.rows(database, name, **given, **more)
        told = await get(datasette, f"/real/{name}.json?" + urlencode({**given, **more, "_shape": "array"}))
        extra = [part for key, value in more.items() for part in (f"--{key}", value)]
        command = dnpc(name.replace("_", "-"), "--db", database, "--format", "json", *options, *extra)
        assert rows == json.loads(told) == json.loads(command.output) != []
        if name == "worker_gantt":
            drawn = bars_of(page)
            assert len(drawn) == len(rows) == len(list(cells(page, "Bars")))
            for (href, text, _, _), cell, row in zip(drawn, cells(page, "Bars"), rows, strict=True):
                assert row["uuid"] is None or row["uuid"] in href
                assert row["stays"] > 1 or text.startswith(f"{row['task']}, {row['app']}")
                assert cell[0] == row["lane"] and float(cell[4]) == pytest.approx(row["since_run_began"], abs=1e-6)
        else:
            found = list(cells(page, "Spans in each state"))
            times = sorted({row["since_run_began"] for row in rows})
            assert [float(cell[0]) for cell in found] == pytest.approx(times, abs=1e-6)
            for cell, time in zip(found, times, strict=True):
                counts = [row["spans"] for row in rows if row["since_run_began"] == time]
                assert sorted(int(value.replace(",", "")) for value in cell[2:]) == sorted(counts)


@pytest.mark.asyncio
async def test_bars_by_app_are_the_spans_of_the_query(database: Path) -> None:
    run = run_with_workers(database)["run"]
    page = await get(
        Datasette([str(database)]), run_address(database, run, lanes_by="app", span_type="parsl.rundir.try")
    )
    rows = queries.rows(database, "gantt", run=run, span_type="parsl.rundir.try", rows=run_page.SPANS)
    drawn = bars_of(page)
    assert sorted(href.rpartition("/")[2] for href, _, _, _ in drawn) == sorted(row["uuid"] for row in rows)
    assert [cell[0] for cell in cells(page, "Bars")] == [row["key"] for row in rows]


@pytest.mark.asyncio
async def test_bars_are_a_sample_where_there_are_more(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_page, "SPANS", 3)
    run = run_with_workers(database)["run"]
    page = await get(
        Datasette([str(database)]), run_address(database, run, lanes_by="app", span_type="parsl.rundir.try")
    )
    of_spans = queries.rows(database, "gantt", run=run, span_type="parsl.rundir.try")[0]["of_spans"]
    assert len(bars_of(page)) == 3 < of_spans
    assert f"3 of {of_spans} spans of type parsl.rundir.try in this time: a random sample" in " ".join(page.split())


@pytest.mark.asyncio
async def test_lanes_are_on_several_pages(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_page, "LANES", 1)
    run = run_with_workers(database)["run"]
    rows = queries.rows(database, "worker_gantt", run=run)
    of_lanes = rows[0]["of_lanes"]
    assert of_lanes > 1
    datasette, seen, path = Datasette([str(database)]), [], run_address(database, run)
    for number in range(1, of_lanes + 1):
        page = await get(datasette, path)
        assert f"Lanes {number} to {number} of {of_lanes}." in page
        seen += [cell[0] for cell in cells(page, "Bars")]
        before, after = (re.findall(rf'<a href="([^"]+)" rel="{rel}">Lanes', page) for rel in ("prev", "next"))
        assert (len(before), len(after)) == (number > 1, number < of_lanes)
        path = unescape(after[0]) if after else ""
    assert seen == [row["lane"] for row in rows]


@pytest.mark.asyncio
async def test_merged_bars_lead_to_their_time(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run of many tasks: what is one bar of several stays is shown apart where it leads."""
    sql = sql_files.queries()["worker_gantt"].sql
    run = run_with_workers(database)["run"]
    original = Database.execute

    async def few_rows(self: Database, asked_sql: str, params: Any = None, **options: Any) -> Any:
        return await original(self, asked_sql, {**params, "rows": "6"} if asked_sql == sql else params, **options)

    monkeypatch.setattr(Database, "execute", few_rows)
    page = await get(Datasette([str(database)]), run_address(database, run))
    rows = queries.rows(database, "worker_gantt", run=run, rows="6")
    merged = [(bar, row) for bar, row in zip(bars_of(page), rows, strict=True) if row["uuid"] is None]
    assert merged and f"{len(merged)} of the bars are several short stays" in " ".join(page.split())
    for (href, text, _, _), row in merged:
        assert text.startswith(f"{row['stays']} stays of tasks")
        arguments = parse_qs(urlsplit(href).query)
        first, last = float(arguments["from"][0]), float(arguments["to"][0])
        began = row["since_run_began"]
        assert first <= began + 1e-3 and last >= began + row["duration"] - 1e-3
        assert last - first < 2 * row["duration"] + 0.01


@pytest.mark.asyncio
async def test_layers_failures_workers_and_blocks_are_those_of_the_queries(database: Path) -> None:
    datasette = Datasette([str(database)])
    seen: Counter[str] = Counter()
    for run in (one["run"] for one in runs_of(database)):
        layers, workers, blocks = [
            await get(datasette, run_address(database, run, part=part)) for part in ("layers", "workers", "blocks")
        ]
        totals: dict[str, list[float]] = {}
        for row in queries.rows(database, "task_layers", run=run):
            totals.setdefault(row["app"], []).append(row["total"])
        shown = {
            cell[0]: [float(x.split()[0].replace(",", "")) for x in cell[3:]]
            for cell in cells(layers, "Time in each layer")
        }
        assert shown == {app: pytest.approx([sum(found), *found], abs=1e-3) for app, found in totals.items()}
        assert layers.partition('id="verdict"')[2].partition("</section>")[2].count("<rect") == sum(
            map(len, totals.values())
        )
        for table, page, name, columns in (
            ("Failures", layers, "failures", {0: "app", 1: "state", 2: "cause", 4: "tries"}),
            ("Workers", workers, "workers", {0: "worker", 4: "slots", 5: "tasks"}),
            ("Slots over time", workers, "utilisation", {0: "label"}),
            ("Blocks", blocks, "blocks", {5: "state", 6: "workers", 8: "tasks"}),
        ):
            rows = queries.rows(database, name, run=run)
            found = list(cells(page, table))
            assert [[cell[i] for i in columns] for cell in found] == [
                [str(row[x]) for x in columns.values()] for row in rows
            ]
            seen[name] += len(rows)
    assert all(seen[name] for name in ("failures", "workers", "utilisation", "blocks"))


@pytest.mark.asyncio
async def test_a_task_that_failed_is_found_from_its_key(database: Path) -> None:
    datasette = Datasette([str(database)])
    linked = 0
    for run in runs_of(database):
        page = await get(datasette, run_address(database, run["run"], part="layers"))
        for link, key in re.findall(r'<td><a href="([^"]+)">(\d+)</a></td>', page):
            spans = await get(datasette, unescape(link))
            assert f"Spans of key {key}" in spans and f"parsl.monitoring.task {key}" in spans
            linked += 1
    assert linked


@pytest.mark.asyncio
async def test_page_of_a_run_by_key_by_name_or_of_the_latest(database: Path) -> None:
    datasette = Datasette([str(database)])
    for run in runs_of(database):
        for path in (run_address(database, run["run"]), run_address(database, "", run=run["name"])):
            assert f"<h1>Run {run['name']}</h1>" in await get(datasette, path)
    [(latest,)] = query(
        database, "SELECT name FROM runs ORDER BY (SELECT min(began) FROM spans WHERE run = runs.id) DESC LIMIT 1"
    )
    assert f"<h1>Run {latest}</h1>" in await get(datasette, run_address(database, ""))
    await get(datasette, run_address(database, "none such"), 404)
    assert "There is no such run" in await get(datasette, run_address(database, "", run="none such"))
    runs = await get(datasette, address(database))
    for run in runs_of(database):
        assert run_address(database, run["run"]) in runs


@pytest.mark.asyncio
@pytest.mark.parametrize("part", ["", "layers", "workers", "blocks"])
async def test_links_of_the_page_work(database: Path, part: str) -> None:
    datasette = Datasette([str(database)])
    page = await get(datasette, run_address(database, runs_of(database)[0]["run"], part=part))
    body = page.partition('<section class="content"')[2]
    links = {unescape(href).partition("#")[0] for href in re.findall(r'href="([^"#][^"]*)"', body)}
    spans = sorted(link for link in links if "/span/" in link)
    assert len(links) > 20
    for link in links - set(spans[3:]):
        if link.startswith("/"):
            assert (await datasette.client.get(link, follow_redirects=True)).status_code == 200, link


@pytest.mark.asyncio
@pytest.mark.parametrize("part", ["", "layers", "workers", "blocks", "none such"])
async def test_page_of_a_manager_alone_and_without_workers(manager_db: Path, tmp_path: Path, part: str) -> None:
    datasette = Datasette([str(manager_db)])
    [run] = [one["run"] for one in runs_of(manager_db)]
    for lanes_by in ("", "app"):
        page = await get(datasette, run_address(manager_db, run, part=part, lanes_by=lanes_by))
        assert "workqueue.task" in page
    if part == "layers":
        assert "their layers are not known" in page
    # The same without its workers, as of a run in threads.
    path = tmp_path / "wq.sqlite3"
    path.write_bytes(manager_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DELETE FROM stays")
        conn.execute("DELETE FROM worker_slots")
        conn.execute("DELETE FROM spans WHERE type = (SELECT id FROM span_types WHERE name = 'workqueue.worker')")
        totals.update(conn, [1])
        conn.commit()
    page = await get(Datasette([str(path)]), run_address(path, run, part=part))
    assert ("No log tells of a worker of this run" in page) == (part in ("", "workers", "none such"))


@pytest.mark.asyncio
async def test_page_of_nothing_and_of_one_task(empty_db: Path, tmp_path: Path) -> None:
    assert "dnpc import" in await get(Datasette([str(empty_db)]), address(empty_db, "run"))
    path = tmp_path / "one.sqlite3"
    path.write_bytes(empty_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("INSERT INTO runs (key, name) VALUES ('r/1', 'one')")
        conn.commit()
        assert "No log tells of an event" in await get(Datasette([str(path)]), run_address(path, "r/1"))
        conn.execute("INSERT OR IGNORE INTO span_types (name) VALUES ('parsl.rundir.task')")
        conn.execute(
            """INSERT INTO spans (uuid, type, run, key, began, ended)
               SELECT 'u', id, 1, '0', 5, 5 FROM span_types WHERE name = 'parsl.rundir.task'"""
        )
        totals.update(conn, [1])
        conn.commit()
    datasette = Datasette([str(path)])
    for part in ("", "layers", "workers", "blocks"):
        assert "<h1>Run one</h1>" in await get(datasette, run_address(path, "r/1", part=part))
    page = await get(datasette, run_address(path, "r/1", lanes_by="app"))
    [(_, text, x, width)] = bars_of(page)
    assert text.startswith("0") and 0 <= x <= x + width <= 1000


@pytest.mark.asyncio
@pytest.mark.parametrize("part", ["", "layers", "workers", "blocks"])
async def test_hostile_names_stay_text(hostile_db: Path, part: str) -> None:
    datasette = Datasette([str(hostile_db)])
    for run in runs_of(hostile_db):
        for lanes_by in ("", "app"):
            evil = "\"'><script>alert(1)</script>"
            path = run_address(
                hostile_db, run["run"], part=part, lanes_by=lanes_by, app=evil, worker=evil, root_type=evil
            )
            for page in (
                await get(datasette, path),
                await get(datasette, run_address(hostile_db, run["run"], part=part)),
            ):
                assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.asyncio
async def test_one_chart_that_takes_too_long_does_not_take_the_others(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = sql_files.queries()["states_over_time"].sql
    original = Database.execute

    async def slow(self: Database, asked_sql: str, *rest: Any, **options: Any) -> Any:
        if asked_sql == sql:
            raise sqlite3.OperationalError("interrupted")
        return await original(self, asked_sql, *rest, **options)

    monkeypatch.setattr(Database, "execute", slow)
    run = run_with_workers(database)["run"]
    page = await get(Datasette([str(database)]), run_address(database, run), 503)
    assert "time limit" in page and "dnpc-counts" not in page
    assert len(bars_of(page)) == len(queries.rows(database, "worker_gantt", run=run, lanes=40))


# Links from Datasette's own tables and results.


@pytest.mark.asyncio
async def test_tables_and_results_lead_to_the_page_of_a_span(database: Path, other_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "real.sqlite3"
    path.write_bytes(database.read_bytes())
    uuid = "00000000-0000-5000-8000-000000000000"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE mine (uuid TEXT)")
        conn.execute("INSERT INTO mine VALUES (?)", [uuid])
        conn.commit()
    datasette = Datasette([str(path), str(other_db)])
    slowest = queries.rows(path, "slowest_spans")
    for row in slowest:
        assert f'<a href="{address(path, "span", row["uuid"])}">{row["uuid"]}</a>' in await get(
            datasette, "/real/slowest_spans?span_type="
        )
    [(number, first)] = query(path, "SELECT id, uuid FROM spans ORDER BY id LIMIT 1")
    for place in ("/real/spans", f"/real/span_rows/{number}", f"/real/span?uuid={first}"):
        assert address(path, "span", first) in await get(datasette, place)
    assert "/-/dnpc/real/span/" not in (await get(datasette, "/real/mine")).partition("<table")[2]
    # Neither text that is no surrogate key, nor keys in a database of others.
    for database_name, value in (("real", "no-key"), ("other", uuid)):
        address_of = f"/{database_name}?" + urlencode({"sql": f"select '{value}' as uuid"})
        response = await datasette.client.get(address_of, follow_redirects=True)
        assert value in response.text and f"/span/{value}" not in response.text


# In Chromium.


@drives_chromium
def test_bars_and_areas_lie_where_the_queries_say(page: Page, real: Path, real_address: str) -> None:
    run = run_with_workers(real)
    rows = queries.rows(real, "worker_gantt", run=run["run"], lanes=40)
    page.goto(f"{real_address}/run/{run['run']}")
    plot = page.locator(".dnpc-lanes .dnpc-plot svg[role=group]").bounding_box()
    assert plot and plot["width"] > 400
    bars = page.locator(".dnpc-lanes rect")
    assert bars.count() == len(rows) > 5
    for i, row in enumerate(rows):
        box = bars.nth(i).bounding_box()
        assert box
        assert abs(box["x"] - plot["x"] - plot["width"] * row["since_run_began"] / run["makespan"]) < 2
        assert abs(box["width"] - max(plot["width"] * row["duration"] / run["makespan"], 1)) < 2
    # All that has a colour is in a legend, and the other way round.
    for drawn, legend in ((".dnpc-lanes rect", 1), (".dnpc-counts path[fill]", 0)):
        fills = page.locator(drawn).evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
        named = page.locator(".dnpc-charts .dnpc-legend").nth(legend).locator("i")
        colours = named.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
        assert set(fills) <= set(colours)
    states = queries.rows(real, "states_over_time", run=run["run"])
    assert page.locator(".dnpc-counts path[fill]").count() == len({row["state"] for row in states if row["spans"]})
    # Both charts have one axis.
    counts = page.locator(".dnpc-counts .dnpc-plot svg[role=img]").bounding_box()
    assert counts and (counts["x"], counts["width"]) == (plot["x"], plot["width"])
    bars.first.click()
    page.wait_for_url(f"**/span/{rows[0]['uuid']}")


def window_of(page: Page) -> tuple[float, float]:
    arguments = parse_qs(urlsplit(page.url).query)
    return float(arguments["from"][0]), float(arguments["to"][0])


@drives_chromium
def test_dragging_over_either_chart_zooms(page: Page, real: Path, real_address: str) -> None:
    run = run_with_workers(real)
    whole = run["makespan"]
    for chart in (".dnpc-counts", ".dnpc-lanes"):
        page.goto(f"{real_address}/run/{run['run']}?colour=outcome")
        plot = page.locator(f"{chart} .dnpc-plot")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box
        y = box["y"] + box["height"] / 2
        # From right to left, over bars, which are not followed.
        page.mouse.move(box["x"] + box["width"] * 0.9, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, y)
        assert page.locator(".dnpc-drag").count() == 1
        page.mouse.move(box["x"] + box["width"] * 0.5, y)
        page.mouse.up()
        page.wait_for_url("**from=**")
        first, last = window_of(page)
        assert first == pytest.approx(whole * 0.5, abs=whole / 100)
        assert last == pytest.approx(whole * 0.9, abs=whole / 100)
        assert "colour=outcome" in page.url
        clip = {"from_seconds": str(first), "to_seconds": str(last)}
        rows = queries.rows(real, "worker_gantt", run=run["run"], lanes=40, **clip)
        assert page.locator(".dnpc-lanes rect").count() == len(rows) > 0
        states = queries.rows(real, "states_over_time", run=run["run"], **clip)
        lines = page.locator("[aria-label='Spans in each state'] tbody tr")
        assert lines.count() == len({row["time"] for row in states})


@drives_chromium
def test_escape_ends_dragging_and_nothing_else(page: Page, real: Path, real_address: str) -> None:
    run = run_with_workers(real)
    page.goto(f"{real_address}/run/{run['run']}?from=0&to={run['makespan'] / 2}")
    address, plot = page.url, page.locator(".dnpc-counts .dnpc-plot")
    page.locator("#charts").focus()
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 20)
    assert page.locator(".dnpc-drag").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".dnpc-drag").count() == 0
    page.mouse.up()
    # Up and down is no part of the time.
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 21, box["y"] + 80)
    assert page.locator(".dnpc-drag").count() == 0
    page.mouse.up()
    assert page.url.partition("#")[0] == address
    page.locator("#charts").focus()
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "from=" not in url)


@drives_chromium
def test_keys_zoom_and_move(page: Page, real: Path, real_address: str) -> None:
    run = run_with_workers(real)
    whole, near = run["makespan"], run["makespan"] / 500
    page.goto(f"{real_address}/run/{run['run']}")
    page.locator("#charts").focus()

    def press(key: str) -> None:
        with page.expect_navigation():
            page.keyboard.press(key)
        page.wait_for_function("document.activeElement.id === 'charts'")

    press("+")
    assert window_of(page) == pytest.approx((whole / 4, whole * 3 / 4), abs=near)
    press("+")
    assert window_of(page) == pytest.approx((whole * 3 / 8, whole * 5 / 8), abs=near)
    press("ArrowRight")
    assert window_of(page) == pytest.approx((whole * 7 / 16, whole * 11 / 16), abs=near)
    press("ArrowLeft")
    press("-")
    assert window_of(page) == pytest.approx((whole / 4, whole * 3 / 4), abs=near)
    press("Escape")
    assert "from=" not in page.url and "to=" not in page.url
    press("+")
    press("0")
    assert "from=" not in page.url
    # In a field, a key is what is typed.
    field = page.locator("input[name=from]")
    field.focus()
    page.keyboard.type("0+1-0")
    assert field.input_value() == "0+1-0" and "from=" not in page.url


@drives_chromium
@pytest.mark.parametrize("scripts", [True, False])
def test_zoom_by_form_and_links(browser: Browser, real: Path, real_address: str, scripts: bool) -> None:
    run = run_with_workers(real)
    whole, near = run["makespan"], run["makespan"] / 500
    context = browser.new_context(java_script_enabled=scripts)
    with watched(context.new_page()) as page:
        page.goto(f"{real_address}/run/{run['run']}")
        page.locator("input[name=from]").fill("1")
        page.locator("input[name=to]").fill("2.5")
        page.keyboard.press("Enter")
        page.wait_for_url("**from=1&to=2.5**")
        clip = {"from_seconds": "1", "to_seconds": "2.5"}
        rows = queries.rows(real, "worker_gantt", run=run["run"], lanes=40, **clip)
        assert page.locator(".dnpc-lanes rect").count() == len(rows)
        page.locator(".dnpc-zoom a", has_text="Zoom in").click()
        page.wait_for_url("**from=1.375**")
        assert window_of(page) == pytest.approx((1.375, 2.125), abs=near)
        page.locator(".dnpc-zoom a", has_text="Later").click()
        page.wait_for_url("**from=1.75**")
        page.locator(".dnpc-zoom a", has_text="Zoom out").click()
        page.wait_for_url(lambda url: "from=1.75" not in url)
        assert window_of(page) == pytest.approx((1.375, 2.875), abs=near)
        page.locator(".dnpc-zoom a", has_text="Whole run").click()
        page.wait_for_url(lambda url: "from=" not in url)
        assert page.locator("input[name=to]").get_attribute("placeholder") == f"{whole:.6g}"
        page.locator("select[name=lanes_by]").select_option("app")
        page.locator(".dnpc-choice input[value=Show]").click()
        page.wait_for_url("**lanes_by=app**")
        shown = page.locator("select[name=span_type]").input_value()
        rows = queries.rows(real, "gantt", run=run["run"], span_type=shown, rows=run_page.SPANS)
        assert page.locator(".dnpc-lanes rect").count() == len(rows) > 0
    context.close()


@drives_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_every_part_is_readable_and_small(
    browser: Browser, real: Path, real_address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    run = run_with_workers(real)["run"]
    for arguments in ("part=layers", "part=workers", "part=blocks", "lanes_by=app", "from=1&to=4&colour=outcome"):
        with watched(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)) as page:
            assert bytes_of(page, f"{real_address}/run/{run}?{arguments}") < 2_000_000
            for details in page.locator("details").all():
                details.evaluate("one => one.open = true")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, arguments
            assert serious(page) == [], arguments
            # Ticks do not overlap.
            boxes = (
                [tick.bounding_box() for tick in page.locator(".dnpc-ticks").first.locator("span").all()]
                if (page.locator(".dnpc-ticks").count())
                else []
            )
            shown = [box for box in boxes if box]
            if width > 700:
                for left, right in pairwise(shown):
                    assert left["x"] + left["width"] <= right["x"]
