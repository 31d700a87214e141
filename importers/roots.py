"""The events of every root of one type in one run, read once for all that is derived from them."""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from itertools import groupby
from operator import itemgetter

Sequence = tuple[int, ...]
"""The code of each event's (span type, event type), in time order."""

_CODE = "below.type * 1000000 + events.type"
"""A (span type, event type) pair as one number."""

EVENTS = f"""
    SELECT descendants.root, events.time, {_CODE}
    FROM descendants
    CROSS JOIN spans AS root ON root.id = descendants.root AND root.run = :run AND root.type = :type
    CROSS JOIN spans AS below ON below.id = descendants.span
    CROSS JOIN events ON events.span = below.id
    WHERE descendants.root BETWEEN
        (SELECT min(id) FROM spans WHERE run = :run AND type = :type)
        AND (SELECT max(id) FROM spans WHERE run = :run AND type = :type)
    ORDER BY descendants.root
"""
"""Root, time and code of each event below the roots of a type in a run, root by root.

The ids of a run lie close together, and descendants are kept in order of their root: no sorting here.
"""


class StateNames(dict[int, str]):
    """The 'span_type/event_type' of each code."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        super().__init__()
        self._span_types = dict(conn.execute("SELECT id, name FROM span_types").fetchall())
        self._event_types = dict(conn.execute("SELECT id, name FROM event_types").fetchall())

    def __missing__(self, code: int) -> str:
        span_type, event_type = divmod(code, 1_000_000)
        self[code] = f"{self._span_types[span_type]}/{self._event_types[event_type]}"
        return self[code]


def by_place(times: array[float], length: int) -> list[array[float]]:
    """Return the times at each place of a sequence, given those of one root after the other."""
    return [times[place::length] for place in range(length)]


class Alike:
    """Roots of one sequence: their ids, and the times of their events, one root after the other."""

    __slots__ = ("ids", "sequence", "times")

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.ids, self.times = array("q"), array("d")

    def between(self, first: int, last: int) -> Alike:
        """Return those whose ids are not below ``first`` and not above ``last``."""
        found, length = Alike(self.sequence), len(self.sequence)
        start, end = bisect_left(self.ids, first), bisect_right(self.ids, last)
        found.ids, found.times = self.ids[start:end], self.times[length * start : length * end]
        return found

    def by_place(self) -> list[array[float]]:
        """Return the times of the events at each place of the sequence."""
        return by_place(self.times, len(self.sequence))


class Roots:
    """The events of every root of one type in one run that has any, as ``alike``: the roots by their sequence."""

    def __init__(self, conn: sqlite3.Connection, run: int, root_type: int) -> None:
        self.run, self.root_type = run, root_type
        found: dict[Sequence, Alike] = {}
        names = StateNames(conn)
        rows = conn.execute(EVENTS, {"run": run, "type": root_type})
        for root, group in groupby(rows, key=itemgetter(0)):
            # Events at one time come in order of their names, so that the variant does not depend on ids.
            events = sorted([(time, code) for _root, time, code in group], key=itemgetter(0))
            times, codes = zip(*events, strict=True)
            if len(set(times)) < len(times):
                events.sort(key=lambda event: (event[0], names[event[1]]))
                codes = tuple(code for _time, code in events)
            alike = found.get(codes)
            if alike is None:
                alike = found[codes] = Alike(codes)
            alike.ids.append(root)
            alike.times.extend(times)
        self.alike = list(found.values())
