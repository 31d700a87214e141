"""METRIC lines of Parsl's DESC branch, which stand among the other lines of any log.

::

    1669383194.390360 2022-11-25 13:33:14 MainProcess-30062 FlowControl-Thread-140018264450816
    parsl.dataflow.strategy:217 _general_strategy DEBUG: METRIC STRATEGY htex_Local active_tasks=3 running_blocks=2

A type and an id are followed by numbers, each of which is a sample. Importers of Parsl's own logs read these lines on
the way, with ``read_metrics`` or ``add_metric``. This importer takes the logs that no other knows: all that it knows
of a line of them is that it begins with a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from importers.fingerprint import Fingerprint
from importers.logfile import Block, blocks, dialect, hits, json_record, line_at, time_at
from importers.pattern import LATEST, Hit, Pattern
from importers.places import source_at
from importers.rows import Batch, storable
from importers.sources import Progress, Source
from importers.times import Clock

NAME = "metric_lines"
ROOTS = ()

PATTERN = Pattern(rb"METRIC (?P<metric>[^\n]*)", literal=b"METRIC ")

SUFFIXES = {".log", ".jsonlog", ".txt", ".out", ".err"}
"""Of the files that are searched for a METRIC line, where no other importer takes them."""

_BLOCK = 1 << 22
_LINE_KEPT = 1 << 16
"""Bytes kept of a line that goes on: some files that are searched are one line."""

_BEGINS = re.compile(rb'\{"|-?\d{1,12}\.\d+ |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d{3,6} ')
_TYPE = re.compile(r"[\w.:-]{1,100}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST = 300
"""Characters of an id or a name: no METRIC line has longer ones."""


def span_type(name: str) -> str:
    """Return the span type of METRIC lines of a type, such as 'metric.STRATEGY'.

    Key: the log within its run, and the id, as in 'parsl.log/htex_Local'; the id alone where the log is of no run.
    Attribute ``id``: the id.
    """
    return f"metric.{name}"


STRATEGY = span_type("STRATEGY")
COUNTED_DEPS = span_type("COUNTED_DEPS")
GATHERED_DEPS = span_type("GATHERED_DEPS")


# Lines among others, in logs of known dialects


def read_metrics(block: Block, source: Source, batch: Batch) -> None:
    """Add the METRIC lines of a block of a log whose dialect is known. The price is one search for their literal."""
    log = log_of(source)
    for hit in hits(block, [PATTERN], source.clock, batch):
        batch.records += add_metric(batch, hit, *log)


def log_of(source: Source) -> tuple[str, ...]:
    """Return the part of keys that names a log within its run: none where the run is that of a log that lies alone."""
    _, _, within = source.name.partition("/")
    return (within if source.run.directory else source.name,) if within else ()


def add_metric(batch: Batch, hit: Hit, *log: str, run: str | None = None) -> bool:
    """Add the samples of a METRIC line, a hit of ``PATTERN``. Returns whether there were any."""
    kind, *words = hit.match["metric"].decode("utf-8", "replace").split() or [""]
    # An executor's label may hold spaces: the id goes up to the first number.
    first = next((i for i, word in enumerate(words) if i and "=" in word), len(words))
    span_id, pairs = storable(" ".join(words[:first])), words[first:]
    if not (pairs and _TYPE.fullmatch(kind) and len(span_id) <= _LONGEST):
        batch.reject("a METRIC line in an unknown form", hit.offset, hit.match[0])
        return False
    if not 0 <= hit.time <= LATEST:
        batch.reject("a METRIC line of a time that is none", hit.offset, hit.match[0])
        return False
    numbers = [(name, number) for name, number in map(_number, pairs) if number is not None]
    if len(numbers) < len(pairs):
        batch.reject("a value in a METRIC line that is no number", hit.offset, hit.match[0])
    if numbers:
        span = batch.span(span_type(kind), *log, span_id, run=run)
        if span not in batch.attributes:
            batch.annotate(span, id=span_id)
        batch.samples += [(span, name, hit.time, number) for name, number in numbers]
    return bool(numbers)


def _number(pair: str) -> tuple[str, float | None]:
    """Read ``active_tasks=3``: a name, and a number that is None where it is none."""
    name, _, text = pair.partition("=")
    if not 0 < len(name) <= _LONGEST or not _NUMBER.fullmatch(text):
        return name, None
    number = float(text)
    return name, number if math.isfinite(number) else None


# Logs that nobody else knows


def find(path: Path) -> Source | None:
    """Recognise a log by a METRIC line in it. One outside a run is of a run that stands for it. Raises OSError."""
    return source_at(NAME, path) if path.suffix in SUFFIXES and _has_metrics(path) else None


def _has_metrics(path: Path) -> bool:
    """Tell whether a file holds a whole METRIC line."""
    with path.open("rb") as file:
        data = b""
        while chunk := file.read(_BLOCK):
            data += chunk
            end = data.rfind(b"\n") + 1
            if any(True for _ in _lines(data[:end])):
                return True
            data = data[end : end + _LINE_KEPT]
    return False


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each METRIC line starts, and where in it that word is."""
    position = data.find(PATTERN.literal)
    while position >= 0:
        line = data.rfind(b"\n", 0, position) + 1
        if data[position - 1 : position] in (b" ", b"\t", b'"') and _BEGINS.match(data, line, position):
            yield line, position
        position = data.find(PATTERN.literal, data.find(b"\n", position))


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read the METRIC lines of a log of any form."""
    log = log_of(source)
    fingerprint = Fingerprint()
    for block in blocks(source.path, fingerprint, batch, progress):
        batch.format = batch.format or dialect(block)
        for hit in _hits(block, source.clock, batch):
            batch.records += add_metric(batch, hit, *log)
    return fingerprint.hexdigest()


def _hits(block: Block, clock: Clock, batch: Batch) -> Iterator[Hit]:
    for line, position in _lines(block.data):
        if block.data.startswith(b'{"', line):
            text = line_at(block.data, line)
            record = json_record(text)
            if isinstance(record, str):
                batch.reject(record, block.start + line, text)
                continue
            time = float(record["created"])
            match = PATTERN.compiled.match(record["formatted"].encode("utf-8", "surrogatepass"))
        else:
            time = time_at(block.data, line, clock, batch)
            match = PATTERN.compiled.match(block.data, position)
        if match:
            yield Hit(block.start + line, time, match, PATTERN)
