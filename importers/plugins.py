"""Importers from outside: Python files named on the command line, and those that installed packages offer.

What goes wrong in them is told by file and line, and ends no import.
"""

from __future__ import annotations

import math
import sys
import traceback
from array import array
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from importers.fingerprint import Fingerprint
from importers.pattern import LATEST
from importers.pattern_file import FormatError
from importers.rows import Batch, storable
from importers.sources import Progress, Source

GROUP = "dnpc.importers"
"""The group of entry points under which an installed package names its importers."""

_NEEDED: dict[str, tuple[Callable[[Any], object], str]] = {
    "NAME": (lambda value: isinstance(value, str) and value.isprintable() and value, 'NAME = "myapp"'),
    "ROOTS": (lambda value: isinstance(value, tuple | list) and all(isinstance(x, str) for x in value), "ROOTS = ()"),
    "find": (callable, "def find(path): ..."),
    "read": (callable, "def read(source, batch, progress): ..."),
}
"""What an importer has, how it is checked, and an example."""


class ImporterFailed(Exception):
    """An importer from outside failed on a file; the message says where."""


class Outside:
    """An importer from outside, whose mistakes are caught: see ``sources.Importer``."""

    def __init__(self, importer: Any, origin: str, file: str = "", version: str = "") -> None:
        for name, (is_right, example) in _NEEDED.items():
            if not hasattr(importer, name):
                raise FormatError(f"{origin}: it has no {name}. An importer has, for example: {example}")
            if not is_right(getattr(importer, name)):
                raise FormatError(f"{origin}: {name} is not what an importer has, for example: {example}")
        self.NAME: str = importer.NAME
        self.ROOTS: tuple[str, ...] = tuple(importer.ROOTS)
        self.origin, self.version = origin, version
        self._importer, self._file = importer, file or getattr(importer, "__file__", None) or ""
        self.failures: dict[str, tuple[Path, int]] = {}
        """What went wrong in ``find``: the first file and how many."""

    def find(self, path: Path) -> Source | None:
        """Ask the importer for a file; where it fails, the file is none of its."""
        try:
            source = self._importer.find(path)
            if source is not None:
                self._check_source(source)
        except OSError:
            raise
        except (Exception, SystemExit) as error:
            what = where(error, self._file)
            first, times = self.failures.get(what, (path, 0))
            self.failures[what] = first, times + 1
            return None
        return source  # type: ignore[no-any-return]

    def _check_source(self, source: object) -> None:
        if not isinstance(source, Source):
            raise TypeError(f"find returned {type(source).__name__}, not a Source or None")
        if source.importer != self.NAME:
            raise ValueError(f"find returned a Source of {source.importer!r}, not of {self.NAME!r}")
        _check_texts((source.name, source.identity, source.run.key, *chain(*source.fields.items())), "of the Source")

    def read(self, source: Source, batch: Batch, progress: Progress) -> str:
        """Have the importer read a file. Raises OSError and ImporterFailed."""
        try:
            fingerprint = self._importer.read(source, batch, progress)
            if not isinstance(fingerprint, str):
                raise TypeError(f"read returned {type(fingerprint).__name__}, not the fingerprint as text")
            check(batch)
            # One that makes no use of patterns may not count what it understood.
            batch.records = batch.records or len(batch.event_times) or len(batch.span_types)
        except OSError:
            raise
        except (Exception, SystemExit) as error:
            raise ImporterFailed(where(error, self._file)) from None
        return fingerprint


def where(error: BaseException, file: str) -> str:
    """Say what an error is and where in a file it arose, or where at all: 'KeyError: 'x' (my_format.py, line 12)'."""
    what = storable(" ".join(f"{type(error).__name__}: {error}".split()))
    if isinstance(error, SyntaxError) and error.lineno:
        return f"SyntaxError: {error.msg} ({Path(error.filename or file).name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if frame.filename == file] or frames
    return f"{what} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else what


def load_module(file: Path) -> Outside:
    """Run a Python file that is an importer. Raises FormatError."""
    module, code = run_file(file)
    return Outside(module, str(file), str(file), Fingerprint(code).hexdigest())


def run_file(file: Path) -> tuple[ModuleType, bytes]:
    """Run a Python file, and return it as a module, and its code. Raises FormatError."""
    # Compiled here, so that no compiled file is left beside it, nor an old one taken for it.
    try:
        code = file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file}: it can not be read: {error.strerror}") from None
    module = ModuleType(f"dnpc_module_{file.stem}")
    module.__file__ = str(file)
    # Data classes look their module up.
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise FormatError(f"{file}: {where(error, str(file))}") from None
    return module, code


def installed() -> Iterator[Outside | FormatError]:
    """Yield the importers of installed packages, by name, and what is wrong with those that can't be used."""
    offered: dict[tuple[str, str], EntryPoint] = {
        # A package may be found twice, as where its folder is on the path as well.
        (point.name, point.value): point
        for point in entry_points(group=GROUP)
    }
    for _, point in sorted(offered.items()):
        package = point.dist.name if point.dist else "an unknown package"
        origin = f"importer {point.name!r} of the package {package}"
        try:
            yield Outside(point.load(), origin)
        except FormatError as error:
            yield error
        except (Exception, SystemExit) as error:
            yield FormatError(f"{origin}: {where(error, '')}")


def check(batch: Batch) -> None:
    """Make sure that a batch holds what the store can take; events and samples at no time are kept as unmatched.

    Raises ValueError and TypeError.
    """
    spans = range(len(batch.span_types))
    if batch.tables:
        raise ValueError("rows of type-aware tables are for dnpc's own importers")
    _check_texts((batch.format, *batch.span_types, *batch.span_runs, *chain(*batch.span_keys)), "of spans")
    _check_texts((*batch.event_type_names, *batch.subspans.values()), "of events and subspans")
    _check_texts((*batch.subspan_notes.values(), *batch.run_names.values(), *batch.units.values()), "of all kinds")
    _check_texts(tuple(record for _, record in batch.raw_records), "of raw records")
    if any("/" in span_type for span_type in set(batch.span_types)):
        raise ValueError("a span type holds '/'")
    columns = (batch.event_spans, batch.event_times, batch.event_types, batch.event_offsets)
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns of events differ in length: use batch.event")
    named = chain(batch.event_spans, batch.attributes, chain(*batch.subspans), (sample[0] for sample in batch.samples))
    if not all(span in spans for span in named):
        raise ValueError("a span's number that batch.span did not give")
    wrong = [i for i, time in enumerate(batch.event_times) if not 0 <= time <= LATEST]
    for i in wrong:
        batch.reject("an event at a time that can't be", batch.event_offsets[i], str(batch.event_times[i]))
    if wrong:
        kept = sorted(set(range(len(batch.event_times))).difference(wrong))
        batch.event_spans = array("q", [batch.event_spans[i] for i in kept])
        batch.event_times = array("d", [batch.event_times[i] for i in kept])
        batch.event_types = array("q", [batch.event_types[i] for i in kept])
        batch.event_offsets = array("q", [batch.event_offsets[i] for i in kept])
    for sample in batch.samples:
        if not (0 <= sample[2] <= LATEST and math.isfinite(sample[3])):
            batch.reject("a sample that is no number, or at a time that can't be", 0, str(sample[1:]))
    batch.samples = [s for s in batch.samples if 0 <= s[2] <= LATEST and math.isfinite(s[3])]


def _check_texts(values: tuple[object, ...], whose: str) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{str(value)[:40]!r} is no text: names and keys {whose} are texts")
        if storable(value) != value:
            raise ValueError(f"{value[:40]!r} holds what is no character: use rows.storable")
