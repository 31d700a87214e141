"""Spans in little space: what is kept of them, and the view that shows them as if it were a table."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from importers import schema
from importers.attribute_texts import AttributeTexts
from importers.keys import surrogate_key, uuid_bytes, uuid_text
from tests.benchmarks.workqueue_log import write_log
from tests.imports import import_logs, opened
from tests.runs import DATA


@pytest.fixture
def empty() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        schema.create_tables(conn)
        schema.create_indexes(conn)
        yield conn


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spans")
    import_logs(folder / "dnpc.sqlite3", DATA / "runinfo", write_log(folder / "transaction_log", 300))
    return folder / "dnpc.sqlite3"


def joined(conn: sqlite3.Connection, kept: list[tuple[int | None, str | None]]) -> list[str | None]:
    """Put together in Python what is kept of attributes."""
    common = {number: columns for number, *columns in conn.execute("SELECT * FROM attribute_texts")}
    found = []
    for shared, own in kept:
        if shared is not None:
            head, tail, *between = common[shared]
            for place, text in enumerate(between, start=1):
                own = (own or "").replace(chr(place), text)
            own = head + (own or "") + tail
        found.append(own)
    return found


def text(**attributes: object) -> str:
    return json.dumps(attributes)


TEXTS: dict[str, list[str | None]] = {
    "none": [None, None],
    "alike": [text(app="work", host="node-1")] * 3 + [None],
    "numbers": [text(app="work", size=number / 7, cores=4, host="node-1") for number in range(20)],
    "other numbers beside them": [text(app="work", size=number / 7, cores=8, host="node-1") for number in range(20)],
    "numbers at both ends": [text(a=number, app="an app of mine", b=number * 3) for number in range(20)],
    "one number in another": [text(app="a long name", size=1), text(app="a long name", size=11)],
    "negative and exponents": [text(app="work", size=x, host="node-1") for x in (-1.5e-7, 2e-05, 1.5, -1.5, 15, 0)],
    "in a name": [text(app="work", **{f"size {number}": 1}) for number in range(5)],
    "in a text": [text(app="work", said=f"a {n}, b {n}}} '\" \\ é ☃ {n}") for n in range(5)],
    "nothing in common": [text(a=1), text(b="x"), "{}", text(c=None)],
    "short": [text(a=number) for number in range(9)],
    "many numbers": [text(first_measured=n / 7, second_measured=n / 3, third=n, fourth_of_them=-n) for n in range(9)],
    "names with numbers": [text(size_of_1_file=n / 7, size_of_2_files=n / 3, size_of_1_more=n) for n in range(9)],
    "what stands for others": [f"more work of mine {n}\x01 {n}, and some more {n}" for n in range(3)],
    "ends that overlap": [text(a=[1] * number, app="work of mine") for number in range(1, 6)],
}


@pytest.mark.parametrize("name", TEXTS)
def test_attributes_are_what_they_were(empty: sqlite3.Connection, name: str) -> None:
    texts = AttributeTexts(empty)
    assert joined(empty, texts.share(TEXTS[name])) == TEXTS[name]
    # What was learnt from those holds for later ones, or is learnt anew.
    for later in TEXTS.values():
        assert joined(empty, texts.share(later)) == later


def test_what_attributes_have_in_common_is_kept_once(empty: sqlite3.Connection) -> None:
    texts = AttributeTexts(empty)
    sizes = [text(app="work", host="node-1", size=number / 7, unit="MB") for number in range(1000)]
    whole = text(app="another", host="node-2")
    kept = texts.share([*sizes[:500], whole, whole])
    kept += AttributeTexts(empty).share([*sizes[500:], whole, whole])
    rows = empty.execute("SELECT head, tail FROM attribute_texts ORDER BY head").fetchall()
    assert rows == [(whole, ""), ('{"app": "work", "host": "node-1", "size": ', ', "unit": "MB"}')]
    own = [own for _shared, own in kept if own is not None]
    assert own == [repr(number / 7) for number in range(1000)]


def test_what_is_between_numbers_is_kept_once(empty: sqlite3.Connection) -> None:
    """The three longest of what is there; the next shorter one stays with each."""
    sizes = [
        text(a=n, of_all=n / 7, of_some_files=n / 3, of_each_of_them=n / 9, another=n, app="work") for n in range(9)
    ]
    kept = AttributeTexts(empty).share(sizes)
    columns = "head, tail, first, second, third"
    assert empty.execute(f"SELECT {columns} FROM attribute_texts").fetchall() == [
        ('{"a": ', ', "app": "work"}', ', "of_each_of_them": ', ', "of_some_files": ', ', "another": ')
    ]
    assert [own for _shared, own in kept] == [f'{n}, "of_all": {n / 7}\x02{n / 3}\x01{n / 9}\x03{n}' for n in range(9)]
    assert joined(empty, kept) == sizes


def test_no_number_is_divided(empty: sqlite3.Connection) -> None:
    """Else each part of a log, in which other digits happen to be the same, would have an end of its own."""
    texts = AttributeTexts(empty)
    for first in (100, 200, 300):
        texts.share([text(app="work", size=first + number, host="node-1") for number in range(0, 100, 10)])
    rows = empty.execute("SELECT head, tail FROM attribute_texts").fetchall()
    assert rows == [('{"app": "work", "size": ', ', "host": "node-1"}')]


def test_what_was_kept_once_is_known_in_later_parts_of_a_log(empty: sqlite3.Connection) -> None:
    texts = AttributeTexts(empty)
    whole = text(app="another", host="node-2")
    sizes = [text(app="work", host="node-1", size=number) for number in range(4)]
    loads = [text(app="work", load=number, host="node-1") for number in range(4)]
    assert len({shared for shared, _own in texts.share([whole, whole, *sizes[:2], *loads[:2]])}) == 3
    # Of each a single one, which has nothing beside it to be compared with.
    (one, size, load) = texts.share([whole, sizes[2], loads[2]])
    assert one[1] is None and (size[1], load[1]) == ("2", "2")
    assert joined(empty, [one, size, load]) == [whole, sizes[2], loads[2]]
    # Where what was in common is no longer so, it is found anew, for as few as two.
    moved = [text(app="work", host="node-2", size=number) for number in (3, 4)]
    kept = texts.share(moved)
    assert [own for _shared, own in kept] == ["3", "4"] and joined(empty, kept) == moved
    assert empty.execute("SELECT count(*) FROM attribute_texts").fetchone() == (4,)


@pytest.mark.parametrize("length", [15, 16])
def test_what_is_too_short_to_be_kept_apart(empty: sqlite3.Connection, length: int) -> None:
    same, numbered = "x" * length, [f"{'y' * (length - 1)} {number}" for number in (1, 2)]
    kept = AttributeTexts(empty).share([same, same, *numbered])
    assert {shared is None for shared, _own in kept} == {length < 16}
    assert joined(empty, kept) == [same, same, *numbered]


def test_texts_of_which_one_begins_with_the_other(empty: sqlite3.Connection) -> None:
    both = [f"{'x' * 20} 1", f"{'x' * 20} 12"]
    kept = AttributeTexts(empty).share(both)
    assert joined(empty, kept) == both and [own for _shared, own in kept] == ["1", "12"]


@pytest.mark.parametrize("parts", [("t", "run", "17"), ("t", "run"), ("t", "é", "a/b"), ("parsl.try", "r", 1)])
def test_uuid_is_kept_as_two_numbers(empty: sqlite3.Connection, parts: tuple[str | int, ...]) -> None:
    uuid = surrogate_key(*parts)
    assert uuid_text(uuid_bytes(uuid)) == uuid
    high, low = (int.from_bytes(uuid_bytes(uuid)[place : place + 8], "big", signed=True) for place in (0, 8))
    empty.execute("INSERT INTO span_rows (uuid_high, uuid_low, type, key) VALUES (?, ?, 1, '')", [high, low])
    assert empty.execute("SELECT uuid, typeof(uuid) FROM spans").fetchall() == [(uuid, "text")]
    assert empty.execute("SELECT count(*) FROM spans WHERE uuid = ?", [uuid]).fetchone() == (1,)


@pytest.mark.parametrize("high", [0, 1, -1, 1 << 62, -(1 << 63)])
def test_halves_of_any_size(empty: sqlite3.Connection, high: int) -> None:
    for low in (0, 1, -1, -(1 << 63), (1 << 63) - 1):
        empty.execute("INSERT INTO span_rows (uuid_high, uuid_low, type, key) VALUES (?, ?, 1, '')", [high, low])
        wanted = uuid_text(high.to_bytes(8, "big", signed=True) + low.to_bytes(8, "big", signed=True))
        assert empty.execute("SELECT uuid FROM spans ORDER BY id DESC LIMIT 1").fetchone() == (wanted,)


def test_bytes_of_what_is_no_uuid() -> None:
    assert uuid_bytes("u1") == b"u1"
    assert uuid_bytes("ab") == b"ab"
    assert len(uuid_bytes(surrogate_key("a"))) == 16


COLUMNS = "id, uuid, type, run, key, began, ended, attributes, note"


def test_spans_are_written_to_like_a_table(empty: sqlite3.Connection) -> None:
    row = (7, surrogate_key("a"), 1, 2, "k", 1.5, 2.5, '{"a": 1}', "said")
    empty.execute(f"INSERT INTO spans ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert empty.execute("SELECT * FROM spans").fetchall() == [row]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        empty.execute(f"INSERT INTO spans ({COLUMNS}) VALUES (8, ?, ?, ?, ?, ?, ?, ?, ?)", row[1:])
    empty.execute("INSERT INTO spans (uuid, type, key) VALUES ('u', 1, 'x')")
    assert empty.execute("SELECT * FROM spans WHERE uuid = 'u'").fetchall() == [(8, "u", 1, *(None, "x"), *[None] * 4)]
    later = (9, surrogate_key("b"), 3, 4, "l", 2.5, 3.5, '{"b": 2}', None)
    changes = ", ".join(f"{name} = ?" for name in COLUMNS.split(", "))
    empty.execute(f"UPDATE spans SET {changes} WHERE id = 7", later)
    assert empty.execute("SELECT * FROM spans WHERE uuid = ?", [later[1]]).fetchall() == [later]
    empty.execute("DELETE FROM spans WHERE key = 'l'")
    assert empty.execute("SELECT id FROM spans").fetchall() == [(8,)]


def test_changed_attributes_change_those_of_no_other_span(empty: sqlite3.Connection) -> None:
    shared = '{"app": "work", "host": "node-1"}'
    [(number, own), _other] = AttributeTexts(empty).share([shared, shared])
    for key in "ab":
        empty.execute(
            "INSERT INTO span_rows (type, uuid_high, attributes_shared, attributes_own, key) VALUES (1, ?, ?, ?, ?)",
            [key, number, own, key],
        )
    empty.execute("UPDATE spans SET ended = 1 WHERE key = 'a'")
    assert empty.execute("SELECT attributes_shared FROM span_rows").fetchall() == [(number,), (number,)]
    empty.execute("UPDATE spans SET attributes = json_set(attributes, '$.app', 'other') WHERE key = 'a'")
    found = dict(empty.execute("SELECT key, attributes FROM spans"))
    assert json.loads(found["a"]) == {"app": "other", "host": "node-1"} and found["b"] == shared


LOOKUPS = {
    "uuid = ?": "spans_uuid",
    "type = ?": "spans_type_run_key",
    "run = ? AND type = ?": "spans_type_run_key",
    "run = ? AND type = ? AND key = ?": "spans_type_run_key",
    "id = ?": "INTEGER PRIMARY KEY",
}


@pytest.mark.parametrize("where", LOOKUPS)
@pytest.mark.parametrize("loops", ["spans", "facets LEFT JOIN spans ON spans.id = facets.left"])
def test_lookups_use_an_index(database: Path, where: str, loops: str) -> None:
    condition = " AND ".join(f"spans.{part}" for part in where.split(" AND "))
    with opened(database) as conn:
        plan = conn.execute(
            f"EXPLAIN QUERY PLAN SELECT spans.* FROM {loops} WHERE {condition}", ["x"] * where.count("?")
        ).fetchall()
    searched = [row[3] for row in plan if "span_rows" in row[3]]
    assert len(searched) == 1 and searched[0].startswith("SEARCH")
    if loops == "spans":
        assert LOOKUPS[where] in searched[0]


def test_one_of_many_runs_is_found_by_an_index(empty: sqlite3.Connection) -> None:
    """The type comes first in the index; ANALYZE, which ends each import, tells that there are few."""
    spans = [(f"{run} {number}", number % 5, run, str(number)) for run in range(50) for number in range(100)]
    empty.executemany("INSERT INTO spans (uuid, type, run, key) VALUES (?, ?, ?, ?)", spans)
    empty.execute("PRAGMA analysis_limit = 400")
    empty.execute("ANALYZE")
    [first, *_rest] = empty.execute("EXPLAIN QUERY PLAN SELECT * FROM spans WHERE run = 7").fetchall()
    assert first[3] == "SEARCH span_rows USING INDEX spans_type_run_key (ANY(type) AND run=?)"


def test_joins_by_uuid_use_an_index(database: Path) -> None:
    sql = "SELECT * FROM span JOIN event ON event.span_uuid = span.uuid WHERE span.uuid = ?"
    with opened(database) as conn:
        plan = [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {sql}", ["x"])]
    assert not [line for line in plan if line.startswith("SCAN") or "AUTOMATIC" in line]


def test_pages_of_a_new_database_are_full(database: Path, tmp_path: Path) -> None:
    import_logs(tmp_path / "wq.db", write_log(tmp_path / "transaction_log", 2000))
    with opened(tmp_path / "wq.db") as conn:
        (events,) = conn.execute("SELECT count(*) FROM events").fetchone()
        (free,) = conn.execute("SELECT freelist_count FROM pragma_freelist_count").fetchone()
        pages, size = conn.execute("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").fetchone()
        try:
            filled = conn.execute(
                # Beside its payload, each row takes 3 bytes of a page at least.
                """SELECT min(filled) FROM (
                   SELECT (sum(payload) + 3 * sum(ncell)) / (sum(pgsize) + 0.0) AS filled FROM dbstat
                   WHERE name IN ('events', 'subspan_rows') GROUP BY name)"""
            ).fetchone()[0]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
    # An eighth less where rows were put into the tables one after the other.
    assert filled > 0.9
    assert free < pages / 50
    assert pages * size / events < 100


def test_an_import_adds_to_attributes_that_are_shared(tmp_path: Path) -> None:
    log = write_log(tmp_path / "whole" / "transaction_log", 300)
    lines = log.read_bytes().splitlines(keepends=True)
    part = tmp_path / "part" / "transaction_log"
    part.parent.mkdir()
    for end in (len(lines) // 3, len(lines) // 2, len(lines)):
        part.write_bytes(b"".join(lines[:end]))
        import_logs(tmp_path / "part.db", part)
    import_logs(tmp_path / "whole.db", log)
    found = []
    for name in ("part.db", "whole.db"):
        with opened(tmp_path / name) as conn:
            rows = conn.execute("SELECT uuid, attributes FROM spans")
            found.append({uuid: json.loads(attributes) for uuid, attributes in rows if attributes})
            (sharing,) = conn.execute("SELECT count(attributes_shared) FROM span_rows").fetchone()
            assert sharing > 1500
    assert found[0] == found[1]
