"""Log files as whole lines: where a record starts, its time, and its message.

Three dialects, told apart record by record, so that a file that changes its dialect is read through:

=============  ==========================================================================
``text``       since 2026, and parsl.log always: epoch seconds first, then local time
               ``1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Task-Launch_0-139835788478144
               parsl.dataflow.dflow:565 _update_task_state INFO: Task 0 changing state ...``
``text local`` HTEX until January 2026: local time only
               ``2023-03-06 11:20:07.190 interchange:485 HTEX-Interchange(18277) MainThread
               process_tasks_to_send [DEBUG]  Sent tasks: [1] to manager b'4bf9bf8c1848'``
``jsonlog``    JSONLogging, since May 2026: one JSON object a line
               ``{"created": 1795397728.356707, "process": 5738, ..., "formatted": "Sent tasks: [1, 2] ..."}``
=============  ==========================================================================
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importers.pattern import Hit, Pattern
from importers.rows import Batch
from importers.times import Clock, naive_seconds

BLOCK = 1 << 20
"""Bytes read at a time: few enough for a processor's cache, since each block is searched for every literal."""

BLOCK_HEAD = 1 << 16

_LOCAL = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,](\d{3,6}) ")
_EPOCH = re.compile(rb"-?\d{1,12}\.\d+(?= )")


@dataclass
class Block:
    """Whole lines of a file, and where they start in it."""

    start: int
    data: bytes

    def pieces(self) -> Iterator[Block]:
        """Yield its lines in blocks of about the size ``BLOCK``."""
        begin = 0
        while begin < len(self.data):
            end = self.data.find(b"\n", begin + BLOCK) + 1 or len(self.data)
            yield Block(self.start + begin, self.data[begin:end])
            begin = end


def blocks(
    path: Path, fingerprint: hashlib._Hash, batch: Batch, progress: Callable[[int], object], size: int = BLOCK
) -> Iterator[Block]:
    """Yield a file's whole lines in blocks, adding each to the fingerprint.

    A last line without its newline was cut off while being written: it is kept as unmatched,
    because a record that is not whole can say something wrong (task 12 becomes task 1).
    """
    start, rest = 0, [b""]
    with path.open("rb") as file:
        while chunk := file.read(size):
            fingerprint.update(chunk)
            progress(len(chunk))
            end = chunk.rfind(b"\n") + 1
            if not end:
                # A long line: its pieces are joined once, at its end.
                rest.append(chunk)
                continue
            data = b"".join([*rest, chunk[:end]])
            yield Block(start, data)
            start += len(data)
            rest = [chunk[end:]]
    if last := b"".join(rest):
        batch.reject("last line is incomplete", start, last)


def dialect(block: Block) -> str:
    """Name the dialect of a log by its first lines; 'unknown' where none of them is a record."""
    for line in block.data[:BLOCK_HEAD].split(b"\n"):
        if line.startswith(b'{"'):
            return "jsonlog"
        if _EPOCH.match(line):
            return "text"
        if _LOCAL.match(line):
            return "text local"
    return "unknown"


def hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch) -> Iterator[Hit]:
    """Yield the lines whose message matches one of some patterns that share their literal text.

    A message that starts with the literal that a pattern starts with, yet does not match it, is kept as unmatched.
    """
    return (_json_hits if batch.format == "jsonlog" else _text_hits)(block, patterns, clock, batch)


def _text_hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch) -> Iterator[Hit]:
    data, start, literal = block.data, block.start, patterns[0].literal
    matchers = [(pattern, pattern.compiled.match) for pattern in patterns]
    position = data.find(literal)
    while position >= 0:
        line = data.rfind(b"\n", 0, position) + 1
        if data[line + 10 : line + 11] == b".":
            # The prefix holds "logger:lineno function LEVEL: ", so the first ": " ends it.
            message = data.find(b": ", line, position + 2) + 2
            time = _epoch(data, line)
        else:
            message, time = _local_prefix(data, line, position, clock, batch)
        if time is not None and message > 1:
            for pattern, match_at in matchers:
                if match := match_at(data, message):
                    yield Hit(start + line, time, match, pattern)
                    break
            else:
                if message == position and patterns[0].starts_with_literal:
                    batch.reject("event-like text in an unknown form", start + line, line_at(data, line))
        # A line counts once, whatever else it repeats.
        position = data.find(literal, data.find(b"\n", position))


def _epoch(data: bytes, line: int) -> float | None:
    try:
        return float(data[line : line + 17])
    except ValueError:
        match = _EPOCH.match(data, line)
        return float(match[0]) if match else None


def _local_prefix(data: bytes, line: int, position: int, clock: Clock, batch: Batch) -> tuple[int, float | None]:
    """Return where the message starts, and its time, in the dialect that has local time only."""
    if (match := _LOCAL.match(data, line)) is None:
        if (match := _EPOCH.match(data, line)) is None:
            return 0, None  # a continuation line: part of the record above it
        return data.find(b": ", line, position + 2) + 2, float(match[0])
    naive = naive_seconds(f"{match[1].decode()}.{match[2].decode()}")
    if naive is None:
        return 0, None
    batch.run_clocks.setdefault(batch.run, clock)
    return data.find(b"]  ", line, position + 3) + 3, clock.utc(naive)


def line_at(data: bytes, line: int) -> bytes:
    """Return the line that starts here, without its end."""
    end = data.find(b"\n", line)
    return data[line : end if end >= 0 else None]


def _json_hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch) -> Iterator[Hit]:
    data, start, literal = block.data, block.start, patterns[0].literal
    position = data.find(literal)
    while position >= 0:
        line = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        record = json_record(data[line:end])
        if isinstance(record, str):
            batch.reject(record, start + line, data[line:end])
        else:
            message = record["formatted"].encode("utf-8", "surrogatepass")
            for pattern in patterns:
                if match := pattern.compiled.match(message):
                    yield Hit(start + line, float(record["created"]), match, pattern)
                    break
            else:
                if patterns[0].starts_with_literal and message.startswith(literal):
                    batch.reject("event-like text in an unknown form", start + line, message)
        position = data.find(literal, end)


def json_record(line: bytes) -> dict[str, Any] | str:
    """Return a jsonlog record with its time and message, or why it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(record, dict):
        return "not a JSON object"
    created, formatted = record.get("created"), record.get("formatted")
    if not isinstance(created, float | int) or isinstance(created, bool) or not isinstance(formatted, str):
        return "a JSON object without created and formatted"
    # An integer may be too large for a float, and NaN is not less than anything.
    if not abs(created) < 1e12:
        return "a time that is no number"
    return record
