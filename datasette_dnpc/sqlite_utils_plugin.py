"""sqlite-utils plugin: the same SQL functions there, in its commands and its library."""

from __future__ import annotations

import sqlite3

from sqlite_utils import hookimpl

from datasette_dnpc.sql_functions import register


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Add the SQL functions to every connection."""
    register(conn)
