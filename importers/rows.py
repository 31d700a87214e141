"""The rows that one source gives: what an importer returns and the store writes."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from importers.keys import KeyPrefix, surrogate_key
from importers.times import Clock

TEXT_KEPT = 500
"""How much of an unmatched record is kept, in characters."""

_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d+(?:\.\d+)?|'[^']{40,}'")


def storable(text: str) -> str:
    """Return text that SQLite can keep: file names and escapes may hold what is no character (lone surrogates)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _jsonable(value: Any) -> Any:
    """Return an attribute's value as JSON can hold it: infinities and very large integers become text."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return hex(value)[:TEXT_KEPT]
    return value


class Unmatched(NamedTuple):
    """A kind of record that was not understood: how often, and its first."""

    times: int
    offset: int
    text: str


def template(text: str) -> str:
    """Replace what varies from record to record: numbers, ids, long quotes."""
    return _VARIABLE.sub("#", text)[:200]


@dataclass
class Batch:
    """Rows of one source, in columns, with spans numbered from 0 within the batch.

    ``run`` is the key of the run in whose scope local keys are unique. Times are UTC seconds;
    offsets are where the record starts: bytes in a text file, rowid in a database table.
    """

    run: str
    format: str = ""
    records: int = 0
    # Spans: parallel lists, in order of first mention.
    span_runs: list[str] = field(default_factory=list)
    span_types: list[str] = field(default_factory=list)
    span_keys: list[tuple[str, ...]] = field(default_factory=list)
    # Made of these when the batch is sealed: surrogate keys, and local keys as text.
    uuids: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    attributes: dict[int, dict[str, Any]] = field(default_factory=dict)
    # Events: parallel columns.
    event_spans: array[int] = field(default_factory=lambda: array("q"))
    event_times: array[float] = field(default_factory=lambda: array("d"))
    event_types: array[int] = field(default_factory=lambda: array("q"))
    event_offsets: array[int] = field(default_factory=lambda: array("q"))
    event_numbers: array[int] = field(default_factory=lambda: array("q"))
    event_type_names: list[str] = field(default_factory=list)
    subspans: dict[tuple[int, int], str] = field(default_factory=dict)
    subspan_notes: dict[tuple[int, int], str] = field(default_factory=dict)
    samples: list[tuple[int, str, float, float]] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    """The unit of a metric: 's', 'bytes' ..."""
    raw_records: list[tuple[int, str]] = field(default_factory=list)
    """JSON records to keep whole: offset, JSON text."""
    unmatched: dict[tuple[str, str], Unmatched] = field(default_factory=dict)
    tables: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = field(default_factory=dict)
    run_names: dict[str, str] = field(default_factory=dict)
    run_clocks: dict[str, Clock] = field(default_factory=dict)
    run_offsets: dict[str, float] = field(default_factory=dict)
    _span_index: dict[tuple[str, ...], int] = field(default_factory=dict)
    _event_type_index: dict[str, int] = field(default_factory=dict)

    def span(self, span_type: str, *key: str, run: str | None = None) -> int:
        """Return the number of a span, made on first mention."""
        run = self.run if run is None else run
        identity = (run, span_type, *key)
        index = self._span_index.get(identity)
        if index is None:
            index = self._span_index[identity] = len(self.span_types)
            self.span_runs.append(run)
            self.span_types.append(span_type)
            self.span_keys.append(key)
        return index

    def annotate(self, span: int, **values: Any) -> None:
        """Set attributes of a span; None says nothing."""
        kept = {storable(name): _jsonable(value) for name, value in values.items() if value is not None}
        if kept:
            self.attributes.setdefault(span, {}).update(kept)

    def event_type(self, name: str) -> int:
        """Return the number of an event type within this batch."""
        index = self._event_type_index.get(name)
        if index is None:
            index = self._event_type_index[name] = len(self.event_type_names)
            self.event_type_names.append(name)
        return index

    def event(self, span: int, time: float, name: str, offset: int) -> None:
        """Add an event of a span, at UTC seconds."""
        self.event_spans.append(span)
        self.event_times.append(time)
        self.event_types.append(self.event_type(name))
        self.event_offsets.append(offset)

    def subspan(self, superspan: int, subspan: int, key: str, note: str | None = None) -> None:
        """Say that one span lies in another, where it is called ``key``; a note says how that is known."""
        self.subspans[superspan, subspan] = key
        if note:
            self.subspan_notes[superspan, subspan] = note

    def reject(self, reason: str, offset: int, text: str | bytes) -> None:
        """Keep a record that gave no row: the first of its kind, and how many there are."""
        if isinstance(text, bytes):
            text = text[: 4 * TEXT_KEPT].decode("utf-8", "replace")
        text = text[:TEXT_KEPT].replace("\0", "\\0")
        kind = (reason, template(text))
        times, first, kept = self.unmatched.get(kind, (0, offset, text))
        self.unmatched[kind] = Unmatched(times + 1, first, kept)

    def table(self, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return the list that collects rows of a type-aware table: a span, then these columns."""
        return self.tables.setdefault(name, (columns, []))[1]

    def seal(self) -> None:
        """Prepare for the store what needs no database: keys, order of events, attributes as text.

        Surrogate keys are ``surrogate_key(type, run, *key)``. Events are sorted by span and time, and those alike
        in span, time and type are counted from 0 in order of offset: two logs that tell of the same event then
        give the same row, while two events stay two.
        """
        prefixes: dict[tuple[str, ...], KeyPrefix] = {}
        for identity in self._span_index:
            run, span_type = identity[:2]
            if len(identity) == 2:
                self.uuids.append(surrogate_key(span_type, run))
                self.keys.append(run)
                continue
            # Spans of one scope differ in the last part only, so what comes before is hashed once.
            scope = identity[:-1]
            prefix = prefixes.get(scope)
            if prefix is None:
                prefix = prefixes[scope] = KeyPrefix(span_type, run, *identity[2:-1])
            self.uuids.append(prefix(identity[-1]))
            self.keys.append("/".join(identity[2:]))
        self._span_index = {}
        self.span_keys = []
        self._sort_events()

    def _sort_events(self) -> None:
        columns = (self.event_spans, self.event_times, self.event_types, self.event_offsets)
        ordered = sorted(zip(*columns, strict=True))
        self.event_spans = array("q", [row[0] for row in ordered])
        self.event_times = array("d", [row[1] for row in ordered])
        self.event_types = array("q", [row[2] for row in ordered])
        self.event_offsets = array("q", [row[3] for row in ordered])
        last: tuple[int, float, int] | None = None
        n = 0
        for span, time, name, _offset in ordered:
            n = n + 1 if (span, time, name) == last else 0
            last = (span, time, name)
            self.event_numbers.append(n)
