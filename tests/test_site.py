"""The pages Runs, Span and Import report, and what all pages share."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.utils import tilde_encode

from datasette_dnpc import queries
from datasette_dnpc.meanings import DONE_COLOURS, FEW, USUAL, few_state_colours
from datasette_dnpc.pages import PAGES, source_text
from datasette_dnpc.pages.areas import HEIGHT, WIDTH, areas, order_of
from datasette_dnpc.pages.colours import type_colours
from datasette_dnpc.pages.source_text import LONGEST, LogFiles, roots
from datasette_dnpc.pages.span import waterfall
from tests.imports import dnpc, query
from tests.managers import log_alone
from tests.runs import DATA, read_monitoring, read_run

NEW = hasattr(Datasette, "add_query")
RUNINFO = DATA / "runinfo"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real database: three HTEX runs with monitoring."""
    path = tmp_path_factory.mktemp("site") / "real.sqlite3"
    assert dnpc("import", RUNINFO, "--db", path, "--timezone", "UTC", "--quiet").exit_code == 0
    return path


async def get(datasette: Datasette, path: str, status: int = 200) -> str:
    await datasette.invoke_startup()
    response = await datasette.client.get(path)
    assert response.status_code == status, response.text
    return str(response.text)


def address(database: Path, page: str = "", item: str = "") -> str:
    parts = ["/-/dnpc", tilde_encode(database.stem), page, tilde_encode(item)]
    return "/".join(filter(None, parts))


def with_roots(database: Path, *folders: Path) -> Datasette:
    """Serve a database with the setting ``source_root``."""
    plugins = {"datasette-dnpc": {"source_root": [str(folder) for folder in folders]}}
    return Datasette([str(database)], **{"config" if NEW else "metadata": {"plugins": plugins}})


def cells(page: str, table: str) -> Iterator[list[str]]:
    """Yield the text of each cell of the rows of a table."""
    body = page.partition(f'aria-label="{table}"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S):
        found = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)
        yield [unescape(re.sub(r"<title>.*?</title>|<[^>]+>", " ", cell)).strip() for cell in found]


def span_of(database: Path, span_type: str, key: str = "") -> str:
    """Return the uuid of the first span of a type, or of that key."""
    [(uuid,)] = query(
        database,
        """SELECT spans.uuid FROM spans JOIN span_types ON span_types.id = type
           WHERE span_types.name = ? AND ? IN ('', key) ORDER BY uuid LIMIT 1""",
        span_type,
        key,
    )
    return str(uuid)


def test_runs_overview_counts_what_the_logs_tell(database: Path) -> None:
    rows = {row["run"]: row for row in queries.rows(database, "runs_overview")}
    monitored = read_monitoring(RUNINFO / "monitoring.db")
    logged = [read_run(folder) for folder in sorted(RUNINFO.iterdir()) if folder.is_dir()]
    assert len(rows) == len(logged) > 1
    for run in logged:
        assert run.run_id is not None
        row = rows[run.run_id]
        tasks = run.tasks.keys() | monitored[run.run_id].tasks.keys()
        states = [*run.states] + [
            type(run.states[0])(0, task, number, state) for task, number, state, _ in monitored[run.run_id].statuses
        ]
        assert row["tasks"] == len(tasks) > 0
        assert row["failed"] == len({s.task for s in states if s.state in ("failed", "dep_fail")})
        assert row["retries"] == len({(s.task, s.try_id) for s in states if s.state == "fail_retryable"})
        assert row["workers"] == len({(e.executor, e.manager, e.worker) for e in run.htex if e.layer == "worker"})


def test_runs_overview_agrees_with_the_reports(database: Path) -> None:
    for row in queries.rows(database, "runs_overview"):
        sources = queries.rows(database, "import_report", run=row["run"])
        joins = queries.rows(database, "join_report", run=row["run"])
        assert row["sources"] == len(sources) > 0
        assert row["unmatched"] == sum(source["unmatched"] for source in sources)
        assert row["joins_made"] == sum(join["made"] for join in joins)
        assert row["joins_missing"] == sum(join["missing"] for join in joins)
        [(began, ended)] = query(
            database,
            "SELECT min(time), max(time) FROM events JOIN spans ON spans.id = span"
            " JOIN runs ON runs.id = run WHERE runs.key = ?",
            row["run"],
        )
        assert (row["began"], row["makespan"]) == (began, pytest.approx(ended - began))


@pytest.mark.asyncio
async def test_a_run_that_was_killed_has_unfinished_tasks(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "killed.sqlite3"
    assert dnpc("import", DATA / "htex-crash", "--db", path, "--quiet").exit_code == 0
    [logged] = [read_run(folder) for folder in (DATA / "htex-crash").iterdir() if folder.is_dir()]
    told = {(state.task, state.state) for state in logged.states}
    told |= {
        (task, state)
        for found in read_monitoring(DATA / "htex-crash" / "monitoring.db").values()
        for task, _, state, _ in found.statuses
    }
    ends = {"exec_done", "failed", "dep_fail", "memo_done"}
    unfinished = logged.tasks.keys() - {task for task, state in told if state in ends}
    [row] = queries.rows(path, "runs_overview")
    assert row["unfinished"] == len(unfinished) > 0
    datasette = Datasette([str(path)])
    [cell] = cells(await get(datasette, address(path)), "Runs")
    assert re.findall(r"\d+", cell[3]) == [str(row["tasks"]), str(len(unfinished))] and "unfinished" in cell[3]
    page = await get(datasette, address(path, "run", row["run"]))
    [link] = re.findall(r'<dt>Unfinished</dt><dd class="dnpc-bad"><a href="([^"]+)">', page)
    listed = json.loads(await get(datasette, unescape(link).partition("#")[0].replace("?", ".json?_shape=array&")))
    assert {task["task"] for task in listed} == set(map(str, unfinished))
    assert {row["unfinished"] for row in queries.rows(database, "runs_overview")} == {0}
    assert "<dt>Unfinished</dt>" not in await get(Datasette([str(database)]), address(database, "run"))


@pytest.mark.asyncio
async def test_page_command_and_json_show_the_same_runs(database: Path) -> None:
    datasette = Datasette([str(database)])
    page = await get(datasette, address(database))
    answered = json.loads(await get(datasette, "/real/runs_overview.json?_shape=array"))
    assert json.loads(dnpc("runs-overview", "--db", database, "--format", "json").output) == answered
    shown = list(cells(page, "Runs"))
    assert len(shown) == len(answered)
    for cell, row in zip(shown, answered, strict=True):
        assert row["name"] in cell[0]
        assert cell[2] == row["makespan_text"]
        figures = [row[name] for name in ("tasks", "failed", "retries", "workers", "sources")]
        assert cell[3:8] == [f"{figure:,}" for figure in figures]
        assert cell[9] == f"{row['unmatched']:,}"
    assert page.count('<svg class="dnpc-areas"') == len(answered)


@pytest.mark.asyncio
async def test_many_runs_are_on_several_pages(synthetic_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        conn.executemany("INSERT INTO runs (key, name) VALUES (?, ?)", [(f"k{i}", f"n{i:03}") for i in range(60)])
        conn.commit()
    datasette = Datasette([str(path)])
    seen: list[str] = []
    for number in (1, 2, 3):
        page = await get(datasette, f"{address(path)}?page={number}")
        names = [cell[0].split("\n")[0].strip() for cell in cells(page, "Runs")]
        assert f"Runs {len(seen) + 1} to {len(seen) + len(names)} of 62" in page
        assert ("Earlier runs" in page, "Later runs" in page) == (number < 3, number > 1)
        seen += names
    assert len(set(seen)) == len(seen) == 62
    assert "no more runs" in await get(datasette, f"{address(path)}?page=9")
    assert "Runs 1 to" in await get(datasette, f"{address(path)}?page=x")
    assert len(queries.rows(path, "runs_overview", rows="7", skip="59")) == 3


@pytest.mark.asyncio
async def test_run_of_a_manager_alone(tmp_path: Path) -> None:
    """Its tasks are the manager's, and nothing is said of what only Parsl knows."""
    path = tmp_path / "wq.sqlite3"
    alone = log_alone(tmp_path)
    assert dnpc("import", alone, "--db", path, "--quiet").exit_code == 0
    [row] = queries.rows(path, "runs_overview")
    tasks = set(re.findall(r"^\d+ \d+ TASK (\d+) ", alone.read_text(), re.M))
    assert (row["task_type"], row["tasks"]) == ("workqueue.task", len(tasks))
    assert (row["failed"], row["retries"]) == (None, None)
    assert "workqueue.task" in await get(Datasette([str(path)]), address(path))


def test_areas_lie_on_each_other_and_fill_what_is_counted() -> None:
    rows = [
        {"run": "r", "time": 10.0, "state": "a/late", "spans": 1},
        {"run": "r", "time": 10.0, "state": "a/early", "spans": 3},
        {"run": "r", "time": 20.0, "state": "a/late", "spans": 4},
    ]
    order = order_of([*rows, {"run": "r", "time": 30.0, "state": "a/late", "spans": 4}])
    assert order == ["a/late", "a/early"]
    picture = areas(rows, order)
    assert (picture.most, picture.seconds) == (4, 10)
    corners = [
        {tuple(map(float, corner.split())) for corner in area.path.strip("MZ").split("L")} for area in picture.areas
    ]
    assert (0, HEIGHT * 3 / 4) in corners[0] and (WIDTH, 0) in corners[0]
    assert {y for _, y in corners[1]} == {0, HEIGHT * 3 / 4}
    assert areas([], []).areas == [] and areas(rows[:2], order).areas == []


def test_colours_tell_states_apart() -> None:
    colours = few_state_colours(["x/launched", "x/exec_done", "x/failed", "y/pending"])
    assert len(set(colours.values())) == 4
    assert few_state_colours(["z/exec_done"])["z/exec_done"] == colours["x/exec_done"]
    usual = [f"x/{event}" for event in USUAL]
    for one, other in permutations(usual[:7], 2):
        both = few_state_colours(["y/new", one, other])
        assert len(set(both.values())) == 3
        if USUAL[one[2:]] != USUAL[other[2:]]:
            assert (
                few_state_colours([other, one, "z/exec_done"]).items() >= {one: both[one], other: both[other]}.items()
            )
    assert set(USUAL.values()) <= set(FEW)
    alike = few_state_colours(["a/WAITING", "b/WAITING", "c/interchange_put_task"])
    assert len(set(alike.values())) == 3 and alike["a/WAITING"] == USUAL["WAITING"]
    late = few_state_colours(["w/worker_all_finished_task", "x/exec_done"])
    assert set(late.values()) <= set(DONE_COLOURS)
    several = few_state_colours(["a/exec_done", "b/DONE", "a/failed", "a/dep_fail", "c/done"])
    assert len(set(several.values())) == len(several)
    assert (several["a/exec_done"], several["a/failed"]) == (colours["x/exec_done"], colours["x/failed"])
    assert len(set(type_colours(["a", "b", "a"]).values())) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("span_type", ["parsl.rundir.task", "parsl.monitoring.try", "parsl.executor.htex.worker.task"])
async def test_span_page_shows_every_event_of_every_account(database: Path, span_type: str) -> None:
    uuid = span_of(database, span_type)
    page = await get(Datasette([str(database)]), address(database, "span", uuid))
    [(span,)] = query(database, "SELECT id FROM spans WHERE uuid = ?", uuid)
    accounts = {span, *(x for pair in query(database, "SELECT left, right FROM facets") if span in pair for x in pair)}
    events = [
        row
        for account in accounts
        for row in query(
            database,
            """SELECT event_types.name, path, offset FROM events JOIN event_types ON event_types.id = type
               JOIN sources ON sources.id = source WHERE span = ?""",
            account,
        )
    ]
    shown = [(cell[0], *cell[4].split(", at ")) for cell in cells(page, "Events")]
    assert sorted(shown) == sorted((name, path, f"{offset:,}") for name, path, offset in events)
    assert len(next(cells(page, "Accounts and attributes"))) == 1 + len(accounts)


@pytest.mark.asyncio
async def test_waterfall_of_the_page_is_the_query(database: Path) -> None:
    uuid = span_of(database, "parsl.rundir.task", "0")
    rows = queries.rows(database, "waterfall", root=uuid)
    page = await get(Datasette([str(database)]), address(database, "span", uuid))
    shown = list(cells(page, "Waterfall"))
    assert len(shown) == len(rows) > 3
    for cell, row in zip(shown, rows, strict=True):
        assert cell[0].split()[-1] == row["key"] and int(cell[4]) == row["events"]
    placed = waterfall(rows)
    bars = [(float(row["left"]), float(row["width"])) for row in placed.rows if "left" in row]
    assert min(left for left, _ in bars) == 0
    assert max(left + width for left, width in bars) == pytest.approx(100, abs=0.01)
    drawn = re.findall(r'<rect x="([\d.]+)" width="([\d.]+)"', page)
    assert [(float(x), float(w)) for x, w in drawn] == [
        bar
        for bar, row in zip(bars, (row for row in rows if row["duration"] is not None), strict=True)
        if row["duration"]
    ]
    ticks = [len(json.loads(row["event_times"] or "[]")) for row in rows]
    assert [row.get("ticks", "").count("M") for row in placed.rows] == ticks


def test_waterfall_of_nothing() -> None:
    assert waterfall([]).rows == [] and waterfall([]).seconds == 0


@pytest.mark.asyncio
async def test_metrics_of_a_span(database: Path) -> None:
    [(uuid,)] = query(
        database,
        """SELECT spans.uuid FROM spans JOIN span_types ON span_types.id = type
           WHERE span_types.name = 'parsl.rundir.executor' AND spans.id IN (SELECT span FROM samples)
           ORDER BY uuid LIMIT 1""",
    )
    page = await get(Datasette([str(database)]), address(database, "span", uuid))
    own = [cell for cell in cells(page, "Metrics in its interval") if cell[2].startswith("parsl.rundir.executor")]
    values = query(
        database,
        """SELECT metrics.name, value FROM samples JOIN metrics ON metrics.id = metric
           JOIN spans ON spans.id = span WHERE uuid = ?""",
        uuid,
    )
    assert sorted(cell[0] for cell in own) == sorted({name for name, _ in values}) != []
    for cell in own:
        numbers = [value for name, value in values if name == cell[0]]
        assert int(cell[3]) == len(numbers)
        assert (float(cell[4]), float(cell[6])) == (min(numbers), max(numbers))


@pytest.mark.asyncio
async def test_lines_of_the_log_only_where_the_setting_names_the_folder(database: Path) -> None:
    uuid = span_of(database, "parsl.rundir.task", "0")
    path = address(database, "span", uuid)
    [(log, offset), *_] = query(
        database,
        """SELECT path, offset FROM events JOIN spans ON spans.id = span JOIN sources ON sources.id = source
           WHERE uuid = ?""",
        uuid,
    )
    line = (RUNINFO / log).read_bytes()[offset:].split(b"\n")[0].decode()
    assert line not in unescape(await get(Datasette([str(database)]), path))
    assert line not in unescape(await get(with_roots(database, RUNINFO.parent), path))
    assert line in unescape(await get(with_roots(database, RUNINFO), path))
    assert line in unescape(await get(with_roots(database, RUNINFO.parent, RUNINFO), path))


def test_only_lines_of_logs_inside_the_folder_are_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "runs", tmp_path / "secret"
    inside.mkdir()
    outside.write_text("first\nsecret\n")
    (inside / "log").write_bytes(b"first\nsecond\r\n" + b"x" * 5000 + b"\nlast")
    (inside / "link").symlink_to(outside)
    (inside / "within").symlink_to(inside / "log")
    (inside / "folder").mkdir()
    (inside / "binary").write_bytes(b"a\n\0b\n")
    files = LogFiles([inside])
    size = (inside / "log").stat().st_size

    def line(path: str, offset: int | None, size: int = size, importer: str = "htex") -> str | None:
        return files.line(path, size, importer, offset)

    assert (line("log", 0), line("log", 6)) == ("first", "second")
    assert line("within", 0) == "first"
    assert line("log", 14) == "x" * LONGEST + " …"
    assert line("log", size - 4) == "last"
    # Not where a line starts, not in the file, not an offset of bytes.
    assert [line("log", offset) for offset in (7, size, -1, None)] == [None] * 4
    assert line("log", 0, importer="parsl_monitoring") is None
    # The file is shorter than it was: another one.
    assert line("log", 0, size + 1) is None
    assert line("log", 0, size - 1) == "first"
    assert line("binary", 2, 5) is None
    for path in ("../secret", str(outside), "link", "folder", "none", "x\0y", "folder/../../secret", ""):
        assert line(path, 0, 1) is None, path
    assert not LogFiles([]) and LogFiles([]).line("log", size, "htex", 0) is None


def test_of_several_files_that_fit_none_is_shown(tmp_path: Path) -> None:
    for name, text in (("a", "one\n"), ("b", "two\n"), ("c", "three\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_text(text)
    both, third = LogFiles([tmp_path / "a", tmp_path / "b"]), LogFiles([tmp_path / "a", tmp_path / "c"])
    assert both.line("log", 4, "htex", 0) is None
    assert third.line("log", 4, "htex", 0) == "one"
    assert third.line("log", 6, "htex", 0) == "three"


@pytest.mark.parametrize("setting", [None, "", 3, {"a": 1}, [4, ""]])
def test_setting_that_names_no_folder(setting: object) -> None:
    assert roots(setting) == []


def test_setting_of_one_folder_or_several() -> None:
    assert roots("/a") == [Path("/a")] and roots(["/a", "/b"]) == [Path("/a"), Path("/b")]


def test_importers_without_lines_are_known() -> None:
    from importers.formats import Added, load_formats

    assert load_formats(Added()).importers.keys() >= source_text.NOT_BYTES


@pytest.mark.asyncio
async def test_span_that_is_not_there(database: Path) -> None:
    datasette = Datasette([str(database)])
    assert "There is no span 1-2-3" in await get(datasette, address(database, "span", "1-2-3"), status=404)
    hostile = await get(datasette, address(database, "span", "<script>alert(1)"), status=404)
    assert "<script>alert(1)" not in hostile


@pytest.mark.asyncio
async def test_spans_are_found_by_key_and_run(database: Path) -> None:
    datasette = Datasette([str(database)])
    path = address(database, "span")
    rows = query(
        database,
        """SELECT runs.key, span_types.name || ' ' || spans.key, uuid FROM spans
           JOIN span_types ON span_types.id = type JOIN runs ON runs.id = run WHERE spans.key = '1'""",
    )
    runs = {run for run, _, _ in rows}
    assert len(runs) > 1

    def found(page: str) -> set[tuple[str, str]]:
        listed = page.partition('aria-label="Spans of the key"')[2]
        return set(re.findall(r'href="/-/dnpc/real/span/([^"]+)">([^<]+)</a>', listed))

    assert found(await get(datasette, f"{path}?key=+1+")) == {(uuid, name) for _, name, uuid in rows}
    for run in runs:
        of_run = {(uuid, name) for key, name, uuid in rows if key == run}
        assert found(await get(datasette, f"{path}?key=1&run={run}")) == of_run
    # A surrogate key names one; what nothing has is said to be so, and harms nothing.
    assert found(await get(datasette, f"{path}?key={rows[0][2]}")) == {(rows[0][2], rows[0][1])}
    nothing = await get(datasette, f"{path}?key=%3Cscript%3Ealert(1)")
    assert "No span has the key &lt;script&gt;alert(1)" in nothing and "<script>alert(1)" not in nothing


@pytest.mark.asyncio
async def test_span_page_without_a_span_offers_the_slowest(database: Path) -> None:
    datasette = Datasette([str(database)])
    page = await get(datasette, address(database, "span"))
    slowest = [row["uuid"] for row in queries.rows(database, "slowest_spans")]
    assert re.findall(r'href="/-/dnpc/real/span/([^"]+)"', page) == slowest
    assert f"<code>{slowest[0]}</code>" in await get(datasette, f"{address(database, 'span')}?uuid={slowest[0]}")


@pytest.mark.asyncio
async def test_import_report_shows_sources_joins_and_what_was_not_understood(tmp_path: Path) -> None:
    folder = tmp_path / "runinfo" / "000"
    folder.mkdir(parents=True)
    log = next(path for path in sorted(RUNINFO.glob("*/parsl.log"))).read_text()
    strange = re.sub("changing state", "altering state", log)
    (folder / "parsl.log").write_text(strange)
    path = tmp_path / "strange.sqlite3"
    assert dnpc("import", folder, "--db", path, "--quiet").exit_code in (0, 1)
    page = await get(Datasette([str(path)]), address(path, "import"))
    reported = queries.rows(path, "unmatched_report")
    assert sum(row["count"] for row in reported) >= strange.count("altering state") > 0
    shown = list(cells(page, "What was not understood"))
    assert [int(cell[1].replace(",", "")) for cell in shown] == [row["count"] for row in reported]
    assert any("altering state" in cell[0] for cell in shown)
    [source] = cells(page, "Sources")
    assert source[0].startswith("000/parsl.log")


@pytest.mark.asyncio
async def test_import_report_of_one_run(database: Path) -> None:
    datasette = Datasette([str(database)])
    every = len(list(cells(await get(datasette, address(database, "import")), "Sources")))
    of_runs = []
    for key, name in query(database, "SELECT key, name FROM runs"):
        page = await get(datasette, f"{address(database, 'import')}?run={key}")
        of_runs.append(list(cells(page, "Sources")))
        assert f'value="{key}" selected' in page
        assert not any(name in source for source, *_ in of_runs[-1])
        # The pages that take a run are asked for the same.
        assert f"/sequences?run={key}" in page
    # monitoring.db is of every run.
    assert sum(map(len, of_runs)) == every + len(of_runs) - 1
    page = await get(datasette, f"{address(database, 'import')}?run=none")
    assert "No source tells of this run" in page


@pytest.mark.asyncio
async def test_import_report_of_several_runs_says_of_which_a_source_is(database: Path) -> None:
    page = await get(Datasette([str(database)]), address(database, "import"))
    named: dict[str, str] = dict(query(database, "SELECT key, name FROM runs"))
    for source, row in zip(cells(page, "Sources"), queries.rows(database, "import_report"), strict=True):
        assert source[0].startswith(row["source"])
        assert [name for name in named.values() if name in source[0]] == ([named[row["run"]]] if row["run"] else [])


@pytest.mark.asyncio
async def test_inferred_joins_are_told(tmp_path: Path) -> None:
    path = tmp_path / "wq.sqlite3"
    assert dnpc("import", DATA / "workqueue", "--db", path, "--quiet").exit_code == 0
    notes: dict[str, int] = dict(query(path, "SELECT note, count(*) FROM subspans WHERE note IS NOT NULL GROUP BY 1"))
    assert notes
    page = await get(Datasette([str(path)]), address(path, "import"))
    told: dict[str, int] = {}
    for cell in cells(page, "Inferred joins, and what could not be joined"):
        if "(subspan)" in cell[2]:
            told[cell[0]] = told.get(cell[0], 0) + int(cell[1].replace(",", ""))
    assert told == notes


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
async def test_every_page_of_an_empty_database(empty_db: Path, name: str) -> None:
    page = await get(Datasette([str(empty_db)]), address(empty_db, PAGES[name].path))
    assert "dnpc import path/to/runinfo --db dnpc.sqlite3" in page


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
async def test_every_link_of_a_page_works(database: Path, name: str) -> None:
    datasette = Datasette([str(database)], settings={"base_url": "/prefix/"})
    paths = [address(database, PAGES[name].path)]
    if PAGES[name].has_item:
        items = {
            "span": span_of(database, "parsl.rundir.task", "1"),
            "run": queries.rows(database, "runs_overview")[0]["run"],
        }
        paths.append(address(database, PAGES[name].path, items[name]))
    for path in paths:
        page = await get(datasette, path)
        section = page.partition('<section class="content">')[2].partition("</section>\n</div>")[0]
        links = {unescape(link).partition("#")[0] for link in re.findall(r'(?:href|action)="([^"]+)"', section)}
        assert len(links) > len(PAGES)
        for link in sorted(links)[:60]:
            assert link.startswith("/prefix/"), link
            response = await datasette.client.get(link.removeprefix("/prefix"), follow_redirects=True)
            assert response.status_code == 200, link
        assert "SQL behind this page" in section
        for block in re.findall(r"<pre tabindex=\"0\">(.*?)</pre>", section.partition("dnpc-made-of")[2], re.S):
            assert sqlite3.complete_statement(unescape(block) + ";")


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
async def test_data_can_not_break_out_of_a_page(hostile_db: Path, name: str) -> None:
    datasette = Datasette([str(hostile_db)])
    paths = [address(hostile_db, PAGES[name].path)]
    if PAGES[name].has_item:
        items = {"span": "SELECT uuid FROM spans ORDER BY id", "run": "SELECT key FROM runs"}
        paths += [address(hostile_db, PAGES[name].path, item) for (item,) in query(hostile_db, items[name])]
    found = [await get(datasette, path) for path in paths]
    found.append(await get(datasette, f"{paths[0]}?run=<script>alert('&page=<script>alert('"))
    assert not any("<script>alert(" in page for page in found)
    assert any("&lt;script&gt;alert(" in page for page in found)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("rule", [{"allow": {"id": "root"}}, {"tables": {"spans": {"allow": {"id": "root"}}}}])
async def test_permission_is_respected_on_every_page(database: Path, name: str, rule: dict[str, Any]) -> None:
    rules: dict[str, Any] = {"databases": {"real": rule}}
    datasette = Datasette([str(database)], **{"config" if NEW else "metadata": rules})
    await get(datasette, address(database, PAGES[name].path), status=403)


@pytest.mark.asyncio
async def test_sql_is_linked_only_for_those_who_may_run_it(database: Path) -> None:
    rules = {"databases": {"real": {"allow_sql": False}}}
    refused = Datasette([str(database)], **{"config" if NEW else "metadata": rules})
    for datasette, may in ((Datasette([str(database)]), True), (refused, False)):
        page = await get(datasette, address(database))
        assert ("/real?sql=" in page) == may
        assert "/real/runs_overview" in page


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PAGES)
async def test_time_limit_is_told_on_every_page(database: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from datasette.database import Database, QueryInterrupted

    async def interrupted(self: Database, sql: str, params: object = None, **more: object) -> None:
        if self.name != "real" or "sqlite_master" in sql or sql.startswith("PRAGMA"):
            return await execute(self, sql, params, **more)  # type: ignore[no-any-return]
        raise QueryInterrupted(sqlite3.OperationalError("interrupted"), sql, params)

    execute = Database.execute
    datasette = Datasette([str(database)])
    await datasette.invoke_startup()
    await datasette.client.get(address(database))
    monkeypatch.setattr(Database, "execute", interrupted)
    response = await datasette.client.get(address(database, PAGES[name].path))
    assert response.status_code == 503
    assert "--setting sql_time_limit_ms" in response.text


@pytest.mark.asyncio
async def test_several_databases_are_told_apart(database: Path, synthetic_db: Path, other_db: Path) -> None:
    datasette = Datasette([str(database), str(synthetic_db), str(other_db)])
    home = await get(datasette, "/")
    assert 'href="/-/dnpc/real"' in home and 'href="/-/dnpc/dnpc"' in home
    assert "/-/dnpc/other" not in home
    assert "demo.py 000" in await get(datasette, "/-/dnpc/dnpc")
    assert "demo.py 000" not in await get(datasette, "/-/dnpc/real")
    for page in PAGES.values():
        await get(datasette, address(other_db, page.path), status=404)
