"""An import from end to end: find sources, read them, store their rows, link, derive, report."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from importers import cctools, links, sequences
from importers.adoption import adopt
from importers.database import StoreError, open_store
from importers.formats import FORMATS
from importers.readonly import open_readonly
from importers.rows import Batch
from importers.runs import read_run
from importers.sources import Importer, Progress, Source, find_sources
from importers.store import Store, clock_text
from importers.times import Clock, clock_of_offset, machine_clock

SMALL = 1 << 24
"""Below this many bytes, starting other processes takes longer than it saves."""

MOST_JOBS = 4
"""More processes read faster than this one writes."""


class NothingToImport(Exception):
    """No path holds anything that an importer knows; the message says what was looked for."""


@dataclass
class ReadSource:
    """What came of reading one source. ``error`` says why it could not be read, if so."""

    source: Source
    batch: Batch
    size: int
    fingerprint: str
    error: str | None = None


@dataclass
class Summary:
    """What an import did.

    ``skipped`` holds paths left out, and why; ``unknown`` counts names of files that no importer takes.
    """

    database: Path
    read: list[ReadSource] = field(default_factory=list)
    unchanged: list[Source] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def understood(self) -> bool:
        """Whether any record of any source gave rows, now or in an earlier import."""
        return bool(self.unchanged) or any(read.batch.records for read in self.read)


def import_paths(
    paths: Iterable[Path],
    database: Path,
    *,
    clock: Clock | None = None,
    importer: str | None = None,
    jobs: int | None = None,
    progress: Callable[[int], object] = lambda size: None,
    started: Callable[[int], object] = lambda size: None,
    finish: Callable[[sqlite3.Connection], object] = lambda conn: None,
) -> Summary:
    """Import every log under the paths into a database: all of them or, on an error, none.

    ``clock`` reads local times of runs whose own log does not show their zone; by default that is this machine's.
    ``jobs`` is how many processes read; by default one, or for much to read one for each processor.
    ``started`` is told how many bytes will be read, ``progress`` of each piece. ``finish`` gets the connection before
    the commit.

    Raises NothingToImport and database.StoreError.
    """
    summary = Summary(database)
    clock = clock or machine_clock()
    chosen = [FORMATS[importer]] if importer else list(FORMATS.values())
    read_run.cache_clear()
    cctools.managers.cache_clear()
    sources = adopt(find_sources(paths, chosen, summary.skipped, summary.unknown))
    if not sources:
        raise NothingToImport(_nothing(paths, chosen, summary.skipped))
    sources = [replace(source, clock=_clock(source, clock)) for source in _with_known_clocks(sources, database)]
    size = sum(_size(source) for source in sources)
    started(size)
    if jobs is None:
        jobs = min(os.cpu_count() or 1, MOST_JOBS) if size > SMALL else 1
    with _no_cycle_collection(), open_store(database) as store:
        for found in _read_all(sources, jobs, progress):
            _store(store, found, summary)
        store.flush()
        store.retime()
        sequences.update(store.conn, links.link(store.conn, store.touched))
        finish(store.conn)
    return summary


def _store(store: Store, found: ReadSource, summary: Summary) -> None:
    known = store.known(found.source)
    if known is not None and found.error is not None:
        why = f"it can not be read now ({found.error}); what was imported from it before stays"
        summary.skipped.append((found.source.path, why))
    elif known is not None and known.size > found.size:
        summary.skipped.append((found.source.path, "a longer state of this log has been imported before"))
    elif known is not None and (known.fingerprint, known.clock) == (found.fingerprint, clock_text(found.batch)):
        summary.unchanged.append(found.source)
    else:
        store.add(found.source, found.batch, found.size, found.fingerprint)
        summary.read.append(found)


def _clock(source: Source, default: Clock) -> Clock:
    """Return the clock for a source's local times: its run's, where the run's log shows it."""
    offset = source.run.utc_offset
    return default if offset is None else clock_of_offset(offset)


def _with_known_clocks(sources: list[Source], database: Path) -> Iterator[Source]:
    """Add the clocks of runs that this import or an earlier one knows to the sources that hold many runs."""
    offsets: dict[str, float] = {}
    if database.exists():
        try:
            with open_readonly(database) as conn:
                offsets.update(conn.execute("SELECT key, utc_offset FROM runs WHERE utc_offset IS NOT NULL"))
        except sqlite3.Error:
            pass  # open_store says what is wrong with it
    offsets |= {s.run.key: s.run.utc_offset for s in sources if s.run.utc_offset is not None}
    clocks = {run: clock_of_offset(offset) for run, offset in offsets.items()}
    for source in sources:
        yield replace(source, clocks=source.clocks | clocks) if not source.run.directory else source


def read_source(source: Source, progress: Progress = lambda size: None) -> ReadSource:
    """Read one source into rows: a function of the file alone, so it can run anywhere."""
    batch = Batch(source.run.key)
    fingerprint, error, size = "", None, _size(source)
    with _no_cycle_collection():
        try:
            fingerprint = FORMATS[source.importer].read(source, batch, progress)
        except OSError as failure:
            error = failure.strerror or type(failure).__name__
            batch.reject("the file can not be read", 0, error)
        if not batch.records and not batch.unmatched:
            batch.reject("nothing in this file is known to the importer", 0, source.name)
        batch.format = batch.format or "empty"
        batch.seal()
    return ReadSource(source, batch, size, fingerprint, error)


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    """Keep Python from searching rows for reference cycles, which they do not have: that took a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


READ_AHEAD = 4
"""Sources that this process reads while it waits for another's: what they hold is kept in memory."""


def _read_all(sources: list[Source], jobs: int, progress: Callable[[int], object]) -> Iterator[ReadSource]:
    """Read the sources and yield them in this order, whoever reads them: this process, or jobs - 1 others."""
    mine = _share(sources, jobs)
    if len(mine) == len(sources):
        yield from map(partial(read_source, progress=progress), sources)
        return
    with ProcessPoolExecutor(jobs - 1, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        others = sorted(set(range(len(sources))) - set(mine), key=lambda i: -_size(sources[i]))
        futures = {i: pool.submit(read_source, sources[i]) for i in others}
        read: dict[int, ReadSource] = {}
        for i in range(len(sources)):
            while mine and (mine[0] == i or (i in futures and not futures[i].done() and len(read) < READ_AHEAD)):
                read[mine[0]] = read_source(sources[mine[0]], progress)
                mine.pop(0)
            if i in futures:
                try:
                    read[i] = futures.pop(i).result()
                except BrokenProcessPool:
                    raise StoreError(
                        "A reading process was ended from outside, perhaps for want of memory: try with --jobs 1"
                    ) from None
                progress(read[i].size)
            yield read.pop(i)


def _end_with(parent: int) -> None:
    """Have a reading process end when the importing one is gone, even if that was killed: else it waits for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _share(sources: list[Source], jobs: int) -> list[int]:
    """Return the numbers of the sources that this process reads, so that all have about as many bytes to read."""
    loads = [0] * jobs
    mine = []
    for i in sorted(range(len(sources)), key=lambda i: -_size(sources[i])):
        # The largest goes to another process, if there is one: this one has the database to write, too.
        reader = min(range(jobs - 1, -1, -1), key=loads.__getitem__)
        loads[reader] += _size(sources[i])
        if reader == 0:
            mine.append(i)
    return sorted(mine)


def _size(source: Source) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        return 0


def _nothing(paths: Iterable[Path], importers: list[Importer], skipped: list[tuple[Path, str]]) -> str:
    names = ", ".join(str(path) for path in paths)
    kinds = ", ".join(importer.NAME for importer in importers)
    links_out = f" ({len(skipped)} symbolic links were not followed)" if skipped else ""
    return (
        f"No log that dnpc knows under {names}{links_out}. Give a Parsl runinfo folder, a run directory like "
        f"runinfo/000, or one log file. Looked for: {kinds}"
    )
