"""Answers of the canned queries, and of any SELECT, as rows: for scripts, notebooks, plots and the command line.

    from datasette_dnpc import queries
    queries.rows("dnpc.sqlite3", "slowest_spans", span_type="parsl.monitoring.try", rows=5)

SQL, parameters and functions are those of the page in Datasette, so the figures are, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from datasette_dnpc import sql_files
from datasette_dnpc.sql_functions import register
from importers.readonly import open_readonly
from importers.recognise import refusal, unreadable


class _Holder(Protocol):
    """What holds a connection without being one: the Database of sqlite-utils."""

    @property
    def conn(self) -> Any: ...


Database: TypeAlias = "sqlite3.Connection | str | Path | _Holder"
"""A connection, the path of a database, which is then only read, or a Database of sqlite-utils."""


class NoAnswer(sqlite3.DatabaseError):
    """A database that the queries can not be asked of; the message says why, and what to do."""


@dataclass(frozen=True)
class Table:
    """The result of a query."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> list[Any]:
        """Return one column's values, one a row."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def constant(self, *names: str) -> list[str]:
        """Return the values of those columns which are there and have the same value in every row, but for NULL."""
        columns = (self.column(name) for name in names if self.has(name))
        found = ({None if value is None else str(value) for value in column} for column in columns)
        return [value for values in found if len(values) == 1 for value in values if value is not None]

    def has(self, *names: str) -> bool:
        """Tell whether all these columns are there."""
        return set(names) <= set(self.columns)

    @property
    def one_in(self) -> int:
        """1, or where rows are of a sample of what there is, 16 for one of 1 in 16: the column of that name tells."""
        return max((value for value in self.column("one_in") if value), default=1) if self.has("one_in") else 1

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def rows(database: Database, name: str, /, **params: object) -> list[dict[str, Any]]:
    """Return the rows of a canned query by column name.

    :param database: of dnpc; see ``Database``
    :param name: of the query, such as ``slowest_spans``
    :param params: of the query, each of which may be left out

    Raises ValueError where there is no query or parameter of that name, sqlite3.Error where the database
    can't be read; of a path, NoAnswer where it is none of dnpc's, or of another version.
    """
    if name not in sql_files.queries():
        raise ValueError(f"{name!r} is no query. There are: {', '.join(sql_files.queries())}")
    with connected(database, name) as conn:
        return select(conn, name, params).dicts()


@contextmanager
def connected(database: Database, sql: str = "") -> Iterator[sqlite3.Connection]:
    """Give a connection to a database; one that was opened here is closed in the end.

    :param sql: what will be asked; where it names a canned query, a path has to be a database of dnpc

    Raises sqlite3.Error where a path can't be opened: a mistyped one is no new empty database.
    """
    if isinstance(database, (str, Path)):
        opened = open_dnpc if sql in sql_files.queries() else open_readonly
        with opened(Path(database)) as conn:
            yield conn
    else:
        yield database if isinstance(database, sqlite3.Connection) else database.conn


def select(conn: sqlite3.Connection, sql: str, params: Mapping[str, Any] | None = None) -> Table:
    """Return the result of a SELECT, or of the canned query of that name.

    :param params: of the SQL; those of a canned query may be left out, and are then empty text, as in Datasette

    Raises ValueError for a parameter that the canned query has not, sqlite3.Error where the SQL fails.
    """
    values = dict(params or {})
    if query := sql_files.queries().get(sql):
        if unknown := values.keys() - query.params.keys():
            raise ValueError(f"{sql} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(query.params)}")
        values = {name: values.get(name, "") for name in query.params}
        sql = query.sql
    register(conn)
    # SQLite decodes text in half the time in which Python does, but stops at what is not UTF-8.
    lenient = conn.text_factory
    conn.text_factory = str
    try:
        return _table(conn.execute(sql, values))
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    finally:
        conn.text_factory = lenient
    return _table(conn.execute(sql, values))


def _table(cursor: sqlite3.Cursor) -> Table:
    columns = tuple(column[0] for column in cursor.description)
    return Table(columns, list(map(tuple, cursor)))


@contextmanager
def open_dnpc(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection, for reading only, to a database that has all that the queries read.

    Raises NoAnswer where it is missing, something else, or of another version, and where a query fails.
    """
    if not path.exists():
        raise NoAnswer(f"{path} does not exist. Make it with: dnpc import PATH --db {path}")
    try:
        with open_readonly(path) as conn:
            if why := no_answer(conn, path):
                raise NoAnswer(why)
            yield conn
    except NoAnswer:
        raise
    except sqlite3.DatabaseError as error:
        raise NoAnswer(unreadable(path, error)) from None


def no_answer(conn: sqlite3.Connection, path: Path) -> str | None:
    """Say why the queries can not be asked of a database, and the way out; None where they can.

    Raises sqlite3.DatabaseError where it can't be read.
    """
    if why := refusal(conn, path):
        return why
    names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    if missing := sorted(sql_files.views().keys() - names):
        return (
            f"{path} was made by an older dnpc: it has no view {', '.join(missing)}. "
            f"Any import into it makes them: dnpc import PATH --db {path}"
        )
    return None
