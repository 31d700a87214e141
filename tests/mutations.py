"""Lines of logs made wrong in the ways in which files, clocks and programs go wrong, and in worse ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

NUMBERS = (
    b"", b"-1", b"0", b"00", b"+7", b"1e999", b"-1e999", b"nan", b"inf", b"-inf", b"NaN", b"Infinity", b"1e-320",
    b"0x1f", b"1_000", b"9" * 18, b"9" * 19, b"9" * 40, b"9" * 5000, b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775809", b"18446744073709551616", b"1.7976931348623157e308", b"0." + b"0" * 400 + b"1",
    "\u0661\u0662".encode(), "\u00b2".encode(),
)  # fmt: skip
"""What may stand where a number is expected."""

TIMES = (
    b"-86400.000000", b"0.000000", b"-0.0", b"0.0000001", b"7258118400.000000", b"9999999999.999999",
    b"99999999999.0", b"100000000000.0", b"100000000001.0", b"253402300799.0", b"999999999999.0", b"1795397698",
    b"1795397698.", b".5", b"1795397698.766988766988766988", b"1969-12-31 23:59:59", b"2201-01-01 00:00:00",
    b"0001-01-01 00:00:00", b"9999-12-31 23:59:59", b"2026-02-30 01:02:03", b"2026-11-23 24:00:00",
    b"2026-11-23 25:61:61", b"0000-00-00 00:00:00", b"1900-01-01 00:00:00", b"2300-06-01 12:00:00",
)  # fmt: skip
"""Times before 1970, after 2200, and what is none."""

JUNK = (
    b"\0", b"\0" * 20, b"\r", b"\n", b"\r\n", b"\t", b" ", b"  ", b"\x0b", b"\x1c", b"\x85", "\u2028".encode(),
    b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"'", b'"', b"\\", b"\\'",
    b"\\u0000", b"\\ud800", b"`", b";", b"--", b"/*", b"'; DROP TABLE spans; --", b"<script>alert(1)</script>",
    b"%s%n{0}{}", b"$\\frac{", b"\x1b[2J", b"\x1b]0;x\x07", "\u202e".encode(), b"=cmd()", b"javascript:alert(1)",
    b"[", b"]", b"{", b"}", b"[" * 300, b"{" * 300, b'{"a":' * 300, b"(", b")", b",", b", ", b":", b": ", b"]  ",
    b"/", b"../../", b"a/b/c", b"=", b"-", b"b'", b"None", b"null", b"true", b"x" * 300, b"-" * 3000,
)  # fmt: skip
"""What may stand anywhere."""

_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_BEGIN = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d|\d+(?:\.\d+)?")

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _slice(line: bytes, rng: Random, longest: int = 40) -> tuple[int, int]:
    start = rng.randint(0, len(line))
    return start, min(len(line), start + rng.randint(0, longest))


def _drop(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    start, end = _slice(line, rng)
    return line[:start] + line[end:]


def _double(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    start, end = _slice(line, rng)
    return line[:end] + line[start:]


def _swap(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    (a, b), (c, d) = sorted((_slice(line, rng), _slice(line, rng)))
    return line[:a] + line[c:d] + line[b:c] + line[a:b] + line[d:] if b <= c else line


def _cut(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    return line[: rng.randint(0, len(line))]


def _behead(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    return line[rng.randint(0, len(line)) :]


def _insert(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    start, end = _slice(line, rng, 4)
    return line[:start] + rng.choice(JUNK) + line[end:]


def _flip(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    place = rng.randint(0, max(len(line) - 1, 0))
    return line[:place] + bytes([rng.randint(0, 255)]) + line[place + 1 :]


def _renumber(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    found = list(_NUMBER.finditer(line))
    if not found:
        return line + rng.choice(NUMBERS)
    number = rng.choice(found)
    return line[: number.start()] + rng.choice(NUMBERS) + line[number.end() :]


def _retime(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    begin = _BEGIN.search(line)
    return line if begin is None else line[: begin.start()] + rng.choice(TIMES) + line[begin.end() :]


def _shuffle_fields(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    fields = line.split(b" ")
    one, other = rng.randrange(len(fields)), rng.randrange(len(fields))
    what = rng.randrange(4)
    if what == 0:
        fields[one], fields[other] = fields[other], fields[one]
    elif what == 1:
        fields.insert(other, fields[one])
    elif what == 2:
        del fields[one]
    else:
        fields[one] = rng.choice(JUNK)
    return b" ".join(fields)


def _splice(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return line[: rng.randint(0, len(line))] + other[rng.randint(0, len(other)) :]


def _lengthen(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Repeat a part often, but seldom: a long line takes the time of many."""
    start, end = _slice(line, rng, 10)
    return line[:start] + line[start:end] * (rng.randint(100, 2000) if rng.random() < 0.02 else 3) + line[end:]


MUTATIONS: tuple[Mutation, ...] = (
    _drop, _double, _swap, _cut, _behead, _insert, _insert, _flip, _renumber, _renumber, _retime, _shuffle_fields,
    _splice, _lengthen,
)  # fmt: skip


def mutated(line: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Return a line with one to three faults; parts may come from other lines. It may hold newlines, and be empty."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        line = rng.choice(MUTATIONS)(line, rng, others)
    return line


def mutated_lines(lines: Sequence[bytes], count: int, rng: Random) -> list[bytes]:
    """Return so many faulty lines, made from lines without their ends."""
    return [mutated(rng.choice(lines), rng, lines) for _ in range(count)]
