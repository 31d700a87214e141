"""A small database of which SQLite thinks that it holds ten million events: its plans are those of a large one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests import synthetic

STATISTICS = [
    ("attribute_texts", "sqlite_autoindex_attribute_texts_1", "2 1 1 1 1 1"),
    ("descendants", "descendants", "3876096 5 1"),
    ("descendants", "descendants_span", "4418070 1"),
    ("drawn", "drawn", "441623 401 401 401 1"),
    ("event_types", "sqlite_autoindex_event_types_1", "36 1"),
    ("events", "events", "12895872 1 1 1 1"),
    ("joins", "joins", "9 9 2 2 2 1"),
    ("runs", "sqlite_autoindex_runs_1", "1 1"),
    ("sequences", "sequences_variant", "656700 401"),
    ("sources", "sqlite_autoindex_sources_1", "5 1"),
    ("span_rows", "spans_type_run_key", "2198768 201 201 1"),
    ("span_rows", "spans_uuid", "3100050 1"),
    ("span_totals", "span_totals_type", "10 1"),
    ("span_types", "sqlite_autoindex_span_types_1", "10 1"),
    ("state_counts", "state_counts", "1550 401 401 13 1"),
    ("stays", "stays", "748440 401 401 1 1 1"),
    ("steps", "steps", "13 13 1"),
    ("subspan_rows", "subspan_rows", "10507800 2 1"),
    ("subspan_rows", "subspan_rows_subspan", "8228220 2"),
    ("task_times", "task_times_run", "656700 401"),
    ("task_totals", None, "1"),
    ("variant_totals", "variant_totals", "1 1 1"),
    ("variant_totals", "variant_totals_run", "1 1"),
    ("variants", "sqlite_autoindex_variants_1", "1 1 1"),
    ("worker_slots", None, "2"),
    ("worker_totals", None, "2"),
]
"""Table, index and numbers: what an import notes for SQLite of a run of 770 000 HTEX tasks, of ten million events."""


def large(path: Path) -> Path:
    """Make the database."""
    synthetic.build(path)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("ANALYZE")
        conn.execute("DELETE FROM sqlite_stat1")
        conn.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", STATISTICS)
        names = {name for (name,) in conn.execute("SELECT name FROM sqlite_master")}
        # What SQLite does not know it leaves out without a word.
        assert names >= {name for table, index, _ in STATISTICS for name in (table, index or table)}
    return path
