"""Rows for plots, given or from a database and SQL, with a count of what is left out."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from datasette_dnpc.queries import Database, Table, connected, select

Floats: TypeAlias = npt.NDArray[np.float64]

Source: TypeAlias = "sqlite3.Connection | str | Path | Iterable[Mapping[str, Any]] | Table"
"""A database (connection or path, together with SQL) or rows by column name."""


@dataclass(frozen=True)
class Numbers:
    """The rows which can be drawn, and why the others cannot."""

    values: Floats
    """Shape (rows drawn, columns asked for)."""
    kept: list[int]
    """Indexes of the rows drawn."""
    left_out: Counter[str]
    """Reason to number of rows."""

    @property
    def note(self) -> str:
        """Say how many rows are drawn, and how many are left out and why."""
        left_out = sum(self.left_out.values())
        if not left_out:
            return f"{len(self.kept):,} rows"
        reasons = ", ".join(f"{count:,} where {why}" for why, count in self.left_out.items())
        return f"{len(self.kept):,} of {len(self.kept) + left_out:,} rows; left out {reasons}"


def table(data: Source, sql: str | None = None, params: Mapping[str, Any] | None = None) -> Table:
    """Return rows as a table.

    :param data: rows by column name (``sqlite3.Row``, dict); or a connection or path of a
        database, and then ``sql`` says what to read
    :param sql: a SELECT, or the name of a canned query such as ``'durations'``
    :param params: of the SQL; a canned query's may be left out
    """
    if isinstance(data, Table):
        return data
    # sqlite-utils' Database is not a connection, but holds one.
    held = isinstance(getattr(data, "conn", None), sqlite3.Connection)
    if held or isinstance(data, (str, Path, sqlite3.Connection)):
        if sql is None:
            raise ValueError("sql is missing: give a SELECT or the name of a canned query")
        with connected(cast(Database, data)) as conn:
            return select(conn, sql, params)
    rows = list(data)
    columns = tuple(rows[0].keys()) if rows else ()
    return Table(columns, [[row[column] for column in columns] for row in rows])


def numbers(data: Table, *names: str) -> Numbers:
    """Return columns as an array of floats, without the rows where one is no finite number."""
    columns = [data.column(name) for name in names]
    values: list[tuple[float, ...]] = []
    kept: list[int] = []
    left_out: Counter[str] = Counter()
    for index, row in enumerate(zip(*columns, strict=True)):
        reason = next(filter(None, map(_objection, names, row)), None)
        if reason:
            left_out[reason] += 1
        else:
            values.append(tuple(map(float, row)))
            kept.append(index)
    return Numbers(np.array(values, float).reshape(-1, len(names)), kept, left_out)


def _objection(name: str, value: Any) -> str | None:
    if value is None:
        return f"{name} is NULL"
    if not isinstance(value, (int, float)):
        return f"{name} is not a number"
    return None if math.isfinite(value) else f"{name} is infinite"
