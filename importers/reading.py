"""Sources read into rows, each by this process or by another."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from importers.database import StoreError
from importers.formats import Added, Formats, formats_here
from importers.plugins import ImporterFailed
from importers.rows import Batch
from importers.sources import Progress, Source

Sink: TypeAlias = Callable[[Batch], object]
"""What takes the rows of a source in parts."""

SMALL = 1 << 24
"""Below this many bytes, starting other processes takes longer than it saves."""

PARTS_AHEAD = 32
"""Parts of a source, each of about a block of its file, that another process reads ahead."""


@dataclass
class ReadSource:
    """What came of reading one source. ``error`` says why it could not be read, if so."""

    source: Source
    batch: Batch
    size: int
    fingerprint: str
    error: str | None = None


def read_source(
    source: Source,
    progress: Progress = lambda size: None,
    formats: Formats | Added | None = None,
    sink: Sink | None = None,
) -> ReadSource:
    """Read one source into rows: a function of the file alone, so it can run anywhere.

    ``formats`` are dnpc's own by default; another process makes them from what was added. ``sink`` takes parts of the
    rows; what is returned then has the rest.
    """
    formats = formats_here(formats) if isinstance(formats, Added) else formats or Formats()
    batch = Batch(source.run.key, sink=sink)
    fingerprint, error, size = "", None, size_of(source)
    with no_cycle_collection():
        try:
            fingerprint = formats.importers[source.importer].read(source, batch, progress)
            fingerprint = formats.version(source.importer) + fingerprint
        except ImporterFailed as failure:
            # What it has made so far may be half of something.
            batch, error = Batch(source.run.key), f"its importer failed: {failure}"
            batch.reject("the importer failed", 0, str(failure))
        except OSError as failure:
            error = failure.strerror or type(failure).__name__
            batch.reject("the file can not be read", 0, error)
        if not batch.records and not batch.unmatched:
            batch.reject("nothing in this file is known to the importer", 0, source.name)
        batch.format = batch.format or "empty"
        batch.seal()
        batch.sink = None
    return ReadSource(source, batch, size, fingerprint, error)


@contextmanager
def no_cycle_collection() -> Iterator[None]:
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


def read_all(
    sources: list[Source],
    formats: Formats,
    jobs: int,
    progress: Callable[[int], object],
    sink_of: Callable[[Source], Sink | None],
) -> Iterator[ReadSource]:
    """Read the sources and yield them in this order, whoever reads them: this process, or jobs - 1 others.

    ``sink_of`` gives what takes the rows of a source in parts, when it is that source's turn; None where they are
    wanted as a whole. Raises StoreError where another process was ended.
    """
    mine = _share(sources, jobs)
    if len(mine) == len(sources):
        for source in sources:
            yield read_source(source, progress, formats, sink_of(source))
        return
    with ExitStack() as stack:
        others = sorted(set(range(len(sources))) - set(mine), key=lambda i: -size_of(sources[i]))
        streams = {
            i: stack.enter_context(Stream(sources[i], formats.added))
            for i in [i for i in others if size_of(sources[i]) > SMALL and sink_of(sources[i]) is not None][: jobs - 1]
        }
        pool = stack.enter_context(ProcessPoolExecutor(jobs - 1, initializer=_end_with, initargs=(os.getpid(),)))
        futures = {i: pool.submit(read_source, sources[i], formats=formats.added) for i in others if i not in streams}
        read: dict[int, ReadSource] = {}
        for i in range(len(sources)):
            while mine and (mine[0] == i or (i in futures and not futures[i].done() and len(read) < READ_AHEAD)):
                read[mine[0]] = read_source(sources[mine[0]], progress, formats)
                mine.pop(0)
            if i in futures:
                try:
                    read[i] = futures.pop(i).result()
                except BrokenProcessPool:
                    raise StoreError(ENDED_FROM_OUTSIDE) from None
                progress(read[i].size)
            elif i in streams and (sink := sink_of(sources[i])) is not None:
                read[i] = streams.pop(i).read(sink)
                progress(read[i].size)
            yield read.pop(i)


ENDED_FROM_OUTSIDE = "A reading process was ended from outside, perhaps for want of memory: try with --jobs 1"


class Stream:
    """Another process that reads one source, and hands over its rows in parts while it reads on."""

    def __init__(self, source: Source, added: Added) -> None:
        self._queue: multiprocessing.Queue[Batch | ReadSource] = multiprocessing.Queue(PARTS_AHEAD)
        self._process = multiprocessing.Process(
            target=_read_in_parts, args=(self._queue, source, added, os.getpid()), daemon=True
        )

    def __enter__(self) -> Stream:
        """Start reading."""
        self._process.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, if it has not ended."""
        if self._process.is_alive():
            self._process.terminate()
        self._process.join()
        self._queue.close()

    def read(self, sink: Sink) -> ReadSource:
        """Give each part to a sink, and return the rest. Raises StoreError where the process was ended."""
        while True:
            was_alive = self._process.is_alive()
            try:
                found = self._queue.get(timeout=0.2)
            except queue.Empty:
                # What a process has sent can be got after its end.
                if not was_alive:
                    raise StoreError(ENDED_FROM_OUTSIDE) from None
                continue
            if isinstance(found, ReadSource):
                return found
            sink(found)


def _read_in_parts(parts: multiprocessing.Queue[Batch | ReadSource], source: Source, added: Added, parent: int) -> None:
    _end_with(parent)
    parts.put(read_source(source, formats=added, sink=parts.put))


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
    for i in sorted(range(len(sources)), key=lambda i: -size_of(sources[i])):
        # The largest goes to another process, if there is one: this one has the database to write, too.
        reader = min(range(jobs - 1, -1, -1), key=loads.__getitem__)
        loads[reader] += size_of(sources[i])
        if reader == 0:
            mine.append(i)
    return sorted(mine)


def size_of(source: Source) -> int:
    """Return the size of a source's file in bytes; 0 where it can't be told."""
    try:
        return source.path.stat().st_size
    except OSError:
        return 0
