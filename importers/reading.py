"""Sources read into rows, each by this process or by another."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Protocol, TypeAlias

from importers.database import StoreError
from importers.formats import Added, Formats, formats_here
from importers.plugins import ImporterFailed
from importers.rows import Batch
from importers.sources import Progress, Source

Sink: TypeAlias = Callable[[Batch], object]
"""What takes the rows of a source in parts."""

SMALL = 1 << 24
"""Below this many bytes, starting other processes takes longer than it saves."""

PARTS_AHEAD = 8
"""Parts of a source, each of about a block of its file, or whole sources, that another process reads ahead."""


@dataclass
class ReadSource:
    """What came of reading one source. ``error`` says why it could not be read, if so.

    ``unread`` tells that the file was at fault, not its importer: it may hold what should be in the database.
    """

    source: Source
    batch: Batch
    size: int
    fingerprint: str
    error: str | None = None
    unread: bool = False


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
    fingerprint, error, unread = "", None, False
    found = _file_of(source)
    _, size = found or (0, 0)
    with no_cycle_collection():
        try:
            fingerprint = formats.importers[source.importer].read(source, batch, progress)
            fingerprint = formats.version(source.importer) + fingerprint
        except ImporterFailed as failure:
            # What it has made so far may be half of something.
            batch, error = Batch(source.run.key), f"its importer failed: {failure}"
            batch.reject("the importer failed", 0, str(failure))
        except OSError as failure:
            error, unread = failure.strerror or str(failure) or type(failure).__name__, True
            batch.reject("the file can not be read", 0, error)
        left = _file_of(source)
        if found and left and (found[0] != left[0] or left[1] < size):
            # The next import reads it, whatever it holds then.
            fingerprint, size = formats.version(source.importer), min(size, left[1])
            error, unread = error or "it was cut or replaced while it was read", True
            batch.reject("the file was cut or replaced while it was read", size, source.name)
        if not batch.records and not batch.unmatched:
            batch.reject("nothing in this file is known to the importer", 0, source.name)
        batch.format = batch.format or "empty"
        batch.seal()
        batch.sink = None
    return ReadSource(source, batch, size, fingerprint, error, unread)


class EngineError(Exception):
    """What was to read in place of this process could not; the message says why, and what to do."""


class Reading(Protocol):
    """Reads sources into rows, and yields what came of each in their order: as ``read_all``, whoever does it."""

    def __call__(  # noqa: D102
        self,
        sources: list[Source],
        formats: Formats,
        /,
        progress: Callable[[int], object],
        sink_of: Callable[[Source], Sink | None],
    ) -> Iterator[ReadSource]: ...


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

LARGEST_AHEAD = 1 << 26
"""Bytes of the largest of these."""


def read_all(
    sources: list[Source],
    formats: Formats,
    jobs: int,
    progress: Callable[[int], object],
    sink_of: Callable[[Source], Sink | None],
) -> Iterator[ReadSource]:
    """Read the sources and yield them in this order, whoever reads them: this process, or jobs - 1 others.

    ``sink_of`` gives what takes the rows of a source in parts; None where they are wanted as a whole. Raises StoreError
    where another process was ended.
    """
    lone = formats.importers[sources[0].importer] if len(sources) == 1 else None
    if lone is not None and (sink_of(sources[0]) is None or getattr(lone, "WIDE_ROWS", False)):
        # Nothing could be done while another process reads, or to pack and unpack its rows would take longer.
        jobs = 1
    mine, *others = _share(sources, jobs)
    if len(mine) == len(sources):
        for source in sources:
            yield read_source(source, progress, formats, sink_of(source))
        return
    sinks = [sink_of(source) for source in sources]
    with ExitStack() as stack:
        readers: dict[int, Reader] = {}
        for share in filter(None, others):
            asked = [(sources[i], sinks[i] is not None) for i in share]
            readers |= dict.fromkeys(share, stack.enter_context(Reader(asked, formats.added)))
        read: dict[int, ReadSource] = {}
        for i in range(len(sources)):
            while mine and (
                mine[0] == i
                or (
                    i in readers
                    and len(read) < READ_AHEAD
                    and size_of(sources[mine[0]]) <= LARGEST_AHEAD
                    and not readers[i].has_sent()
                )
            ):
                next_one = mine.pop(0)
                # What is read ahead is kept as a whole.
                read[next_one] = read_source(sources[next_one], progress, formats, sinks[i] if next_one == i else None)
            if i in readers:
                read[i] = readers[i].read(sinks[i])
                progress(read[i].size)
            yield read.pop(i)


ENDED_FROM_OUTSIDE = "A reading process was ended from outside, perhaps for want of memory: try with --jobs 1"


class Reader:
    """Another process that reads sources, each in parts or as a whole, and hands over its rows while it reads on."""

    def __init__(self, asked: list[tuple[Source, bool]], added: Added) -> None:
        self._sent, self._sending = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.Process(target=_read_for, args=(self._sending, asked, added), daemon=True)

    def __enter__(self) -> Reader:
        """Start reading."""
        self._process.start()
        # Now only that process can write, so that the pipe ends when it does, even amid a part.
        self._sending.close()
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, if it has not ended."""
        self._process.terminate()
        self._process.join()
        self._sent.close()

    def has_sent(self) -> bool:
        """Tell whether something can be got without waiting, be it the end."""
        return self._sent.poll()

    def read(self, sink: Sink | None) -> ReadSource:
        """Give each part of the next source to a sink, and return the rest. Raises StoreError: the process ended."""
        while True:
            try:
                found = self._sent.recv()
            except (EOFError, OSError):
                raise StoreError(ENDED_FROM_OUTSIDE) from None
            if isinstance(found, BaseException):
                raise found
            if isinstance(found, ReadSource):
                return found
            if sink is not None:
                sink(found)


def _read_for(sending: Connection, asked: list[tuple[Source, bool]], added: Added) -> None:
    """Read sources for another process."""
    _end_with_parent()
    # Packed, rows take a fifth of the memory.
    ahead: queue.Queue[memoryview | None] = queue.Queue(PARTS_AHEAD)

    def put(found: Batch | ReadSource | BaseException) -> None:
        ahead.put(ForkingPickler.dumps(found))

    def send() -> None:
        while (packed := ahead.get()) is not None:
            try:
                sending.send_bytes(packed)
            except OSError:
                os._exit(1)  # nobody takes it

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        for source, in_parts in asked:
            put(read_source(source, formats=added, sink=put if in_parts else None))
    except Exception as error:
        put(error)
    ahead.put(None)
    sender.join()


def _end_with_parent() -> None:
    """Have a reading process end when the one that started it is gone, even if that was killed: it would wait for ever.

    Where a server forks processes, that is the server, which ends with the importing process.
    """
    # Ctrl-C reaches all processes of a terminal: the importing one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _share(sources: list[Source], jobs: int) -> list[list[int]]:
    """Return the numbers of the sources that each process reads, this one's first: all have about as many bytes."""
    loads = [0] * jobs
    shares: list[list[int]] = [[] for _ in loads]
    for i in sorted(range(len(sources)), key=lambda i: -size_of(sources[i])):
        # The largest goes to another process, if there is one: this one has the database to write, too.
        reader = min(range(jobs - 1, -1, -1), key=loads.__getitem__)
        loads[reader] += size_of(sources[i])
        shares[reader].append(i)
    return [sorted(share) for share in shares]


def size_of(source: Source) -> int:
    """Return the size of a source's file in bytes; 0 where it can't be told."""
    found = _file_of(source)
    return found[1] if found else 0


def _file_of(source: Source) -> tuple[int, int] | None:
    """Return what tells a source's file from others of its name, and its size in bytes; None where there is none."""
    try:
        status = source.path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size
