"""Find log files under a path, and what their place says about them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from importers.keys import surrogate_key
from importers.rows import Batch, storable
from importers.runs import Run
from importers.times import EPOCH, Clock


@dataclass(frozen=True)
class Source:
    """One file to read, and what its place says.

    ``name`` is its path relative to the folder that holds the runs, the same from wherever it is
    imported. ``fields`` are facts for patterns: label, block, manager, worker. ``identity`` tells it from other
    sources of its run, where its name and place are not to count.
    """

    importer: str
    path: Path
    name: str
    run: Run
    fields: dict[str, str] = field(default_factory=dict)
    clock: Clock = EPOCH
    clocks: dict[str, Clock] = field(default_factory=dict)
    identity: str = ""

    @property
    def key(self) -> str:
        """The surrogate key of the source: the same file in a moved or renamed folder has the same."""
        # A file outside a run directory is what its content says it is, whatever its name.
        within = self.identity or (self.name.split("/", 1)[-1] if self.run.directory else "")
        return surrogate_key("source", self.importer, self.run.key, within)


class Importer(Protocol):
    """A module that reads one family of formats."""

    @property
    def NAME(self) -> str:
        """What it is called."""

    @property
    def ROOTS(self) -> tuple[str, ...]:
        """Its task-like span types, whose event sequences are kept."""

    def find(self, path: Path) -> Source | None:
        """Return the source that a file is, judged by its name and place, or None."""

    def read(self, source: Source, batch: Batch, progress: Progress) -> str:
        """Add the rows of a source to a batch. Return the fingerprint of what was read.

        Raises OSError where the file can not be read. Never raises on what it holds.
        """


class Progress(Protocol):
    """Called with the number of bytes read since the last call."""

    def __call__(self, size: int, /) -> object: ...  # noqa: D102


class Unread(str):
    """Why a file or folder is left out that may hold what should be in the database."""

    @classmethod
    def because(cls, error: OSError, path: Path) -> Unread:
        """Tell what went wrong with a path, or with another file that had to be read for it."""
        why = error.strerror or str(error)
        other = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else path
        return cls(f"it can not be read: {why}" if other == path else f"{other} can not be read: {why}")


def files(path: Path, skipped: list[tuple[Path, str]], follow_links: bool = False) -> Iterator[Path]:
    """Yield the files under a folder, sorted, or the file itself.

    Symbolic links are followed only to places inside the folder, unless ``follow_links``; the others, and what can't
    be read, are noted in ``skipped``.
    """
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        skipped.append((path, Unread("it is neither a file nor a folder")))
        return
    inside = Path(os.path.realpath(path))
    walked: set[str] = set()

    def closed(error: OSError) -> None:
        skipped.append((Path(error.filename), Unread(f"the folder can not be read: {error.strerror}")))

    for folder, folders, names in os.walk(path, onerror=closed, followlinks=True):
        links = [name for name in sorted(folders) if _is_link(Path(folder, name))]
        followed = {name for name in links if follow_links and _is_new(Path(folder, name), inside, walked)}
        folders[:] = sorted(followed.union(folders).difference(set(links) - followed))
        for name in sorted(names) + [link for link in links if link not in followed]:
            file = Path(folder, name)
            try:
                if not follow_links and _leads_out(file, inside):
                    why = "a symbolic link to outside the folder: give its target as a path, or --follow-links"
                    skipped.append((file, why))
                elif file.is_file():
                    yield file
            except OSError as error:
                skipped.append((file, Unread.because(error, file)))


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False  # that it can't be read is noted as its files are listed


def _leads_out(file: Path, inside: Path) -> bool:
    # Path.resolve raises on a loop of links until Python 3.13; os.path.realpath does not.
    return file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(inside)


def _is_new(link: Path, inside: Path, walked: set[str]) -> bool:
    """Tell whether a link leads to a folder outside that no other link led to: links may form loops."""
    target = os.path.realpath(link)
    if target in walked or not _leads_out(link, inside):
        return False
    walked.add(target)
    return True


def find_sources(
    paths: Iterable[Path],
    importers: Iterable[Importer],
    skipped: list[tuple[Path, str]],
    unknown: Counter[str],
    follow_links: bool = False,
) -> list[Source]:
    """Find every source under the paths, in an order that does not depend on the paths.

    Where one source is found twice (a copy, an older state of a growing log), the larger is taken,
    since logs only grow. ``unknown`` counts the names of the files that no importer takes, and files that can't be
    read are noted in ``skipped``, as ``Unread``.
    """
    importers = list(importers)
    found: dict[str, Source] = {}
    for file in (file for path in paths for file in files(path, skipped, follow_links)):
        try:
            source = next(filter(None, (importer.find(file) for importer in importers)), None)
        except OSError as error:
            skipped.append((file, Unread.because(error, file)))
            continue
        if source is None:
            unknown[storable(file.name)] += 1
            continue
        other = found.get(source.key)
        if other is None or _rank(source) > _rank(other):
            found[source.key] = source
        if other is not None and not _is_same_file(other.path, file):
            kept = found[source.key].path
            left_out = file if kept == other.path else other.path
            skipped.append((left_out, f"a copy or a shorter state of {kept}, which is imported"))
    return sorted(found.values(), key=lambda source: (source.run.key, source.name, source.key))


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _rank(source: Source) -> tuple[int, str]:
    try:
        return source.path.stat().st_size, str(source.path)
    except OSError:
        return -1, str(source.path)
