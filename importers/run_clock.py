"""The clock of a run, as its own log shows it: where it was, and where daylight saving began or ended meanwhile.

A record of parsl.log holds its time twice, in epoch seconds and as the clock showed it. The offset of its last record
is mostly that of the first; where it is not, the records between are searched for the change by bisection.
A parsl.jsonlog holds local times only where the run began and completed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import BinaryIO
from zoneinfo import ZoneInfo, available_timezones

from importers.pattern import LATEST
from importers.times import Clock, naive_seconds, utc_offset, zone_of
from importers.turns import Shown, turns

# 1795397704.708 2026-11-23 01:35:04 MainProcess-3695 ...
_RECORD = re.compile(rb"\n(\d{1,12}\.\d{1,9}) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) ")
_LONGEST_PREFIX = 64

# {"created": 1795397721.66, ..., "parsl.workflow_info.time_began": "2026-11-23 01:35:21.623117"}
_BEGAN = "parsl.workflow_info.time_began"
_COMPLETED = "parsl.workflow_info.time_completed"

_HEAD = 1 << 16
_TAILS = (1 << 14, 1 << 18, 1 << 22)
"""Bytes of a log's end in which its last record is looked for, if there is none in fewer."""

_MOST_CHANGES = 20
"""More changes than any run sees are no zone's."""

_MOST_HOURS = 100 * 24
"""Hours between two records in which a change is looked for."""


def shown_clock(log: BinaryIO, line: int) -> Clock | None:
    """Return the clock that a run's log shows, parsl.log or parsl.jsonlog; None where it shows none.

    The line that begins at byte ``line`` tells how it was at first, or else a record before it or in the log's head.
    Raises OSError.
    """
    size = log.seek(0, 2)
    first = record_from(log, line, line + 1) or record_from(log, 0, max(line, _HEAD))
    if first is None:
        return _clock_of_json(log, size)
    last = _last_record(log, size) or first
    return _clock(first, turns(lambda place: record_from(log, place, last.place) or last, first, last))


def _clock_of_json(log: BinaryIO, size: int) -> Clock | None:
    log.seek(0)
    began = _json_record(log.read(_HEAD), _BEGAN)
    log.seek(max(size - _HEAD, 0))
    completed = began and _json_record(log.read(), _COMPLETED)
    if began and completed and began.offset != completed.offset:
        return _clock(began, [(began, completed)])
    return began and _clock(began, [])


def _clock(first: Shown, turned: list[tuple[Shown, Shown]]) -> Clock:
    believed = turned if len(turned) <= _MOST_CHANGES else []
    changes = sorted((_moment_of_change(early, late), late.offset) for early, late in believed)
    return Clock(zone_of(first.offset), "log", tuple(changes))


def record_from(log: BinaryIO, place: int, until: int) -> Shown | None:
    """Return the first record that begins at or after a place, and before another; None where there is none."""
    start = place - 1
    log.seek(max(start, 0))
    window = b"" if place else b"\n"
    size = 1 << 12
    while start < until and (more := log.read(size)):
        window += more
        for match in _RECORD.finditer(window):
            if start + match.start() + 1 >= until:
                return None
            if (found := _shown(start, match)) is not None:
                return found
        start += max(len(window) - _LONGEST_PREFIX, 0)
        window = window[-_LONGEST_PREFIX:]
        size = min(4 * size, 1 << 22)
    return None


def _last_record(log: BinaryIO, size: int) -> Shown | None:
    for length in _TAILS:
        start = max(size - length, 0)
        log.seek(start)
        found = [shown for match in _RECORD.finditer(log.read()) if (shown := _shown(start, match)) is not None]
        if found:
            return found[-1]
    return None


def _shown(start: int, match: re.Match[bytes]) -> Shown | None:
    """Return what a record of a text log shows, that was found in bytes which start at a place."""
    time, naive = float(match[1]), naive_seconds(match[2].decode())
    offset = _offset(naive, time)
    # Both are of one reading of the clock, so that a record in which they are not is damaged.
    if naive is None or offset is None or not -1 <= naive - math.floor(time) - offset <= 1:
        return None
    return Shown(start + match.start() + 1, time, offset)


def _offset(naive: float | None, time: float) -> float | None:
    return utc_offset(naive, time) if naive is not None and 0 <= time <= LATEST else None


def _json_record(lines: bytes, name: str) -> Shown | None:
    """Return what the first record of a JSON log shows that has a local time of this name."""
    for line in lines.splitlines():
        if f'"{name}"'.encode() in line:
            try:
                record = json.loads(line)
                naive, time = naive_seconds(str(record[name])), float(record["created"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            if (offset := _offset(naive, time)) is not None:
                return Shown(0, time, offset)
    return None


def _moment_of_change(early: Shown, late: Shown) -> float:
    """Return the UTC seconds at which an offset changed between two records: zones do so at whole hours of local time.

    If there are several between the records, it is the one at which the most zones of the zone database do so.
    """
    first_hour = math.floor((early.time + early.offset) / 3600) * 3600 + 3600 - early.offset
    count = math.floor((late.time - first_hour) / 3600) + 1
    if not 0 < count <= _MOST_HOURS:
        return math.floor(late.time)
    hours = [first_hour + 3600 * n for n in range(count)]
    if len(hours) == 1:
        return first_hour
    zones = [Clock(ZoneInfo(name)) for name in sorted(available_timezones())]
    change = early.offset, late.offset
    zones = [zone for zone in zones if (zone.offset(early.time), zone.offset(late.time)) == change]
    known = Counter(hour for zone in zones for hour in hours if (zone.offset(hour - 1), zone.offset(hour)) == change)
    return known.most_common(1)[0][0] if known else hours[0]
