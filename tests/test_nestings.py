"""Subspans in little space: what is kept of their names, and the view that shows them as if it were a table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from importers import nestings, schema
from importers.database import open_store
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from tests.imports import query

KEYS = ["17", "a/b", "a/b/a/b", "htex/17", "é/☃", "nul\0/17", "", "/", "a%b"]
NAMES = [*KEYS, "b", "a", "7", "☃", "/17", "other"]


@pytest.fixture
def empty() -> Iterator[sqlite3.Connection]:
    """A database of two spans, each with a key that does not matter."""
    with closing(sqlite3.connect(":memory:")) as conn:
        schema.create_tables(conn)
        schema.create_indexes(conn)
        conn.execute("INSERT INTO spans (id, uuid, type, key) VALUES (1, 'u1', 1, 'above'), (2, 'u2', 1, 'below/3')")
        yield conn


@pytest.mark.parametrize("key", KEYS)
def test_names_are_what_they_were(empty: sqlite3.Connection, key: str) -> None:
    empty.execute("UPDATE span_rows SET key = ? WHERE id = 2", [key])
    for name in NAMES:
        nestings.put(empty, [(1, 2, nestings.name_within(key, name))], {})
        assert empty.execute("SELECT key FROM subspans").fetchall() == [(name,)]
        empty.execute("DELETE FROM subspans")


def test_a_name_that_ends_the_key_takes_no_space(empty: sqlite3.Connection) -> None:
    kept = [nestings.name_within("17/0", name) for name in ("17/0", "0", "17")]
    assert kept == [1, 4, "17"]


def test_they_are_written_to_like_a_table(empty: sqlite3.Connection) -> None:
    empty.execute("INSERT INTO subspans (superspan, subspan, key, note) VALUES (1, 2, '3', 'seen')")
    assert empty.execute("SELECT * FROM subspans").fetchall() == [(1, 2, "3", "seen")]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        empty.execute("INSERT INTO subspans (superspan, subspan, key) VALUES (1, 2, 'other')")
    # A number is a name like any other, and no place in the key.
    empty.execute("UPDATE subspans SET key = 2, note = NULL WHERE subspan = 2")
    assert empty.execute("SELECT * FROM subspans").fetchall() == [(1, 2, "2", None)]
    empty.execute("UPDATE subspans SET note = 'again', superspan = 2, subspan = 1")
    assert empty.execute("SELECT * FROM subspans").fetchall() == [(2, 1, "2", "again")]
    empty.execute("DELETE FROM subspans WHERE note = 'again'")
    assert empty.execute("SELECT * FROM subspan_rows UNION ALL SELECT * FROM subspan_notes").fetchall() == []


def test_a_nesting_that_is_there_stays_as_it_is(empty: sqlite3.Connection) -> None:
    """What a log says of it is not overwritten by what is inferred later."""
    empty.execute("INSERT INTO spans (id, uuid, type, key) VALUES (3, 'u3', 1, 'below/4')")
    nestings.put(empty, [(1, 2, "logged")], {})
    nestings.put(empty, [(1, 2, "other"), (1, 3, 1)], {(1, 2): "inferred", (1, 3): "inferred"})
    rows = empty.execute("SELECT subspan, key, note FROM subspans ORDER BY 1").fetchall()
    assert rows == [(2, "logged", None), (3, "below/4", "inferred")]


def test_the_note_of_a_nesting_goes_with_it(empty: sqlite3.Connection) -> None:
    nestings.put(empty, [(1, 2, 1)], {(1, 2): "inferred"})
    empty.execute("DELETE FROM subspan_rows")
    assert empty.execute("SELECT * FROM subspan_notes").fetchall() == []


def test_a_nesting_that_a_later_part_of_a_log_tells(tmp_path: Path) -> None:
    """There, the key of a span that came before is not at hand."""
    source = Source("small", tmp_path / "log", "r/log", Run("r", "r", None, "r"))
    batch = Batch("r")
    with open_store(tmp_path / "d.sqlite3") as store:
        batch.sink = partial(store.add_part, source)
        above, early = batch.span("thing", "a"), batch.span("thing", "a", "1")
        batch.hand_over()
        late = batch.span("thing", "another", "1")
        batch.subspan(above, early, "1", note="inferred")
        batch.subspan(above, late, "1")
        batch.sink = None
        batch.seal()
        store.add(source, batch, 1, "")
        store.flush()
    rows = query(
        tmp_path / "d.sqlite3", "SELECT subspans.key, subspans.note, name FROM subspans NATURAL JOIN subspan_rows"
    )
    assert sorted(rows, key=str) == [("1", "inferred", "1"), ("1", None, 9)]
