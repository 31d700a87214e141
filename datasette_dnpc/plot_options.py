"""What a plot can be asked for besides its rows: options of ``dnpc plot``, parameters of an address in Datasette.

Texts of both kinds become the keywords of the functions of ``plots``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One keyword of a plot."""

    meaning: str
    """For people, like that of a query's parameter."""
    read: Callable[[str], Any]
    """Makes the keyword's value of a text that is not empty. Raises ValueError for a text of no meaning."""


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _list(text)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"{text!r} is no list of STATE=COLOUR with commas between")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number of states")
    return int(text)


_STATES = {
    "order": Option("states to draw first, the lowest first, with commas between", _list),
    "hide": Option("states or event types not to draw, with commas between; % stands for any text", _list),
    "only": Option("states or event types to draw, and no others", _list),
    "colours": Option("STATE=COLOUR, with commas between: names of matplotlib, or #rrggbb", _pairs),
    "most": Option("how many states have areas of their own; empty: 9", _count),
    "start": Option("of rows that are events: states from which on a root counts", _list),
    "cut": Option("of rows that are events: states from which on it no longer counts", _list),
}

OPTIONS: dict[str, dict[str, Option]] = {
    "states": {
        **_STATES,
        "baseline": Option("zero; sym, wiggle or weighted_wiggle for a streamgraph; empty: zero", str),
    },
    "stream": _STATES,
}
"""Name of a plot to its options by keyword."""


def of_plots(kinds: Iterable[str]) -> dict[str, Option]:
    """Return all options that any of these plots has."""
    return {name: option for kind in kinds for name, option in OPTIONS.get(kind, {}).items()}


def keywords(kind: str, texts: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the keywords of a plot that some texts stand for; what is empty, or no option of the plot, is left out.

    Raises ValueError for a text of no meaning.
    """
    return {name: option.read(text) for name, option in OPTIONS.get(kind, {}).items() if (text := texts.get(name))}
