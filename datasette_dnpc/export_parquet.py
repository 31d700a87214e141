"""A database as Parquet files, one a table, and its views in the SQL of DuckDB: for DuckDB, Spark and others."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasette_dnpc.queries import open_dnpc
from datasette_dnpc.sql_files import views
from importers.beside import folder_beside

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 50_000
"""Rows of a group in a file: what is in memory at a time."""

WORK = "exporting"
"""Ends the name of the folder in which an export is made."""

FIRST_DNPC = ("span", "event", "subspan", "facet")
"""Views that show the tables of the first dnpc."""

_INSTALL = "What writes Parquet is not installed. Install it with: pip install 'datasette-dnpc[parquet]'"

_HEAD = """-- The tables and views of a dnpc database, for DuckDB: run this where the files are, or after
-- SET file_search_path = 'the folder of the files';
"""


class CanNotExport(Exception):
    """The export can not be made; the message says why, and what to do."""


def export(database: Path, folder: Path) -> dict[str, int]:
    """Write every table of a database into a folder, and ``views.sql``; return the number of rows of each table.

    The folder is there when all is written, or not at all. All files are of one state of the database, though an
    import may go on. Raises CanNotExport and queries.NoAnswer.
    """
    try:
        import pyarrow.parquet  # noqa: F401
        import sqlglot  # noqa: F401
    except ImportError:
        raise CanNotExport(_INSTALL) from None
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise CanNotExport(f"{folder} is there already. Remove it, or choose another place")
    try:
        with open_dnpc(database) as conn, folder_beside(folder, WORK) as making:
            conn.execute("BEGIN")
            rows = {name: _write(conn, name, making / f"{name}.parquet") for name in tables(conn)}
            (making / "views.sql").write_text(views_sql(conn), encoding="utf-8")
            made = Path(os.path.realpath(folder))
            making.chmod(0o777 & ~_umask())
            # An empty folder gives way to it, any other does not.
            making.rename(made)
    except OSError as error:
        why = error.strerror or str(error)
        raise CanNotExport(f"{folder} can not be written: {why}. Choose another place") from error
    return rows


def tables(conn: sqlite3.Connection) -> list[str]:
    """Return the names of what is written as tables: each table, but in place of what a view unpacks, that view."""
    from sqlglot import exp, parse_one

    found = dict(conn.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"))
    unpacked = {name for name, kind in found.items() if kind == "view"} - views().keys() - set(FIRST_DNPC)
    packed = {
        table.name
        for name in unpacked
        for table in parse_one(_definition(conn, name), read="sqlite").find_all(exp.Table)
    }
    return sorted(name for name, kind in found.items() if name in unpacked or (kind == "table" and name not in packed))


def views_sql(conn: sqlite3.Connection) -> str:
    """Return SQL for DuckDB that makes views of the files, by the names of the tables, and those of the database."""
    from datasette_dnpc.duckdb_views import translate

    parts = {name: f"SELECT * FROM read_parquet('{name}.parquet')" for name in tables(conn)}
    parts |= {name: translate(_definition(conn, name)) for name in FIRST_DNPC}
    parts |= {name: translate(view.sql) for name, view in views().items()}
    return _HEAD + "".join(f'\nCREATE OR REPLACE VIEW "{name}" AS\n{sql};\n' for name, sql in parts.items())


def _definition(conn: sqlite3.Connection, view: str) -> str:
    """Return the SELECT of a view of the database."""
    (sql,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = ?", [view]).fetchone()
    return str(sql).split(" AS", 1)[1]


def _write(conn: sqlite3.Connection, table: str, file: Path) -> int:
    """Write the rows of a table or view, a group at a time; return how many."""
    import pyarrow.parquet

    columns, schema = _columns(conn, table)
    number = 0
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _groups(conn.execute(f'SELECT {", ".join(columns)} FROM "{table}"')):
            number += len(rows)
            arrays = [
                pyarrow.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
    return number


def _groups(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield rows


def _columns(conn: sqlite3.Connection, table: str) -> tuple[list[str], pyarrow.Schema]:
    """Return SQL for each column of a table, and their types: as declared, or wider where SQLite holds other values."""
    import pyarrow

    kinds = {"integer": pyarrow.int64(), "real": pyarrow.float64(), "text": pyarrow.string(), "blob": pyarrow.binary()}
    # In a table of SQLite, any column may hold a value of any type; hidden ones are what SQLite computes.
    info = conn.execute(f'PRAGMA table_info("{table}")').fetchall()
    names = [f'"{row[1]}"' for row in info]
    held = conn.execute(
        f'SELECT {", ".join(f"group_concat(DISTINCT typeof({name}))" for name in names)} FROM "{table}"'
    ).fetchone()
    chosen = [_kind(row[2], found or "") for row, found in zip(info, held, strict=True)]
    selected = [
        f"CAST({name} AS {kind}) AS {name}" if {*(found or "").split(",")} - {"null", kind, ""} else name
        for name, kind, found in zip(names, chosen, held, strict=True)
    ]
    fields = [pyarrow.field(row[1], kinds[kind]) for row, kind in zip(info, chosen, strict=True)]
    return selected, pyarrow.schema(fields)


_DECLARED = {"INTEGER": "integer", "REAL": "real", "TEXT": "text", "BLOB": "blob"}


def _kind(declared: str, held: str) -> str:
    """Return the type that takes what a column is declared to hold, and what it holds."""
    found = {_DECLARED.get(declared, ""), *held.split(",")} - {"", "null"}
    if len(found) <= 1:
        return next(iter(found), "text")
    return "real" if found == {"integer", "real"} else "text"


def _umask() -> int:
    """Return what the permissions of new files lack. It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
