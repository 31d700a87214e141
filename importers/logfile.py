"""Log files as whole lines: where a record starts, its time, and its message.

Parsl's three dialects, and those of funcX and Globus Compute. Records of text are told apart one by one, so that a
file that changes between the dialects of its family is read through:

====================  ==========================================================================
``text``              since 2026, and parsl.log always: epoch seconds first, then local time
                      ``1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Task-Launch_0-139835788478144
                      parsl.dataflow.dflow:565 _update_task_state INFO: Task 0 changing state ...``
``text local``        HTEX until January 2026: local time only
                      ``2023-03-06 11:20:07.190 interchange:485 HTEX-Interchange(18277) MainThread
                      process_tasks_to_send [DEBUG]  Sent tasks: [1] to manager b'4bf9bf8c1848'``
``jsonlog``           JSONLogging, since May 2026: one JSON object a line
                      ``{"created": 1795397728.356707, "process": 5738, ..., "formatted": "Sent tasks: [1, 2] ..."}``
``text funcx``        funcX and early Globus Compute: the level before the process, no colon before the message
                      ``1659518798.515009 2022-08-03 11:26:38 INFO Executor-Interchange-220177
                      MainThread-140192181061440 funcx_endpoint.executors.high_throughput.interchange:882 start
                      Sent task fb0d5bf0-124a-45c5-a1e2-b1b1bbe24d24 to manager b'0739733c6b92'``
``text funcx local``  Globus Compute: the same, with local time only
                      ``2026-03-02 10:15:30,123456 DEBUG MainProcess-77 Pending Result Handler-139 ...``
====================  ==========================================================================
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importers.fingerprint import Fingerprint
from importers.pattern import LATEST, Hit, Pattern
from importers.rows import DRIFT, Batch
from importers.times import Clock, naive_seconds

BLOCK = 1 << 20
"""Bytes read at a time: few enough for a processor's cache, since each block is searched for every literal."""

BLOCK_HEAD = 1 << 16

TEXT, TEXT_LOCAL, JSONLOG, UNKNOWN = "text", "text local", "jsonlog", "unknown"
"""Parsl's dialects, and what is said where the first lines are of none."""

FUNCX, FUNCX_LOCAL = "text funcx", "text funcx local"
"""The dialects of funcX and Globus Compute. Who reads their logs names one of them as the format of the batch."""

_LOCAL = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,](\d{3,6}) ")
_EPOCH = re.compile(rb"-?\d{1,12}\.\d+(?= )")
# Names of processes and threads hold anything, so a thread's number followed by logger:line is what ends them.
_FUNCX = re.compile(
    rb"(?:(\d{1,20}\.\d{1,20}) )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:[,.](\d{1,9}))? (?:[A-Z]{4,8}|Level \d{1,4}) "
    rb"[^\n]{1,300}?-\d{1,20} [^\s:]{1,200}:\d{1,9} [^\s]{1,200} "
)


@dataclass
class Block:
    """Whole lines of a file, and where they start in it."""

    start: int
    data: bytes


def blocks(
    path: Path, fingerprint: Fingerprint, batch: Batch, progress: Callable[[int], object], size: int = BLOCK
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
            block = Block(start, b"".join([*rest, memoryview(chunk)[:end]]))
            start, rest = start + len(block.data), [chunk[end:]]
            # What was read is not kept twice, nor while the next is read.
            del chunk
            yield block
            del block
    if last := b"".join(rest):
        batch.reject("last line is incomplete", start, last)


def whole_lines(path: Path, size: int = BLOCK) -> Iterator[bytes]:
    """Yield a file's whole lines in blocks of about this many bytes, each line once. Raises OSError."""
    rest = [b""]
    with path.open("rb") as file:
        while chunk := file.read(size):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join([*rest, chunk[:end]])
                rest = []
            # A long line: its pieces are joined once, at its end.
            rest.append(chunk[end:])


def dialect(block: Block) -> str:
    """Name the dialect of a log by its first lines; 'unknown' where none of them is a record."""
    for line in block.data[:BLOCK_HEAD].split(b"\n"):
        if line.startswith(b'{"'):
            return JSONLOG
        if match := _FUNCX.match(line):
            return FUNCX if match[1] else FUNCX_LOCAL
        if _EPOCH.match(line):
            return TEXT
        if _LOCAL.match(line):
            return TEXT_LOCAL
    return UNKNOWN


def first_funcx_record(path: Path) -> bytes | None:
    """Return the first whole record of a funcX or Globus Compute log, or None where there is none.

    It holds a time and a process and stays as the log grows, so it tells a log from others whatever its name.
    Raises OSError.
    """
    with path.open("rb") as file:
        return next((line for line in file if line.endswith(b"\n") and _FUNCX.match(line)), None)


def hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch, watched: bool = False) -> Iterator[Hit]:
    """Yield the lines whose message matches one of some patterns that share their literal text.

    A message that starts with the literal that a pattern starts with, yet does not match it, is kept as unmatched,
    unless the block is ``watched``: then ``drift.Watch`` keeps it.
    """
    return (_json_hits if batch.format == JSONLOG else _text_hits)(block, patterns, clock, batch, watched)


def _text_hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch, watched: bool) -> Iterator[Hit]:
    data, start, literal = block.data, block.start, patterns[0].literal
    matchers = [(pattern, pattern.compiled.match) for pattern in patterns]
    tells_drift = patterns[0].starts_with_literal and not watched
    is_funcx = batch.format in (FUNCX, FUNCX_LOCAL)
    other_prefix = _funcx_prefix if is_funcx else _local_prefix
    position = data.find(literal)
    while position >= 0:
        line = data.rfind(b"\n", 0, position) + 1
        if not is_funcx and data[line + 10 : line + 11] == b".":
            # The prefix holds "logger:lineno function LEVEL: ", so the first ": " ends it.
            time: float | None = epoch_at(data, line)
            message = 0 if time != time else data.find(b": ", line, position + 2) + 2  # NaN is not itself
        else:
            message, time = other_prefix(data, line, position, clock, batch)
        if time is not None and message > 1:
            for pattern, match_at in matchers:
                if match := match_at(data, message):
                    if 0 <= time <= LATEST:
                        yield Hit(start + line, time, match, pattern)
                    else:
                        batch.reject("a time that can't be", start + line, line_at(data, line))
                    break
            else:
                if tells_drift and message == position:
                    text = line_at(data, line)
                    batch.reject(DRIFT, start + line, text, kind=text[message - line :])
        # A line counts once, whatever else it repeats.
        position = data.find(literal, data.find(b"\n", position) + 1 or len(data))


def epoch_at(data: bytes, line: int) -> float:
    """Return the epoch seconds that a line begins with; NaN without any."""
    try:
        return float(data[line : line + 17])
    except ValueError:
        match = _EPOCH.match(data, line)
        return float(match[0]) if match else math.nan


def _local_prefix(data: bytes, line: int, position: int, clock: Clock, batch: Batch) -> tuple[int, float | None]:
    """Return where the message starts, and its time, in the dialect that has local time only."""
    if (match := _LOCAL.match(data, line)) is None:
        if (match := _EPOCH.match(data, line)) is None:
            return 0, None  # a continuation line: part of the record above it
        return data.find(b": ", line, position + 2) + 2, float(match[0])
    return data.find(b"]  ", line, position + 3) + 3, _utc(match[1], match[2], clock, batch)


def _funcx_prefix(data: bytes, line: int, position: int, clock: Clock, batch: Batch) -> tuple[int, float | None]:
    """Return where the message starts, and its time, in the dialects of funcX and Globus Compute."""
    if (match := _FUNCX.match(data, line)) is None:
        return 0, None  # a continuation line, or what a process printed into the log
    return match.end(), float(match[1]) if match[1] else _utc(match[2], match[3] or b"0", clock, batch)


def _utc(moment: bytes, fraction: bytes, clock: Clock, batch: Batch) -> float:
    """Return the UTC seconds of a local time, or NaN where it is none: a 30th of February."""
    naive = naive_seconds(f"{moment.decode()}.{fraction.decode()}")
    if naive is None:
        return math.nan
    batch.run_clocks.setdefault(batch.run, clock)
    return clock.utc(naive)


def time_at(data: bytes, line: int, clock: Clock, batch: Batch) -> float:
    """Return the time that a line begins with, epoch or local by this clock, as UTC seconds; NaN without one."""
    if _EPOCH.match(data, line):
        return epoch_at(data, line)
    match = _LOCAL.match(data, line)
    return _utc(match[1], match[2], clock, batch) if match else math.nan


def line_at(data: bytes, line: int) -> bytes:
    """Return the line that starts here, without its end."""
    end = data.find(b"\n", line)
    return data[line : end if end >= 0 else None]


def message_at(data: bytes, line: int, end: int) -> int:
    """Return where the message of a line of text begins, which starts and ends here; 0 where it is no record."""
    if _EPOCH.match(data, line):
        # The prefix holds "logger:lineno function LEVEL: ", so the first ": " ends it.
        mark, length = data.find(b": ", line, end), 2
    elif _LOCAL.match(data, line):
        mark, length = data.find(b"]  ", line, end), 3
    else:
        return 0
    return mark + length if mark >= 0 else 0


def _json_hits(block: Block, patterns: Sequence[Pattern], clock: Clock, batch: Batch, watched: bool) -> Iterator[Hit]:
    data, start, literal = block.data, block.start, patterns[0].literal
    tells_drift = patterns[0].starts_with_literal and not watched
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
                if tells_drift and message.startswith(literal):
                    batch.reject(DRIFT, start + line, message)
        position = data.find(literal, end + 1 or len(data))


LONGEST_RECORD = 1 << 24
"""Bytes of a JSON record that is read: what lists and objects in it take is up to 40 times as much."""


def json_record(line: bytes) -> dict[str, Any] | str:
    """Return a jsonlog record with its time and message, or why it is none."""
    if len(line) > LONGEST_RECORD:
        return "too long for a JSON record"
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
    if not 0 <= created <= LATEST:
        return "a time that is no number"
    return record
