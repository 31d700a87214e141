"""The ids of spans by their uuids: where there are many, most of them in arrays, which take a quarter of the memory."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from struct import iter_unpack

IN_MEMORY = 500_000
"""Spans that are kept in a dictionary, where one takes some 150 bytes; in arrays it takes 40."""

SPACE = 3
"""Places in the table for each span, at least: with fewer, searches go on for longer."""

_WIDTH = 16
"""Bytes of a uuid."""

_NONE = -1


class SpanIds:
    """A mapping of uuids to ids, of which a dictionary holds the latest, up to ``IN_MEMORY``."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all spans, and give back their memory."""
        self._recent: dict[bytes, int] = {}
        self._others: dict[bytes, int] = {}
        """Of keys that somebody wrote by hand, which may have any length."""
        # A hash table with open addressing: what is at the place that a uuid's hash says, or at the next that is
        # free, is the number of its span in the other two.
        self._table = array("i", [_NONE])
        self._uuids, self._ids = bytearray(), array("q")

    def update(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        """Add spans that are not known yet."""
        self._recent.update(pairs)
        if len(self._recent) > IN_MEMORY:
            self._put_away()

    def isdisjoint(self, uuids: Collection[bytes]) -> bool:
        """Tell whether none of some spans is known."""
        if not self._recent.keys().isdisjoint(uuids):
            return False
        return not (self._ids or self._others) or all(self._away(uuid) is None for uuid in uuids)

    def get(self, uuid: bytes) -> int | None:
        """Return the id of a span, or None where it is not known."""
        found = self._recent.get(uuid)
        return self._away(uuid) if found is None else found

    def _away(self, uuid: bytes) -> int | None:
        """Return the id of a span that is not in the dictionary of the latest."""
        table, mask = self._table, len(self._table) - 1
        place = hash(uuid) & mask
        while (number := table[place]) != _NONE:
            if self._uuids[_WIDTH * number : _WIDTH * (number + 1)] == uuid:
                return self._ids[number]
            place = (place + 1) & mask
        return self._others.get(uuid)

    def _put_away(self) -> None:
        known = len(self._ids)
        for uuid, span in self._recent.items():
            if len(uuid) == _WIDTH:
                self._uuids += uuid
                self._ids.append(span)
            else:
                self._others[uuid] = span
        self._recent = {}
        size = len(self._table)
        while size < SPACE * len(self._ids):
            size *= 2
        if size > len(self._table):
            self._table, known = array("i", [_NONE]) * size, 0
        self._enter(known)

    def _enter(self, first: int) -> None:
        """Put the spans from this number on into the table."""
        table, mask = self._table, len(self._table) - 1
        uuids = iter_unpack(f"{_WIDTH}s", memoryview(self._uuids)[_WIDTH * first :])
        for number, (uuid,) in enumerate(uuids, first):
            place = hash(uuid) & mask
            while table[place] != _NONE:
                place = (place + 1) & mask
            table[place] = number
