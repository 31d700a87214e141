"""Declarative patterns of log lines: a regular expression with named groups -> span and event.

Reading is fast because a file is searched for each pattern's literal text first, as bytes;
only a line that holds it is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from importers.rows import Batch
from importers.span_numbers import RECENT

LATEST = 1e11
"""Seconds since 1970: a time beyond it, or before 1970, is a mistake in the log."""

LEADING = 8
"""Bytes of text at a message's start that are enough to search for: a longer text inside would not be rarer."""

EVERY_LINE = b"\n"
"""The literal of a pattern that holds none that is long enough: what every line holds."""

_OTHER_LETTERS = re.IGNORECASE | re.VERBOSE
"""Flags with which the text of a regular expression is not that of the lines that it matches."""

SpanKey = tuple[str, ...]
"""A span type, then the names of the fields that make its local key."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a message says.

    ``regex`` matches from the start of the message, which is the line without its prefix of
    time, process and so on. Fields are its named groups and those of the source (label, manager,
    worker ...). ``span`` names the span that the line tells of, ``event`` what happened to it,
    ``inside`` the spans that it lies in, ``attributes`` the fields kept as attributes of it.
    A field named by ``each`` holds a list (``1, 2``) and stands for one event of each item.
    ``run`` names the group that holds the run's id, where the lines of a log tell of several runs.
    ``literal`` is text that every matching line holds, by default what the regex starts with, or else the
    longest in it; patterns with the same literal can share one search. For `line_reader.read_lines`, it may be the
    line's end, ``EVERY_LINE``, and ``anywhere`` has the regex searched in the message instead.

    Raises ValueError where a literal is needed and the regex holds none, and re.error.
    """

    regex: bytes
    span: SpanKey = ()
    event: str = ""
    inside: tuple[SpanKey, ...] = ()
    attributes: tuple[str, ...] = ()
    each: str = ""
    literal: bytes = b""
    run: str = ""
    anywhere: bool = False
    starts_with_literal: bool = field(init=False, default=False)
    compiled: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.regex, re.MULTILINE))
        if not self.literal:
            if self.compiled.flags & _OTHER_LETTERS:
                raise ValueError(f"what {self.regex!r} says is not what lines hold: say literal=EVERY_LINE")
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
        raise ValueError(
            f"no literal text of four bytes in {regex!r}: add what every such line holds, or say literal=EVERY_LINE"
        )
    return best


_PLAIN = re.compile(rb"[ !#-\[\]-~]{4,}")
"""Text that stands in JSON as it does in text."""


def searchable(regex: re.Pattern[bytes]) -> bytes:
    """Return the longest text of four bytes or more that every line holds which a regex matches, be it text or JSON.

    Returns ``EVERY_LINE`` where there is none.
    """
    try:
        runs = [] if regex.flags & _OTHER_LETTERS else _literals(regex.pattern)
    except ValueError:
        runs = []
    return max((plain for run in runs for plain in _PLAIN.findall(run)), key=len, default=EVERY_LINE)


_TOKEN = re.compile(rb"\\[^\w\s]|\\x[\da-fA-F]{2}|\\\d{1,3}|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[\d,]*\}|\\.|.", re.DOTALL)


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


Seen: TypeAlias = "dict[tuple[SpanKey | str, ...], dict[bytes | tuple[bytes | None, ...] | None, int]]"
"""The spans of each kind of key that were found by the values of the groups that make it."""

NO_SPAN = -1
"""Where a field of a key is empty."""


class Applier:
    """Turns the hits of one pattern into spans, events, nesting and attributes of a batch.

    One serves a whole source, since it remembers the spans of the keys that it has seen: with ``seen``, those that the
    appliers of other patterns have seen, too. A parent whose key has an empty field is left out; a hit whose own key
    has one is kept as unmatched.
    """

    def __init__(
        self, pattern: Pattern, batch: Batch, source_fields: Mapping[str, str], seen: Seen | None = None
    ) -> None:
        seen = {} if seen is None else seen
        self._pattern, self._batch = pattern, batch
        self._span = _Keyed(pattern.span, pattern, batch, source_fields, seen)
        self._parents = [_Keyed(key, pattern, batch, source_fields, seen) for key in pattern.inside]
        self._event = batch.event_type(pattern.event) if pattern.event else None
        groups = pattern.compiled.groupindex
        # A user's list may be written in another way than Parsl's.
        self._items = _items if pattern.anywhere else _parsls_items
        self._groups = [name for name in pattern.attributes if name in groups]
        self._facts = {name: source_fields[name] or None for name in pattern.attributes if name not in groups}

    def __call__(self, hit: Hit) -> None:
        """Add the rows of a hit: of one thing, or of each item of a list."""
        batch, match, each = self._batch, hit.match, self._pattern.each
        batch.records += 1
        for item in self._items(match[each]) if each else _ONE:
            span = self._span(match, item)
            if span == NO_SPAN:
                batch.reject("a field that the span's key needs is empty", hit.offset, match[0])
                continue
            if self._event is not None:
                batch.event_spans.append(span)
                batch.event_times.append(hit.time)
                batch.event_types.append(self._event)
                batch.event_offsets.append(hit.offset)
            for parent in self._parents:
                above = parent(match, item)
                if above != NO_SPAN and above != span:
                    batch.subspans[above, span] = self._span.name(match, item)
            if self._groups:
                found = {name: match[name].decode("utf-8", "replace") for name in self._groups if match[name]}
                batch.annotate(span, **found)
            if self._facts:
                batch.annotate(span, **self._facts)


_ONE = (None,)


def _parsls_items(found: bytes) -> Iterable[bytes]:
    """Return the items of a list as Python writes it, ``1, 2``."""
    return found.split(b", ")


def _items(found: bytes | None) -> Iterable[bytes]:
    """Return the items of a list with commas, however it is written."""
    return filter(None, map(bytes.strip, (found or b"").split(b",")))


class _Keyed:
    """Finds the span of a match; a key made of source fields and groups is looked up by the groups alone."""

    def __init__(
        self, key: SpanKey, pattern: Pattern, batch: Batch, source_fields: Mapping[str, str], seen: Seen
    ) -> None:
        self._span_type, self._fields = key[0], key[1:]
        self._batch, self._source_fields = batch, source_fields
        self._run, self._each = pattern.run, pattern.each
        key_groups = [name for name in self._fields if name not in source_fields]
        self._groups = key_groups + [self._run] * bool(self._run and self._run not in key_groups)
        # The common case: the last part of the key varies, the others are facts of the source.
        self._scope = [source_fields[name] for name in self._fields if name in source_fields]
        last = list(self._fields[-1:])
        self._varies_last = bool(last) and self._groups == last and all(self._scope) and not self._run
        self._by_item = bool(self._each) and self._groups == [self._each]
        self._by_groups = bool(self._groups) and self._each not in self._groups
        self._seen = seen.setdefault((key, self._run, *self._groups), {})

    def __call__(self, match: re.Match[bytes], item: bytes | None) -> int:
        values: bytes | tuple[bytes | None, ...] | None
        if self._by_item:
            values = item
        elif self._by_groups:
            values = match.group(*self._groups)
        else:
            values = tuple(item if name == self._each else match[name] for name in self._groups)
        span = self._seen.get(values)
        if span is None:
            if len(self._seen) >= RECENT:
                # The batch knows them all, in less memory.
                self._seen.clear()
            span = self._seen[values] = self._make(values)
        return span

    def name(self, match: re.Match[bytes], item: bytes | None) -> str:
        """Return the last part of the key of a match's span, or its run where the key has none."""
        if not self._fields:
            found = match[self._run] if self._run else None
            return found.decode("utf-8", "replace") if found else self._batch.run
        last = self._fields[-1]
        if last in self._source_fields:
            return self._source_fields[last]
        value = item if last == self._each else match[last]
        return (value or b"").decode("utf-8", "replace")

    def _make(self, found_values: bytes | tuple[bytes | None, ...] | None) -> int:
        values = found_values if isinstance(found_values, tuple) else (found_values,)
        if self._varies_last and values[0]:
            return self._batch.span(self._span_type, *self._scope, values[0].decode("utf-8", "replace"))
        found = {
            name: (value or b"").decode("utf-8", "replace") for name, value in zip(self._groups, values, strict=True)
        }
        key = [self._source_fields[name] if name in self._source_fields else found[name] for name in self._fields]
        run = found[self._run] if self._run else None
        return NO_SPAN if "" in (run, *key) else self._batch.span(self._span_type, *key, run=run)
