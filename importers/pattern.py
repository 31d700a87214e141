"""Declarative patterns of log lines: a regular expression with named groups -> span and event.

Reading is fast because a file is searched for each pattern's literal text first, as bytes;
only a line that holds it is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from importers.rows import Batch

LEADING = 8
"""Bytes of text at a message's start that are enough to search for: a longer text inside would not be rarer."""

SpanKey = tuple[str, ...]
"""A span type, then the names of the fields that make its local key."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a message says.

    ``regex`` matches from the start of the message, which is the line without its prefix of
    time, process and so on. Fields are its named groups and those of the source (label, manager,
    worker ...). ``span`` names the span that the line tells of, ``event`` what happened to it,
    ``inside`` the spans that it lies in, ``attributes`` the groups kept as attributes of it.
    A field named by ``each`` holds a list (``1, 2``) and stands for one event of each item.
    ``literal`` is text that every matching line holds, by default what the regex starts with, or else the
    longest in it; patterns with the same literal can share one search.
    """

    regex: bytes
    span: SpanKey = ()
    event: str = ""
    inside: tuple[SpanKey, ...] = ()
    attributes: tuple[str, ...] = ()
    each: str = ""
    literal: bytes = b""
    starts_with_literal: bool = field(init=False, default=False)
    compiled: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.regex, re.MULTILINE))
        if not self.literal:
            first = _literals(self.regex)[0]
            leads = len(first) >= LEADING
            object.__setattr__(self, "literal", first if leads else longest_literal(self.regex))
            object.__setattr__(self, "starts_with_literal", leads)


def longest_literal(regex: bytes) -> bytes:
    """Return the longest text that every match of a regular expression holds.

    Looks outside groups only, which is enough for the patterns of log lines.
    Raises ValueError where that leaves less than four bytes: a search for it would hit too much.
    """
    best = max(_literals(regex), key=len)
    if len(best) < 4:
        raise ValueError(f"no literal text of four bytes in {regex!r}: add what every such line holds")
    return best


_TOKEN = re.compile(rb"\\[^\w\s]|\[\^?\]?(?:\\.|[^\]])*\]|\{[\d,]*\}|\\.|.", re.DOTALL)


def _literals(regex: bytes) -> list[bytes]:
    """Return the runs of literal text outside groups; the first is empty where the regex starts otherwise."""
    runs, run, depth = [], b"", 0
    for token in _TOKEN.findall(regex):
        depth += {b"(": 1, b")": -1}.get(token, 0)
        is_literal = token not in rb".^$*+?|()[]{}" if len(token) == 1 else re.fullmatch(rb"\\[^\w\s]", token)
        if depth == 0 and is_literal:
            run += token[-1:]
            continue
        if token == b"|" and depth == 0:
            raise ValueError(f"alternatives at the top of {regex!r}: make a pattern of each")
        # A quantifier may drop the character before it.
        runs.append(run[:-1] if token[:1] in (b"*", b"?", b"{") else run)
        run = b""
    return [*runs, run]


class Hit(NamedTuple):
    """A line that matches a pattern."""

    offset: int
    time: float
    match: re.Match[bytes]
    pattern: Pattern


def by_literal(patterns: Iterable[Pattern]) -> list[list[Pattern]]:
    """Group patterns that share their literal, so that a file is searched once for each literal."""
    groups: dict[bytes, list[Pattern]] = {}
    for pattern in patterns:
        groups.setdefault(pattern.literal, []).append(pattern)
    return list(groups.values())


class Applier:
    """Turns the hits of one pattern into spans, events, nesting and attributes of a batch.

    One serves a whole source, since it remembers the spans of the keys that it has seen.
    """

    def __init__(self, pattern: Pattern, batch: Batch, source_fields: Mapping[str, str]) -> None:
        self._pattern, self._batch = pattern, batch
        self._span = _Keyed(pattern.span, batch, source_fields)
        self._parents = [_Keyed(key, batch, source_fields) for key in pattern.inside]
        self._event = batch.event_type(pattern.event) if pattern.event else None

    def __call__(self, hit: Hit) -> None:
        """Add the rows of a hit: of one thing, or of each item of a list."""
        batch, match, each = self._batch, hit.match, self._pattern.each
        batch.records += 1
        for item in match[each].split(b", ") if each else (None,):
            span = self._span(match, item)
            if self._event is not None:
                batch.event_spans.append(span)
                batch.event_times.append(hit.time)
                batch.event_types.append(self._event)
                batch.event_offsets.append(hit.offset)
            for parent in self._parents:
                batch.subspans[parent(match, item), span] = batch.span_keys[span][-1]
            for name in self._pattern.attributes:
                if match[name]:
                    batch.annotate(span, **{name: match[name].decode("utf-8", "replace")})


class _Keyed:
    """Finds the span of a match; a key made of source fields and groups is looked up by the groups alone."""

    def __init__(self, key: SpanKey, batch: Batch, source_fields: Mapping[str, str]) -> None:
        self._span_type, self._fields = key[0], key[1:]
        self._batch, self._source_fields = batch, source_fields
        self._groups = [name for name in self._fields if name not in source_fields]
        # The common case: the last part of the key varies, the others are facts of the source.
        self._scope = [source_fields[name] for name in self._fields if name in source_fields]
        self._varies_last = self._groups == list(self._fields[-1:])
        self._seen: dict[bytes | tuple[bytes, ...], int] = {}

    def __call__(self, match: re.Match[bytes], item: bytes | None) -> int:
        values = item if item is not None and self._groups else match.group(*self._groups) if self._groups else ()
        span = self._seen.get(values)
        if span is None:
            span = self._seen[values] = self._make((values,) if isinstance(values, bytes) else values)
        return span

    def _make(self, values: tuple[bytes, ...]) -> int:
        if self._varies_last:
            return self._batch.span(self._span_type, *self._scope, values[0].decode("utf-8", "replace"))
        found = dict(zip(self._groups, (value.decode("utf-8", "replace") for value in values), strict=True))
        return self._batch.span(self._span_type, *(self._source_fields.get(f) or found[f] for f in self._fields))
