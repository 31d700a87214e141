"""Many regular expressions joined into one that compares where they begin alike once."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(
    rb"\\x[\da-fA-F]{2}|\\\d{1,3}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<repeat>(?:[*+?]|\{[\d,]+\})\??)|.", re.DOTALL
)

MARK = b"()"
"""Tells by its number which of some regular expressions has matched: a group without text."""


def unnamed(regex: bytes) -> bytes:
    """Return a regular expression without the names of its groups."""
    return re.sub(rb"\(\?P<\w+>", b"(?:", regex)


def bounded(regex: bytes) -> bytes:
    """Return a regular expression whose repetitions end after 4096 times, so that none runs on to the end of a text."""
    most = {b"*": b"{0,4096}", b"+": b"{1,4096}"}
    return b"".join(most.get(token[0][:1], token[0][:1]) + token[0][1:] for token in _PART.finditer(regex))


def parts(regex: bytes) -> list[bytes]:
    """Split a regular expression into what stands one after the other: characters, classes, groups, as repeated."""
    found: list[bytes] = []
    depth = 0
    for token in _PART.finditer(regex):
        if depth or token["repeat"]:
            found[-1] += token[0]
        else:
            found.append(token[0])
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
    return found


def alternatives(regexes: Iterable[bytes | list[bytes]]) -> bytes:
    """Return a regular expression that matches where any of some does, and where they begin alike compares that once.

    They have no named groups, and no alternatives outside groups; each may be given by its ``parts``. Where one begins
    as another one is, the shorter decides.
    """
    tree = _Node()
    for regex in regexes:
        node = tree
        for part in [*(parts(regex) if isinstance(regex, bytes) else regex), b""]:
            node = node.anywhere(part)
    return tree.joined()


def marked(regexes: Iterable[bytes]) -> bytes:
    """Return a regular expression that matches where any of some does; ``MARK`` tells which: the first that does.

    Where that is the first of them, ``lastindex`` of the match is 1. They are as for ``alternatives``, and none has
    groups that capture.
    """
    tree = _Node()
    for regex in regexes:
        node = tree
        for part in parts(regex):
            # What was tried before stays before: only the branch that was begun last may go on.
            node = node.last(part)
        node.add(MARK)
    return tree.joined()


class _Node:
    """What may follow at a place in regular expressions that began alike, in the order in which it is tried."""

    def __init__(self) -> None:
        self._branches: list[tuple[bytes, _Node]] = []
        self._by_part: dict[bytes, _Node] = {}

    def add(self, part: bytes) -> _Node:
        node = _Node()
        self._branches.append((part, node))
        self._by_part[part] = node
        return node

    def anywhere(self, part: bytes) -> _Node:
        return self._by_part.get(part) or self.add(part)

    def last(self, part: bytes) -> _Node:
        return self._branches[-1][1] if self._branches and self._branches[-1][0] == part else self.add(part)

    def joined(self) -> bytes:
        if b"" in self._by_part:
            return b""
        branches = [part + below.joined() for part, below in self._branches]
        return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")" if branches else b""
