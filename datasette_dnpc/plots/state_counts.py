"""How many spans are in each state from when on: exact counts, from rows of several shapes.

All shapes become changes: at this time, so many more or fewer in this state. What is counted from there on is the
same for all. At one time all changes count together, so that a state of no length never does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from datasette_dnpc.plots.rows import Floats, Numbers, Source, numbers, said_total, table
from datasette_dnpc.queries import Table

Integers: TypeAlias = npt.NDArray[np.intp]

_NEVER = 1e300
"""Stands for the end of an interval that has none."""


@dataclass(frozen=True)
class Changes:
    """When the number of spans in each state changes, and by how much; three arrays of the same length."""

    times: Floats
    """Seconds, of whatever beginning the rows have."""
    codes: Integers
    """Of each change, the index of its state in ``names``."""
    change: Floats
    """More spans in the state, or fewer if below 0; or what they weigh."""
    names: list[str]
    """The states, sorted."""
    note: str
    """How many rows were counted, and how many were left out and why."""

    def without(self, hidden: Iterable[str]) -> Changes:
        """Return the changes of all other states."""
        names = set(hidden)
        keep = [index for index, name in enumerate(self.names) if name not in names]
        new = np.full(len(self.names), -1, np.intp)
        new[keep] = np.arange(len(keep))
        kept = new[self.codes] >= 0
        return replace(
            self,
            times=self.times[kept],
            codes=new[self.codes[kept]],
            change=self.change[kept],
            names=[self.names[index] for index in keep],
        )

    def exact(self) -> tuple[Floats, Floats]:
        """Return the moments at which anything changes, and counts of shape (states, moments) from each on."""
        moments, places = np.unique(self.times, return_inverse=True)
        changed = self._summed(places, len(moments), self.change)
        some = changed.any(axis=0)
        return moments[some], np.cumsum(changed[:, some], axis=1)

    def means(self, columns: int) -> tuple[Floats, Floats]:
        """Return so many even times, and the mean counts from each to the next: their areas are exact."""
        first, last = float(self.times.min()), float(self.times.max())
        edges = np.linspace(first, last, columns + 1)
        width = (last - first) / columns
        places = np.minimum(((self.times - first) / width).astype(np.intp), columns - 1)
        # A change counts for the rest of its column, and in full in all columns after that.
        within = self._summed(places, columns, self.change * (edges[places + 1] - self.times) / width)
        full = np.cumsum(self._summed(places, columns, self.change), axis=1)
        within[:, 1:] += full[:, :-1]
        return edges[:-1], within

    def _summed(self, places: Integers, count: int, values: Floats) -> Floats:
        """Add values up by state and place."""
        flat = np.bincount(self.codes * count + places, values, len(self.names) * count)
        return flat.reshape(len(self.names), count).astype(float)


def state_steps(
    data: Source,
    sql: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    start: Sequence[str] = (),
    cut: Sequence[str] = (),
) -> tuple[Floats, dict[str, Floats]]:
    """Return the moments at which the number of spans in any state changes, and the exact counts from each moment on.

    :param data: rows, or a database together with SQL, of any shape that ``plots.states`` takes
    :param start: see ``plots.states``
    :param cut: see ``plots.states``
    :returns: seconds of the moments, in order; and state to its counts, or weights, from each of them on

    Raises ValueError for rows of no such shape.
    """
    changes = changes_of(table(data, sql, params), start, cut)
    moments, counts = changes.exact()
    return moments, dict(zip(changes.names, counts, strict=True))


def matching(states: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the states that a pattern fits: the state, or only its event type; ``%`` stands for any text."""
    found = [re.compile(_expression(pattern), re.IGNORECASE | re.DOTALL) for pattern in patterns if pattern]
    return [state for state in states if any(one.fullmatch(state) for one in found)]


def _expression(pattern: str) -> str:
    """Return what LIKE means by a pattern, before which a span type may stand."""
    return "(.*/)?" + "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)


def changes_of(rows: Table, start: Sequence[str] = (), cut: Sequence[str] = ()) -> Changes:
    """Return the changes that rows tell of, by the first shape in ``_SHAPES`` whose columns they have.

    Raises ValueError where they have none, or where states to start or cut at are asked for and rows are no events.
    """
    found = next((name for name, needed in _SHAPES if rows.has(*needed)), None)
    if found is None and rows.columns:
        known = "; ".join(", ".join(needed) for _, needed in _SHAPES)
        raise ValueError(f"no states in the columns {', '.join(rows.columns)}; what can be counted: {known}")
    if found == "events":
        return _of_events(rows, start, cut)
    if start or cut:
        raise ValueError("start and cut need one row for each event: root, time, state")
    return _READERS[found](rows) if found else _of([], Numbers(np.empty((0, 1)), [], Counter()), [])


def _time(rows: Table) -> str:
    # since_run_began is rounded: two times that differ by less would be one.
    return "time" if rows.has("time") else "since_run_began"


def _of_changes(rows: Table) -> Changes:
    drawn = numbers(rows, _time(rows), "change")
    times, change = drawn.values.T
    changes = _of(_texts(rows, drawn), drawn, [(times, change)])
    return replace(changes, note=changes.note + _moments_note(rows, times))


def _of_counts(rows: Table) -> Changes:
    """Read counts at some times: a state without a row has none at that time."""
    drawn = numbers(rows, _time(rows), "spans")
    texts = _texts(rows, drawn)
    names = sorted(set(texts))
    codes = _codes(texts, names)
    times, places = np.unique(drawn.values[:, 0], return_inverse=True)
    counts = np.zeros((len(names), len(times)))
    np.add.at(counts, (codes, places), drawn.values[:, 1])
    change = np.diff(counts, axis=1, prepend=0)
    every = np.repeat(np.arange(len(names)), len(times))
    return Changes(np.tile(times, len(names)), every, change.ravel(), names, drawn.note)


def _of_intervals(rows: Table) -> Changes:
    """Read intervals; one of no end goes on."""
    columns = ("began", "ended", "state", *_weight(rows))
    values = zip(*map(rows.column, columns), strict=True)
    closed = Table(columns, [(began, _NEVER if ended is None else ended, *more) for began, ended, *more in values])
    drawn = numbers(closed, "began", "ended", *_weight(rows))
    began, ended = drawn.values[:, :2].T
    weight = _weights(drawn, 2)
    changes = _of(_texts(rows, drawn), drawn, [(began, weight), (ended, -weight)])
    counted = np.tile(ended > began, 2) & (changes.times < _NEVER)
    return replace(changes, times=changes.times[counted], codes=changes.codes[counted], change=changes.change[counted])


def _of_events(rows: Table, start: Sequence[str], cut: Sequence[str]) -> Changes:
    """Read events: each root is in the state of its latest one; at one time, of the last by name."""
    drawn = numbers(rows, _time(rows), *_weight(rows))
    texts = _texts(rows, drawn)
    names = sorted(set(texts))
    all_roots: list[Hashable] = rows.column("root")
    if len(set(rows.column("run") if rows.has("run") else ())) > 1:
        all_roots = list(zip(rows.column("run"), all_roots, strict=True))
    roots = all_roots if len(drawn.kept) == len(all_roots) else [all_roots[index] for index in drawn.kept]
    codes, owners = _codes(texts, names), _codes(roots, dict.fromkeys(roots))
    order = np.lexsort((codes, drawn.values[:, 0], owners))
    times, codes, owners, weight = drawn.values[order, 0], codes[order], owners[order], _weights(drawn)[order]

    count = int(owners[-1]) + 1 if len(owners) else 0
    begins = np.full(count, -np.inf)
    note = drawn.note + _sample(rows, count)
    if start:
        begins = _first(times, owners, count, np.isin(codes, _codes(matching(names, start), names)))
        note += f", {np.isinf(begins).sum():,} of {count:,} roots without {', '.join(start)}"
    after = times >= begins[owners]
    cuts = np.full(count, np.inf)
    if cut:
        cuts = _first(times, owners, count, after & np.isin(codes, _codes(matching(names, cut), names)))
    following = np.append(times[1:], np.inf)
    following[np.append(owners[1:] != owners[:-1], True)[: len(times)]] = np.inf
    ends = np.minimum(following[: len(times)], cuts[owners])
    lasting = after & (ends > times)
    ending = lasting & np.isfinite(ends)
    return Changes(
        np.concatenate([times[lasting], ends[ending]]),
        np.concatenate([codes[lasting], codes[ending]]),
        np.concatenate([weight[lasting], -weight[ending]]),
        names,
        note,
    )


def _first(times: Floats, owners: Integers, count: int, among: npt.NDArray[np.bool_]) -> Floats:
    """Return the first of some times for each owner, infinite where it has none."""
    found = np.full(count, np.inf)
    np.minimum.at(found, owners[among], times[among])
    return found


def _of(states: Sequence[str], drawn: Numbers, parts: Sequence[tuple[Floats, Floats]]) -> Changes:
    """Return the changes of rows of these states: (times, change) of each row, once or several times."""
    names = sorted(set(states))
    codes = _codes(states, names)
    return Changes(
        np.concatenate([np.empty(0), *(times for times, _ in parts)]),
        np.concatenate([np.empty(0, np.intp), *(codes for _ in parts)]),
        np.concatenate([np.empty(0), *(change for _, change in parts)]),
        names,
        drawn.note,
    )


def _weight(rows: Table) -> tuple[str, ...]:
    return ("weight",) if rows.has("weight") else ()


def _weights(drawn: Numbers, times: int = 1) -> Floats:
    """Return the column after those of times, else 1 for each row."""
    return drawn.values[:, times] if drawn.values.shape[1] > times else np.ones(len(drawn.values))


def _texts(rows: Table, drawn: Numbers) -> list[str]:
    texts = list(map(str, rows.column("state")))
    return texts if len(drawn.kept) == len(texts) else [texts[index] for index in drawn.kept]


def _codes(values: Sequence[Hashable], names: Iterable[Hashable]) -> Integers:
    """Return the place of each value among the names."""
    places = {name: place for place, name in enumerate(names)}
    return np.fromiter(map(places.__getitem__, values), np.intp, len(values))


def _moments_note(rows: Table, times: Floats) -> str:
    """Return what a note says of changes that are added up from some moments to the next.

    ``of_moments`` is how many moments there are, NULL where nobody counted them: the times are then even ones.
    """
    total = said_total(rows, "of_moments")
    shown = len(np.unique(times))
    if total is None:
        return f", at {shown:,} even times" if rows.has("of_moments") else ""
    return f", at {shown:,} of {total:,} moments" if total > shown else ""


def _sample(rows: Table, roots: int) -> str:
    """Return what a note says of roots that are a sample of more."""
    total = said_total(rows, "of_roots") or 0
    return f", a sample of {roots:,} of {total:,} roots" if total > roots else ""


_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("changes", ("time", "state", "change")),
    ("changes", ("since_run_began", "state", "change")),
    ("counts", ("time", "state", "spans")),
    ("counts", ("since_run_began", "state", "spans")),
    ("events", ("root", "time", "state")),
    ("events", ("root", "since_run_began", "state")),
    ("intervals", ("began", "ended", "state")),
)

_READERS: dict[str, Callable[[Table], Changes]] = {
    "changes": _of_changes,
    "counts": _of_counts,
    "intervals": _of_intervals,
}
