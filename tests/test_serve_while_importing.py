"""Datasette serves a database while one import after the other adds to it.

``DNPC_REQUESTS=10000`` asks that often; without it, enough to see that nothing has changed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette

from datasette_dnpc.pages import PAGES
from datasette_dnpc.pages.frame import Visit
from datasette_dnpc.pages.runs import RUNS
from datasette_dnpc.sql_files import queries, views
from tests.imports import dnpc, import_logs, names_in, query
from tests.runs import DATA

REQUESTS = int(os.environ.get("DNPC_REQUESTS", "60"))
AT_ONCE = 4

# The logs of a run that goes on, and of the next one when it has ended. Each import is told.
IMPORTS = """
import sys, uuid
from pathlib import Path
from importers.cli import main
source, folder, database = map(Path, sys.argv[1:])
logs = [path for path in source.rglob("*.log") if path.is_file()]
[run_id] = {line.split()[-1] for line in (source / "parsl.log").read_bytes().splitlines() if b"Run id is" in line}
for number in range(1_000_000):
    of_run, part = divmod(number, 100)
    other = str(uuid.uuid5(uuid.NAMESPACE_OID, str(of_run))).encode()
    for log in logs:
        content = log.read_bytes().replace(run_id, other)
        place = folder / f"{of_run:03}" / log.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content[: max(len(content) * (part + 1) // 100, content.find(other) + 100)])
    main(["import", str(folder / f"{of_run:03}"), "--db", str(database), "--quiet"], standalone_mode=False)
    print(number, flush=True)
"""


@contextmanager
def importing(tmp_path: Path, database: Path) -> Iterator[list[int]]:
    """Import in another process all the while; give the number of imports that were done, once it has ended."""
    words = [sys.executable, "-c", IMPORTS, str(DATA / "two-htex" / "000"), str(tmp_path / "runinfo"), str(database)]
    done: list[int] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "0\n", process.stderr.read()
        try:
            yield done
            assert process.poll() is None, process.stderr.read()
        finally:
            process.kill()
            done.append(len(process.stdout.read().splitlines()))


def addresses(database: Path) -> list[str]:
    """Return addresses of every kind: pages, queries, tables, SQL; as HTML, JSON, CSV and pictures."""
    [(run,)] = query(database, "SELECT key FROM runs ORDER BY id LIMIT 1")
    [(span,)] = query(database, "SELECT uuid FROM span WHERE type = 'parsl.rundir.task' ORDER BY uuid LIMIT 1")
    of_page = {"run": f"/{run}", "span": f"/{span}"}
    found = [
        f"/-/dnpc/dnpc{'/' if page.path else ''}{page.path}{of_page.get(page.name, '')}" for page in PAGES.values()
    ]
    for name in queries():
        found += [f"/dnpc/{name}{end}" for end in ("", ".json?_shape=array", ".csv?_size=max", ".png")]
    for name in ["spans", "events", "sources", "runs", *views()]:
        found += [f"/dnpc/{name}?_size=10", f"/dnpc/{name}.json?_size=10&_shape=objects"]
    sql = "/dnpc/-/query.json" if hasattr(Datasette, "add_query") else "/dnpc.json"
    counted = f"{sql}?sql=select+count(*)+as+n+from+events&_shape=array"
    return [*found, "/", "/dnpc", "/dnpc.json", "/-/databases.json", counted]


@pytest.mark.asyncio
async def test_no_page_fails_while_imports_run(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    assert dnpc("import", DATA / "htex-chicago", "--db", database, "--quiet").exit_code == 0
    # How long a query may take is not what is tested, on a machine that imports meanwhile.
    datasette = Datasette([str(database)], settings={"sql_time_limit_ms": 60_000})
    await datasette.invoke_startup()
    choice = random.Random(0)
    asked = [address for address in addresses(database) if ".png" not in address or choice.random() < 0.1]
    usable = asked if REQUESTS >= 1000 else choice.sample(asked, 25)
    statuses = {address: (await datasette.client.get(address)).status_code for address in usable}
    # A query without rows, or without a plot, has no picture.
    assert not {address: status for address, status in statuses.items() if status != 200 and ".png" not in address}
    usable = [address for address, status in statuses.items() if status == 200]
    todo, failed, counts = list(range(REQUESTS)), Counter[str](), [0]

    async def ask() -> None:
        while todo:
            todo.pop()
            address = choice.choice(usable)
            answer = await datasette.client.get(address)
            if answer.status_code != 200 or '"ok": false' in answer.text[:1000]:
                failed[f"{address}: {answer.status_code}: {answer.text[-300:]}"] += 1
            counts.append(await events(datasette))

    with importing(tmp_path, database) as done:
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert not failed, failed.most_common(5)
    # What is there is shown, without a new start, and never less than before.
    assert await events(datasette) == query(database, "SELECT count(*) FROM events")[0][0]
    assert len(set(counts)) > 2 and done[0] > 1
    names = query(database, "SELECT name FROM runs WHERE name IS NOT NULL")
    pages = [await datasette.client.get(f"/-/dnpc/dnpc?page={n + 1}") for n in range(-(-len(names) // RUNS))]
    overview = "".join(page.text for page in pages)
    assert all(name in overview for (name,) in names)
    # While it is served, what write-ahead mode needs stays; it is the database's, and no leftover.
    assert dnpc("import", DATA / "htex-chicago", "--db", database, "--quiet").exit_code == 0
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    files = {database.name, f"{database.name}-shm", f"{database.name}-wal"}
    assert {name for name in names_in(tmp_path) if "sqlite3" in name} <= files


@pytest.mark.asyncio
@pytest.mark.parametrize("asked_for", ["variant_states", "event_steps"])
async def test_a_page_asks_again_where_its_variants_are_replaced_between_two_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_for: str
) -> None:
    database = tmp_path / "dnpc.sqlite3"
    assert dnpc("import", DATA / "two-htex", "--db", database, "--quiet").exit_code == 0
    tables = query(database, "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
                             " WHERE m.type = 'table' AND c.name = 'variant'")  # fmt: skip
    assert len(tables) > 2
    seen = []

    def before(ask: Any) -> Any:
        async def asking(visit: Visit, name: str, **values: Any) -> Any:
            seen.append(name)
            if seen.count(asked_for) == 1 and name == asked_for:
                with closing(sqlite3.connect(database)) as conn, conn:
                    conn.execute("UPDATE variants SET id = id + 1000")
                    for (table,) in tables:
                        conn.execute(f"UPDATE {table} SET variant = variant + 1000")
            return await ask(visit, name, **values)

        return asking

    for way in ("ask", "read"):
        monkeypatch.setattr(Visit, way, before(getattr(Visit, way)))
    datasette = Datasette([str(database)])
    page = await datasette.client.get("/-/dnpc/dnpc/sequences?root_type=parsl.rundir.task")
    assert page.status_code == 200 and seen.count("event_sequences") == 2
    [(variant,)] = query(database, "SELECT id FROM variants ORDER BY spans * events DESC, id LIMIT 1")
    assert variant > 1000 and f"variant={variant}" in page.text


async def events(datasette: Datasette) -> int:
    result = await datasette.get_database("dnpc").execute("SELECT count(*) FROM events")
    return int(result.single_value())


def test_imports_into_a_database_that_a_reader_keeps_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees what each has added, and waits for none; nor do they for it. In the end there is one file."""
    database = tmp_path / "dnpc.sqlite3"
    import_logs(database, DATA / "htex-crash")
    uri = f"{database.as_uri()}?mode=ro"
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    counted = "SELECT count(*) FROM runs"
    with closing(sqlite3.connect(uri, uri=True)) as reader:
        seen = reader.execute(counted).fetchall()
        for path in (DATA / "two-htex", DATA / "htex-chicago", DATA / "workqueue"):
            # It reads while the import writes, and so keeps the database in write-ahead mode from then on.
            import_logs(database, path, finish=lambda _conn: seen.extend(reader.execute(counted)))
            seen.extend(reader.execute(counted))
            # Whoever copies the database gets all of it, though it is served.
            assert database.with_name(f"{database.name}-wal").stat().st_size == 0
    assert seen == [(1,), *((count,) for after in (2, 3, 4) for count in (after - 1, after))]
    import_logs(database, DATA / "taskvine")
    assert names_in(tmp_path) == [database.name]


def test_an_import_changes_no_view_that_is_right(tmp_path: Path) -> None:
    """Datasette reads all tables and views anew when one was made, which takes it longer than a page."""
    database = tmp_path / "dnpc.sqlite3"
    versions = []
    for path in (DATA / "two-htex", DATA / "htex-chicago"):
        assert dnpc("import", path, "--db", database, "--quiet").exit_code == 0
        versions += query(database, "PRAGMA schema_version")
    assert versions[0] == versions[1]
    with closing(sqlite3.connect(database)) as conn:
        conn.execute("DROP VIEW span_duration")
        conn.execute("CREATE VIEW span_duration AS SELECT 1")
    assert dnpc("import", DATA / "two-htex", "--db", database, "--quiet").exit_code == 0
    assert query(database, "SELECT began, ended FROM span_duration")
