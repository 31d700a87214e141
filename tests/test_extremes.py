"""Lines of many megabytes, nesting in circles, rings of facets, all events at one time or millennia apart: all answers.

Sizes are small here. DNPC_LONG_LINE=100 makes lines of 100 MB, DNPC_EVENTS=1000000 a million events at one time.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from datasette.app import Datasette

from datasette_dnpc import queries as answers
from datasette_dnpc.pages import PAGES
from datasette_dnpc.render import NoPicture, picture, shape
from datasette_dnpc.sql_files import queries
from tests.fuzz import TARGETS, Target, compare, imported
from tests.imports import copied, dnpc, query, rewrite
from tests.own_formats import named
from tests.runs import DATA

LONG = int(float(os.environ.get("DNPC_LONG_LINE", "0.5")) * 1e6)
"""Bytes of a line."""

EVENTS = int(os.environ.get("DNPC_EVENTS", "3000"))
"""Events at one time."""

TEXTS = [target for target in TARGETS if not target.offsets_are_ordinals]


def long_lines(line: bytes) -> list[bytes]:
    """Return what a line becomes that never ends: in its last field, over and over, and as nothing."""
    return [line + b"x" * LONG, line * (LONG // len(line)), line + b"\0" * LONG, line[:20] + b"," * LONG, b"[" * LONG]


@pytest.mark.parametrize("target", TEXTS, ids=lambda target: target.name)
def test_lines_without_end(tmp_path: Path, target: Target) -> None:
    def write(folder: Path, rng: Random, count: int) -> None:
        target.write(folder, rng, 0)
        (file,) = folder.rglob(target.source.rsplit("/", 1)[-1])
        data = file.read_bytes()
        lines = [line for line in data.split(b"\n") if line and b"Run id is" not in line and b"launched on" not in line]
        file.write_bytes(data + b"\n".join(long_lines(lines[-1])) + b"\n")

    folders = [tmp_path / "intact", tmp_path / "long"]
    for folder in folders:
        folder.mkdir()
    intact = imported(target, folders[0], Random(0), 0)
    found = imported(replace(target, write=write), folders[1], Random(0), 0)
    compare(target, intact, found)
    assert (folders[1] / "dnpc.sqlite3").stat().st_size < 30 * LONG + 10_000_000


MODULE = """
from importers.places import source_at
NAME = "ring"
ROOTS = ("ring.task", "flat.task")

def find(path):
    return source_at(NAME, path, run="ring") if path.suffix == ".ring" else None

def read(source, batch, progress):
    size, events = map(int, source.path.read_text().split())
    spans = [batch.span("ring.task" if n % 2 else "ring.part", "it's \\"" + str(n)) for n in range(size)]
    for n, span in enumerate(spans):
        batch.subspan(span, spans[(n + 1) % size], str(n))
        batch.subspan(span, spans[n - 2], "back")
        batch.event(span, 1795397700.0, "began", n)
    for n in range(events):
        batch.event(batch.span("flat.task", str(n // 10)), 1795397700.0, "same" if n % 3 else "other", n)
    return str(events)
"""


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of things that are inside each other and accounts of each other in rings, and all at one time."""
    folder = tmp_path_factory.mktemp("ring")
    module = named(folder, MODULE, "ring.py")
    log, database = folder / "a.ring", folder / "ring.sqlite3"
    log.write_text("60 10")
    assert dnpc("import", log, "--module", module, "--db", database).exit_code == 0
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute(
            """INSERT INTO facets (left, right, note) SELECT a.id, b.id, 'a ring' FROM spans a JOIN spans b
               ON b.id = a.id % 60 + 1 WHERE a.id <= 60"""
        )
    # What is derived of the run is made again, now with the facets.
    log.write_text(f"60 {EVENTS}")
    assert dnpc("import", log, "--module", module, "--db", database).exit_code == 0
    return database


def test_what_is_below_a_ring_is_all_of_it(ring: Path) -> None:
    assert query(ring, "SELECT count(*) FROM subspans") == [(120,)]
    assert query(ring, "SELECT count(*) FROM facets") == [(60,)]
    flat = -(-EVENTS // 10)
    # All 60 spans of the ring are below each of its 30 roots.
    assert query(ring, "SELECT count(*), count(DISTINCT span) FROM descendants") == [(30 * 60 + flat, 60 + flat)]
    assert query(ring, "SELECT count(*) FROM events") == [(60 + EVENTS,)]
    assert query(ring, "SELECT count(*), min(began) = max(ended) FROM sequences") == [(30 + flat, 1)]
    assert query(ring, "PRAGMA foreign_key_check") == []
    assert dnpc("sources", "--db", ring).exit_code == 0
    for format in ("text", "dot", "mermaid"):
        assert dnpc("graph", "--db", ring, "--format", format).exit_code == 0


TIMES = (b"0.000000", b"0.0000001", b"86399.999999", b"4102444800.000000", b"7258118400.500000", b"99999999999.000000")
"""From the first second there is to the last that counts as a time, far after 2200."""


@pytest.fixture(scope="module")
def millennia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of a real run in which one event in nine is at an end of time, and monitoring's clock, too."""
    folder = copied(DATA / "htex-crash", tmp_path_factory.mktemp("millennia") / "runinfo")
    times = cycle(TIMES)

    def far_off(path: Path, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        return b"".join(
            re.sub(rb"^\d{10}\.\d+ ", next(times) + b" ", line) if n % 9 == 8 else line for n, line in enumerate(lines)
        )

    rewrite(folder, far_off)
    with closing(sqlite3.connect(folder / "monitoring.db", isolation_level=None)) as conn:
        conn.execute("UPDATE OR IGNORE status SET timestamp = '1970-01-01 00:00:00.000001' WHERE rowid % 7 = 3")
        conn.execute("UPDATE try SET task_try_time_returned = '5138-11-16 09:46:39' WHERE rowid % 3 = 1")
        conn.execute("UPDATE task SET task_time_invoked = '2300-01-01 00:00:00.5' WHERE rowid % 4 = 1")
    database = folder.parent / "millennia.sqlite3"
    assert dnpc("import", folder, "--db", database, "--timezone", "UTC").exit_code == 0
    return database


def test_events_at_the_ends_of_time_are_there(millennia: Path) -> None:
    found = {time for (time,) in query(millennia, "SELECT time FROM events WHERE NOT time BETWEEN 1.7e9 AND 1.9e9")}
    assert found == {*map(float, TIMES), 0.000001, 10413792000.5, 99999999999.0}
    assert query(millennia, "SELECT count(*) FROM events WHERE time BETWEEN 1.7e9 AND 1.9e9") > [(200,)]
    assert query(millennia, "SELECT max(ended - began) FROM spans") > [(9.8e10,)]


@pytest.fixture(params=["ring", "millennia"])
def extreme(request: pytest.FixtureRequest) -> Path:
    """Each of these databases."""
    database: Path = request.getfixturevalue(request.param)
    return database


def root_of(database: Path) -> str:
    """Return the surrogate key of a root: a span in the ring, a task that took an eternity."""
    return str(
        query(
            database,
            """SELECT uuid FROM spans JOIN descendants ON root = spans.id JOIN events ON events.span = descendants.span
               GROUP BY 1 ORDER BY max(time) - min(time) DESC, spans.id LIMIT 1""",
        )[0][0]
    )


@pytest.mark.parametrize("name", queries())
def test_queries_answer(extreme: Path, name: str) -> None:
    params = {"root": root_of(extreme)} if "root" in queries()[name].params else {}
    with answers.connected(extreme) as conn:
        data = answers.select(conn, name, params)
    assert data.columns == tuple(queries()[name].columns)
    if data.rows and shape(data.columns) and len(data.rows) < 5000:
        try:
            assert picture(data, name, "svg").startswith(b"<?xml")
        except NoPicture as none:
            assert str(none)


@pytest.mark.asyncio
async def test_pages_answer(extreme: Path) -> None:
    datasette = Datasette([str(extreme)], settings={"sql_time_limit_ms": 60_000})
    await datasette.invoke_startup()
    (run,) = query(extreme, "SELECT key FROM runs")[0]
    for page in PAGES.values():
        address = f"/-/dnpc/{extreme.stem}/{page.path}".rstrip("/")
        of_one = {
            "span": [f"{address}/{root_of(extreme)}"],
            "run": [f"{address}/{run}?part={p}" for p in ("time", "workers")],
        }
        for path in (address, *of_one.get(page.name, []), f"{address}?run={run}"):
            response = await datasette.client.get(path)
            assert response.status_code == 200, path
            assert len(response.content) < 2_000_000
