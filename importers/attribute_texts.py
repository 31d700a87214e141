"""Attributes in little space: what those of many spans have in common is kept once."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Kept = tuple[int | None, str | None]
"""What a span's row has of its attributes: the id of what it shares, and what is its own. See ``schema``."""

_SHORTEST = 16
"""Characters that must be in common to be kept apart: below that it saves nothing."""

_NUMBERS = dict.fromkeys(map(ord, "0123456789.+-"))
"""What attributes that are alike may differ in, deleted."""

_BETWEEN = re.compile(r"[^0-9.+-]{8,200}")
"""What is worth a mark where it is between two numbers."""

_MARKS = "\x01\x02\x03"
"""What stands in a span's own text for what is shared between its numbers: in JSON, these are written otherwise."""


class Common(NamedTuple):
    """What texts have in common: what they begin and end with, and what each of the marks stands for."""

    head: str
    tail: str = ""
    first: str = ""
    second: str = ""
    third: str = ""

    def own(self, text: str) -> str:
        """Return what is a text's own, of one that has this head and tail."""
        own = text[len(self.head) : len(text) - len(self.tail)]
        for mark, between in zip(_MARKS, self[2:], strict=True):
            if between:
                own = own.replace(between, mark)
        return own


class AttributeTexts:
    """The table of what attributes have in common.

    A text that several spans have is kept whole. Of others that only differ in numbers, such as sizes and times,
    what comes before the first difference and after the last is kept once, and the three longest texts between.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._ids: dict[Common, int] = {}
        self._common: dict[str, Common] = {}
        """By texts without their numbers."""

    def share(self, texts: Sequence[str | None]) -> list[Kept]:
        """Return what is to be kept of the attributes of each span, given as JSON text; None where it has none."""
        times = Counter(texts)
        kept: dict[str | None, Kept] = {None: (None, None)}
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for text, count in times.items():
            if text is None:
                continue
            if Common(text) in self._ids or (count > 1 and len(text) >= _SHORTEST):
                kept[text] = (self._id(Common(text)), None)
            else:
                alike[text.translate(_NUMBERS)].append(text)
        for likeness, members in alike.items():
            kept.update(self._parted(likeness, members))
        return [kept[text] for text in texts]

    def _parted(self, likeness: str, members: list[str]) -> Iterable[tuple[str, Kept]]:
        """Return what is to be kept of each of these texts, which only differ in numbers."""
        common = self._common.get(likeness, Common(""))
        if not all(text.startswith(common.head) and text.endswith(common.tail) for text in members):
            common = Common("")
        if not common.head and len(members) > 1:
            self._common[likeness] = common = _common(members)
        if len(common.head) + len(common.tail) < _SHORTEST or any(mark in likeness for mark in _MARKS):
            return [(text, (None, text)) for text in members]
        shared = self._id(common)
        return [(text, (shared, common.own(text))) for text in members]

    def _id(self, common: Common) -> int:
        if common not in self._ids:
            columns = ", ".join(common._fields)
            self._conn.execute(f"INSERT OR IGNORE INTO attribute_texts ({columns}) VALUES (?, ?, ?, ?, ?)", common)
            found = self._conn.execute(f"SELECT id FROM attribute_texts WHERE ({columns}) = (?, ?, ?, ?, ?)", common)
            self._ids[common] = found.fetchone()[0]
        return self._ids[common]


def _common(texts: Sequence[str]) -> Common:
    """Return what texts have in common that only differ in numbers, without a part of a number."""
    head, tail = _beginning(texts), _beginning([text[::-1] for text in texts])[::-1]
    begins = re.search("[,}]", tail)
    ends = Common(head[: head.rfind(" ") + 1], tail[begins.start() :] if begins else "")
    between = dict.fromkeys(_BETWEEN.findall(ends.own(texts[0])))
    return Common(*ends[:2], *sorted(between, key=len, reverse=True)[: len(_MARKS)])


def _beginning(texts: Sequence[str]) -> str:
    """Return what all of some texts, not all the same, begin with: that is what the first and last in order do."""
    first, last = min(texts), max(texts)
    differs = next((place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    return first[:differs]
