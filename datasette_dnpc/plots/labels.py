"""Text and colour on plots. Text that comes from data is shown as it is, never as mathtext."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from datasette_dnpc.meanings import FEW, few_state_colours

LONGEST = 60
"""Characters of a label; what is longer is cut in the middle, where identifiers differ least."""


def printable(value: object, longest: int = LONGEST) -> str:
    """Return a value as one short line: no control characters, which SVG cannot hold."""
    text = "".join(char if char.isprintable() else "?" for char in str(value))
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text


def colours(count: int) -> list[Any]:
    """Return that many colours: easily told apart up to ten, none of them red, in an order like a rainbow beyond."""
    if count <= len(FEW):
        return list(FEW[:count])
    return [matplotlib.colormaps["turbo"](place) for place in np.linspace(0.03, 0.97, count)]


def state_colours(names: Collection[str]) -> dict[str, Any]:
    """Return a colour for each state: see ``few_state_colours``."""
    return few_state_colours(names, [*map(to_hex, colours(len(names)))] if len(names) > len(FEW) else FEW)


def data_text(ax: Axes, x: float, y: float, text: str) -> None:
    """Write a text that ends at a point of the data."""
    ax.text(x, y, printable(text), fontsize="x-small", ha="right", va="bottom", parse_math=False)


def note(ax: Axes, text: str) -> None:
    """Write how many rows the plot shows at its upper right."""
    ax.text(
        1,
        1.01,
        text,
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize="x-small",
        color="0.4",
        parse_math=False,
    )


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], most: int = 20) -> None:
    """Put a legend to the right of the plot; it says how many names it leaves out."""
    # matplotlib hides labels which begin with an underscore.
    texts = [" " + printable(name) for name in names[:most]]
    title = f"{most} of {len(names)}" if len(names) > most else None
    box = ax.legend(
        list(handles[:most]),
        texts,
        title=title,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        fontsize="x-small",
        frameon=False,
    )
    for text in box.get_texts():
        text.set_parse_math(False)
