"""Which sources are as they were when they were imported: told by their bytes, so that they need not be understood."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from importers.fingerprint import fingerprint_of
from importers.formats import Formats
from importers.reading import size_of
from importers.sources import Source
from importers.store import Store


def parted(
    sources: list[Source], store: Store, formats: Formats, jobs: int, progress: Callable[[int], object]
) -> tuple[list[Source], list[Source]]:
    """Return the sources that are to be read, and those whose rows are in the database from the same bytes and clocks.

    An importer that reads more than a source's own files makes its fingerprint of more, too: such a source is read.
    ``jobs`` is how many files are looked at together. ``progress`` is told the bytes of each that is not to be read.
    """
    # What these runs stood for is dropped, and read again as that.
    dropped = {source.run.stand_in for source in sources if source.run.run_id is not None}
    before = [None if source.run.key in dropped else _fingerprint_before(source, store) for source in sources]
    changed, same = [], []
    with ThreadPoolExecutor(jobs) as threads:
        now = threads.map(lambda source, known: known and _fingerprint(source, formats), sources, before)
        for source, known, found in zip(sources, before, now, strict=True):
            if known and known == found:
                same.append(source)
                progress(size_of(source))
            else:
                changed.append(source)
    return changed, same


def _fingerprint_before(source: Source, store: Store) -> str | None:
    """Return the fingerprint of a source that looks as it did when it was imported, else None.

    It is empty where its importer failed.
    """
    known = store.known(source)
    is_alike = known is not None and known.size == size_of(source) and store.has_clocks_of(source)
    return known.fingerprint if known and is_alike else None


def _fingerprint(source: Source, formats: Formats) -> str | None:
    """Return the fingerprint that a source has if it is made of its files alone; None where they can not be read."""
    files_of = getattr(formats.importers[source.importer], "files_of", None)
    try:
        found, _size = fingerprint_of(files_of(source) if files_of else [source.path])
    except OSError:
        return None
    return formats.version(source.importer) + found
