"""Colours of the pages' charts, for a light and a dark ground."""

from __future__ import annotations

from collections.abc import Iterable

# The golden angle: successive hues are far apart, however many there are.
_HUE_STEP = 137.508
_HUE_SHIFT = 30


def state_colours(states: Iterable[str]) -> dict[str, str]:
    """Return a CSS colour for each state: hues near each other for a span type, lightness by turns for its events."""
    hues: dict[str, float] = {}
    events: dict[str, int] = {}
    colours: dict[str, str] = {}
    for state in dict.fromkeys(states):
        span_type = state.rpartition("/")[0]
        hue = hues.setdefault(span_type, (210 + len(hues) * _HUE_STEP) % 360)
        events[span_type] = events.get(span_type, -1) + 1
        place = events[span_type]
        # The four lightnesses come again, in another hue.
        colours[state] = f"hsl({(hue + place // 4 * _HUE_SHIFT) % 360:.0f} 55% {42 + place % 4 * 10}%)"
    return colours


def type_colours(types: Iterable[str]) -> dict[str, str]:
    """Return a CSS colour for each span type: that of the first of its states."""
    return {name.removesuffix("/"): colour for name, colour in state_colours(f"{one}/" for one in types).items()}
