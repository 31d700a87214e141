"""What a person sees, in Chromium: charts from the link alone, and the page of event sequences."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from datasette_dnpc.sql_files import queries

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
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


@pytest.fixture(scope="module")
def address(synthetic_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the database as a user would, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "datasette", str(synthetic_db), "-p", str(port)]
    command += ["-h", "127.0.0.1", "-m", str(ROOT / "metadata.yml")]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


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


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Give a page which must load without errors and from here only."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: None if request.url.startswith((address, "data:", "blob:")) else complaints.append(request.url),
    )
    yield page
    page.close()
    assert [text for text in complaints if not any(word in text for word in HARMLESS)] == []


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
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**run=run-b**")
    page.locator(".dnpc-choice input[type=submit]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.dnpc-variants') !== null")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**variant=**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_sequences_page_is_readable(browser: Browser, address: str, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{address}/-/dnpc/dnpc/sequences")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = (
        "c => { const v = getComputedStyle(document.body)[c].match(/\\d+/g).map(Number);"
        " return (v[0] + v[1] + v[2]) / 3; }"
    )
    text, ground = page.evaluate(light, "color"), page.evaluate(light, "backgroundColor")
    assert abs(text - ground) > 150
    assert (text > ground) == (scheme == "dark")
    page.close()
