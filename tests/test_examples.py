"""The fastest, the middle and the slowest root of a variant, also where many take as long."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from datasette_dnpc.queries import select
from datasette_dnpc.sql_files import page_sql
from tests.imports import query


def examples(database: Path, variant: int) -> list[tuple[str, float]]:
    params = {"variant": variant, "run": "", "app": "", "executor": ""}
    with closing(sqlite3.connect(database)) as conn:
        found = select(conn, page_sql()["examples"].sql, params)
        return list(zip(found.column("uuid"), found.column("duration"), strict=True))


@pytest.mark.parametrize("step", [0.0, 1.0, 0.5])
def test_examples_are_the_same_in_every_database(synthetic_db: Path, tmp_path: Path, step: float) -> None:
    """All roots take as long, or there are a few durations that many have."""
    path = tmp_path / "alike.sqlite3"
    shutil.copy(synthetic_db, path)
    [(variant, roots)] = query(path, "SELECT variant, count(*) FROM sequences GROUP BY 1 ORDER BY 2 DESC LIMIT 1")
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(
            "UPDATE sequences SET ended = began + 1 + cast(? * (root % 8) AS INTEGER) WHERE variant = ?",
            [step, variant],
        )
    took = query(
        path,
        """SELECT spans.uuid, sequences.ended - sequences.began, uuid_high, uuid_low
           FROM sequences JOIN span_rows ON span_rows.id = root JOIN spans ON spans.id = root WHERE variant = ?""",
        variant,
    )
    ordered = [root[:2] for root in sorted(took, key=lambda root: root[1:])]
    assert len(ordered) == roots > 3
    assert examples(path, variant) == [ordered[0], ordered[(roots + 1) // 2 - 1], ordered[-1]]
