"""In which order states lie on each other where they are counted over time: the same on the pages and in the plots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def stacking(held: Iterable[tuple[str, float, float, float]]) -> list[str]:
    """Return the states from the lowest up, first those that spans are in last in the mean: what is done lies lowest.

    :param held: state, how many spans are in it, from when and until when, in any unit of time. It makes no difference
        whether what does not change comes as one or in parts
    """
    amounts: defaultdict[str, float] = defaultdict(float)
    late: defaultdict[str, float] = defaultdict(float)
    latest: dict[str, float] = {}
    for state, spans, since, until in held:
        amounts[state] += spans * (until - since)
        late[state] += spans * (until - since) * (since + until) / 2
        latest[state] = max(until, latest.get(state, until))
    # What lasts no time is there at the end.
    mean = {state: late[state] / amount if amount else latest[state] for state, amount in amounts.items()}
    # A part in ten million is what the rounding of times makes.
    return sorted(mean, key=lambda state: (-round(mean[state], 7), state))
