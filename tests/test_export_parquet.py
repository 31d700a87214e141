"""What is exported as Parquet is what the database holds, and its views in DuckDB have the rows that they have here."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

from datasette_dnpc import export_parquet
from datasette_dnpc.duckdb_views import translate
from datasette_dnpc.export_parquet import FIRST_DNPC, export
from datasette_dnpc.sql_files import views
from tests.imports import dnpc, names_in, opened
from tests.raw_rows import imported
from tests.runs import DATA, shared_runs

# Asked for each span there is, they look for what is below or above it: the one root or span will do.
FOR_ONE = {"ancestor": "span", "descendant": "root"}

# SQLite rounds a time of more than 16 digits twice before it is part of an event's uuid.
DIFFERENT = {"event": 1e-4}
"""Which part of the rows of a view may differ."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of HTEX with monitoring, Work Queue and TaskVine; with DNPC_FULL=1 the whole real runs, too."""
    shared = shared_runs() if os.environ.get("DNPC_FULL") else None
    return imported(tmp_path_factory.mktemp("runs") / "dnpc.sqlite3", DATA, *filter(None, [shared]))


@pytest.fixture(scope="module")
def folder(database: Path) -> Path:
    """The export of that database."""
    export(database, database.with_name("out"))
    return database.with_name("out")


@pytest.fixture(scope="module")
def duck(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the views of the export."""
    with duckdb.connect() as conn:
        conn.execute(f"SET file_search_path = '{folder}'")
        conn.execute((folder / "views.sql").read_text())
        yield conn


def comparable(rows: list[tuple[Any, ...]]) -> list[str]:
    """Return rows as texts: 0.1 + 0.2 is 0.3, 2 is 2.0, and quotes in JSON paths do not count."""

    def text(value: Any) -> str:
        if isinstance(value, (bool, int, float)):
            return f"{float(value):.6f}" if abs(value) > 1e6 else f"{float(value):.9g}"
        return str(value).replace('"', "")

    return ["|".join(map(text, row)) for row in rows]


def of_sqlite(database: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with opened(database) as conn:
        cursor = conn.execute(sql)
        return [column[0] for column in cursor.description], cursor.fetchall()


def of_duckdb(conn: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = conn.execute(sql)
    return [column[0] for column in cursor.description or ()], cursor.fetchall()


@pytest.mark.parametrize("view", [*FIRST_DNPC, *views()])
def test_view_has_the_rows_in_duckdb_that_it_has_here(
    database: Path, duck: duckdb.DuckDBPyConnection, view: str
) -> None:
    where = f" WHERE {FOR_ONE[view]} IN (SELECT root FROM sequences)" if view in FOR_ONE else ""
    sql = f'SELECT * FROM "{view}"{where}'
    columns, rows = of_sqlite(database, sql)
    assert of_duckdb(duck, sql)[0] == columns
    here, there = (Counter(comparable(found)) for found in (rows, of_duckdb(duck, sql)[1]))
    assert here.total() == there.total() > 0
    assert (here - there).total() <= DIFFERENT.get(view, 0) * here.total(), ((here - there).popitem(), (there - here))


def test_each_table_has_its_rows(database: Path, folder: Path) -> None:
    with opened(database) as conn:
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = export_parquet.tables(conn)
        assert {"spans", "events", "subspans", "facets", "runs", "span_types", "task_times"} <= set(kept)
        assert {*names} >= {*kept} - {"spans", "subspans"}
        assert names_in(folder) == sorted([*(f"{name}.parquet" for name in kept), "views.sql"])
        for name in kept:
            read = pyarrow.parquet.read_table(folder / f"{name}.parquet")
            cursor = conn.execute(f"SELECT * FROM {name}")
            assert read.column_names == [column[0] for column in cursor.description]
            assert [tuple(row.values()) for row in read.to_pylist()] == cursor.fetchall()


def test_columns_have_the_types_of_the_schema(folder: Path) -> None:
    schema = pyarrow.parquet.read_schema(folder / "spans.parquet")
    kinds = {field.name: str(field.type) for field in schema}
    assert kinds == {
        "id": "int64",
        "uuid": "string",
        "type": "int64",
        "run": "int64",
        "key": "string",
        "began": "double",
        "ended": "double",
        "attributes": "string",
        "note": "string",
    }
    # Nothing in it: as declared.
    assert str(pyarrow.parquet.read_schema(folder / "runs.parquet").field("utc_offset").type) == "double"


def test_groups_of_rows_are_bounded(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parquet, "ROWS_AT_ONCE", 1000)
    rows = export(database, tmp_path / "out")
    file = pyarrow.parquet.ParquetFile(tmp_path / "out" / "events.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert len(sizes) > 2 and set(sizes[:-1]) == {1000} and sum(sizes) == rows["events"]


def test_values_of_any_type_are_kept(empty_db: Path, tmp_path: Path) -> None:
    database = Path(shutil.copy(empty_db, tmp_path))
    with closing(sqlite3.connect(database)) as conn, conn:
        row = "INSERT INTO parsl_node (run_id, id, uuid, hostname, cpu_count, total_memory) VALUES (?, ?, ?, ?, ?, ?)"
        conn.execute(row, ["r", 1, "u", "h", 4, 1 << 40])
        conn.execute(row, ["r", 2, "v", b"\xff", "many", 1.5])
    export(database, tmp_path / "out")
    first, second = pyarrow.parquet.read_table(tmp_path / "out" / "parsl_node.parquet").to_pylist()
    assert (first["hostname"], first["cpu_count"], first["total_memory"]) == ("h", "4", float(1 << 40))
    assert (second["hostname"], second["cpu_count"], second["total_memory"]) == (
        "\N{REPLACEMENT CHARACTER}",
        "many",
        1.5,
    )


def test_view_that_unpacks_a_table_is_written_in_its_place(database: Path, tmp_path: Path, folder: Path) -> None:
    copy = Path(shutil.copy(database, tmp_path))
    with closing(sqlite3.connect(copy)) as conn, conn:
        conn.execute("PRAGMA legacy_alter_table = ON")  # the other views go on to name the old one
        conn.execute("ALTER TABLE unmatched RENAME TO packed")
        conn.execute("CREATE VIEW unmatched AS SELECT * FROM packed -- as it was")
    export(copy, tmp_path / "out")
    assert names_in(tmp_path / "out") == names_in(folder)
    assert (tmp_path / "out" / "views.sql").read_text() == (folder / "views.sql").read_text()


def test_command_says_what_it_wrote(database: Path, folder: Path, tmp_path: Path) -> None:
    printed = dnpc("export", "parquet", tmp_path / "out", "--db", database)
    tables = len(names_in(folder)) - 1
    assert f"has {tables} tables with " in printed.output and "and views.sql for DuckDB." in printed.output
    (tmp_path / "made").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "made").stat().st_mode
    assert names_in(tmp_path) == ["made", "out"]


def test_folder_that_holds_something_stays(database: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    for taken in (tmp_path, tmp_path / "mine"):
        printed = dnpc("export", "parquet", taken, "--db", database)
        assert printed.exit_code == 1 and "is there already. Remove it, or choose another place" in printed.output
    assert names_in(tmp_path) == ["mine"]


def test_empty_folder_is_filled(database: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(database, tmp_path / "out")
    assert "views.sql" in names_in(tmp_path / "out")


def test_what_can_not_be_written_leaves_nothing(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(conn: sqlite3.Connection) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_parquet, "views_sql", full)
    printed = dnpc("export", "parquet", tmp_path / "out", "--db", database)
    assert printed.exit_code == 1 and "can not be written: No space left on device. Choose" in printed.output
    assert names_in(tmp_path) == []
    printed = dnpc("export", "parquet", tmp_path / "missing" / "out", "--db", database)
    assert printed.exit_code == 1 and "can not be written: No such file or directory" in printed.output


def test_missing_database_and_missing_library_are_told(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = dnpc("export", "parquet", tmp_path / "out", "--db", tmp_path / "none.sqlite3")
    assert printed.exit_code == 1 and "does not exist. Make it with: dnpc import PATH" in printed.output
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    printed = dnpc("export", "parquet", tmp_path / "out", "--db", database)
    assert printed.exit_code == 1 and "pip install 'datasette-dnpc[parquet]'" in printed.output
    assert names_in(tmp_path) == []


def test_killed_export_leaves_no_half_folder(database: Path, tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from datasette_dnpc import export_parquet
export_parquet.views_sql = lambda conn: time.sleep(60)
export_parquet.export(Path({str(database)!r}), Path({str(tmp_path / "out")!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        for _ in range(600):
            if list(tmp_path.glob(".*/worker_slots.parquet")) or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    (left,) = names_in(tmp_path)
    assert left.startswith(".out.") and left.endswith(".exporting")
    export(database, tmp_path / "out")
    assert names_in(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select max(1, null)", None),
        ("select min(3, 2, 5)", 2),
        ("select iif(2, 'a', 'b')", "a"),
        ("select substr('a/b', 1, instr('a/b', '/') - 1)", "a"),
        ("select substr('b', 1, instr('b', '/') - 1)", ""),
        ("select 'x.y' glob 'x*'", 1),
        ("select 1 = 2 as own", 0),
        ("select coalesce(null in (1), 0)", 0),
        ("select avg(x > 1) from (select 1 as x union all select 2) as t", 0.5),
        ("select json_extract('{\"cores\": 2}', '$.cores') + 1", 3),
        ("select json_extract('{\"cached\": true}', '$.cached')", 1),
        ("select json_extract('{\"app\": \"work\"}', '$.app')", "work"),
        ("select y from (select max(x), y from (select 1 as x, 2 as y union all select 3, 4) as t) as u", 4),
    ],
)
def test_expressions_mean_the_same(sql: str, value: object) -> None:
    with closing(sqlite3.connect(":memory:")) as here, duckdb.connect() as there:
        assert here.execute(sql).fetchone() == (value,)
        assert there.execute(translate(sql)).fetchone() == (value,)
