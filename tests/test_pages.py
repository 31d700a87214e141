"""The page of event sequences."""

import dataclasses
import math
import re
import sqlite3
import statistics
from collections import Counter
from contextlib import closing
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasette.app import Datasette
from datasette.utils import tilde_encode

from datasette_dnpc.pages import OTHER_VERSION, PAGES, sequence_rows
from datasette_dnpc.pages.frame import Visit, page_url
from datasette_dnpc.pages.step_charts import BINS, axis_of_steps, in_turn
from datasette_dnpc.sequences import Bins, Step, steps, variants
from datasette_dnpc.sql_files import queries
from datasette_dnpc.sql_functions import duration_text
from importers import totals
from importers.figures import step_figures
from tests import synthetic
from tests.imports import query

NEW = hasattr(Datasette, "add_query")
PATH = "/-/dnpc/dnpc/sequences"


async def get(datasette: Datasette, path: str = PATH, **params: str) -> str:
    await datasette.invoke_startup()
    response = await datasette.client.get(path, params=params)
    assert response.status_code == 200, response.text
    return str(response.text)


def section(page: str) -> str:
    return page.partition("<section")[2].partition("</section")[0]


def counts(page: str) -> list[str]:
    return re.findall(r"dnpc-count\"><strong>([\d,]+)</strong>", page)


def figures(page: str) -> list[list[float]]:
    """Return mean, min, p50, p95, max and cumulative of each step."""
    found = [float(text) for text in re.findall(r'<td title="([^" ]+) s">', page)]
    return [found[i : i + 6] for i in range(0, len(found), 6)]


@pytest.mark.asyncio
async def test_variants_and_steps(synthetic_db: Path) -> None:
    page = await get(Datasette([str(synthetic_db)]))
    assert counts(page) == ["205", "35"]
    assert "85.4 %" in page and "14.6 %" in page
    rows = figures(page)
    assert len(rows) == 11
    assert rows[-1][-1] == pytest.approx(sum(row[0] for row in rows))
    assert f"all steps take {duration_text(rows[-1][-1])} in the mean" in page
    # The bars lie one after the other on one axis which they fill.
    bars = [
        (float(left), float(width)) for left, width in re.findall(r"margin-left: ([\d.]+)%; width: ([\d.]+)%", page)
    ]
    assert bars[0] == (0, 0) and sum(bars[-1]) == pytest.approx(100, abs=0.01)
    assert "/dnpc/event_steps?root_type=parsl.monitoring.task&amp;variant=" in page


def spreads(page: str) -> list[list[tuple[float, float, float]]]:
    """Return left, right and height of each bar of each step's histogram, the first event's left out."""
    found = []
    for path in re.findall(r'class="dnpc-histogram" fill="[^"]+" d="([^"]*)"', page):
        bars = re.findall(r"M([\d.]+) 100V([\d.]+)H([\d.]+)V100Z", path)
        assert "".join("M{} 100V{}H{}V100Z".format(*bar) for bar in bars) == path
        found.append([(float(left), float(right), 100 - float(top)) for left, top, right in bars])
    return found


def durations(database: Path, variant: int, where: str = "1") -> list[list[float]]:
    """Return how long each step of a variant took, of all its roots, from the events below each."""
    rows = query(
        database,
        f"""SELECT root, time, span_types.name || '/' || event_types.name FROM sequences
            JOIN spans AS roots ON roots.id = root JOIN descendants USING (root)
            JOIN spans ON spans.id = descendants.span JOIN span_types ON span_types.id = spans.type
            JOIN events ON events.span = spans.id JOIN event_types ON event_types.id = events.type
            WHERE variant = ? AND {where}""",
        variant,
    )
    times: dict[int, list[tuple[float, str]]] = {}
    for root, *event in rows:
        times.setdefault(root, []).append(tuple(event))
    ordered = [[time for time, _ in sorted(events)] for events in times.values()]
    return [[of[i] - of[i - 1] for of in ordered] for i in range(1, len(ordered[0]))]


def heights(found: list[float], edges: list[float]) -> list[float]:
    """Return the height of each bin that has any: the fullest is 100, and none is lower than 5."""
    counted = Counter(-1 if seconds == 0 else sum(1 for edge in edges[1:-1] if seconds >= edge) for seconds in found)
    return [max(100 * n / max(counted.values()), 5) for _, n in sorted(counted.items())]


@pytest.mark.asyncio
@pytest.mark.parametrize(("asked", "where"), [({}, "1"), ({"run": "run-b"}, "roots.run = 2")])
async def test_how_steps_are_spread(synthetic_db: Path, asked: dict[str, str], where: str) -> None:
    """Bars, axis and marks against what the events say."""
    [(variant,)] = query(synthetic_db, "SELECT id FROM variants ORDER BY spans DESC, id LIMIT 1")
    page = await get(Datasette([str(synthetic_db)]), root_type=synthetic.TASK, variant=str(variant), **asked)
    steps_of = durations(synthetic_db, variant, where)
    drawn = spreads(page)
    assert len(drawn) == len(steps_of) == 10
    figures_of = [
        (min(found), max(found), statistics.median(found), float(np.percentile(found, 95))) for found in steps_of
    ]
    positive = [seconds for found in figures_of for seconds in found if seconds > 0]
    positive += [mean for found in steps_of if (mean := statistics.mean(found)) > 0]
    low, high = min(positive) / 1.5, max(positive) * 1.5
    edges = [low * (high / low) ** (i / BINS) for i in range(BINS + 1)]
    # Some of these steps take no time, for which the axis has some room before it.
    assert 0 in (seconds for found in steps_of for seconds in found)
    left = 6

    def place(seconds: float) -> float:
        if seconds == 0:
            return left / 2
        return left + (100 - left) * max(math.log(seconds / low) / math.log(high / low), 0)

    for bars, found in zip(drawn, steps_of, strict=True):
        assert [height for *_, height in bars] == pytest.approx(heights(found, edges), abs=0.06)
        assert bars[0][0] - 0.01 <= place(min(found)) <= bars[0][1] + 0.01
        assert bars[-1][0] - 0.01 <= place(max(found)) <= bars[-1][1] + 0.01
    marks = re.findall(r'class="dnpc-marks" d="M([\d.]+) 110H([\d.]+)M([\d.]+) 50V120M([\d.]+) 100V120"', page)
    for mark, expected in zip(marks, figures_of, strict=True):
        assert list(map(float, mark)) == pytest.approx(list(map(place, expected)), abs=0.01)


def test_axis_of_steps() -> None:
    def step(*seconds: float) -> Step:
        return Step("a/b", list(step_figures([[0.0] * len(seconds), seconds]))[1])

    first = Step("a/a", next(step_figures([[0.0]])))
    assert axis_of_steps([]) is None and axis_of_steps([first]) is None
    narrow = axis_of_steps([first, step(2.0, 3.0), step(1.0)])
    assert narrow is not None and not narrow.axis.log and narrow.place(0) == 0
    spread = narrow.spread(step(2.0, 3.0), {40: 1, 59: 3})
    assert spread.path == "M66.67 100V66.7H68.33V100ZM98.33 100V0.0H100.00V100Z"
    wide = axis_of_steps([first, step(0.0, 3e-5), step(1000.0)])
    assert wide is not None and wide.axis.log
    # What takes no time stands before the axis, and is named.
    ticks = wide.ticks()
    assert ticks[0] == (wide.place(0.0), "0") and wide.place(0.0) < wide.left < wide.place(3e-5)
    places = [place for place, _ in ticks]
    assert places == sorted(set(places)) and 3 <= len(ticks) <= 6
    # Texts do not touch, of whatever lengths.
    for shortest, longest in ((1e-6, 1e-4), (1e-5, 1e5), (0.1, 5e8), (3.0, 70.0), (1e-9, 1e9)):
        axis = axis_of_steps([first, step(0.0, shortest), step(longest)])
        assert axis is not None and len(axis.ticks()) > 2
        for before, after in pairwise(axis.ticks()):
            assert after[0] - before[0] > 2.6 * (len(before[1]) + len(after[1])) / 2
    assert wide.spread(step(0.0, 0.0), {-1: 2}).most == wide.place(0.0)
    nothing = axis_of_steps([first, step(0.0, 0.0)])
    assert nothing is not None and nothing.spread(step(0.0), {0: 2}).bars == 1
    bars = list(in_turn([first, step(0.0)]))
    assert [bar.width for bar in bars] == [0, 0]


@pytest.mark.parametrize("log", [False, True])
def test_bins(log: bool) -> None:
    """Each duration is between the edges of its bin."""
    bins = Bins(0.5, 80.0, log, 12)
    for seconds in (0.5, 0.51, 1.0, 7.3, 79.9, 80.0, 90.0, 0.1):
        ratio = bins.high / bins.low
        low, high = (
            0.5 * ratio ** (number / 12) if log else 0.5 + 79.5 * number / 12
            for number in (bins.of(seconds), bins.of(seconds) + 1)
        )
        assert low - 1e-9 <= min(max(seconds, bins.low), bins.high) <= high + 1e-9
    assert bins.of(0.0) == (-1 if log else 0)


@pytest.mark.asyncio
async def test_apps_and_executors_are_there_to_choose(synthetic_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "dnpc.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    listed: dict[str, int] = dict(query(path, "SELECT app, count(*) FROM task_times GROUP BY app"))
    for page_path in (PATH, "/-/dnpc/dnpc/distributions", "/-/dnpc/dnpc/run/run-a"):
        page = await get(Datasette([str(path)]), page_path)
        select = page.partition('<select name="app">')[2].partition("</select>")[0]
        assert set(re.findall(r'<option value="([^"]*)"', select)) == {"", *listed}
        asked = await get(Datasette([str(path)]), page_path, app="<none>")
        assert '<option value="&lt;none&gt;" selected>' in asked
    # Of many, a text with suggestions; of a run, only its own.
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("UPDATE task_times SET app = 'app' || task, executor = NULL WHERE run = 1")
        totals.update(conn, [1])
        conn.commit()
    page = await get(Datasette([str(path)]))
    many = set(re.findall(r'<option value="([^"]*)">', page.partition("<datalist")[2].partition("</datalist")[0]))
    assert '<input type="text" name="app"' in page and len(many) == 200
    # Steps are counted of what was asked for.
    alone = await get(Datasette([str(path)]), app=max(many))
    [bins] = [link for link in sql_links(alone) if "json_group_object" in link]
    assert counts(alone) == ["1"]
    assert {row["spans"] for row in await rows_of(Datasette([str(path)]), bins) or []} == {1}
    page = await get(Datasette([str(path)]), run="run-b")
    assert '<select name="app">' in page and "<datalist" not in page
    assert 'name="executor"' not in await get(Datasette([str(path)]), run="run-a")


@pytest.mark.asyncio
async def test_default_variant_is_one_that_tells_something(synthetic_db: Path, tmp_path: Path) -> None:
    """Not that of one event which most roots have; the choice is explained, and any variant can be chosen."""
    path = tmp_path / "dnpc.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        common, root_type, name = conn.execute(
            """SELECT variants.id, root_type, span_types.name FROM variants
               JOIN span_types ON span_types.id = root_type ORDER BY spans DESC, variants.id LIMIT 1"""
        ).fetchone()
        roots = conn.execute("SELECT root FROM sequences WHERE variant = ? LIMIT 130", [common]).fetchall()
        conn.execute("INSERT INTO variants VALUES (999, ?, '[\"lone/ready\"]', 1, 130, NULL)", [root_type])
        conn.executemany("UPDATE sequences SET variant = 999 WHERE root = ?", roots)
        conn.execute("INSERT INTO steps SELECT 999, 0, 'lone', 'ready', 0, 0, 0, 0, 0, 0")
        conn.execute("UPDATE variants SET spans = spans - 130 WHERE id = ?", [common])
        totals.update(conn, [1, 2])
        conn.commit()
    page = await get(Datasette([str(path)]), root_type=name)
    assert "Steps of variant 2 of 3" in page and "most events together" in page
    assert len(figures(page)) == 11
    page = await get(Datasette([str(path)]), root_type=name, variant="999")
    assert "The only event of the most common variant" in page
    assert "lone/ready is all that is known of 130 roots" in page and "most events together" not in page


@pytest.mark.asyncio
async def test_slowest_of_a_sample_are_said_to_be(synthetic_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "a random sample of 205 roots: others may have taken longer"
    assert sentence not in await get(Datasette([str(synthetic_db)]), step="3")
    sampled = queries()["sequence_examples"]
    fewer = dataclasses.replace(sampled, sql=sampled.sql.replace("10000", "150"))
    monkeypatch.setitem(queries(), "sequence_examples", fewer)
    # 1 in 2, as that is no more than 150.
    assert f"20 of 102, {sentence}" in await get(Datasette([str(synthetic_db)]), step="3")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "way_out"),
    [
        ("PRAGMA user_version = 1", "made by another version of dnpc (schema 1, this one has"),
        ("PRAGMA user_version = 1000", "Upgrade dnpc, or import"),
        ("PRAGMA user_version = 0; DROP TABLE variants; DROP VIEW subspans", "(schema 0, this one has"),
        ("DROP VIEW task_try", "Any import into it makes them: dnpc import PATH --db a&amp;b.sqlite3"),
    ],
)
async def test_database_of_another_version_has_a_page_that_says_what_to_do(
    synthetic_db: Path, other_db: Path, tmp_path: Path, change: str, way_out: str
) -> None:
    path = tmp_path / "a&b.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(change)
    datasette = Datasette([str(path), str(synthetic_db), str(other_db)])
    await datasette.invoke_startup()
    link = page_url(datasette, "a&b")
    for name in PAGES:
        response = await datasette.client.get(page_url(datasette, "a&b", name))
        assert response.status_code == 404
        assert way_out in response.text and str(tmp_path) not in response.text
        assert "dnpc import path/to/runinfo --db new.sqlite3" in response.text
    # It is found from the menus, beside the databases that have pages; one of another program is not.
    for menu in (await get(datasette, "/"), await get(datasette, datasette.urls.path(f"/{tilde_encode('a&b')}"))):
        assert f'href="{link}"' in menu and OTHER_VERSION in menu
        assert 'href="/-/dnpc/dnpc"' in menu and "/-/dnpc/other" not in menu


@pytest.mark.asyncio
async def test_links_of_the_page_work(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    page = section(await get(datasette))
    links = {link.replace("&amp;", "&").partition("#")[0] for link in re.findall(r'href="([^"]+)"', page)}
    assert len(links) >= 8
    for link in links:
        assert (await datasette.client.get(link, follow_redirects=True)).status_code == 200, link


@pytest.mark.asyncio
async def test_other_variant(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    number = re.findall(r"variant=(\d+)#steps", await get(datasette))[1]
    assert len(figures(await get(datasette, variant=number))) == 19


@pytest.mark.asyncio
async def test_one_run_has_steps_of_its_own(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    every, one = await get(datasette), await get(datasette, run="run-b")
    assert sum(map(int, counts(one))) == 40
    assert figures(one) != figures(every)
    assert len(figures(one)) == len(figures(every))


def sql_links(page: str) -> list[str]:
    """Return the addresses of the SQL behind a page."""
    return [unescape(link) for link in re.findall(r'<a href="([^"]+)">Open the query</a>', page)]


async def rows_of(datasette: Datasette, link: str) -> list[dict[str, Any]] | None:
    """Return the rows that an address of SQL gives, None for that of a canned query."""
    path, _, asked = link.partition("?")
    if not asked.startswith("sql="):
        return None
    response = await datasette.client.get(f"{path}.json?{asked}&_shape=array", follow_redirects=True)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    return rows


@pytest.mark.asyncio
async def test_unkept_root_type_gives_the_same_as_kept(
    synthetic_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database without derived rows computes what the other has kept."""
    path = tmp_path / "dnpc.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    conn = sqlite3.connect(path)
    conn.executescript("DELETE FROM variants; DELETE FROM sequences; DELETE FROM steps; DELETE FROM descendants;")
    conn.close()
    kept = await get(Datasette([str(synthetic_db)]), root_type=synthetic.TASK)
    live = await get(Datasette([str(path)]), root_type=synthetic.TASK)
    assert "Computed now" in live
    assert counts(live) == counts(kept)
    for here, there in zip(figures(live), figures(kept), strict=True):
        assert here == pytest.approx(there)
    assert spreads(live) == spreads(kept) != []
    # The SQL behind is the same rows where the address asks it again.
    for one, file in ((kept, synthetic_db), (live, path)):
        datasette = Datasette([str(file)], settings={"max_returned_rows": 10_000})
        answered = [rows for link in sql_links(one) if (rows := await rows_of(datasette, link)) is not None]
        assert answered and all(answered)
    [events] = [rows for rows in answered if set(rows[0]) == {"root", "time", "state"}]
    assert len({row["root"] for row in events}) == sum(map(int, counts(live)))
    monkeypatch.setattr(sequence_rows, "SAMPLE", 20)
    assert "20 of 240 roots" in await get(Datasette([str(path)]), root_type=synthetic.TASK)
    monkeypatch.setattr(sequence_rows, "MOST_READ", 5)
    response = await Datasette([str(path)]).client.get(f"{PATH}?root_type={synthetic.TASK}")
    assert response.status_code == 503 and "too many events" in response.text


@pytest.mark.asyncio
async def test_a_run_is_shown_by_a_root_type_that_it_has(synthetic_db: Path, tmp_path: Path) -> None:
    """Though the other run's has more events."""
    path = tmp_path / "dnpc.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("INSERT INTO span_types VALUES (900, 'other')")
        conn.execute("UPDATE variants SET root_type = 900 WHERE id = (SELECT max(id) FROM variants)")
        conn.execute(
            """UPDATE spans SET type = 900, run = 2
               WHERE id IN (SELECT root FROM sequences WHERE variant = (SELECT max(id) FROM variants))"""
        )
        conn.execute("UPDATE spans SET run = 1 WHERE type IN (SELECT root_type FROM variants WHERE root_type < 900)")
        totals.update(conn, [1, 2])
    for run, root_type in (("", synthetic.TASK), ("run-a", synthetic.TASK), ("run-b", "other")):
        page = await get(Datasette([str(path)]), run=run)
        assert f'<option value="{root_type}" selected>' in page
        assert counts(page)


@pytest.mark.asyncio
@pytest.mark.parametrize("part", ["choose", "read"])
async def test_time_limit_is_a_clear_message(synthetic_db: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    async def interrupted(visit: Visit, *args: object) -> None:
        # More rows than can be counted within the limit.
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
        await visit.database.execute(endless)

    monkeypatch.setattr(f"datasette_dnpc.pages.event_sequences.{part}", interrupted)
    datasette = Datasette([str(synthetic_db)], settings={"sql_time_limit_ms": 100})
    response = await datasette.client.get(PATH)
    assert response.status_code == 503
    assert "--setting sql_time_limit_ms 1000" in response.text


@pytest.mark.asyncio
async def test_empty_database_says_what_to_do(empty_db: Path) -> None:
    assert "dnpc import path/to/runinfo --db dnpc.sqlite3" in await get(Datasette([str(empty_db)]))


@pytest.mark.asyncio
async def test_unknown_choices_do_not_fail(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    page = await get(datasette, root_type="none", run="none", variant="x' or 1=1")
    assert "There is no such span type" in page


@pytest.mark.asyncio
async def test_data_is_escaped(hostile_db: Path) -> None:
    datasette = Datasette([str(hostile_db)])
    path = datasette.urls.path("/-/dnpc/a~20b~2Ec~27d/sequences")
    for params in (
        {},
        {"run": "run-a"},
        {"run": "<script>alert('"},
        {"root_type": "<script>alert('"},
    ):
        assert "<script>alert(" not in await get(datasette, path, **params)
    variants_of_hostile = re.findall(r"variant=(\d+)#steps", await get(datasette, path))
    pages = [await get(datasette, path, variant=number) for number in variants_of_hostile]
    assert any("&lt;script&gt;alert(" in page for page in pages)
    assert not any("<script>alert(" in page for page in pages)


@pytest.mark.asyncio
async def test_base_url(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)], settings={"base_url": "/prefix/"})
    await datasette.invoke_startup()
    response = await datasette.client.get(PATH)
    assert response.status_code == 200
    for link in re.findall(r'(?:href|action)="(/[^"]*)"', response.text):
        assert link.startswith("/prefix/")


@pytest.mark.asyncio
@pytest.mark.parametrize("rule", [{"allow": {"id": "root"}}, {"tables": {"spans": {"allow": {"id": "root"}}}}])
async def test_permission_is_respected(synthetic_db: Path, rule: dict[str, Any]) -> None:
    rules: dict[str, Any] = {"databases": {"dnpc": rule}}
    datasette = Datasette([str(synthetic_db)], **{"config" if NEW else "metadata": rules})
    await datasette.invoke_startup()
    assert (await datasette.client.get(PATH)).status_code == 403
    assert "Event sequences" not in (await datasette.client.get("/")).text
    cookies = {"ds_actor": datasette.sign({"a": {"id": "root"}}, "actor")}
    assert (await datasette.client.get(PATH, cookies=cookies)).status_code == 200


@pytest.mark.asyncio
async def test_links_lead_to_the_page(synthetic_db: Path, other_db: Path) -> None:
    datasette = Datasette([str(synthetic_db), str(other_db)])
    for path in ("/", "/dnpc", "/other"):
        assert f'href="{PATH}"' in await get(datasette, path)
    assert "/-/dnpc/other/" not in await get(datasette, "/other")
    assert (await datasette.client.get("/-/dnpc/other/sequences")).status_code == 404
    assert (await datasette.client.get("/-/dnpc/nothing/sequences")).status_code == 404


def test_variants_of_rows() -> None:
    rows = [(1, 0.0, "a"), (1, 2.0, "b"), (2, 5.0, "a"), (3, 1.0, "a"), (3, 5.0, "b")]
    common, other = variants(rows)
    assert (common.states, common.roots, other.states) == (("a", "b"), [1, 3], ("a",))
    first, second = steps(common, 10)
    figures = second.figures
    assert (first.figures.mean, figures.mean, figures.min, figures.max, figures.p50) == (0, 3, 2, 4, 3)
    assert len(steps(common, 1)) == 1
