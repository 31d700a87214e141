"""The rows that one source gives: what an importer returns and the store writes."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from operator import eq, lt
from typing import Any, NamedTuple

from importers.keys import KeyPrefix, uuids_of
from importers.span_numbers import NONE, SpanNumbers
from importers.times import Clock

TEXT_KEPT = 500
"""How much of an unmatched record, or of the name of an event type, is kept, in characters."""

KINDS_KEPT = 200
"""How many kinds of unmatched records of one source are kept apart for each reason. The others count as one kind."""

OTHER_KINDS = "(other kinds)"
"""Stands for the templates that are not kept apart."""

DRIFT = "looks like an event, but matches no pattern"
"""Why a line is unmatched that an upgrade of what wrote the log may have worded in another way."""

# What varies from record to record, and what is left of it: in this order, since names hold numbers.
_VARIABLE = (
    # Sending message {'block_id': '0', 'tasks': [1, 2]}, which may be cut off; not all of a JSON record
    (re.compile(r"(?!\A)\{(?:.*\}|.*)", re.DOTALL), "{#}"),
    # b'2d216d98b581', but not the apostrophe of a word; not the names in JSON
    (re.compile(r"""(?<!\w)b?(?:'[^'\n]*'|"[^"\n]{40,}")(?!\w)"""), "'#'"),
    # <function work at 0x7f12>, <AppFuture at 0x7f13 state=finished returned <object at 0x7f14>>
    (re.compile(r"<[A-Za-z_](?:[^<>]|<[^<>]*>)*>"), "<#>"),
    # tcp://127.0.0.1:54001, /home/alice/runinfo/000/parsl.log
    (re.compile(r"\b\w+://\S+|(?<![\w/])(?:/[\w.@%+~=-]+){2,}/?"), "#"),
    (re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d+(?:\.\d+)?"), "#"),
    # [#, #] and [#]; task #, task #
    (re.compile(r"(?<![\w.#])((?:\w+ )?'?#'?)(?:, ?\1(?!\w|\.#))+"), r"\1"),
    # App work, executor htex_Local, exception of type ValueError
    (re.compile(r"\b(App|executor|of type) (?!(?:tasks?|ids?|has|is|with|in|for|from|was|and)\b)[\w.-]+"), r"\1 #"),
    # changing state from pending to launched
    (re.compile(r"\bfrom \w+ to \w+"), "from # to #"),
)


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


def attributes_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as they can be kept; None says nothing."""
    return {storable(name): _jsonable(value) for name, value in values.items() if value is not None}


def _ascends(spans: array[int], times: array[float]) -> bool:
    """Tell whether each event comes after the one before it, in order of spans and then of times."""
    rows, nexts = zip(spans, times, strict=True), zip(spans, times, strict=True)
    return all(map(lt, rows, islice(nexts, 1, None)))


# What looks for containers in themselves takes a third of the time.
encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=str, check_circular=False).encode
"""Returns attributes as JSON text."""

MANY = 120_000
"""Events that are worth a part of their own. Fewer parts are stored faster: more events of a span come together."""

MANY_ROWS = 20_000
"""Rows of a type-aware table that are worth a part of their own."""

_ROWS = (
    "span_runs",
    "span_types",
    "span_keys",
    "uuids",
    "attributes",
    "attributes_json",
    "event_spans",
    "event_times",
    "event_types",
    "event_offsets",
    "subspans",
    "subspan_notes",
    "samples",
    "tables",
)
"""The columns of a batch that can be passed on in parts."""


class Unmatched(NamedTuple):
    """A kind of record that was not understood: how often, and its first."""

    times: int
    offset: int
    text: str


def _shortened(text: str | bytes) -> str:
    """Return the start of a text as it can be stored."""
    if isinstance(text, bytes):
        text = text[: 4 * TEXT_KEPT].decode("utf-8", "replace")
    return text[:TEXT_KEPT].replace("\0", "\\0")


def template(text: str) -> str:
    """Replace what varies from record to record: numbers, ids, quotes, objects, paths, lists, names of apps."""
    for varies, left in _VARIABLE:
        text = varies.sub(left, text)
    return text[:200]


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
    # Made of these when the batch is sealed, or before: surrogate keys of 16 bytes, and local keys as text.
    uuids: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    attributes: dict[int, dict[str, Any]] = field(default_factory=dict)
    attributes_json: dict[int, str] = field(default_factory=dict)
    """Made of the attributes when the batch is sealed; of spans that have none there, it may be given before."""
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
    tables: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """Rows of type-aware tables, in columns."""
    run_names: dict[str, str] = field(default_factory=dict)
    run_clocks: dict[str, Clock] = field(default_factory=dict)
    """The clocks by which local times of runs were read."""
    shown_clocks: dict[str, Clock] = field(default_factory=dict)
    """The clocks of runs that this source shows: a run's own log."""
    given_up: set[object] = field(default_factory=set)
    """What a user's format is not read by any longer, because it takes too long: patterns, the time of lines."""
    # Where rows are wanted in parts: what takes a part, the number of the first span that was not in one, that of the
    # first after all that had events in one, and how many events, with their first and last time, were.
    sink: Callable[[Batch], object] | None = field(default=None, compare=False)
    first_span: int = 0
    first_without_events: int = 0
    events_given: int = 0
    times_given: list[float] = field(default_factory=list)
    # By all that names a span but the part that varies most.
    _span_index: dict[tuple[str | int, ...], SpanNumbers[str]] = field(default_factory=dict)
    _event_type_index: dict[str, int] = field(default_factory=dict)
    _kinds: Counter[str] = field(default_factory=Counter)

    def span(self, span_type: str, *key: str, run: str | None = None) -> int:
        """Return the number of a span, made on first mention."""
        run = self.run if run is None else run
        identity: tuple[str, ...] = (run, span_type, *key)
        # Of a task and its try, the task; of an executor and its task, the task. What is no text is told later.
        varies = 2 if key and str(key[0]).isdigit() else len(key) + 1
        scope: tuple[str | int, ...] = (varies, *identity[:varies], *identity[varies + 1 :])
        spans = self._span_index.get(scope)
        if spans is None:
            spans = self._span_index[scope] = SpanNumbers()
        index = spans[identity[varies]]
        if index == NONE:
            index = self.new_span(span_type, *key, run=run)
            spans.add(identity[varies], index)
        return index

    def annotate(self, span: int, /, **values: Any) -> None:
        """Set attributes of a span; None says nothing."""
        kept = attributes_of(values)
        if kept:
            self.attributes.setdefault(span, {}).update(kept)

    def new_span(self, span_type: str, *key: str, run: str) -> int:
        """Return the number of a span that is not mentioned before, nor to be found by its key later."""
        self.span_runs.append(run)
        self.span_types.append(span_type)
        self.span_keys.append(key)
        return self.first_span + len(self.span_types) - 1

    def new_spans(self, span_type: str, scope: tuple[str, ...], names: Sequence[str]) -> range:
        """Return the numbers of many spans that are not mentioned before, nor to be found by their keys later.

        Their keys are ``scope`` and one of the names.
        """
        self.make_uuids()
        first = self.first_span + len(self.span_types)
        self.span_runs += repeat(self.run, len(names))
        self.span_types += repeat(span_type, len(names))
        self.span_keys += [(*scope, name) for name in names]
        self.uuids += uuids_of(KeyPrefix(span_type, self.run, *scope).digests(names))
        return range(first, first + len(names))

    def events(
        self, spans: Iterable[int], times: Iterable[float], types: Iterable[int], offsets: Iterable[int]
    ) -> None:
        """Add many events: columns of spans, UTC seconds, types as ``event_type`` numbers them, and offsets."""
        self.event_spans.extend(spans)
        self.event_times.extend(times)
        self.event_types.extend(types)
        self.event_offsets.extend(offsets)

    def event_type(self, name: str) -> int:
        """Return the number of an event type within this batch. Of a name without end, the beginning is kept.

        Each step and state that is counted in a run repeats it.
        """
        index = self._event_type_index.get(name)
        if index is None:
            if len(name) > TEXT_KEPT:
                return self.event_type(name[:TEXT_KEPT])
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

    def reject(self, reason: str, offset: int, text: str | bytes, kind: str | bytes | None = None) -> None:
        """Keep a record that gave no row: the first of its kind, and how many there are.

        ``kind`` is the part of the text that tells its kind, by default all of it.
        """
        text = _shortened(text)
        key = (reason, template(text if kind is None else _shortened(kind)))
        if key not in self.unmatched:
            if self._kinds[reason] < KINDS_KEPT:
                self._kinds[reason] += 1
            else:
                key = (reason, OTHER_KINDS)
        times, first, kept = self.unmatched.get(key, (0, offset, text))
        self.unmatched[key] = Unmatched(times + 1, first, kept)

    def table(self, name: str, columns: Mapping[str, list[Any]]) -> None:
        """Add rows of a type-aware table, in columns. Many are passed on, where rows are wanted in parts."""
        rows = self.tables.setdefault(name, {column: [] for column in columns})
        for column, values in columns.items():
            rows[column] += values
        if self.sink is not None and len(next(iter(rows.values()))) >= MANY_ROWS:
            self.sink(Batch(self.run, tables={name: self.tables.pop(name)}))

    def hand_over_many(self) -> None:
        """Pass on the rows so far, where they are wanted in parts and are many."""
        if self.sink is not None and max(len(self.event_times), len(self.span_types)) >= MANY:
            self.hand_over()

    def hand_over(self) -> None:
        """Pass on the rows so far, where they are wanted in parts: that bounds memory, and they are stored meanwhile.

        Spans keep their numbers, and later rows may name them.
        """
        if self.sink is None:
            return
        part, fresh = Batch(self.run), Batch(self.run)
        for name in _ROWS:
            setattr(part, name, getattr(self, name))
            setattr(self, name, getattr(fresh, name))
        part.first_span, part.event_type_names = self.first_span, self.event_type_names
        part.first_without_events, part.times_given = self.first_without_events, self.times_given
        self.first_span += len(part.span_types)
        self.events_given += len(part.event_times)
        if part.event_times:
            self.first_without_events = max(self.first_without_events, max(part.event_spans) + 1)
            times = part.event_times
            self.times_given = [min([*self.times_given, min(times)]), max([*self.times_given, max(times)])]
        self.sink(part)

    def seal(self) -> None:
        """Prepare for the store what needs no database: keys, order of events, attributes as text.

        Events are sorted by span and time, and those alike
        in span, time and type are counted from 0 in order of offset: two logs that tell of the same event then
        give the same row, while two events stay two.
        """
        self.make_uuids()
        self.keys += ["/".join(key) if key else run for run, key in zip(self.span_runs, self.span_keys, strict=True)]
        texts: dict[int, str] = {}
        for span, found in self.attributes.items():
            # Many spans may share one dictionary.
            self.attributes_json[span] = texts.get(id(found)) or texts.setdefault(id(found), encode(found))
        self.attributes = {}
        self._span_index = {}
        self.span_keys = []
        self.given_up = set()
        self._sort_events()

    def make_uuids(self) -> None:
        """Make the surrogate keys of the spans that have none yet: ``surrogate_key(type, run, *key)``."""
        prefixes: dict[tuple[str, str], KeyPrefix] = {}
        digests = []
        first = len(self.uuids)
        scopes = zip(self.span_types[first:], self.span_runs[first:], strict=True)
        for scope, key in zip(scopes, self.span_keys[first:], strict=True):
            # What many spans share is hashed once.
            prefix = prefixes.get(scope)
            if prefix is None:
                prefix = prefixes[scope] = KeyPrefix(*scope)
            digests.append(prefix.digest(*key))
        self.uuids += uuids_of(digests)

    def _sort_events(self) -> None:
        columns = (self.event_spans, self.event_times, self.event_types, self.event_offsets)
        # Most often, no two are alike.
        self.event_numbers = array("q", bytes(8 * len(self.event_spans)))
        if _ascends(self.event_spans, self.event_times):
            return
        ordered = sorted(zip(*columns, strict=True))
        self.event_spans = array("q", [row[0] for row in ordered])
        self.event_times = array("d", [row[1] for row in ordered])
        self.event_types = array("q", [row[2] for row in ordered])
        self.event_offsets = array("q", [row[3] for row in ordered])
        times = self.event_times
        if not any(map(eq, times, islice(times, 1, None))):
            return
        last: tuple[int, float, int] | None = None
        n = 0
        for place, (span, time, name, _offset) in enumerate(ordered):
            n = n + 1 if (span, time, name) == last else 0
            last = (span, time, name)
            self.event_numbers[place] = n
