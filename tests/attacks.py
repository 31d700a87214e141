"""Texts on which a regular expression may take more than its share of time, made from the expression itself.

For each repetition in it: what comes before, and then what is repeated, over and over, without what has to follow.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Iterator, Sequence
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as constants
    import sre_parse as parser

CHARACTERS = "a1 :.-/'\"[{(,=_A\\x#&;<%\t" + string.printable + "é"
"""In which order characters are tried where several fit."""

MANY = 64
"""A repetition of this many times or more is as good as one without end."""

_UNENDING = {
    getattr(constants, name) for name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") if hasattr(constants, name)
}

Tree = Sequence[tuple[Any, Any]]


def attacks(pattern: re.Pattern[Any], variants: int = 5) -> Iterator[tuple[str, str]]:
    """Yield a beginning and what is to be repeated after it, as text for patterns of bytes, too.

    Of a repeated class of characters, so many are tried.
    """
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    seen = set()
    for attack in _attacks(parser.parse(source, pattern.flags & ~re.UNICODE), "", variants):
        if attack not in seen and attack[1]:
            seen.add(attack)
            yield attack


def _attacks(tree: Tree, before: str, variants: int) -> Iterator[tuple[str, str]]:
    for operation, argument in tree:
        if operation in _UNENDING:
            _least, most, body = argument
            if most >= MANY:
                for unit in _variants(body)[:variants]:
                    yield before, unit
                    # Where the start can be anywhere, each beginning is tried.
                    yield "", before + unit
            yield from _attacks(body, before, variants)
        elif operation is constants.SUBPATTERN:
            yield from _attacks(argument[-1], before, variants)
        elif operation is constants.BRANCH:
            for branch in argument[1]:
                yield from _attacks(branch, before, variants)
        elif operation in (constants.ASSERT, constants.ASSERT_NOT):
            yield from _attacks(argument[1], before, variants)
        elif hasattr(constants, "ATOMIC_GROUP") and operation is constants.ATOMIC_GROUP:
            yield from _attacks(argument, before, variants)
        before += _example(operation, argument)


def _variants(body: Tree) -> list[str]:
    if len(body) == 1 and body[0][0] in (constants.IN, constants.NOT_LITERAL, constants.ANY):
        return [char for char in dict.fromkeys(CHARACTERS) if _fits(body[0], char)]
    return ["".join(_example(*item) for item in body)]


def _example(operation: Any, argument: Any) -> str:
    """Return a text that a part of an expression matches."""
    if operation is constants.LITERAL:
        return chr(argument)
    if operation in (constants.IN, constants.NOT_LITERAL, constants.ANY):
        return next((char for char in CHARACTERS if _fits((operation, argument), char)), "")
    if operation in _UNENDING:
        least, most, body = argument
        return "".join(_example(*item) for item in body) * int(max(least, min(most, 1)))
    if operation is constants.SUBPATTERN:
        return "".join(_example(*item) for item in argument[-1])
    if operation is constants.BRANCH:
        return "".join(_example(*item) for item in argument[1][0])
    return ""


def _fits(item: tuple[Any, Any], char: str) -> bool:
    operation, argument = item
    if operation is constants.ANY:
        return char != "\n"
    if operation is constants.NOT_LITERAL:
        return ord(char) != int(argument)
    negated = bool(argument[0][0] is constants.NEGATE)
    return negated != any(_in(part, char) for part in argument)


_CATEGORIES = {
    constants.CATEGORY_DIGIT: string.digits,
    constants.CATEGORY_SPACE: string.whitespace,
    constants.CATEGORY_WORD: string.ascii_letters + string.digits + "_",
}


def _in(part: tuple[Any, Any], char: str) -> bool:
    operation, argument = part
    if operation is constants.LITERAL:
        return ord(char) == int(argument)
    if operation is constants.RANGE:
        return bool(argument[0] <= ord(char) <= argument[1])
    if operation is constants.CATEGORY:
        if argument in _CATEGORIES:
            return char in _CATEGORIES[argument]
        name = str(argument).replace("NOT_", "")
        return char not in _CATEGORIES[getattr(constants, name.rsplit(".", 1)[-1])]
    return False
