"""The page of event sequences."""

import re
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.database import Database

from datasette_dnpc import sequences_data
from datasette_dnpc.sequences import steps, variants
from datasette_dnpc.sql_functions import duration_text
from tests import synthetic

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
    assert f"on one time axis, of {duration_text(rows[-1][-1])} in the mean" in page
    # The bars lie one after the other on one axis which they fill.
    bars = [
        (float(left), float(width)) for left, width in re.findall(r"margin-left: ([\d.]+)%; width: ([\d.]+)%", page)
    ]
    assert bars[0] == (0, 0) and sum(bars[-1]) == pytest.approx(100, abs=0.01)
    assert "/dnpc/event_steps?root_type=parsl.monitoring.task&amp;variant=" in page


@pytest.mark.asyncio
async def test_links_of_the_page_work(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    page = section(await get(datasette))
    links = {link.replace("&amp;", "&").partition("#")[0] for link in re.findall(r'href="([^"]+)"', page)}
    assert len(links) >= 8
    for link in links:
        assert (await datasette.client.get(link)).status_code == 200, link


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


@pytest.mark.asyncio
async def test_unkept_root_type_gives_the_same_as_kept(
    synthetic_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database without derived rows computes what the other has kept."""
    import sqlite3

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
    monkeypatch.setattr(sequences_data, "SAMPLE", 20)
    assert "20 of 240 roots" in await get(Datasette([str(path)]), root_type=synthetic.TASK)
    monkeypatch.setattr(sequences_data, "MOST_READ", 5)
    response = await Datasette([str(path)]).client.get(f"{PATH}?root_type={synthetic.TASK}")
    assert response.status_code == 503 and "too many events" in response.text


@pytest.mark.asyncio
@pytest.mark.parametrize("part", ["choose", "read"])
async def test_time_limit_is_a_clear_message(synthetic_db: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    async def interrupted(database: Database, *args: object) -> None:
        # More rows than can be counted within the limit.
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
        await database.execute(endless)

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
