"""Sources read by tasks of Parsl, on the machines that its configuration names, in place of processes of this one.

A task reads neighbouring sources and writes their rows into a file, in a folder beside the database. This process
stores what the files hold in the order of the sources, whoever was done first: so the database is the one that it
makes alone, to the ids.
"""

from __future__ import annotations

import copyreg
import gzip
import pickle
import socket
import uuid
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from importers.beside import folder_beside
from importers.database import WORK
from importers.fingerprint import Fingerprint
from importers.formats import Added, Formats
from importers.pattern_file import FormatError
from importers.plugins import run_file
from importers.reading import EngineError, ReadSource, Sink, read_source, size_of
from importers.rows import Batch, Unmatched
from importers.runs import Run
from importers.sources import Source
from importers.times import Clock

if TYPE_CHECKING:
    from parsl.config import Config

BYTES_AT_ONCE = 1 << 25
"""Of files that one task reads; a larger file is one task's.

A task of Parsl costs more than to read a small file, of which run directories have many; and the logs of a large run
are to be shared among the workers.
"""

TASKS_AHEAD = 64
"""Tasks that are asked for before the rows of the first of them are stored: a bound on the files that wait for that."""

USUAL_RUN_DIR = "runinfo"
"""Where Parsl keeps its logs unless the configuration says otherwise: below the folder in which the user stands."""

_INSTALL = "Parsl is not installed here. Install it with: pip install 'datasette-dnpc[parsl]'"


class OnWorker(Exception):
    """A worker can not do what it was asked for; the message says why, and what to do."""


@dataclass(frozen=True)
class Asked:
    """A source to read. ``size`` is that of its file in bytes, as the one that asks sees it."""

    source: Source
    size: int
    in_parts: bool


@dataclass(frozen=True)
class Piece:
    """What one task reads, and the file that takes the rows. ``state`` is that of the dnpc that asks."""

    asked: tuple[Asked, ...]
    added: Added
    state: str
    file: Path


def read_piece(piece: Piece) -> None:
    """Read sources into rows, and write these into a file: runs on a worker.

    The file is a series of pickles, compressed: of each source its parts, if it was asked for in parts, and what came
    of reading it. Raises OnWorker.
    """
    host = socket.gethostname()
    if state_of_code() != piece.state:
        raise OnWorker(f"The worker on {host} has another version of dnpc. Install the same there as here")
    for asked in piece.asked:
        if size_of(asked.source) < asked.size:
            raise OnWorker(
                f"The worker on {host} does not see {asked.source.path} as it is here. "
                "The logs have to lie in a folder that the workers share, under the same path"
            )
    # Where a worker is lost, and another is given its task, both may write.
    writing = piece.file.with_name(f"{piece.file.name}.{uuid.uuid4().hex}")
    try:
        with gzip.open(writing, "wb", compresslevel=1) as file:

            def write(rows: Batch | ReadSource) -> None:
                _Pickler(file).dump(rows)

            for asked in piece.asked:
                write(read_source(asked.source, formats=piece.added, sink=write if asked.in_parts else None))
        writing.replace(piece.file)
    except FormatError as error:
        raise OnWorker(f"The worker on {host} can not use a format of yours. {error}") from None
    except OSError as error:
        raise OnWorker(
            f"The worker on {host} can not write into {piece.file.parent}: {error.strerror}. "
            "The database has to lie in a folder that the workers share: choose one with --db"
        ) from None
    finally:
        writing.unlink(missing_ok=True)


@cache
def state_of_code() -> str:
    """Return what tells dnpc's importers from those of any other version."""
    digest = Fingerprint()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class OnParsl:
    """Reads sources on the workers of a configuration of Parsl: what ``import_paths`` takes as ``reading``.

    To be used in a ``with``, which ends Parsl.
    """

    def __init__(self, file: Path, database: Path) -> None:
        """Read a configuration. Raises EngineError."""
        self._config = load_config(file)
        self._database = database
        self._stack = ExitStack()

    def __enter__(self) -> OnParsl:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(
        self,
        sources: list[Source],
        formats: Formats,
        progress: Callable[[int], object],
        sink_of: Callable[[Source], Sink | None],
    ) -> Iterator[ReadSource]:
        """Read the sources and yield them in this order. Raises EngineError."""
        sinks = [sink_of(source) for source in sources]
        folder = self._stack.enter_context(_folder_for_rows(self._database))
        ask = self._stack.enter_context(_started(self._config, folder))
        added = _from_anywhere(formats.added)
        shares = _shares([size_of(source) for source in sources])

        def begun(share: range) -> tuple[range, Piece, Future[None]]:
            asked = tuple(Asked(_absolute(sources[i]), size_of(sources[i]), sinks[i] is not None) for i in share)
            piece = Piece(asked, added, state_of_code(), folder / f"{share.start}.rows")
            return share, piece, ask(piece)

        tasks = deque(map(begun, islice(shares, TASKS_AHEAD)))
        while tasks:
            share, piece, task = tasks.popleft()
            _wait(task, piece)
            for i, found in zip(share, _rows(piece, [sinks[i] for i in share]), strict=True):
                found.source = sources[i]
                progress(found.size)
                yield found
            tasks.extend(map(begun, islice(shares, 1)))


def load_config(file: Path) -> Config:
    """Run a Python file that makes a configuration of Parsl, named ``config``. Raises EngineError."""
    try:
        import parsl
        from parsl.errors import NoDataFlowKernelError
    except ImportError:
        raise EngineError(_INSTALL) from None
    try:
        module, _ = run_file(file)
    except FormatError as error:
        raise EngineError(str(error)) from None
    with suppress(NoDataFlowKernelError):
        parsl.dfk()
        raise EngineError(f"{file}: it starts Parsl. dnpc does that: leave parsl.load(config) out")
    config = getattr(module, "config", None)
    if not isinstance(config, parsl.Config):
        raise EngineError(
            f"{file}: it has no configuration named config. It needs, for example: "
            "from parsl import Config; config = Config(executors=[...])"
        )
    return config


@contextmanager
def _folder_for_rows(database: Path) -> Iterator[Path]:
    """Make a folder on the file system of the database, in which workers write. Raises EngineError."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(folder_beside(database, WORK))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            raise EngineError(
                f"No folder can be made beside the database ({why}). Choose another place with --db"
            ) from error
        yield folder


@contextmanager
def _started(config: Config, folder: Path) -> Iterator[Callable[[Piece], Future[None]]]:
    """Start Parsl, and give what has a worker read a piece. Its own logs go where the configuration says, or away."""
    from parsl.app.app import python_app
    from parsl.dataflow.dflow import DataFlowKernel

    if config.run_dir == USUAL_RUN_DIR:
        config.run_dir = str(folder / USUAL_RUN_DIR)
    try:
        kernel = DataFlowKernel(config)
    except Exception as error:
        raise EngineError(f"Parsl could not be started: {type(error).__name__}: {error}") from error
    try:
        yield python_app(read_piece, data_flow_kernel=kernel)
    finally:
        kernel.cleanup()


def _absolute(source: Source) -> Source:
    """Return a source as a process finds it that runs in another folder."""
    return replace(source, path=source.path.absolute())


def _from_anywhere(added: Added) -> Added:
    """Return formats so that a process finds their files that runs in another folder."""
    files, modules = ([file.absolute() for file in files] for files in (added.pattern_files, added.modules))
    return replace(added, pattern_files=tuple(files), modules=tuple(modules))


def _shares(sizes: list[int]) -> Iterator[range]:
    """Yield the numbers of the files that each task reads: neighbours, so that they are stored as they come."""
    start = size = 0
    for place in range(len(sizes)):
        if place > start and size + sizes[place] > BYTES_AT_ONCE:
            yield range(start, place)
            start, size = place, 0
        size += sizes[place]
    yield range(start, len(sizes))


def _wait(task: Future[None], piece: Piece) -> None:
    """Wait for a piece to be read. Raises EngineError."""
    try:
        task.result()
    except OnWorker as error:
        raise EngineError(str(error)) from None
    except Exception as error:
        others = f" and {len(piece.asked) - 1} other files" if len(piece.asked) > 1 else ""
        raise EngineError(
            f"Parsl could not have {piece.asked[0].source.path}{others} read: {type(error).__name__}: {error}. "
            "dnpc has to be installed in the Python of the workers. With retries=2 in the configuration, what a lost "
            "worker has not read is asked of another; with a run_dir of its own there, Parsl's logs are kept"
        ) from error


def _rows(piece: Piece, sinks: list[Sink | None]) -> Iterator[ReadSource]:
    """Yield what came of reading each source of a piece, its parts given to its sink. Raises EngineError."""
    try:
        with gzip.open(piece.file, "rb") as file:
            for sink in sinks:
                while not isinstance(found := _Unpickler(file).load(), ReadSource):
                    if sink is not None:
                        sink(found)
                yield found
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise EngineError(
            f"{piece.file} is not as a worker has written it: {error}. "
            "The database has to lie in a folder that the workers share: choose one with --db"
        ) from None
    piece.file.unlink()


class _Pickler(pickle.Pickler):
    """Writes rows as calls of classes only: a zone of the zone database by its name."""

    dispatch_table = copyreg.dispatch_table | {ZoneInfo: lambda zone: (ZoneInfo, (zone.key,))}

    def __init__(self, file: gzip.GzipFile) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)


class _Unpickler(pickle.Unpickler):
    """Reads rows, and calls nothing but what they are made of, since what lies in a shared folder may be another's."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class by its name. Raises UnpicklingError for what is no part of rows."""
        if name not in _CLASSES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _CLASSES[name]


_CLASSES: dict[str, Any] = {
    # Arrays are made by a function that Python keeps for that.
    "_array_reconstructor": array("q").__reduce_ex__(pickle.HIGHEST_PROTOCOL)[0],
    **{
        kind.__name__: kind
        for kind in (ReadSource, Source, Run, Batch, Unmatched, Clock, ZoneInfo, timezone, timedelta, array, Counter)
    },
    **dict.fromkeys(("PosixPath", "WindowsPath"), Path),
}
"""What rows are made of, by name: Python's versions keep some of it in different modules."""
