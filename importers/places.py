"""Where a log lies that may be anywhere: in a run directory at any depth, or alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from importers.keys import surrogate_key
from importers.logfile import Block, dialect
from importers.rows import storable
from importers.runs import RUN_LOGS, Run, read_run
from importers.sources import Source

HEAD = 1 << 16
"""Bytes of a log's start in which its first record is looked for."""


def place_of(path: Path) -> Path:
    """Return a file's absolute path, under its own name, in the folder that it really lies in."""
    return path.parent.resolve() / path.name


@lru_cache(maxsize=4096)
def run_above(folder: Path) -> Path | None:
    """Return the nearest run directory that a folder is or lies in: one that holds a parsl.log or parsl.jsonlog."""
    for above in (folder, *folder.parents):
        if any((above / name).is_file() for name in RUN_LOGS):
            return above
    return None


def has_time(line: bytes) -> bool:
    """Tell whether a line is a record of one of the known dialects."""
    return dialect(Block(0, line)) != "unknown"


def source_at(
    importer: str,
    path: Path,
    fields: Mapping[str, str] | None = None,
    run: str = "",
    is_record: Callable[[bytes], object] = has_time,
) -> Source:
    """Return the source that a log is: of this run id, or else of the run directory that it lies in.

    A log in no run directory is of a run that stands for it, made from its start up to the first record, as
    ``is_record`` knows it, and from its fields: the same wherever it lies, whatever its name, and as it grows.
    Raises OSError.
    """
    fields = {name: storable(value) for name, value in (fields or {}).items()}
    place = place_of(path)
    directory = None if run else run_above(place.parent)
    if directory:
        name = storable(place.relative_to(directory.parent).as_posix())
        return Source(importer, path, name, read_run(directory), fields)
    facts = [text for fact in sorted(fields.items()) for text in fact]
    start = surrogate_key("log without run", importer, _start(path, is_record) or storable(path.name), *facts)
    found = Run(storable(run) or start, storable(run) or None, None, "")
    return Source(importer, path, storable(path.name), found, fields, identity=start)


def _start(path: Path, is_record: Callable[[bytes], object]) -> bytes:
    """Return a log's whole lines up to the first record, or the first line alone where there is none."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    lines = head.split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        if is_record(line):
            return b"\n".join(lines[:number])
    return lines[0] if lines else b""
