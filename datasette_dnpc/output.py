"""Rows as text: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from datasette_dnpc.queries import Table

LEAST_WIDTH = 8
"""Characters that a column of text keeps on the narrowest terminal."""

DECIMALS = 6
"""Of a number in a table: microseconds. CSV and JSON have all."""

_GAP = "  "


def as_table(data: Table, width: int | None = None) -> str:
    """Return aligned columns below their names: numbers to the right, NULL as nothing.

    :param width: characters of a line; where they do not suffice, long text is cut in the middle,
        but numbers are not. None: nothing is cut

    Safe for a terminal: characters that could move the cursor, colour or hide text are replaced.
    """
    columns = [[name, *_cells(data.column(name))] for name in map(str, data.columns)]
    numeric = [_is_numeric(data.column(name)) for name in data.columns]
    columns = [[printable(cell) for cell in column] for column in columns]
    widths = [max(map(shown_width, column)) for column in columns]
    if width is not None:
        widths = _fitted(widths, numeric, width)
    padded = [_padded(*column) for column in zip(columns, widths, numeric, strict=True)]
    return "".join(f"{_GAP.join(cells).rstrip()}\n" for cells in zip(*padded, strict=True))


def as_csv(data: Table) -> str:
    """Return a line of column names and one for each row; NULL is empty, numbers have all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(data.columns)
    writer.writerows([_text_of_bytes(value) for value in row] for row in data.rows)
    return text.getvalue()


def as_json(data: Table) -> str:
    """Return a list of objects, one on each line, as Datasette gives with ``_shape=array``.

    What JSON has no number for is null; bytes that are no text are an object with ``$base64``.
    """
    objects = [json.dumps({name: _json_value(value) for name, value in row.items()}) for row in data.dicts()]
    return "[" + ",".join(f"\n{text}" for text in objects) + "\n]\n"


FORMATS: dict[str, Callable[[Table], str]] = {"table": as_table, "csv": as_csv, "json": as_json}
"""Name to function that makes the text."""


def printable(text: str, keep: str = "") -> str:
    """Replace what a terminal would not show as a character, but for those to keep."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else "\N{REPLACEMENT CHARACTER}" for char in text)


def shown_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _is_numeric(values: Sequence[Any]) -> bool:
    found = [value for value in values if value is not None]
    return bool(found) and all(isinstance(value, (int, float)) for value in found)


def _cells(values: Sequence[Any]) -> Iterator[str]:
    """Yield texts; the decimal points of a column's numbers are in one line."""
    decimals = max((_decimals(value) for value in values if isinstance(value, float)), default=0)
    for value in values:
        if value is None:
            yield ""
        elif isinstance(value, float):
            yield f"{value:.{decimals}f}" if _is_plain(value) else f"{value:.{DECIMALS}g}"
        else:
            yield str(_text_of_bytes(value))


def _is_plain(value: float) -> bool:
    """Tell whether a number is no longer than a date in seconds, and not rounded to nothing."""
    return value == 0 or 10**-DECIMALS <= abs(value) < 1e15


def _decimals(value: float) -> int:
    return len(f"{value:.{DECIMALS}f}".rstrip("0").partition(".")[2]) if _is_plain(value) else 0


def _fitted(widths: Sequence[int], numeric: Sequence[bool], room: int) -> list[int]:
    """Cut the widest columns of text to one width with which the line fits."""
    texts = sorted(width for width, number in zip(widths, numeric, strict=True) if not number)
    free = room - (sum(widths) - sum(texts)) - len(_GAP) * (len(widths) - 1)
    most = max(texts, default=0)
    for place, width in enumerate(texts):
        share = free // (len(texts) - place)
        if width > share:
            most = max(share, LEAST_WIDTH)
            break
        free -= width
    return [width if number else min(width, most) for width, number in zip(widths, numeric, strict=True)]


def _padded(cells: Sequence[str], width: int, number: bool) -> Iterator[str]:
    for cell in cells:
        text = _cut(cell, width)
        space = " " * (width - shown_width(text))
        yield space + text if number else text + space


def _cut(text: str, width: int) -> str:
    """Cut a text in the middle, as what tells identifiers and paths apart is mostly at their ends."""
    if shown_width(text) <= width:
        return text
    head = _begin(text, width // 2)
    return f"{head}…{_begin(text[::-1], width - 1 - shown_width(head))[::-1]}"


def _begin(text: str, width: int) -> str:
    """Return as much of the beginning as fits."""
    for place, char in enumerate(text):
        width -= _char_width(char)
        if width < 0:
            return text[:place]
    return text


def _text_of_bytes(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = _text_of_bytes(value)
    if isinstance(value, bytes) and text.encode() != value:
        return {"$base64": True, "encoded": text}
    return text
