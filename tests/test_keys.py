"""Surrogate keys: unambiguous, and the same wherever they are made."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasette_dnpc.sql_functions import register
from importers.keys import (
    LONGEST_NUMBER,
    NAMESPACE,
    KeyPrefix,
    Part,
    encode_part,
    number_of,
    surrogate_key,
    uuid_bytes,
    uuid_text,
    uuids_of,
)

# Any text: NUL, and the lone surrogates by which Python stands for bytes that are no UTF-8.
TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.none(),
    TEXT,
    INTEGERS,
    st.floats(allow_nan=False),
    st.binary(max_size=20),
    st.sampled_from(["", "0", "n", "s1:a"]),
)
LISTS = st.lists(PARTS, max_size=5)


def meaning(part: Part) -> tuple[str, object]:
    """Say when two parts are the same: by kind, and numbers as their text."""
    if part is None:
        return ("null", None)
    if isinstance(part, bytes):
        return ("bytes", part)
    if isinstance(part, float) and part.is_integer():
        return ("text", str(int(part)))
    return ("text", str(part))


def encoding(parts: list[Part]) -> bytes:
    return b"".join(map(encode_part, parts))


@pytest.fixture(scope="module")
def conn() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as conn:
        register(conn)
        yield conn


@settings(deadline=None)
@given(LISTS, LISTS)
def test_encodings_are_equal_just_where_the_parts_are(left: list[Part], right: list[Part]) -> None:
    same = list(map(meaning, left)) == list(map(meaning, right))
    assert (encoding(left) == encoding(right)) == same
    assert (surrogate_key(*left) == surrogate_key(*right)) == same


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4), st.data())
def test_moving_the_border_between_parts_changes_the_key(texts: list[str], data: st.DataObject) -> None:
    whole = "".join(texts)
    cut = data.draw(st.integers(0, len(whole)))
    other = [whole[:cut], whole[cut:]]
    assert (encoding([*texts]) == encoding([*other])) == (texts == other)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("a", "bc"), ("ab", "c")),
        ((None,), ("",)),
        ((None,), ()),
        (("",), ()),
        (("n",), (None,)),
        (("a", ""), ("a",)),
        (("a", None), ("a",)),
        (("s1:as1:b",), ("a", "b")),
        ((b"a",), ("a",)),
        ((b"1",), (1,)),
        (("é",), (b"\xc3\xa9",)),
        (("1.5",), ("1.50",)),
        (("a",), ("A",)),
        (("\0",), ("",)),
        (("\ud800",), ("\udfff",)),
        (("é",), ("e\N{COMBINING ACUTE ACCENT}",)),
    ],
)
def test_different_parts_have_different_keys(left: tuple[Part, ...], right: tuple[Part, ...]) -> None:
    assert encoding([*left]) != encoding([*right])
    assert surrogate_key(*left) != surrogate_key(*right)


@settings(deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_a_number_is_the_same_part_as_its_text(number: int) -> None:
    assert surrogate_key("t", number) == surrogate_key("t", str(number)) == surrogate_key("t", float(number))


@settings(deadline=None)
@given(LISTS)
def test_a_key_is_a_version_5_uuid_of_the_encoding(parts: list[Part]) -> None:
    key = surrogate_key(*parts)
    found = uuid.UUID(key)
    assert (str(found), found.version, found.variant) == (key, 5, uuid.RFC_4122)
    digest = hashlib.sha1(NAMESPACE + encoding(parts), usedforsecurity=False).digest()
    assert found == uuid.UUID(bytes=digest[:16], version=5)


@settings(deadline=None)
@given(TEXT)
def test_a_key_of_text_is_what_the_standard_library_makes(text: str) -> None:
    name = encode_part(text)
    digest = hashlib.sha1(NAMESPACE + name, usedforsecurity=False).digest()
    assert surrogate_key(text) == str(uuid.UUID(bytes=digest[:16], version=5))
    if name.isascii():
        assert surrogate_key(text) == str(uuid.uuid5(uuid.UUID(bytes=NAMESPACE), name.decode()))


@settings(deadline=None)
@given(LISTS, LISTS, LISTS)
def test_a_prefix_gives_the_keys_of_the_whole(prefix: list[Part], first: list[Part], second: list[Part]) -> None:
    made = KeyPrefix(*prefix)
    assert made(*first) == surrogate_key(*prefix, *first)
    # A prefix is used many times: one key must not change the next.
    assert made(*second) == surrogate_key(*prefix, *second)
    assert made(*first) == surrogate_key(*prefix, *first)


@settings(deadline=None)
@given(parts=LISTS)
def test_sql_gives_the_same_key(conn: sqlite3.Connection, parts: list[Part]) -> None:
    # SQLite has no text with lone surrogates: sqlite3 refuses to hand it over.
    storable = [part.encode("utf-8", "replace").decode() if isinstance(part, str) else part for part in parts]
    marks = ", ".join("?" * len(storable))
    assert conn.execute(f"SELECT surrogate_key({marks})", storable).fetchone()[0] == surrogate_key(*storable)


def test_columns_and_literals_of_sql_give_the_same_key(conn: sqlite3.Connection) -> None:
    expected = surrogate_key("parsl.monitoring.try", "run", 12, 0)
    for literals in ("'run', 12, 0", "'run', '12', '0'", "'run', 12.0, 0.0"):
        assert conn.execute(f"SELECT surrogate_key('parsl.monitoring.try', {literals})").fetchone() == (expected,)
    assert conn.execute("SELECT surrogate_key(NULL) = surrogate_key('')").fetchone() == (0,)


def test_keys_never_change() -> None:
    """Databases made by different versions of dnpc join by key."""
    assert surrogate_key() == "80f44f84-26bf-59c5-a0c5-e75b86c5a517"
    assert surrogate_key("parsl.monitoring.try", "run", 12, None) == "50787eea-1b7d-5de2-8825-15b870ce5cf0"
    # Worked out by hand: each part is its kind, its length and its bytes.
    named: dict[bytes, tuple[Part, ...]] = {
        b"s1:ab2:\xff\0n": ("a", b"\xff\0", None),
        b"s2:\xc3\xa9s3:1.5s2:-1": ("é", 1.5, -1.0),
    }
    for encoded, parts in named.items():
        digest = hashlib.sha1(NAMESPACE + encoded, usedforsecurity=False).digest()
        assert surrogate_key(*parts) == str(uuid.UUID(bytes=digest[:16], version=5))


@settings(deadline=None)
@given(LISTS, st.lists(st.one_of(TEXT, st.text("abc/:0189", max_size=9)), max_size=3))
def test_the_key_of_texts_after_a_prefix(prefix: list[Part], texts: list[str]) -> None:
    assert uuid_text(uuids_of([KeyPrefix(*prefix).digest(*texts)])[0]) == surrogate_key(*prefix, *texts)


def test_a_machine_that_forbids_sha1_for_security(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys protect nothing, so that Pythons in FIPS mode make them too."""
    sha1 = hashlib.sha1

    def guarded(data: bytes, *, usedforsecurity: bool = True) -> object:
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return sha1(data, usedforsecurity=False)

    expected = surrogate_key("a", 1)
    monkeypatch.setattr(hashlib, "sha1", guarded)
    assert KeyPrefix("a")(1) == expected


@given(st.lists(st.text(max_size=5), max_size=6))
def test_many_keys_at_once_are_those_of_each(texts: list[str]) -> None:
    prefix = KeyPrefix("type", "run")
    found = uuids_of([prefix.digest(text) for text in texts])
    assert [uuid_text(one) for one in found] == [surrogate_key("type", "run", text) for text in texts]
    assert [uuid.UUID(bytes=one).version for one in found] == [5] * len(texts)


@given(st.binary(min_size=16, max_size=16))
def test_the_bytes_of_a_uuid_give_its_text_and_back(uuid: bytes) -> None:
    assert uuid_bytes(uuid_text(uuid)) == uuid


@pytest.mark.parametrize("text", ["", "task", "0123", "ab" * 17, "é\ud800"])
def test_a_text_that_is_no_uuid_is_its_own_bytes(text: str) -> None:
    assert uuid_bytes(text) == text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("part", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("12", 12),
        ("9" * LONGEST_NUMBER, 10**18 - 1),
        ("9" * (LONGEST_NUMBER + 1), None),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("a", None),
    ],
)
def test_numbers_of_keys(part: str, number: int | None) -> None:
    """Any number of so many digits is one that SQLite keeps as such: it has 63 bits."""
    assert number_of(part) == number
    assert 10**LONGEST_NUMBER < 2**63 < 10 ** (LONGEST_NUMBER + 1)
