"""Names out of logs that try to be HTML, SQL, scripts, formulas or terminal commands: they stay names everywhere."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from datasette.app import Datasette
from datasette.utils import tilde_encode
from playwright.sync_api import Browser, Dialog

from datasette_dnpc import queries as answers
from datasette_dnpc.pages import PAGES
from datasette_dnpc.render import NoPicture, picture, shape
from datasette_dnpc.sql_files import queries
from tests.imports import dnpc, query
from tests.runs import DATA
from tests.test_browser import browser, served

__all__ = ["browser"]

EVILS = (
    "<canary onload=window.hacked=1>",
    "\"'><img src=x onerror=window.hacked=1>",
    "</title></style></textarea><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "--><svg onload=window.hacked=1>",
    "{{7*7}}${7*7}%s%n%(x)s{0}{x.__class__}",
    "'; DROP TABLE spans; --",
    "$\\frac{$ \\input{x} $x_",
    "\x1b]0;hacked\x07\x1b[2J\x9b31m",
    "\u202egnp.exe\u202c\u2066\u200b",
    "=cmd|'/c calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "</script><script>window.hacked=1</script>",
    "../../../../etc/passwd",
    "&lt;canary&gt;&#60;canary&#62;",
    "]]><canary/>",
    "\\u003ccanary\\u003e",
    "a\u0000b",
    "x" * 3000,
)
"""What names hold. ``canary`` is an element that no page has."""


def named(number: int) -> str:
    return EVILS[number % len(EVILS)]


def rename_in_a_queue(log: Path) -> None:
    """Rename files, categories and workers in a transaction log, where a space ends each but a file's name."""
    numbers = iter(range(10_000))

    def one_word() -> str:
        return re.sub(r"\s", "_", named(next(numbers)))

    text = log.read_text()
    for worker in set(re.findall(r"worker-\w+", text)):
        text = text.replace(worker, one_word())
    text = re.sub(r"(WAITING )\w+", lambda found: found[1] + one_word(), text)
    text = re.sub(r"(TRANSFER \w+ \d+ \d \S+ \S+ )\S+", lambda found: found[1] + named(next(numbers)), text)
    log.write_text(text)


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run, all of whose names were changed, imported as a user would."""
    folder = tmp_path_factory.mktemp("hostile")
    directory = folder / "runinfo" / "<canary onload=window.hacked=1>$\\frac{ '\"\u202e=cmd()"
    shutil.copytree(DATA / "htex-crash" / "000", directory)
    shutil.copy(DATA / "htex-crash" / "monitoring.db", folder / "runinfo" / "monitoring.db")
    shutil.copytree(DATA / "workqueue" / "000", folder / "runinfo" / "001")
    rename_in_a_queue(folder / "runinfo" / "001" / "WorkQueueExecutor" / "transaction_log")
    log = directory / "parsl.log"
    text = log.read_text()
    numbers = iter(range(10_000))
    text = re.sub(r"(submitted for App )\w+", lambda found: found[1] + named(next(numbers)).replace("\n", ""), text)
    text = re.sub(r"(exception of type )\S+", lambda found: found[1] + named(next(numbers)).replace(" ", ""), text)
    last = text.splitlines()[-1]
    prefix = last[: last.index(": ") + 2]
    text += "".join(f"{prefix}Task {n} was {named(n)}\n" for n in range(len(EVILS)))
    log.write_text(text)
    with closing(sqlite3.connect(folder / "runinfo" / "monitoring.db", isolation_level=None)) as conn:
        conn.create_function("evil", 1, named)
        for change in (
            "UPDATE task SET task_func_name = evil(rowid)",
            "UPDATE workflow SET workflow_name = evil(0), host = evil(1), user = evil(2)",
            "UPDATE try SET hostname = evil(rowid), task_fail_history = evil(rowid + 3), block_id = evil(rowid + 5)",
            "UPDATE OR IGNORE status SET task_status_name = evil(rowid) WHERE rowid % 3 = 0",
            "UPDATE OR IGNORE block SET status = evil(rowid), executor_label = evil(rowid + 1), job_id = evil(rowid)",
            "UPDATE node SET hostname = evil(rowid + 2), uid = evil(rowid), python_v = evil(rowid)",
        ):
            conn.execute(change)
    database = folder / "hostile.sqlite3"
    result = dnpc("import", folder / "runinfo", "--db", database, "--timezone", "UTC")
    assert result.exit_code == 0, result.output
    assert_is_plain(result.output)
    moved = (
        "SELECT count(*) FROM spans JOIN span USING (uuid) WHERE span.type = 'workqueue.transfer' AND attributes LIKE ?"
    )
    assert all(query(database, moved, f"%{text}%") > [(1,)] for text in ("DROP TABLE spans", "canary", "javascript:"))
    return database


def assert_is_plain(text: str) -> None:
    """Nothing in a text moves a terminal's cursor, colours, hides or turns round what is there."""
    assert not [char for char in text if not (char.isprintable() or char == "\n")]


class Elements(HTMLParser):
    """Notes what a browser would act on, and names made it."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script"
        for name, value in attrs:
            if name.startswith("on") and "hacked" in (value or ""):
                self.wrong.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action", "formaction", "data") and re.match(
                r"\s*(?:javascript|data|vbscript):.*(?:hacked|canary)", value or "", re.I | re.S
            ):
                self.wrong.append(f"{tag} {name}={value}")
        if tag == "canary":
            self.wrong.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script and re.search(r"^\s*window\.hacked=1\s*$", data):
            self.wrong.append("a script")


def wrong_in(page: str) -> list[str]:
    found = Elements()
    found.feed(page)
    return found.wrong


HIDING = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]")


def hiding_in(page: str) -> list[str]:
    """Return what is shown with characters that turn text round or control a terminal."""
    shown = [*re.findall(r">([^<]*)", page), *re.findall(r'(?:title|aria-label|alt)="([^"]*)"', page)]
    return [text for text in shown if HIDING.search(text)]


def addresses(database: Path) -> Iterator[str]:
    """Yield each page, with the items that it may be about; its tables, and the canned queries."""
    name = tilde_encode(database.stem)
    keys = [key for (key,) in query(database, "SELECT key FROM runs")]
    spans = query(
        database,
        """SELECT min(uuid) FROM spans JOIN span_types ON span_types.id = spans.type GROUP BY span_types.name
           UNION SELECT uuid FROM (SELECT uuid FROM spans WHERE attributes LIKE '%hacked%' LIMIT 12)""",
    )
    for page in PAGES.values():
        base = f"/-/dnpc/{name}/{page.path}".rstrip("/")
        yield base
        if page.name == "run":
            yield from (f"{base}/{tilde_encode(key)}?part={part}" for key in keys for part in ("time", "workers"))
        elif page.name == "span":
            yield from (f"{base}/{uuid}" for (uuid,) in spans)
        else:
            yield from (f"{base}?run={quote(key)}" for key in keys)
            yield from (f"{base}?run={quote(evil)}&root_type={quote(evil)}&app={quote(evil)}" for evil in EVILS[:6])


@pytest.mark.asyncio
async def test_names_are_no_html_in_any_page(hostile_run: Path) -> None:
    datasette = Datasette([str(hostile_run)], settings={"sql_time_limit_ms": 60_000})
    await datasette.invoke_startup()
    seen = ""
    for address in addresses(hostile_run):
        response = await datasette.client.get(address)
        assert response.status_code in (200, 404), address
        assert wrong_in(response.text) == [], address
        assert hiding_in(response.text) == [], address
        seen += response.text
    assert "&lt;canary onload=window.hacked=1&gt;" in seen and "javascript:window.hacked=1" in seen
    assert "&#39;; DROP TABLE spans; --" in seen


@pytest.mark.asyncio
async def test_names_are_no_html_in_datasettes_own_pages(hostile_run: Path) -> None:
    datasette = Datasette([str(hostile_run)], settings={"sql_time_limit_ms": 60_000})
    await datasette.invoke_startup()
    tables = ("spans", "event_types", "unmatched", "sources", "parsl_try", "runs")
    for address in (*(f"/hostile/{name}" for name in (*tables, *queries())), "/hostile", "/"):
        response = await datasette.client.get(address, follow_redirects=True)
        assert response.status_code == 200, address
        assert wrong_in(response.text) == [], address


def test_a_page_with_names_that_are_html_is_noticed() -> None:
    for evil in (EVILS[0], EVILS[1], EVILS[2], EVILS[4], f'<a href="{EVILS[3]}">x</a>', f"<p>{EVILS[12]}"):
        assert wrong_in(f"<html><body><script>let a = 1</script>{evil}</body></html>"), evil
    assert wrong_in("<p>&lt;canary&gt; javascript:window.hacked=1</p><script>run()</script>") == []


ELEMENTS = {
    "svg", "g", "defs", "path", "use", "rect", "clipPath", "style", "metadata", "RDF", "Work", "type", "format",
    "creator", "Agent", "title", "text", "tspan", "image", "pattern", "linearGradient", "stop", "polygon", "line",
    "circle",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, query in queries().items() if shape(list(query.columns))])
def test_names_are_no_elements_of_a_chart(hostile_run: Path, name: str) -> None:
    with answers.connected(hostile_run) as conn:
        data = answers.select(conn, name)
    try:
        svg = picture(data, queries()[name].title, "svg")
    except NoPicture as none:
        assert str(none)
        return
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        assert element.tag.rpartition("}")[2] in ELEMENTS, element.tag
        for attribute, value in element.attrib.items():
            assert not attribute.startswith("on")
            if attribute.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,")), value
    assert picture(data, EVILS[7], "png").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["slowest-spans", "failures", "unmatched-report", "blocks", "gantt", "span-type-summary"]
)
def test_names_on_the_command_line(hostile_run: Path, name: str) -> None:
    """A table is for a terminal; CSV and JSON are the data as it is, which a spreadsheet must be told not to run."""
    rows = answers.rows(hostile_run, name.replace("-", "_"))
    assert_is_plain(dnpc(name, "--db", hostile_run).output)
    table = dnpc(name, "--db", hostile_run, "--format", "csv").stdout
    found = list(csv.DictReader(io.StringIO(table, newline="")))
    texts = [{key: value for key, value in row.items() if isinstance(value, str)} for row in rows]
    assert [{key: row[key] for key in text} for row, text in zip(found, texts, strict=True)] == texts


def test_names_of_files_on_the_command_line(tmp_path: Path) -> None:
    """Of what is read, of what nobody knows, of what is left out, and where there is nothing else."""
    evils = [evil.replace("/", "_").replace("\0", "")[:200] for evil in EVILS]
    folder = tmp_path / "runinfo"
    shutil.copytree(DATA / "two-htex" / "000", folder / evils[8])
    for evil in evils:
        (folder / f"{evil}.txt").touch()
        (folder / f"{evil}.link").symlink_to(DATA / "runinfo" / "000" / "parsl.log")
    result = dnpc("import", folder, "--db", tmp_path / "dnpc.sqlite3")
    assert result.exit_code == 0 and result.output.count("symbolic link") == len(evils)
    assert_is_plain(result.output)
    shutil.rmtree(folder / evils[8])
    for path in (folder, folder / f"{evils[8]}.txt"):
        result = dnpc("import", path, "--db", tmp_path / "none.sqlite3")
        assert result.exit_code == 1
        assert_is_plain(result.output)


@pytest.mark.parametrize("format", ["text", "dot", "mermaid"])
def test_names_in_the_graph_of_types(hostile_run: Path, format: str) -> None:
    assert_is_plain(dnpc("graph", "--db", hostile_run, "--format", format).output)
    assert_is_plain(dnpc("sources", "--db", hostile_run).output)


@pytest.mark.browser
def test_no_name_runs_in_a_browser(hostile_run: Path, browser: Browser, tmp_path: Path) -> None:
    with served(hostile_run, tmp_path / "log") as server:
        page = browser.new_page()
        dialogs: list[str] = []

        def refuse(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", refuse)
        for address in (*[*addresses(hostile_run)][::4], "/hostile/failures", "/hostile/spans"):
            page.goto(server + address)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("window.hacked") is None, address
            assert page.locator("canary").count() == 0
            page.mouse.move(300, 300)
        assert not dialogs
