"""What a Work Queue or TaskVine manager counts of itself: master_log and performance, beside its transaction log.

A header names the columns, which change from version to version; each row below it starts with a time in microseconds
since 1970::

    # timestamp workers_connected workers_init ... bandwidth ... min_disk
    1795397979588156 1 0 0 1 1 1 0 0 0 0 0 0 166 1 1 1 168 2 1 0 0 0 4896 820 0 540 ... 1.000000 ...

Each column is a metric of the manager's span, with the column's name. Times are kept in seconds. Most values stay the
same for long, so that only the first of a column is kept, and those that differ from the value above or below: drawn as
steps or as lines, the series is the same without the others.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from importers import cctools
from importers.cctools import TASKVINE, WORK_QUEUE, Manager
from importers.fingerprint import Fingerprint
from importers.logfile import blocks
from importers.pattern import LATEST
from importers.rows import Batch
from importers.sources import Progress, Source

NAME = "manager_statistics"
ROOTS = ()

FILES = {"master_log": WORK_QUEUE, "performance": TASKVINE}
"""The kind of manager that writes a file of this name."""

_QUANTITIES = (
    # 'time_send', 'time_execute': microseconds
    (re.compile(r"time_.*"), "s", 1e6),
    (re.compile(r"bytes_.*"), "bytes", 1.0),
    (re.compile(r".*_(?:memory|disk)|inuse_cache"), "MB", 1.0),
    (re.compile(r"bandwidth"), "MB/s", 1.0),
    # From 0 to 1, where the manager has no time left.
    (re.compile(r"manager_load"), "fraction", 1.0),
    (re.compile(r".*", re.DOTALL), "count", 1.0),
)
"""For columns of such a name: the unit that they are kept in, and how much of what is written makes one of it."""

_HEADER = b"# timestamp "
_ROW = re.compile(rb"\d{1,19}(?: (?:-?\d{1,25}(?:\.\d{1,12})?|-?nan|-?inf))+ ?")

_LONGEST = 1 << 16
"""Bytes of a header or a row that is read: some hundred values are in one, and each takes up to 100 times its size."""

_STARTS_WITHIN = 1_000_000
"""Microseconds: a manager writes its first statistics before it logs its start, 71 us before in a real run."""


def quantity(column: str) -> tuple[str, float]:
    """Return the unit of a column, and by what its values are divided to be in it."""
    return next((unit, divisor) for regex, unit, divisor in _QUANTITIES if regex.fullmatch(column))


def find(path: Path) -> Source | None:
    """Recognise a manager's statistics by their name, and by the transaction log beside them."""
    kind = FILES.get(path.name)
    return cctools.source(NAME, path, kind) if kind else None


class _Section:
    """The rows below one header, which are of one manager."""

    def __init__(self, header: bytes, batch: Batch) -> None:
        self._names = header[len(_HEADER) :].decode("utf-8", "replace").split()
        quantities = [quantity(name) for name in self._names]
        self._divisors = [divisor for _, divisor in quantities]
        batch.units.update(zip(self._names, (unit for unit, _ in quantities), strict=True))
        self._batch = batch
        self._span = -1
        # The row above, if any: its values, which of them were kept, and its time.
        self._above: list[float] = []
        self._kept = [False] * len(self._names)
        self._time = -1.0

    def row(self, line: bytes, offset: int, kind: str, found: tuple[Manager, ...]) -> None:
        """Read one row."""
        batch = self._batch
        fields = line.split()
        time = int(fields[0]) / 1e6
        if len(fields) != len(self._names) + 1:
            batch.reject("a row that has more or fewer values than the header names", offset, line)
            return
        if not time < LATEST:
            batch.reject("a time that can't be", offset, line)
            return
        if time == self._time:
            batch.reject("a second row of the same moment", offset, line)
            return
        if self._span < 0:
            manager = cctools.manager_of(found, "", int(fields[0]) + _STARTS_WITHIN)
            self._span = batch.span(cctools.span_type(kind, "manager"), manager.key)
        if time < self._time:
            # The clock was set back: the row above is no neighbour in time.
            self._above = []
        batch.records += 1
        values = [float(field) / divisor for field, divisor in zip(fields[1:], self._divisors, strict=True)]
        if not all(map(math.isfinite, values)):
            batch.reject("a value that is not finite", offset, line)
            # No value equals it, not even itself.
            values = [value if math.isfinite(value) else math.nan for value in values]
        self._keep(values, time)
        self._above, self._time = values, time

    def _keep(self, values: list[float], time: float) -> None:
        """Keep the values that are not as above, and what was above them: it says until when that stayed.

        A row adds samples of itself and of the row above, so that a log which grows gives those that it gave before,
        and more.
        """
        samples, above = self._batch.samples, self._above
        for i, value in enumerate(values):
            if above and value == above[i]:
                self._kept[i] = False
                continue
            if above and not self._kept[i]:
                samples.append((self._span, self._names[i], self._time, above[i]))
            self._kept[i] = True
            if math.isfinite(value):
                samples.append((self._span, self._names[i], time, value))


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read a manager's statistics."""
    kind = FILES.get(source.path.name, WORK_QUEUE)
    found = cctools.managers(source.path.with_name(cctools.TRANSACTIONS[kind]))
    fingerprint = Fingerprint(repr(found).encode())
    batch.format = "statistics"
    section: _Section | None = None
    for block in blocks(source.path, fingerprint, batch, progress):
        offset = block.start
        for line in block.data.split(b"\n"):
            if len(line) > _LONGEST:
                batch.reject("too long for statistics", offset, line)
            elif line.startswith(_HEADER) and found:
                section = _Section(line, batch)
                batch.records += 1
            elif section and _ROW.fullmatch(line):
                section.row(line, offset, kind, found)
            elif line:
                batch.reject(_why_not(section, found), offset, line)
            offset += len(line) + 1
        batch.hand_over()
    return fingerprint.hexdigest()


def _why_not(section: _Section | None, found: tuple[Manager, ...]) -> str:
    if not found:
        return "of a manager that the transaction log does not name"
    return "a row in an unknown form" if section else "a row above any header that names its values"
