"""Declarative patterns of log lines: a regular expression with named groups -> span and event.

Reading is fast because a file is searched for each pattern's literal text first, as bytes;
only a line that holds it is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from importers.rows import Batch

LEADING = 8
"""Bytes of text at a message's start that are enough to search for: a longer text inside would not be rarer."""

SpanKey = tuple[str, ...]
"""A span type, then the names of the fields that make its local key."""


@dataclass(frozen=True)
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


_TOKEN = re.compile(rb"\\[^\w\s]|\[(?:\\.|[^\]])*\]|\{[\d,]*\}|\\.|.", re.DOTALL)


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


def apply(pattern: Pattern, hits: Iterable[Hit], batch: Batch, source_fields: Mapping[str, str]) -> None:
    """Turn the hits of a pattern into spans, events, nesting and attributes of a batch."""
    spans = _Keyed(pattern.span, batch, source_fields)
    parents = [_Keyed(key, batch, source_fields) for key in pattern.inside]
    event = batch.event_type(pattern.event) if pattern.event else None
    for offset, time, match, _pattern in hits:
        batch.records += 1
        items = match[pattern.each].split(b", ") if pattern.each else (None,)
        for item in items:
            span = spans(match, item)
            if event is not None:
                batch.event_spans.append(span)
                batch.event_times.append(time)
                batch.event_types.append(event)
                batch.event_offsets.append(offset)
            for parent in parents:
                batch.subspans[parent(match, item), span] = batch.span_keys[span][-1]
            if pattern.attributes:
                batch.annotate(
                    span,
                    **{name: match[name].decode("utf-8", "replace") for name in pattern.attributes if match[name]},
                )


class _Keyed:
    """Finds the span of a hit; keys made of source fields and one group are looked up by the group alone."""

    def __init__(self, key: SpanKey, batch: Batch, source_fields: Mapping[str, str]) -> None:
        self.span_type, self.fields = key[0], key[1:]
        self.batch, self.source_fields = batch, source_fields
        self.groups = [name for name in self.fields if name not in source_fields]
        self.seen: dict[tuple[bytes, ...], int] = {}

    def __call__(self, match: re.Match[bytes], item: bytes | None) -> int:
        if not self.groups:
            values: tuple[bytes, ...] = ()
        else:
            values = match.group(*self.groups, 0)[:-1] if item is None else (item,)
        span = self.seen.get(values)
        if span is None:
            found = dict(zip(self.groups, (v.decode("utf-8", "replace") for v in values), strict=True))
            key = [self.source_fields.get(name) or found[name] for name in self.fields]
            span = self.seen[values] = self.batch.span(self.span_type, *key)
        return span


def overlaps(patterns: Iterable[Pattern], messages: Iterable[bytes]) -> Iterator[tuple[bytes, list[Pattern]]]:
    """Yield the messages that more than one pattern matches: there should be none."""
    patterns = list(patterns)
    for message in messages:
        matching = [pattern for pattern in patterns if pattern.compiled.match(message)]
        if len(matching) > 1:
            yield message, matching
