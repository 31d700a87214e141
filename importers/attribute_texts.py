"""Attributes in little space: what those of many spans have in common is kept once."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Kept = tuple[int | None, str | None]
"""What a span's row has of its attributes: the id of what it shares, and what is its own. See ``schema``."""

_SHORTEST = 16
"""Characters that must be in common to be kept apart: below that it saves nothing."""

_NUMBERS = dict.fromkeys(map(ord, "0123456789.+-"))
"""What attributes that are alike may differ in, deleted."""


class AttributeTexts:
    """The table of what attributes have in common.

    A text that several spans have is kept whole. Of others that only differ in numbers, such as sizes and times,
    what comes before the first difference and after the last is kept once.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._ids: dict[tuple[str, str], int] = {}
        self._ends: dict[str, tuple[str, str]] = {}
        """Head and tail for texts without their numbers."""

    def share(self, texts: Sequence[str | None]) -> list[Kept]:
        """Return what is to be kept of the attributes of each span, given as JSON text; None where it has none."""
        times = Counter(texts)
        kept: dict[str | None, Kept] = {None: (None, None)}
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for text, count in times.items():
            if text is None:
                continue
            if (text, "") in self._ids or (count > 1 and len(text) >= _SHORTEST):
                kept[text] = (self._id(text, ""), None)
            else:
                alike[text.translate(_NUMBERS)].append(text)
        for likeness, members in alike.items():
            kept.update(self._parted(likeness, members))
        return [kept[text] for text in texts]

    def _parted(self, likeness: str, members: list[str]) -> Iterable[tuple[str, Kept]]:
        """Return what is to be kept of each of these texts, which only differ in numbers."""
        head, tail = self._ends.get(likeness, ("", ""))
        if not all(text.startswith(head) and text.endswith(tail) for text in members):
            head, tail = "", ""
        if not head and len(members) > 1:
            self._ends[likeness] = head, tail = _common(members)
        if len(head) + len(tail) < _SHORTEST:
            return [(text, (None, text)) for text in members]
        shared = self._id(head, tail)
        return [(text, (shared, text[len(head) : len(text) - len(tail)])) for text in members]

    def _id(self, head: str, tail: str) -> int:
        ends = (head, tail)
        if ends not in self._ids:
            self._conn.execute("INSERT OR IGNORE INTO attribute_texts (head, tail) VALUES (?, ?)", ends)
            found = self._conn.execute("SELECT id FROM attribute_texts WHERE head = ? AND tail = ?", ends)
            self._ids[ends] = found.fetchone()[0]
        return self._ids[ends]


def _common(texts: Sequence[str]) -> tuple[str, str]:
    """Return what texts begin and end with that only differ in numbers, without a part of a number."""
    head, tail = _beginning(texts), _beginning([text[::-1] for text in texts])[::-1]
    begins = re.search("[,}]", tail)
    return head[: head.rfind(" ") + 1], tail[begins.start() :] if begins else ""


def _beginning(texts: Sequence[str]) -> str:
    """Return what all of some texts, not all the same, begin with: that is what the first and last in order do."""
    first, last = min(texts), max(texts)
    differs = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[:differs]
