"""Where the offset of a clock changes, in an order of places that can be looked at one by one: by bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

NEXT_CHANGE = 14 * 86400.0
"""Less than the seconds from one change of a zone to the next: Morocco has two within a month."""

MOST_PROBES = 4000


class Shown(NamedTuple):
    """What a clock shows at a place: UTC seconds, and how many seconds east of UTC it is."""

    place: int
    time: float
    offset: float


def turns(probe: Callable[[int], Shown], low: Shown, high: Shown) -> list[tuple[Shown, Shown]]:
    """Find the changes between two places: return pairs of neighbours with different offsets, in order.

    ``probe`` returns what is shown at the first place that is not before the one it is given; ``high`` at the latest.
    None are returned where there is no end of them: they are not those of a zone.
    """
    found: list[tuple[Shown, Shown]] = []
    # Each with a place from which on there is nothing before the later one.
    ranges = [(low, high, high.place)]
    for _ in range(MOST_PROBES):
        if not ranges:
            return found
        early, late, bound = ranges.pop()
        if early.offset == late.offset and abs(late.time - early.time) < NEXT_CHANGE:
            continue
        if bound - early.place > 1:
            middle = (early.place + bound) // 2
            between = probe(middle)
            if between.place < late.place:
                ranges += [(between, late, bound), (early, between, middle)]
            else:
                ranges.append((early, late, middle))
        elif early.offset != late.offset:
            found.append((early, late))
    return []
