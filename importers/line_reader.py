"""The usual loop of an importer: a log read by a table of patterns, its lines of a known dialect or of any form.

Lines of another form need a ``LineTime``: where their time is, and how it is written. The message is what follows it.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from typing import NamedTuple

from importers import stall
from importers.drift import Drifted, Watch
from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks, dialect, hits
from importers.metric_lines import read_metrics
from importers.pattern import LATEST, Applier, Hit, Pattern, Seen, by_literal
from importers.rows import DRIFT, Batch
from importers.sources import Progress, Source
from importers.times import naive_seconds

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
"""Times as a number since 1970, and how many of the unit make a second."""

ISO = "iso"
"""Times like ``2026-11-23 01:35:04.708``, ``2026-11-23T07:35:04,708Z``, ``2026-11-23T01:35:04-06:00``."""

_NUMBER = re.compile(r"\d{1,30}(?:\.\d{0,30})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) ?(?:(Z)|([+-])([01]\d|2[0-3]):?([0-5]\d))?", re.ASCII
)
_SAMPLE = datetime(2026, 11, 23, 13, 35, 4, tzinfo=timezone.utc)
_EPOCH = datetime(1970, 1, 1)


class Moment(NamedTuple):
    """Seconds since 1970: UTC, or what a local clock showed, read as if it were UTC."""

    seconds: float
    is_local: bool


@dataclass(frozen=True)
class LineTime:
    """Where the time is in each line of a log, and how it is written.

    ``regex`` is searched in the line; its group ``time`` is the time, and what follows its match is the message.
    ``form`` is one of ``UNITS``, ``ISO``, or a format of strptime. A time that holds no zone is local, unless ``utc``.

    Raises ValueError where that can't be, and re.error.
    """

    regex: bytes
    form: str = "seconds"
    utc: bool = False
    compiled: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.regex))
        if set(self.compiled.groupindex) != {"time"}:
            raise ValueError("it needs one named group, (?P<time>...), and no other")
        if self.form not in (*UNITS, ISO):
            _check_format(self.form)
        elif self.utc and self.form in UNITS:
            raise ValueError(f"utc says how a time without zone is read, but {self.form} since 1970 need none")

    def has_time(self, line: bytes) -> bool:
        """Tell whether a line holds a time. Raises Stalled, within ``stall.noticed``."""
        return self._found(stall.match(self.compiled.search, line)) is not None

    def _found(self, match: re.Match[bytes] | None) -> Moment | None:
        return self.moment(match["time"].decode("utf-8", "replace")) if match and match["time"] else None

    def moment(self, text: str) -> Moment | None:
        """Read a time, or return None where it is none."""
        if self.form in UNITS:
            return Moment(round(float(text) / UNITS[self.form], 6), False) if _NUMBER.fullmatch(text) else None
        found = _iso(text) if self.form == ISO else _formatted(text, self.form)
        return found._replace(is_local=False) if found and self.utc else found

    def split(self, line: bytes) -> tuple[Moment | None, bytes]:
        """Return the time of a line, None where it has none, and its message. Raises Stalled, as ``has_time``."""
        match = stall.match(self.compiled.search, line)
        return self._found(match), line[match.end() :] if match else line


def _iso(text: str) -> Moment | None:
    match = _ISO.fullmatch(text)
    naive = naive_seconds(match[1]) if match else None
    if match is None or naive is None:
        return None
    if match[2] or match[3]:
        east = 60 * (60 * int(match[4]) + int(match[5])) if match[3] else 0
        return Moment(round(naive + east if match[3] == "-" else naive - east, 6), False)
    return Moment(naive, True)


def _formatted(text: str, form: str) -> Moment | None:
    try:
        moment = datetime.strptime(text, form)
    except (ValueError, OverflowError):
        return None
    if not 1 < moment.year < 9999:
        return None
    east = moment.utcoffset()
    naive = (moment.replace(tzinfo=None) - _EPOCH).total_seconds()
    return Moment(naive, True) if east is None else Moment(round(naive - east.total_seconds(), 6), False)


def _check_format(form: str) -> None:
    """Raise ValueError where a format of strptime can't be read, or does not say both date and time."""
    known = f"{', '.join(UNITS)}, {ISO}, or a format of strptime such as '%d/%b/%Y %H:%M:%S'"
    if "%" not in form:
        raise ValueError(f"{form!r} is no form of a time. Give {known}")
    if re.search(r"(?<!%)(?:%%)*%Z", form):
        raise ValueError("%Z is not the same on every machine: use %z, or say utc")
    try:
        with warnings.catch_warnings():
            # From Python 3.13 on, formats without a year are warned of.
            warnings.simplefilter("error")
            found = datetime.strptime(_SAMPLE.strftime(form), form)
    except (ValueError, Warning) as error:
        raise ValueError(f"{form!r} is no format of strptime: {error}. Give {known}") from None
    if found.replace(tzinfo=None, second=4, microsecond=0) != _SAMPLE.replace(tzinfo=None):
        raise ValueError(f"{form!r} does not say year, month, day, hour and minute")


def read_lines(
    source: Source,
    batch: Batch,
    progress: Progress,
    patterns: Sequence[Pattern],
    time: LineTime | None = None,
    watch: Watch | None = None,
) -> str:
    """Add the rows of a log to a batch, by a table of patterns. Return the fingerprint of what was read.

    Without ``time``, the lines are of a dialect that ``logfile`` knows. With it, or with patterns that may match
    anywhere in the message, every pattern that matches a line counts, and a regex sees nothing but the message.
    ``watch`` tells of lines that look like events and that no pattern matches, in the dialects of Parsl.

    Raises OSError.
    """
    groups = by_literal(patterns)
    seen: Seen = {}
    appliers = {pattern: Applier(pattern, batch, source.fields, seen) for pattern in patterns}
    fingerprint = Fingerprint()
    own = time is not None or any(pattern.anywhere for pattern in patterns)
    first: Block | None = None
    for block in blocks(source.path, fingerprint, batch, progress):
        first = first or block
        batch.format = batch.format or (source.importer if time else dialect(block))
        found: Iterable[Hit | Drifted]
        if watch:
            found = watch.records(block, source.clock, batch)
        elif own:
            found = chain.from_iterable(_hits(block, group, source, batch, time) for group in groups)
        else:
            found = chain.from_iterable(hits(block, group, source.clock, batch) for group in groups)
        for record in found:
            if isinstance(record, Hit):
                appliers[record.pattern](record)
            else:
                batch.reject(DRIFT, record.offset, record.text, kind=record.message)
        if time is None:
            read_metrics(block, source, batch)
        batch.hand_over_many()
    if own and first and not batch.records and not batch.unmatched:
        batch.reject("no line is as a pattern says", 0, first.data[: first.data.find(b"\n")])
    return fingerprint.hexdigest()


class _Line(NamedTuple):
    offset: int
    moment: Moment | None
    message: bytes


def _hits(
    block: Block, patterns: Sequence[Pattern], source: Source, batch: Batch, time: LineTime | None
) -> Iterator[Hit]:
    """Yield the lines whose message some patterns match that share their literal, once for each of the patterns."""
    literal = patterns[0].literal
    matchers = [(pattern, pattern.compiled.search if pattern.anywhere else pattern.compiled.match)
                for pattern in patterns]  # fmt: skip
    lines = _timed_lines(block, literal, time, batch) if time else _dialect_lines(block, literal, source, batch)
    for line in lines:
        for pattern, match_in in matchers:
            try:
                match = None if pattern in batch.given_up else stall.match(match_in, line.message)
            except stall.Stalled:
                _give_up(pattern, pattern.regex, line.offset, line.message, batch)
                continue
            if match:
                yield from _at_its_time(line, match, pattern, source, batch)


def _give_up(what: object, regex: bytes, offset: int, text: bytes, batch: Batch) -> None:
    batch.given_up.add(what)
    batch.reject(f"{_TOO_SLOW}: {regex.decode('utf-8', 'replace')[:100]}", offset, text)


_TOO_SLOW = "a regular expression takes too long on this line, so that it is not used on it and what follows"


def _dialect_lines(block: Block, literal: bytes, source: Source, batch: Batch) -> Iterator[_Line]:
    whole = Pattern(rb"[^\n]*", literal=literal)
    for hit in hits(block, [whole], source.clocks.get(source.run.key, source.clock), batch):
        yield _Line(hit.offset, Moment(hit.time, False), hit.match[0].rstrip(b"\r"))


def _timed_lines(block: Block, literal: bytes, time: LineTime, batch: Batch) -> Iterator[_Line]:
    data = block.data
    position = data.find(literal)
    while position >= 0 and time not in batch.given_up:
        begin, end = data.rfind(b"\n", 0, position) + 1, data.find(b"\n", position)
        text = data[begin:end].rstrip(b"\r")
        try:
            yield _Line(block.start + begin, *time.split(text))
        except stall.Stalled:
            _give_up(time, time.regex, block.start + begin, text, batch)
        position = data.find(literal, end + 1)


def _at_its_time(line: _Line, match: re.Match[bytes], pattern: Pattern, source: Source, batch: Batch) -> Iterator[Hit]:
    """Yield a match as a hit, at its time in UTC, or keep the line as unmatched where it has none."""
    seconds = line.moment.seconds if line.moment else math.nan
    if line.moment and line.moment.is_local and 0 <= seconds <= LATEST:
        run = match[pattern.run].decode("utf-8", "replace") if pattern.run and match[pattern.run] else batch.run
        clock = source.clocks.get(run, source.clock)
        batch.run_clocks.setdefault(run, clock)
        seconds = clock.utc(seconds)
    if 0 <= seconds <= LATEST:
        yield Hit(line.offset, seconds, match, pattern)
    else:
        batch.reject("a line that a pattern matches, without a time that can be", line.offset, line.message)
