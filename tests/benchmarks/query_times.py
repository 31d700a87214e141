"""How long every canned query and every page takes on a database, with nothing asked for, through Datasette."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from datasette.app import Datasette

from datasette_dnpc.pages import PAGES
from datasette_dnpc.pages.frame import page_url
from datasette_dnpc.queries import select
from datasette_dnpc.sql_files import create_views, queries
from importers.readonly import open_readonly

PATIENCE = 60_000
"""Milliseconds after which Datasette gives up: what takes longer than its usual 1000 is to be known, too."""


class Taken(NamedTuple):
    """How long one thing took: wall clock seconds, and those of the processor."""

    name: str
    seconds: float
    processor: float
    rows: int
    one_in: int
    """1, or the share of the spans that a query looked at: 1 in so many."""

    def __str__(self) -> str:
        sample = f"1 in {self.one_in}" if self.one_in > 1 else ""
        return f"{self.name:<28} {self.seconds:8.3f} s {self.processor:8.3f} s processor {self.rows:>5} rows  {sample}"


def time_queries(database: Path, rounds: int) -> list[Taken]:
    """Return the shortest time of each query over so many rounds, the slowest query first.

    The processor's time is what it takes where nothing else runs; the other is what is waited for here and now.
    """
    found = []
    with open_readonly(database) as conn:
        for name in queries():
            tries = []
            for _ in range(rounds):
                began, used = time.perf_counter(), time.process_time()
                table = select(conn, name)
                tries.append((time.perf_counter() - began, time.process_time() - used))
            found.append(Taken(name, min(tries)[0], min(used for _, used in tries), len(table.rows), table.one_in))
    return sorted(found, key=lambda taken: -taken.processor)


def time_pages(database: Path, rounds: int) -> list[Taken]:
    """Return the same for each page, of the first run that the database has and of the root with most events."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as conn:
        run = conn.execute("SELECT key FROM runs ORDER BY id LIMIT 1").fetchone()
        span = conn.execute(
            "SELECT uuid FROM spans JOIN variants ON example = spans.id ORDER BY events DESC"
        ).fetchone()

    async def ask() -> list[Taken]:
        datasette = Datasette([str(database)], settings={"sql_time_limit_ms": PATIENCE})
        await datasette.invoke_startup()
        [name] = [name for name in datasette.databases if not name.startswith("_")]
        found = []
        for page in PAGES.values():
            items = {"span": span, "run": run}
            item = (items[page.name] or [""])[0] if page.name in items else ""
            url = page_url(datasette, name, page.name, item, **({"run": run[0]} if page.run and run else {}))
            tries = []
            for _ in range(rounds):
                began, used = time.perf_counter(), time.process_time()
                response = await datasette.client.get(url, follow_redirects=True)
                tries.append((time.perf_counter() - began, time.process_time() - used))
            status = "" if response.status_code == 200 else f" ({response.status_code})"
            processor = min(used for _, used in tries)
            found.append(Taken(f"page {page.title}{status}", min(tries)[0], processor, 0, 1))
        return found

    return asyncio.run(ask())


def with_views(database: Path) -> None:
    """Make the views of this version in a database."""
    with closing(sqlite3.connect(database)) as conn, conn:
        create_views(conn)
