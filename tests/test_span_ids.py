"""The ids of spans by their uuids: all are found, wherever they are kept, and they take little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from importers import span_ids
from importers.span_ids import SpanIds


def uuids(numbers: Iterable[int]) -> dict[bytes, int]:
    """Return some keys with their ids: uuids that differ little, and keys of other lengths."""
    return {n.to_bytes(16, "big") if n % 5 else b"key %d" % n: 7 * n for n in numbers}


@pytest.mark.parametrize("in_memory", [0, 3, 100, 10_000])
def test_every_uuid_has_its_id(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(span_ids, "IN_MEMORY", in_memory)
    ids = SpanIds()
    expected: dict[bytes, int] = {}
    for start in range(0, 2000, 40):
        new = uuids(n * 7 % 2000 for n in range(start, start + 40))
        assert ids.isdisjoint(list(new)) and not (expected and ids.isdisjoint([*new, max(expected)]))
        ids.update(new.items())
        expected |= new
        assert ids.get(b"another") is None and ids.get(bytes(16)) is None
    assert {uuid: ids.get(uuid) for uuid in expected} == expected == uuids(range(2000))
    assert all(not ids.isdisjoint([uuid]) for uuid in expected)
    ids.clear()
    assert ids.isdisjoint(expected)
    ids.update([(b"another", 7)])
    assert ids.get(b"another") == 7 and ids.get(max(expected)) is None


def test_ids_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_ids, "IN_MEMORY", 1000)
    ids = SpanIds()
    tracemalloc.start()
    for start in range(0, 20_000, 500):
        ids.update((i.to_bytes(16, "big"), i) for i in range(start, start + 500))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids.get((7).to_bytes(16, "big")) == 7
    # As a dictionary they would take 20 000 times 150 bytes, and more.
    assert held < 20_000 * 45 + 1000 * 150


@pytest.mark.parametrize("known", [bytes(16), b"by hand"])
def test_what_is_put_away_is_known_whatever_its_length(monkeypatch: pytest.MonkeyPatch, known: bytes) -> None:
    monkeypatch.setattr(span_ids, "IN_MEMORY", 0)
    ids = SpanIds()
    ids.update([(known, 7)])
    assert not ids.isdisjoint([b"another", known]) and ids.get(known) == 7
    assert ids.isdisjoint([b"another"]) and ids.get(b"another") is None
