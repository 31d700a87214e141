"""What a person sees, in Chromium: charts from the link alone, and the pages."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response, sync_playwright

from datasette_dnpc import queries as answers
from datasette_dnpc.pages import OTHER_VERSION, PAGES
from datasette_dnpc.sql_files import queries
from datasette_dnpc.sql_functions import duration_text
from tests.imports import dnpc, query

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HARMLESS = ("compiled spec uses", "compiled using", "favicon")
"""datasette-vega's remark on its own Vega version; Datasette has no icon on some pages."""

CHARTS = [name for name, query in queries().items() if query.fragment]


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = [shutil.which(name) for name in names]
    return os.environ.get("DNPC_CHROMIUM") or next(filter(None, found), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium found: install chromium, or set DNPC_CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def served(database: Path, log: Path) -> Iterator[str]:
    """Serve a database as a user would, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "datasette", str(database), "-p", str(port)]
    command += ["-h", "127.0.0.1", "-m", str(ROOT / "metadata.yml")]
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def address(synthetic_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(synthetic_db, tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of real runs, of which one has workers in a zone of its own."""
    path = tmp_path_factory.mktemp("real") / "real.sqlite3"
    logs = [DATA / "runinfo", DATA / "htex-chicago"]
    assert dnpc("import", *logs, "--db", path, "--timezone", "UTC", "--quiet").exit_code == 0
    return path


@pytest.fixture(scope="module")
def real_address(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(real, tmp_path_factory.mktemp("server") / "log") as address:
        yield f"{address}/-/dnpc/real"


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Datasette did not start: {log.read_text()}")


@contextmanager
def watched(page: Page) -> Iterator[Page]:
    """Give a page which must load without errors and from this machine only."""
    complaints: list[str] = []
    here = ("http://127.0.0.1:", "data:", "blob:")
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith(here) else complaints.append(request.url))
    yield page
    page.close()
    assert [text for text in complaints if not any(word in text for word in HARMLESS)] == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser.new_page(viewport={"width": 1200, "height": 900})) as page:
        yield page


@pytest.mark.parametrize("name", CHARTS)
def test_query_draws_its_chart_from_the_link(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/dnpc/{name}#{queries()[name].fragment}")
    drawn = page.locator("canvas.marks, svg.marks").first
    drawn.wait_for(timeout=15000)
    box = drawn.bounding_box()
    assert box and box["width"] > 100 and box["height"] > 50
    # A chart without marks is white and grey only: count pixels of other colours.
    coloured = page.evaluate(
        """() => {
            const canvas = document.querySelector('canvas.marks');
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4)
                if (data[i + 3] > 100 && Math.max(data[i], data[i+1], data[i+2])
                    - Math.min(data[i], data[i+1], data[i+2]) > 40) found++;
            return found;
        }"""
    )
    assert coloured > 30


def test_database_page_leads_to_a_chart(page: Page, address: str) -> None:
    page.goto(f"{address}/dnpc/duration_percentiles")
    page.goto(f"{address}/dnpc")
    link = page.locator("a[href*='#g.mark']").first
    link.click()
    page.locator("canvas.marks, svg.marks").first.wait_for(timeout=15000)


def test_sequences_page_shows_variants_and_steps(page: Page, address: str) -> None:
    page.goto(f"{address}/-/dnpc/dnpc/sequences")
    variants = page.locator(".dnpc-variants li")
    assert variants.count() == 2
    cells = variants.first.locator(".dnpc-strip i")
    assert cells.count() == 11
    box = cells.first.bounding_box()
    assert box and box["width"] > 5 and box["height"] > 10
    rows = page.locator(".dnpc-steps tbody tr")
    assert rows.count() == 11
    # The step that takes longest has the longest bar.
    widths = [row.locator("b").bounding_box() for row in rows.all()]
    longest = max(range(11), key=lambda i: (widths[i] or {"width": 0})["width"])
    assert "end" in rows.nth(longest).inner_text()
    variants.nth(1).locator("a").click()
    page.wait_for_url("**variant=**")
    assert page.locator(".dnpc-steps tbody tr").count() == 19
    assert page.locator("[aria-current=true]").count() == 1


def test_sequences_page_by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}/-/dnpc/dnpc/sequences")
    page.locator("select[name=run]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "app"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**run=run-**")
    page.locator(".dnpc-choice input[type=submit]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.dnpc-variants') !== null")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**variant=**")


def test_steps_are_spread_as_the_query_behind_says(page: Page, real_address: str) -> None:
    page.goto(f"{real_address}/sequences")
    behind = page.locator(".dnpc-made-of details", has_text="How the durations of each step")
    query_address = behind.locator("a").first.get_attribute("href", timeout=5000)
    assert query_address
    path, _, asked = query_address.partition("?")
    rows = page.request.get(f"{real_address.partition('/-/')[0]}{path}.json?{asked}&_shape=array").json()
    counted = [json.loads(row["counts"]) for row in rows]
    charts = page.locator("td.dnpc-spread")
    assert charts.count() == 1 + len(counted) > 5
    for i, counts in enumerate(counted, start=1):
        drawn = charts.nth(i).locator(".dnpc-histogram")
        assert (drawn.get_attribute("d") or "").count("Z") == len(counts)
        # As wide and as high on the screen as the bins that it is of.
        box, chart = drawn.bounding_box(), charts.nth(i).locator("svg").bounding_box()
        assert box and chart
        bins = [int(number) for number in counts]
        if min(bins) >= 0:
            share = (max(bins) + 1 - min(bins)) / 60
            assert share * chart["width"] * 0.9 <= box["width"] <= share * chart["width"] + 2
        assert box["height"] == pytest.approx(chart["height"] * 100 / 120, abs=1.5)
    # The texts of the axis lie beside each other.
    texts = [box for one in page.locator("th.dnpc-spread .dnpc-ticks span").all() if (box := one.bounding_box())]
    assert len(texts) > 2
    for before, after in pairwise(texts):
        assert before["x"] + before["width"] < after["x"]


def test_from_a_step_to_its_slowest_example(page: Page, real: Path, real_address: str) -> None:
    page.goto(f"{real_address}/sequences")
    link = page.get_by_role("link", name="Slowest examples of step 3,")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**step=3#examples")
    variant = parse_qs(urlsplit(page.url).query)["variant"][0]
    rows = answers.rows(real, "sequence_examples", variant=variant, position=3, rows=20)
    lines = page.get_by_role("region", name="Slowest examples").locator("tbody tr")
    assert lines.count() == len(rows) > 0
    for i, row in enumerate(rows):
        assert str(duration_text(row["duration"])) in lines.nth(i).inner_text()
    lines.first.locator("a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/span/{rows[0]['uuid']}")


def test_sequences_of_one_app(page: Page, real: Path, real_address: str) -> None:
    [(app,)] = query(real, "SELECT app FROM task_times GROUP BY app ORDER BY count(*) LIMIT 1")
    page.goto(f"{real_address}/sequences")
    page.locator("select[name=app]").select_option(app)
    page.locator(".dnpc-choice input[type=submit]").click()
    page.wait_for_url(f"**app={app}**")
    assert page.locator("select[name=app]").input_value() == app
    rows = answers.rows(real, "event_sequences", app=app)
    counts = page.locator(".dnpc-count strong").all_inner_texts()
    assert counts == [f"{row['spans']:,}" for row in rows[: len(counts)]]


def test_span_by_key(page: Page, real_address: str) -> None:
    page.goto(f"{real_address}/span")
    page.locator("input[name=key]").fill("2")
    page.keyboard.press("Enter")
    page.wait_for_url("**key=2**")
    link = page.get_by_role("link", name="parsl.monitoring.task 2", exact=True).first
    link.click()
    page.wait_for_url("**/span/*-*")
    assert page.locator("h1").inner_text() == "parsl.monitoring.task 2"


def test_database_of_another_version_is_readable(browser: Browser, synthetic_db: Path, tmp_path: Path) -> None:
    """At 400 pixels, light and dark; from the menu."""
    old = tmp_path / "old.sqlite3"
    old.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(old)) as conn:
        conn.execute("PRAGMA user_version = 1")
    with served(old, tmp_path / "log") as address:
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme=scheme)
            page.goto(address)
            page.locator("details.nav-menu summary").click()
            page.get_by_role("link", name=OTHER_VERSION).click()
            assert "made by another version of dnpc" in page.locator("h1").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth") <= 400
            assert serious(page) == []
            page.close()


def paths(database: Path) -> list[str]:
    """Return the last part of the address of each page, with the longest task's for the page of a span."""
    slowest = answers.rows(database, "slowest_spans", span_type="parsl.rundir.task", rows=1)[0]["uuid"]
    items = {"span": slowest, "run": answers.rows(database, "runs_overview")[-1]["run"]}
    return [page.path for page in PAGES.values()] + [
        f"{page.path}/{items[page.name]}" for page in PAGES.values() if page.has_item
    ]


def serious(page: Page) -> list[tuple[str, str, str]]:
    """Return what axe-core finds serious."""
    # Without Datasette 1.0's element for searching, which axe-core fails on.
    found = Axe().run(page, context="body > .not-footer").response["violations"]
    return [
        (one["id"], node["html"][:200], node["failureSummary"])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_every_page_is_readable(
    browser: Browser, real: Path, real_address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    """No sideways scrolling, text that stands out from its ground, nothing serious that axe-core finds."""
    light = (
        "c => { const v = getComputedStyle(document.body)[c].match(/\\d+/g).map(Number);"
        " return (v[0] + v[1] + v[2]) / 3; }"
    )
    for path in paths(real):
        with watched(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)) as page:
            page.goto(f"{real_address}/{path}".rstrip("/"))
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            text, ground = page.evaluate(light, "color"), page.evaluate(light, "backgroundColor")
            assert abs(text - ground) > 150
            assert (text > ground) == (scheme == "dark")
            assert page.evaluate("document.documentElement.lang") == "en"
            assert serious(page) == [], path


def test_every_page_says_all_without_scripts(browser: Browser, real: Path, real_address: str) -> None:
    for path in paths(real):
        with_scripts, without = (
            browser.new_context(java_script_enabled=enabled).new_page() for enabled in (True, False)
        )
        texts = []
        for page in (with_scripts, without):
            page.goto(f"{real_address}/{path}".rstrip("/"))
            texts.append(page.locator("section.content").inner_text())
            page.context.close()
        assert texts[0] == texts[1] and len(texts[0]) > 100


def bytes_of(page: Page, address: str) -> int:
    """Return how many bytes are sent for a page."""
    received: list[Response] = []

    def note(response: Response) -> None:
        received.append(response)

    page.on("response", note)
    page.goto(address, wait_until="networkidle")
    return sum(len(response.body()) for response in received)


def test_every_page_is_small(browser: Browser, real: Path, real_address: str) -> None:
    """At most 2 MB are sent for it, what plugins add to all pages included."""
    for path in paths(real):
        page = browser.new_page()
        assert 0 < bytes_of(page, f"{real_address}/{path}".rstrip("/")) < 2_000_000, path
        page.close()


def test_runs_page_draws_each_run_and_leads_on(page: Page, real: Path, real_address: str) -> None:
    rows = answers.rows(real, "runs_overview")
    page.goto(real_address)
    lines = page.locator(".dnpc-runs-table tbody tr")
    assert lines.count() == len(rows)
    for i, row in enumerate(rows):
        box = lines.nth(i).locator("svg").bounding_box()
        assert box and box["width"] > 100 and box["height"] > 20
        assert row["name"] in lines.nth(i).inner_text()
    # Every colour of a picture is explained, and no other is.
    colour = "all => [...new Set(all.map(one => getComputedStyle(one)[arguments[1]]))]"
    drawn = page.locator(".dnpc-areas path").evaluate_all(colour.replace("arguments[1]", "'fill'"))
    named = page.locator(".dnpc-legend i").evaluate_all(colour.replace("arguments[1]", "'backgroundColor'"))
    assert set(drawn) == set(named)
    link = lines.first.locator("a", has_text="Import report")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/import?run={rows[0]['run']}")
    assert page.locator("select[name=run]").input_value() == rows[0]["run"]


def test_small_print_that_something_is_wrong_has_its_colour(page: Page, real_address: str) -> None:
    """Of unfinished tasks and missing joins, below a number in a table."""
    page.goto(real_address)
    large, wrong, other = page.locator(".dnpc-runs-table td").last.evaluate(
        """cell => {
            cell.innerHTML = '<b class=dnpc-bad>1</b> <small class=dnpc-bad>1 missing</small> <small>1</small>';
            return [...cell.children].map(one => getComputedStyle(one).color);
        }"""
    )
    assert wrong == large != other


def test_span_page_draws_its_waterfall_on_one_axis(page: Page, real: Path, real_address: str) -> None:
    slowest = answers.rows(real, "slowest_spans", span_type="parsl.rundir.task", rows=1)[0]["uuid"]
    rows = answers.rows(real, "waterfall", root=slowest)
    page.goto(f"{real_address}/span/{slowest}")
    lines = page.locator(".dnpc-waterfall tbody tr")
    assert lines.count() == len(rows)
    axis = page.locator(".dnpc-waterfall td.dnpc-axis svg").first.bounding_box()
    assert axis and axis["width"] > 200
    seconds = max(row["since_root_began"] + row["duration"] for row in rows)
    for i, row in enumerate(rows):
        if not row["duration"]:
            continue
        box = lines.nth(i).locator("rect").bounding_box()
        assert box
        assert abs(box["x"] - axis["x"] - axis["width"] * row["since_root_began"] / seconds) < 2
        assert abs(box["width"] - axis["width"] * row["duration"] / seconds) < 3
    # From a span to one below it, by keyboard.
    below = next(i for i, row in enumerate(rows) if row["depth"] > 0)
    lines.nth(below).locator("a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/span/{rows[below]['uuid']}")
    assert rows[below]["key"] in page.locator("h1").inner_text()


def test_pages_lead_to_each_other(page: Page, real: Path, real_address: str) -> None:
    [(run,)] = query(real, "SELECT key FROM runs ORDER BY key LIMIT 1")
    for one in PAGES.values():
        page.goto(f"{real_address}/sequences?run={run}")
        page.locator(".dnpc-pages").get_by_role("link", name=one.title, exact=True).click()
        assert page.locator("[aria-current=page]").inner_text() == one.title
        assert (f"run={run}" in page.url) == one.run


def test_sql_behind_a_page_is_there_and_runs(page: Page, real_address: str) -> None:
    page.goto(real_address)
    summary = page.locator(".dnpc-made-of summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert "select" in page.locator(".dnpc-made-of pre").first.inner_text()
    page.locator(".dnpc-made-of a", has_text="Open the query").first.click()
    page.locator("table.rows-and-columns tbody tr").first.wait_for(timeout=15000)
