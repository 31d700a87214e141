"""Log timestamps to seconds since 1970, UTC.

Some formats write epoch seconds; the others write local time without a zone.
Those are first read as if they were UTC ("naive seconds"), then a ``Clock`` says
what they are in UTC.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from importers.turns import Shown, turns

QUARTER_HOUR = 900.0
"""Every zone in use is a multiple of this from UTC, in seconds."""

Evidence = Literal["epoch", "log", "option", "machine"]

_OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
_CHANGE = re.compile(r"(UTC[+-]\d\d:\d\d) from (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")
_EPOCH_START = datetime(1970, 1, 1)


class UnknownZone(ValueError):
    """A ``--timezone`` that is neither a zone name nor an offset."""


def naive_seconds(text: str) -> float | None:
    """Read ``2026-11-23 01:34:57.099051`` (fraction optional) as if it were UTC.

    Returns seconds since 1970, or None where the text is no time, or one with a zone, which no component writes.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return None
    except ValueError:
        moment_or_none = _lenient(text)
        if moment_or_none is None:
            return None
        moment = moment_or_none
    # In the first and last year there is, a zone may lead out of it.
    return (moment - _EPOCH_START).total_seconds() if 1 < moment.year < 9999 else None


def _lenient(text: str) -> datetime | None:
    """Read fractions of any length, and a comma for the point, which older Pythons refuse."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)[.,](\d{1,9})", text)
    try:
        return datetime.fromisoformat(f"{match[1]}.{match[2]:0<6.6}") if match else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Clock:
    """Turns naive local seconds into UTC.

    ``evidence`` tells how the zone is known: ``log`` (the run's own log holds epoch and
    local time of one moment), ``option`` (--timezone), ``machine`` (the zone of this
    machine, when nothing better is known), or ``epoch`` (the times need no zone).

    ``changes`` are those of daylight saving that the run's own log shows: UTC seconds, and the seconds east of UTC
    from then on, in order of time. ``zone`` is then the offset before the first.
    """

    zone: tzinfo = timezone.utc
    evidence: Evidence = "epoch"
    changes: tuple[tuple[float, float], ...] = ()

    def utc(self, naive: float) -> float:
        """Return the UTC seconds of naive local seconds, rounded to microseconds.

        Where clocks are set back, the earlier of the two possible times is taken.
        """
        if isinstance(self.zone, timezone):
            found = naive - self.zone.utcoffset(None).total_seconds()
            for moment, offset in self.changes:
                if found < moment:
                    break
                found = naive - offset
            return round(found, 6)
        return round((_EPOCH_START + timedelta(seconds=naive)).replace(tzinfo=self.zone).timestamp(), 6)

    def naive(self, utc: float) -> float:
        """Return the naive local seconds of UTC seconds: the inverse of ``utc``."""
        if self.changes:
            return round(utc + self.offset(utc), 6)
        local = datetime.fromtimestamp(utc, timezone.utc).astimezone(self.zone)
        return round((local.replace(tzinfo=None) - _EPOCH_START).total_seconds(), 6)

    def offset(self, utc: float) -> float:
        """Return how far east of UTC the clock is at UTC seconds, in seconds."""
        for moment, offset in reversed(self.changes):
            if utc >= moment:
                return offset
        return (datetime.fromtimestamp(utc, self.zone).utcoffset() or timedelta()).total_seconds()

    def set_backs(self, first: float, last: float) -> list[tuple[float, float]]:
        """Return when the clock was set back, in UTC seconds, and by how many, where that can concern times between.

        Those are as ``utc`` returns them: where one may be of the hour before or after, that is up to an hour before.
        """
        changes = self.changes
        if isinstance(self.zone, ZoneInfo):
            turned = turns(self._shown, self._shown(int(first)), self._shown(int(last) + 86400))
            changes = tuple((late.time, late.offset) for _early, late in turned)
        found = [(moment, self.offset(moment - 1) - offset) for moment, offset in changes]
        return [(moment, back) for moment, back in found if back > 0 and first < moment and moment - back <= last]

    def _shown(self, second: int) -> Shown:
        return Shown(second, second, self.offset(second))

    @property
    def name(self) -> str:
        """The zone, for the report and for ``clock_of_name``: 'UTC-06:00' or a zone name, and changes that follow."""
        later = [
            f", {offset_name(zone_of(offset))} from {_EPOCH_START + timedelta(seconds=moment)} UTC"
            for moment, offset in self.changes
        ]
        return offset_name(self.zone) + "".join(later)


EPOCH = Clock()


def machine_clock() -> Clock:
    """Return the clock of this machine's zone, by name, so that it means the same on another machine."""
    set_here = os.environ.get("TZ", "").removeprefix(":")
    with suppress(ValueError, OSError, KeyError):
        return Clock(ZoneInfo(set_here or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]), "machine")
    return Clock(timezone(timedelta(seconds=time.localtime().tm_gmtoff)), "machine")


def offset_name(zone: tzinfo) -> str:
    """Name a zone: 'UTC-06:00' or its key in the zone database."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    minutes = round((zone.utcoffset(None) or timedelta()).total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def clock_of_offset(seconds: float) -> Clock:
    """Return the clock of a run whose own log shows this many seconds east of UTC."""
    return Clock(zone_of(seconds), "log")


def zone_of(offset: float) -> timezone:
    """Return the zone that is always this many seconds east of UTC."""
    return timezone(timedelta(seconds=offset))


def clock_of_name(name: str, evidence: Evidence = "option") -> Clock:
    """Return the clock of a zone name, ``UTC``, ``+02:00`` or ``UTC-06:00``, or as ``Clock.name`` has it.

    Raises UnknownZone.
    """
    name, *later = name.split(", ")
    clock = _clock_of_zone(name, evidence)
    changes = []
    for text in later:
        change = _CHANGE.fullmatch(text)
        moment = naive_seconds(change[2]) if change else None
        if change is None or moment is None or not isinstance(clock.zone, timezone):
            raise UnknownZone(f"{text!r} is no change of a zone, like UTC-06:00 from 2026-11-01 07:00:00 UTC")
        changes.append((moment, _clock_of_zone(change[1], evidence).offset(0)))
    return replace(clock, changes=tuple(sorted(changes)))


def _clock_of_zone(name: str, evidence: Evidence) -> Clock:
    if (match := _OFFSET.fullmatch(name)) and int(match[2]) < 24 and int(match[3]) < 60:
        delta = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return Clock(timezone(-delta if match[1] == "-" else delta), evidence)
    if name.upper() in ("UTC", "Z"):
        return Clock(timezone.utc, evidence)
    try:
        return Clock(ZoneInfo(name), evidence)
    except (ValueError, OSError, KeyError):
        raise UnknownZone(
            f"{name!r} is no time zone. Use a name like America/Chicago, or an offset like -06:00"
        ) from None


def utc_offset(naive: float, epoch: float) -> float | None:
    """Return how far east of UTC a clock is that showed ``naive`` at ``epoch``, in seconds.

    Rounded to a quarter hour, since the two were not read at the same instant. None where the
    result is no offset that a zone can have.
    """
    offset = round((naive - epoch) / QUARTER_HOUR) * QUARTER_HOUR
    return offset if abs(offset) < 86400 else None
