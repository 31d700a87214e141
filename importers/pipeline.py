"""An import from end to end: find sources, read them, store their rows, link, derive, report."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from importers import cctools, links, places, sequences, totals, vine_runs, worker_stays
from importers.adoption import adopt
from importers.database import open_store
from importers.formats import Added, Formats, load_formats
from importers.neighbours import staying_inside
from importers.pattern_file import PatternFormat
from importers.plugins import Outside
from importers.reading import SMALL, Reading, ReadSource, Sink, no_cycle_collection, read_all, size_of
from importers.readonly import open_readonly
from importers.retime import retime, shown_clocks
from importers.rows import Batch
from importers.runs import has_tasks, read_run
from importers.sources import Importer, Source, Unread, find_sources
from importers.store import Store, clock_text
from importers.times import Clock, clock_of_name, machine_clock
from importers.unchanged import parted

MOST_JOBS = 4
"""More processes read faster than this one writes."""


class NothingToImport(Exception):
    """No path holds anything that an importer knows; the message says what was looked for."""


@dataclass
class Summary:
    """What an import did.

    ``skipped`` holds paths left out, and why; ``unknown`` counts names of files that no importer takes.
    """

    database: Path
    read: list[ReadSource] = field(default_factory=list)
    unchanged: list[Source] = field(default_factory=list)
    unchanged_gave_rows: bool = False
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    failed: bool = False
    """Whether an importer from outside failed on a file's name."""

    @property
    def unread(self) -> int:
        """How many files and folders could not be read, in whole or in part."""
        return sum(isinstance(why, Unread) for _, why in self.skipped) + sum(read.unread for read in self.read)

    @property
    def understood(self) -> bool:
        """Whether any record of any source gave rows, now or in an earlier import."""
        return self.unchanged_gave_rows or any(read.batch.records for read in self.read)


def import_paths(
    paths: Iterable[Path],
    database: Path,
    *,
    clock: Clock | None = None,
    importer: str | None = None,
    formats: Formats | None = None,
    jobs: int | None = None,
    follow_links: bool = False,
    reading: Reading | None = None,
    progress: Callable[[int], object] = lambda size: None,
    started: Callable[[int], object] = lambda size: None,
    finish: Callable[[sqlite3.Connection], object] = lambda conn: None,
) -> Summary:
    """Import every log under the paths into a database: all of them or, on an error, none.

    ``clock`` reads local times of runs whose own log does not show their zone; by default that is this machine's.
    ``formats`` are the importers to choose from, by default dnpc's own and those of installed packages.
    ``jobs`` is how many processes read; by default one, or for much to read one for each processor. ``reading`` has
    others read, in place of ``read_all``. ``follow_links`` has symbolic links followed that lead out of the folders.
    ``started`` is told how many bytes will be read, ``progress`` of each piece. ``finish`` gets the connection before
    the commit.

    Raises NothingToImport and database.StoreError.
    """
    summary, paths = Summary(database), list(paths)
    within_paths = partial(staying_inside, [] if follow_links else [path for path in paths if path.is_dir()])
    timezone_is_given = clock is not None
    clock = clock or machine_clock()
    formats = formats or load_formats(Added())
    chosen = [formats.importers[importer]] if importer else list(formats.importers.values())
    read_run.cache_clear()
    has_tasks.cache_clear()
    places.run_above.cache_clear()
    cctools.managers.cache_clear()
    vine_runs.forget()
    with within_paths():
        sources = vine_runs.adopt(adopt(find_sources(paths, chosen, summary.skipped, summary.unknown, follow_links)))
    notes = list(_not_found(chosen, {source.importer for source in sources}))
    if not sources:
        raise NothingToImport(_nothing(paths, chosen, summary.skipped, notes))
    summary.skipped += notes
    summary.failed = any(isinstance(importer, Outside) and importer.failures for importer in chosen)
    told, shown = _clocks_before(database)
    if timezone_is_given:
        told = {}
    sources = [
        replace(source, clock=_clock(source, told.get(source.run.key, clock)))
        for source in _with_clocks(sources, told, shown)
    ]
    size = sum(size_of(source) for source in sources)
    started(size)
    if jobs is None:
        jobs = min(os.cpu_count() or 1, MOST_JOBS) if size > SMALL else 1
    with within_paths(), no_cycle_collection(), open_store(database) as store:

        def sink_of(source: Source) -> Sink | None:
            """Rows that come in parts are stored as they come, unless it turns out later what becomes of them."""
            in_parts = getattr(formats.importers[source.importer], "IN_PARTS", False)
            known = store.known(source)
            if known is not None:
                in_parts &= known.size <= size_of(source) and store.has_clocks_of(source)
            return partial(store.add_part, source) if in_parts else None

        changed, same = parted(sources, store, formats, jobs, progress)
        for source in same:
            _note_unchanged(store, source, summary)
        read = reading or partial(read_all, jobs=jobs)
        for found in read(changed, formats, progress=progress, sink_of=sink_of) if changed else ():
            _store(store, found, summary, formats.version(found.source.importer))
        summary.skipped += _not_read_again(store.dropped, sources)
        store.flush()
        store.touched |= retime(store.conn, store.touched)
        runs = links.link(store.conn, store.touched, store.made)
        sequences.update(store.conn, runs, formats.root_types())
        worker_stays.update(store.conn, runs)
        totals.update(store.conn, runs)
        finish(store.conn)
    return summary


def _not_read_again(dropped: list[tuple[str, str]], sources: list[Source]) -> Iterator[tuple[Path, str]]:
    """Yield the sources whose rows were dropped, now that their run is known, and that this import does not read."""
    if not dropped:
        return
    # Below which folder the logs lay then and lie now does not matter.
    parts = [(source.importer, source.name.split("/")) for source in sources]
    again = {(importer, "/".join(names[i:])) for importer, names in parts for i in range(len(names))}
    for importer, path in dropped:
        if (importer, path.split("/", 1)[-1]) not in again:
            yield Path(path), "it was imported before its run was known, and is no longer there: import it again"


def _not_found(importers: Iterable[Importer], found: set[str]) -> Iterator[tuple[Path, str]]:
    """Yield what is to be said of added formats: files that they failed on, and that they took none."""
    for importer in importers:
        for what, (first, times) in importer.failures.items() if isinstance(importer, Outside) else ():
            yield first, f"the importer {importer.NAME} failed on it ({times} files in all): {what}"
        if isinstance(importer, PatternFormat) and importer.stalled_at is not None:
            why = f"a regular expression of {importer.origin}, path or time, takes too long on it: make it simpler"
            yield importer.stalled_at, f"{why}. The files after this one were not looked at for this format"
        elif isinstance(importer, PatternFormat) and importer.NAME not in found:
            yield Path(importer.origin), f"no file under these paths is one that it takes: {importer.takes}"


def _store(store: Store, found: ReadSource, summary: Summary, version: str) -> None:
    known = store.known(found.source)
    if known is not None and found.error is not None:
        why = f"it can not be read now ({found.error}); what was imported from it before stays"
        kind = Unread if found.unread else str
        summary.skipped.append((found.source.path, kind(why)))
    elif known is not None and known.records and version and not known.fingerprint.startswith(version):
        why = "another state of its format has imported it before: use this one with a new database, with --db"
        summary.skipped.append((found.source.path, why))
    elif known is not None and known.size > found.size:
        summary.skipped.append((found.source.path, "a longer state of this log has been imported before"))
    elif known is not None and (known.fingerprint, known.clock) == (found.fingerprint, clock_text(found.batch)):
        _note_unchanged(store, found.source, summary)
    else:
        store.add(found.source, found.batch, found.size, found.fingerprint)
        # Its rows are in the database now.
        found.batch = Batch(found.batch.run, found.batch.format, found.batch.records)
        summary.read.append(found)


def _note_unchanged(store: Store, source: Source, summary: Summary) -> None:
    known = store.known(source)
    summary.unchanged.append(source)
    summary.unchanged_gave_rows |= known is not None and known.records > 0


def _clock(source: Source, default: Clock) -> Clock:
    """Return the clock for a source's local times: its run's, where the run's log shows it."""
    return source.run.clock or default


def _clocks_before(database: Path) -> tuple[dict[str, Clock], dict[str, Clock]]:
    """Return what earlier imports know of runs: the clocks that they were told, and those that logs show."""
    if not database.is_file():
        return {}, {}  # open_store says so of what is no file: to open a pipe could wait for ever
    try:
        with open_readonly(database) as conn:
            told = conn.execute(
                """SELECT runs.key, max(clocks.zone) FROM clocks JOIN runs ON runs.id = clocks.run
                   WHERE clocks.evidence = 'option' GROUP BY runs.key"""
            )
            return {key: clock_of_name(zone) for key, zone in told}, shown_clocks(conn)
    except sqlite3.Error:
        return {}, {}  # open_store says what is wrong with it


def _with_clocks(sources: list[Source], told: dict[str, Clock], before: dict[str, Clock]) -> Iterator[Source]:
    """Add the clocks of runs that this import or an earlier one knows to the sources that hold many runs."""
    clocks = told | before | {s.run.key: s.run.clock for s in sources if s.run.clock is not None}
    for source in sources:
        yield replace(source, clocks=source.clocks | clocks) if not source.run.directory else source


def _nothing(
    paths: Iterable[Path], importers: list[Importer], skipped: list[tuple[Path, str]], notes: list[tuple[Path, str]]
) -> str:
    names = ", ".join(str(path) for path in paths)
    kinds = ", ".join(importer.NAME for importer in importers)
    notes += [(path, why) for path, why in skipped if isinstance(why, Unread)]
    links = sum(not isinstance(why, Unread) for _, why in skipped)
    are = "1 symbolic link was" if links == 1 else f"{links} symbolic links were"
    links_out = f" ({are} not followed: --follow-links does so)" if links else ""
    return (
        f"No log that dnpc knows under {names}{links_out}. Give a Parsl runinfo folder, a run directory like "
        f"runinfo/000, or one log file. Looked for: {kinds}" + "".join(f". {path}: {why}" for path, why in notes)
    )
