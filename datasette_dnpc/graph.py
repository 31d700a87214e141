"""How the span types of a database hang together, as text, and in the languages of Graphviz and Mermaid.

Each takes rows of the queries ``span_type_summary`` and ``span_type_relations``:

    from datasette_dnpc import graph, queries
    graph.dot(queries.rows(path, "span_type_summary"), queries.rows(path, "span_type_relations"))

An arrow goes from a type to one whose spans are parts of its spans; a dashed line joins two accounts of one
thing. Numbers are spans at the types, and pairs of spans at the lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from datasette_dnpc.output import printable

Rows: TypeAlias = Sequence[Mapping[str, Any]]

FACET = "facet"
"""The kind of relation that joins two accounts of one thing; all others nest."""

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:()")


def dot(types: Rows, relations: Rows) -> str:
    """Return a ``digraph`` for Graphviz."""
    lines = ["digraph dnpc {", "  node [shape=box];"]
    numbers = _numbers(types, relations)
    for name, label in _labels(types, relations).items():
        lines.append(f'  n{numbers[name]} [label="{_dot_text(label)}"];')
    for row in relations:
        ends = f"n{numbers[row['left_type']]} -> n{numbers[row['right_type']]}"
        look = ", dir=none, style=dashed" if row["kind"] == FACET else ""
        lines.append(f'  {ends} [label="{row["pairs"]}"{look}];')
    return "\n".join([*lines, "}", ""])


def mermaid(types: Rows, relations: Rows) -> str:
    """Return a ``flowchart`` for Mermaid, which GitHub and many wikis draw."""
    lines = ["flowchart TD"]
    numbers = _numbers(types, relations)
    for name, label in _labels(types, relations).items():
        lines.append(f'  n{numbers[name]}["{_mermaid_text(label)}"]')
    for row in relations:
        line = "-.-" if row["kind"] == FACET else "-->"
        lines.append(f"  n{numbers[row['left_type']]} {line}|{row['pairs']}| n{numbers[row['right_type']]}")
    return "\n".join([*lines, ""])


def text(types: Rows, relations: Rows) -> str:
    """Return a tree: parts below what they are part of, other accounts of the same after ``=``.

    In parentheses: the spans of a type. A type that is part of several is below each, with its own parts only
    the first time.
    """
    labels = _labels(types, relations)
    parts: dict[str, list[tuple[str, int]]] = defaultdict(list)
    accounts: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in relations:
        left, right, pairs = row["left_type"], row["right_type"], row["pairs"]
        if row["kind"] == FACET:
            accounts[left].append((right, pairs))
            if left != right:
                accounts[right].append((left, pairs))
        else:
            parts[left].append((right, pairs))
    inner = {name for left in parts for name, _ in parts[left] if name != left}
    # Types that are only part of each other are below no outermost one: they come last.
    order = sorted(labels, key=lambda name: name in inner)
    lines: list[str] = []
    shown: set[str] = set()
    for outermost in order:
        if outermost not in shown:
            lines += _tree(outermost, labels, parts, accounts, shown)
    return "".join(f"{printable(line)}\n" for line in lines)


FORMATS: dict[str, Callable[[Rows, Rows], str]] = {"text": text, "dot": dot, "mermaid": mermaid}
"""Name to function that makes the text."""


def _tree(
    outermost: str,
    labels: Mapping[str, str],
    parts: Mapping[str, Sequence[tuple[str, int]]],
    accounts: Mapping[str, Sequence[tuple[str, int]]],
    shown: set[str],
) -> Iterator[str]:
    todo: list[tuple[str, int, int | None]] = [(outermost, 0, None)]
    while todo:
        name, depth, pairs = todo.pop()
        line = "  " * depth + labels[name] + ("" if pairs is None else f", {_pairs(pairs)}")
        below = parts.get(name, ())
        if name in shown:
            yield f"{line}, as above" if below or accounts.get(name) else line
            continue
        shown.add(name)
        yield line
        for other, same in accounts.get(name, ()):
            yield "  " * depth + f"  = {other}, {_pairs(same)}"
        todo += [(part, depth + 1, count) for part, count in reversed(below)]


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _labels(types: Rows, relations: Rows) -> dict[str, str]:
    """Return type to what is written for it; a type may be in relations alone, as lists end somewhere."""
    labels = {row["span_type"]: f"{row['span_type']} ({row['spans']})" for row in types}
    for row in relations:
        for name in (row["left_type"], row["right_type"]):
            labels.setdefault(name, name)
    return labels


def _numbers(types: Rows, relations: Rows) -> dict[str, int]:
    return {name: number for number, name in enumerate(_labels(types, relations))}


def _dot_text(label: str) -> str:
    # Graphviz reads both escapes and HTML's entities in a quoted text.
    return printable(label).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _mermaid_text(label: str) -> str:
    """Write what could end the text or be HTML or Markdown by number, as Mermaid has it."""
    return "".join(char if char in _SAFE else f"#{ord(char)};" for char in printable(label))
