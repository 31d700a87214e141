"""Spans by what names them, in little memory: most are named by numbers, which nearly all lie close together."""

from __future__ import annotations

from array import array
from typing import Generic, TypeVar

from importers.keys import LONGEST_NUMBER

Name = TypeVar("Name", str, bytes)

RECENT = 100_000
"""Names that were used lately and are found fastest: one takes some 150 bytes."""

PAGE = 64
"""Numbers whose spans are kept together, in 8 bytes each."""

NONE = -1
"""Stands for no span."""


class SpanNumbers(dict[Name, int], Generic[Name]):
    """The number of the span that a name has, ``NONE`` for a name without one: ``spans[name]``.

    As a dictionary, it holds the names that were used lately. Of the others, those that are numbers as Python writes
    them take some 10 bytes where their neighbours are there, too; the rest take what a dictionary takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pages: dict[int, array[int]] = {}
        self._others: dict[Name, int] = {}

    def __missing__(self, name: Name) -> int:
        span = self._away(name) if self._pages or self._others else NONE
        if span != NONE:
            self.add(name, span)
        return span

    def add(self, name: Name, span: int) -> None:
        """Give a name its span."""
        self[name] = span
        if len(self) >= RECENT:
            self._put_all_away()

    def _away(self, name: Name) -> int:
        """Return the span of a name that is not held as a dictionary, ``NONE`` where there is none."""
        number = _number(name)
        if number is None:
            return self._others.get(name, NONE)
        page = self._pages.get(number // PAGE, _EMPTY)
        return page[number % PAGE]

    def _put_all_away(self) -> None:
        for name, span in self.items():
            number = _number(name)
            if number is None:
                self._others[name] = span
                continue
            page = self._pages.get(number // PAGE)
            if page is None:
                page = self._pages[number // PAGE] = _EMPTY[:]
            page[number % PAGE] = span
        self.clear()


_EMPTY = array("q", [NONE]) * PAGE


def _number(name: str | bytes) -> int | None:
    """Return the number that a name is; None where it is none, or is written with zeros ahead."""
    if not (name.isdigit() and name.isascii() and len(name) <= LONGEST_NUMBER):
        return None
    number = int(name)
    return number if len(str(number)) == len(name) else None
