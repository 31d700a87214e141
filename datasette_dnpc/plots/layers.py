"""Places for the boxes and lines of a graph that is drawn from left to right, in columns.

What Graphviz does would need its program, and networkx has no such layout; of a few dozen boxes it is short:
columns by the longest way from the left, order in a column by the mean place of the neighbours, and heights as near to
theirs as the boxes' own heights allow. The result depends on the order of the input alone.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TypeAlias

Item: TypeAlias = "tuple[str, ...]"
"""A box: (name,); or where a line passes a column: (from, to, column)."""

Link: TypeAlias = "tuple[str, str]"

SWEEPS = 12
"""Times that the columns are ordered from left to right and back."""

MOST_ALONE = 12
"""Boxes without any line in one column, where lines do not make more columns anyway."""


@dataclass(frozen=True)
class Layout:
    """Where everything is. Columns count from 0 at the left; heights grow downwards from 0."""

    column: dict[str, int]
    """Of each box."""
    height: dict[Item, float]
    """Of the middle of each item."""
    ways: dict[Link, list[Item]]
    """The items that a line goes through, from left to right: its boxes at the ends, its passes between."""


def layout(sizes: Mapping[str, float], links: Sequence[Link], ties: Sequence[Link], gap: float = 0.35) -> Layout:
    """Return places for boxes.

    :param sizes: name of a box to how high it is
    :param links: from, to: one column or more to the right, but where links go round in a circle
    :param ties: boxes that are to be in one column, next to each other
    :param gap: between boxes, in the unit of the sizes
    """
    group = _groups(sizes, ties)
    column = _columns(sizes, links, group)
    ways = _ways(links, column)
    columns = _ordered(sizes, column, ways, group)
    return Layout(column, _heights(columns, ways, sizes, gap), ways)


def _groups(names: Iterable[str], ties: Sequence[Link]) -> dict[str, str]:
    """Return box to the first box of those that it is tied to."""
    tied: dict[str, list[str]] = defaultdict(list)
    for left, right in ties:
        tied[left].append(right)
        tied[right].append(left)
    group: dict[str, str] = {}
    for name in names:
        todo = [name]
        while todo:
            here = todo.pop()
            if here not in group:
                group[here] = name
                todo += tied[here]
    return group


def _columns(names: Iterable[str], links: Sequence[Link], group: Mapping[str, str]) -> dict[str, int]:
    after: dict[str, dict[str, None]] = {group[name]: {} for name in names}
    for left, right in links:
        if group[left] != group[right]:
            after[group[left]][group[right]] = None
    order = _order(after)
    rank = {name: place for place, name in enumerate(order)}
    column = dict.fromkeys(order, 0)
    forward = [(left, right) for left in order for right in after[left] if rank[left] < rank[right]]
    for left, right in forward:
        column[right] = max(column[right], column[left] + 1)
    # What nothing leads to stands right before what it leads to.
    inner = {right for _, right in forward}
    for left in order:
        followers = [column[right] for right in after[left] if rank[left] < rank[right]]
        if left not in inner and followers:
            column[left] = min(followers) - 1
    _spread_alone([one for one in order if not after[one] and one not in inner], column, group)
    return {name: column[group[name]] for name in names}


def _spread_alone(alone: Sequence[str], column: dict[str, int], group: Mapping[str, str]) -> None:
    """Give each box without lines to the column with fewest boxes."""
    others = [place for one, place in column.items() if one not in alone]
    size = [0] * max(max(others, default=-1) + 1, -(-len(alone) // MOST_ALONE))
    for one in group.values():
        if one not in alone:
            size[column[one]] += 1
    for one in alone:
        column[one] = size.index(min(size))
        size[column[one]] += 1


def _order(after: Mapping[str, Iterable[str]]) -> list[str]:
    """Return an order in which each comes before what follows it, as far as there is no circle."""
    done: list[str] = []
    seen: set[str] = set()
    for first in after:
        if first in seen:
            continue
        seen.add(first)
        todo: list[tuple[str, Iterator[str]]] = [(first, iter(after[first]))]
        while todo:
            name, rest = todo[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                done.append(name)
                todo.pop()
            else:
                seen.add(following)
                todo.append((following, iter(after[following])))
    return done[::-1]


def _ways(links: Sequence[Link], column: Mapping[str, int]) -> dict[Link, list[Item]]:
    """Return the way of each link, from left to right though it may point to the left; none within a column."""
    ways: dict[Link, list[Item]] = {}
    for link in links:
        left, right = sorted(link, key=lambda name: column[name])
        if column[left] < column[right]:
            between = range(column[left] + 1, column[right])
            ways[link] = [(left,), *((*link, str(place)) for place in between), (right,)]
    return ways


def _ordered(
    names: Iterable[str], column: Mapping[str, int], ways: Mapping[Link, Sequence[Item]], group: Mapping[str, str]
) -> list[list[Item]]:
    """Return the items of each column in an order in which few lines cross."""
    columns: list[list[Item]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for name in names:
        columns[column[name]].append((name,))
    for way in ways.values():
        for place, item in enumerate(way[1:-1], column[way[0][0]] + 1):
            columns[place].append(item)
    before, behind = _neighbours(ways)
    for items in columns:
        _sort(items, {}, group)
    best, least = [list(items) for items in columns], _crossings(columns, behind)
    for _ in range(SWEEPS):
        for sweep, near in ((columns[1:], before), (columns[-2::-1], behind)):
            for items in sweep:
                rank = {item: index for other in columns for index, item in enumerate(other)}
                wanted = {item: fmean(rank[one] for one in near[item]) for item in items if near.get(item)}
                _sort(items, wanted, group)
        if (crossings := _crossings(columns, behind)) < least:
            best, least = [list(items) for items in columns], crossings
    return best


def _neighbours(ways: Mapping[Link, Sequence[Item]]) -> tuple[dict[Item, list[Item]], dict[Item, list[Item]]]:
    """Return the items to the left of each, and those to the right."""
    before: dict[Item, list[Item]] = defaultdict(list)
    behind: dict[Item, list[Item]] = defaultdict(list)
    for way in ways.values():
        for left, right in pairwise(way):
            before[right].append(left)
            behind[left].append(right)
    return before, behind


def _sort(items: list[Item], wanted: Mapping[Item, float], group: Mapping[str, str]) -> None:
    """Order by wanted places; tied boxes stay together, and what wants nothing keeps its place."""
    own = {item: wanted.get(item, float(index)) for index, item in enumerate(items)}
    of_group: dict[object, list[float]] = defaultdict(list)
    for item in items:
        of_group[group[item[0]] if len(item) == 1 else item].append(own[item])
    first = {name: index for index, name in enumerate(of_group)}

    def key(item: Item) -> tuple[float, int, float]:
        name = group[item[0]] if len(item) == 1 else item
        return fmean(of_group[name]), first[name], own[item]

    items.sort(key=key)


def _crossings(columns: Sequence[Sequence[Item]], behind: Mapping[Item, Sequence[Item]]) -> int:
    count = 0
    for items, following in pairwise(columns):
        place = {item: index for index, item in enumerate(following)}
        ends: list[int] = []
        for item in items:
            targets = sorted(place[one] for one in behind.get(item, ()))
            count += sum(len(ends) - bisect_left(ends, target + 1) for target in targets)
            for target in targets:
                insort(ends, target)
    return count


def _heights(
    columns: Sequence[Sequence[Item]], ways: Mapping[Link, Sequence[Item]], sizes: Mapping[str, float], gap: float
) -> dict[Item, float]:
    before, behind = _neighbours(ways)
    distances = [
        [(_size(one, sizes) + _size(two, sizes)) / 2 + gap for one, two in pairwise(items)] for items in columns
    ]
    height: dict[Item, float] = {}
    for items, apart in zip(columns, distances, strict=True):
        _place(height, items, apart, [0.0] * len(items))
    for _ in range(SWEEPS):
        for near in (before, behind):
            for items, apart in zip(columns, distances, strict=True):
                wanted = [fmean([height[one] for one in near.get(item, ())] or [height[item]]) for item in items]
                _place(height, items, apart, wanted)
    top = min((height[item] - _size(item, sizes) / 2 for item in height), default=0.0)
    return {item: place - top for item, place in height.items()}


def _size(item: Item, sizes: Mapping[str, float]) -> float:
    return sizes[item[0]] if len(item) == 1 else 0.0


def _place(height: dict[Item, float], items: Sequence[Item], apart: Sequence[float], wanted: Sequence[float]) -> None:
    """Place the items of a column as near to the wanted heights as their distances allow: least squares."""
    # Without the distances, the heights must only not fall: neighbours that would, share their mean.
    offset = [0.0]
    for distance in apart:
        offset.append(offset[-1] + distance)
    pools: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offset, strict=False):
        mean, count = want - shift, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        pools.append((mean, count))
    places = [mean for mean, count in pools for _ in range(count)]
    for item, place, shift in zip(items, places, offset, strict=False):
        height[item] = place + shift
