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
    of_rows: int = 0
    """How many rows there are, where those asked for are only the first of them."""

    def of(self, rows: Table, column: str) -> list[Any]:
        """Return another column's values in the rows drawn."""
        values = rows.column(column)
        return [values[index] for index in self.kept]

    @property
    def note(self) -> str:
        """Say how many rows are drawn, of how many, and how many are left out and why."""
        left_out = sum(self.left_out.values())
        total = max(self.of_rows, len(self.kept) + left_out)
        drawn = f"{len(self.kept):,} rows" if len(self.kept) == total else f"{len(self.kept):,} of {total:,} rows"
        reasons = ", ".join(f"{count:,} where {why}" for why, count in self.left_out.items())
        return f"{drawn}; left out {reasons}" if reasons else drawn


def table(data: Source, sql: str | None = None, params: Mapping[str, Any] | None = None) -> Table:
    """Return rows as a table.

    :param data: rows by column name (``sqlite3.Row``, dict); or a connection or path of a
        database, and then ``sql`` says what to read
    :param sql: a SELECT, or the name of a canned query such as ``'durations'``
    :param params: of the SQL; a canned query's may be left out

    Raises sqlite3.Error where a database can't be read, or is none that a canned query reads.
    """
    if isinstance(data, Table):
        return data
    # sqlite-utils' Database is not a connection, but holds one.
    held = isinstance(getattr(data, "conn", None), sqlite3.Connection)
    if held or isinstance(data, (str, Path, sqlite3.Connection)):
        if sql is None:
            raise ValueError("sql is missing: give a SELECT or the name of a canned query")
        with connected(cast(Database, data), sql) as conn:
            return select(conn, sql, params)
    rows = list(data)
    columns = tuple(rows[0].keys()) if rows else ()
    return Table(columns, [[row[column] for column in columns] for row in rows])


def numbers(data: Table, *names: str) -> Numbers:
    """Return columns as an array of floats, without the rows where one is no finite number.

    A column ``of_rows`` says how many rows there are, shown or not.
    """
    columns = [data.column(name) for name in names]
    of_rows = said_total(data, "of_rows") or 0
    # Half a million rows take a tenth of the time together that they take one by one.
    if columns and all(set(map(type, column)) <= {int, float} for column in columns):
        together = np.array(columns, float).reshape(len(names), -1).T
        if np.isfinite(together).all():
            return Numbers(together, list(range(len(together))), Counter(), of_rows)
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
    return Numbers(np.array(values, float).reshape(-1, len(names)), kept, left_out, of_rows)


def said_total(rows: Table, name: str) -> int | None:
    """Return the total that a column such as ``of_rows`` says in each row, None where there is none."""
    total = rows.column(name)[0] if rows.has(name) and rows.rows else None
    return total if isinstance(total, int) else None


def above_zero(drawn: Numbers, first: int = 0) -> Numbers:
    """Return the rows whose numbers are above zero, as a logarithmic axis wants; the others are left out.

    :param first: the first column of ``drawn.values`` to look at; those after it are looked at, too
    """
    fit = [bool(row.min() > 0) for row in drawn.values[:, first:]]
    without = fit.count(False)
    left_out = drawn.left_out + Counter({"a duration is not above 0": without} if without else {})
    kept = [index for index, good in zip(drawn.kept, fit, strict=True) if good]
    return Numbers(drawn.values[fit], kept, left_out, drawn.of_rows)


def sample_note(rows: Table) -> str:
    """Return what a note says of rows that are spans: of how many they are all, or a sample (``of_spans``)."""
    total = said_total(rows, "of_spans")
    return "" if total is None else f", {'a sample ' if total > len(rows.rows) else ''}of {total:,} spans"


def counted_note(rows: Table, shown: float) -> str:
    """Return what a note says of rows that are counts: how many spans they show, and of how many (``of_spans``)."""
    total = said_total(rows, "of_spans")
    return f", {shown:,.0f} spans" if total in (None, shown) else f", {shown:,.0f} of {total:,} spans"


def _objection(name: str, value: Any) -> str | None:
    if value is None:
        return f"{name} is NULL"
    if not isinstance(value, (int, float)):
        return f"{name} is not a number"
    return None if math.isfinite(value) else f"{name} is infinite"
