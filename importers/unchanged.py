"""Which sources are as they were when they were imported: told by their bytes, so that they need not be understood."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from importers.formats import Formats
from importers.reading import size_of
from importers.sources import Source
from importers.store import Store

PIECE = 1 << 20
"""Bytes that are read at a time."""


def unchanged(
    sources: list[Source], store: Store, formats: Formats, jobs: int, progress: Callable[[int], object]
) -> set[str]:
    """Return the keys of sources whose rows are in the database, read from the same content by the same clocks.

    An importer that reads more than a source's own files makes its fingerprint of more, too: such a source is not
    told here, but read. ``jobs`` is how many files are looked at together. ``progress`` is told the bytes of each that
    is unchanged.
    """
    # What these runs stood for is dropped, and read again as that.
    dropped = {source.run.stand_in for source in sources if source.run.run_id is not None}
    asked = []
    for source in sources:
        known = store.known(source)
        if (
            known is not None
            and known.size == size_of(source)
            and source.run.key not in dropped
            and store.has_clocks_of(source)
        ):
            asked.append((source, known.fingerprint))
    with ThreadPoolExecutor(jobs) as threads:
        found = threads.map(lambda source: _fingerprint(_files(source, formats)), [source for source, _ in asked])
        same = set()
        for (source, before), now in zip(asked, found, strict=True):
            if now is not None and before == formats.version(source.importer) + now:
                same.add(source.key)
                progress(size_of(source))
    return same


def _files(source: Source, formats: Formats) -> list[Path]:
    files_of = getattr(formats.importers[source.importer], "files_of", None)
    return files_of(source) if files_of else [source.path]


def _fingerprint(paths: Iterable[Path]) -> str | None:
    """Return the SHA-1 of what files hold, one after the other; None where one of them can not be read."""
    found = hashlib.sha1(usedforsecurity=False)
    with suppress(OSError):
        for path in paths:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    found.update(piece)
        return found.hexdigest()
    return None
