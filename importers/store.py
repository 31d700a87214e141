"""The only writer of rows: puts batches into the database, and keeps what derives from their times right."""

from __future__ import annotations

import sqlite3
import time
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from importers import nestings, schema, sequences, worker_stays
from importers.many_rows import insert
from importers.retime import rebound, time_columns
from importers.rows import Batch
from importers.sources import Source
from importers.span_writer import SpanWriter


class Known(NamedTuple):
    """A source as it was imported: ``size`` in bytes, ``clock`` as ``clock_text`` gives it."""

    fingerprint: str
    size: int
    clock: str
    records: int


class Store:
    """Puts batches into the database. Spans are known by uuid, and get integer ids."""

    def __init__(self, conn: sqlite3.Connection, *, new: bool) -> None:
        self.conn = conn
        self._unindexed = new
        self.touched: set[int] = set()
        """Ids of the runs that got rows."""
        self.made: set[int] = set()
        """Ids of those of them that had none before: nothing has been derived for them."""
        self.dropped: list[tuple[str, str]] = []
        """Importer and path of each source that was dropped with a run that stood for another."""
        self._runs: dict[str, int] = {}
        self._types = _Names(conn, "span_types")
        self._event_types = _Names(conn, "event_types")
        self._metrics = _Names(conn, "metrics")
        self._spans = SpanWriter(conn)
        self._stale_bounds: set[int] = set()
        self._numbered: dict[str, array[int]] = {}
        self._in_own_run: set[str] = set()
        """Keys of sources that gave spans to the run that they are named by: a monitoring.db gives them to others."""

    def known(self, source: Source) -> Known | None:
        """Return what a source was when it was imported before, or None."""
        if source.key in self._numbered:
            return None
        row = self.conn.execute(
            "SELECT fingerprint, size, clock, records FROM sources WHERE key = ?", [source.key]
        ).fetchone()
        return Known(*row) if row else None

    def has_clocks_of(self, source: Source) -> bool:
        """Tell whether the local times of a known source were read by the clocks that it would be read by now."""
        rows = self.conn.execute(
            """SELECT runs.key, clocks.zone, clocks.evidence FROM sources
               JOIN clocks ON clocks.source = sources.id JOIN runs ON runs.id = clocks.run WHERE sources.key = ?""",
            [source.key],
        )
        clocks = ((source.clocks.get(run, source.clock), zone, evidence) for run, zone, evidence in rows)
        return all((clock.name, clock.evidence) == (zone, evidence) for clock, zone, evidence in clocks)

    def drop_run(self, key: str) -> None:
        """Drop a run that stood for another before its run id was known. Its logs are read again as that run's."""
        row = self.conn.execute("SELECT id FROM runs WHERE key = ?", [key]).fetchone()
        if row is None:
            return
        self.dropped += self.conn.execute(
            "SELECT importer, path FROM sources WHERE run = ? ORDER BY key", row
        ).fetchall()
        sequences.forget(self.conn, row[0])
        worker_stays.forget(self.conn, row[0])
        spans, sources = "SELECT id FROM span_rows WHERE run = :run", "SELECT id FROM sources WHERE run = :run"
        for table, column, ids in (
            ("events", "span", spans),
            ("samples", "span", spans),
            ("subspan_rows", "superspan", spans),
            ("subspan_rows", "subspan", spans),
            ("facets", "left", spans),
            ("facets", "right", spans),
            ("unmatched", "source", sources),
            ("records", "source", sources),
            ("clocks", "source", sources),
            ("joins", "run", ":run"),
            ("span_rows", "run", ":run"),
            ("sources", "run", ":run"),
            ("runs", "id", ":run"),
        ):
            self.conn.execute(f"DELETE FROM {table} WHERE {column} IN ({ids})", {"run": row[0]})
        self._runs.pop(key, None)

    def run(self, key: str, name: str | None = None, utc_offset: float | None = None) -> int:
        """Return the id of a run, made on first mention; a name or offset is kept once known."""
        run = self._runs.get(key)
        if run is None:
            is_new = self.conn.execute("INSERT OR IGNORE INTO runs (key) VALUES (?)", [key]).rowcount
            (run,) = self.conn.execute("SELECT id FROM runs WHERE key = ?", [key]).fetchone()
            self._runs[key] = run
            if is_new:
                self.made.add(run)
        if name:
            self.conn.execute("UPDATE runs SET name = ? WHERE id = ?", [name, run])
        if utc_offset is not None:
            self.conn.execute("UPDATE runs SET utc_offset = ? WHERE id = ?", [utc_offset, run])
        self.touched.add(run)
        return run

    def add_part(self, source: Source, part: Batch) -> None:
        """Add a part of the rows of a source that is new here, or has grown.

        ``add`` adds the rest, and what is told of it.
        """
        # Where another process reads, that has more to do than this one.
        part.seal()
        if source.key not in self._numbered:
            self._drop_stand_in(source)
            self._source(source, Batch(source.run.key), 0, "")
        (source_id,) = self.conn.execute("SELECT id FROM sources WHERE key = ?", [source.key]).fetchone()
        self._rows(source, part, source_id)
        self._tables(part)
        self._spans.write()

    def add(self, source: Source, batch: Batch, size: int, fingerprint: str) -> None:
        """Add the rows of one source. Rows that are there already stay as they are."""
        self._drop_stand_in(source)
        for key, name in batch.run_names.items():
            self.run(key, name)
        for key, clock in batch.shown_clocks.items():
            self.run(key, utc_offset=clock.offset(0))
        if source.key not in self._numbered:
            self._forget_other_clock(source, batch)
        source_id = self._source(source, batch, size, fingerprint)
        self._rows(source, batch, source_id)
        del self._numbered[source.key]
        self.conn.executemany(
            "UPDATE metrics SET unit = ? WHERE id = ?",
            [(unit, self._metrics[name]) for name, unit in batch.units.items()],
        )
        self.conn.execute("DELETE FROM unmatched WHERE source = ?", [source_id])
        self.conn.executemany(
            "INSERT INTO unmatched (source, reason, template, count, offset, text) VALUES (?, ?, ?, ?, ?, ?)",
            [(source_id, *kind, *found) for kind, found in batch.unmatched.items()],
        )
        self.conn.execute("DELETE FROM records WHERE source = ?", [source_id])
        self.conn.executemany(
            "INSERT INTO records (source, offset, record) VALUES (?, ?, ?)",
            [(source_id, *record) for record in batch.raw_records],
        )
        self._tables(batch)
        changing = {key: clock for key, clock in batch.shown_clocks.items() if clock.changes}
        for key, clock in (batch.run_clocks | changing).items():
            self.conn.execute(
                "INSERT OR REPLACE INTO clocks (source, run, zone, evidence) VALUES (?, ?, ?, ?)",
                [source_id, self.run(key), clock.name, clock.evidence],
            )

    def _drop_stand_in(self, source: Source) -> None:
        if source.run.run_id is not None and source.run.stand_in:
            self.drop_run(source.run.stand_in)

    def _rows(self, source: Source, batch: Batch, source_id: int) -> None:
        """Add spans, events, nestings and samples."""
        runs = dict.fromkeys(batch.span_runs)
        for key in runs:
            self._spans.load(self.run(key))
        if source.run.key in runs:
            self._in_own_run.add(source.key)
        ids = self._numbered.setdefault(source.key, array("q"))
        types = list(map(self._types.__getitem__, batch.span_types))
        in_runs = list(map(self._runs.__getitem__, batch.span_runs))
        ids.extend(self._spans.ids_of(batch.uuids, types, in_runs, batch.keys))
        self._spans.annotate(ids, batch.attributes_json)
        self._events(batch, ids, source_id)
        self._nestings(batch, ids)
        self.conn.executemany(
            "INSERT OR IGNORE INTO samples (span, metric, time, value, source) VALUES (?, ?, ?, ?, ?)",
            [(ids[span], self._metrics[name], at, value, source_id) for span, name, at, value in batch.samples],
        )

    def _nestings(self, batch: Batch, ids: Sequence[int]) -> None:
        """Add which spans lie in which others."""
        # The key of a span in an earlier part is not at hand.
        keys, first = batch.keys, batch.first_span
        rows = [
            (ids[above], ids[span], nestings.name_within(keys[span - first], name) if span >= first else name)
            for (above, span), name in batch.subspans.items()
        ]
        notes = {(ids[above], ids[span]): note for (above, span), note in batch.subspan_notes.items()}
        nestings.put(self.conn, rows, notes)

    def _forget_other_clock(self, source: Source, batch: Batch) -> None:
        """Drop the times of a source that was read by another clock before."""
        row = self.conn.execute("SELECT id, clock FROM sources WHERE key = ?", [source.key]).fetchone()
        if row is None or row[1] == clock_text(batch):
            return
        self.conn.execute("DELETE FROM events WHERE source = ?", [row[0]])
        self.conn.execute("DELETE FROM samples WHERE source = ?", [row[0]])
        for table, _columns in time_columns(self.conn) if batch.tables else ():
            marks = ", ".join("?" * len(batch.run_clocks))
            self.conn.execute(f"DELETE FROM {table} WHERE run_id IN ({marks})", list(batch.run_clocks))
        self._stale_bounds |= {self.run(key) for key in batch.span_runs}

    def _source(self, source: Source, batch: Batch, size: int, fingerprint: str) -> int:
        times = [*batch.event_times, *batch.times_given]
        has_spans = source.run.key in batch.span_runs or source.key in self._in_own_run
        row = {
            "key": source.key,
            "importer": source.importer,
            "path": source.name,
            "format": batch.format,
            "run": self.run(source.run.key) if source.run.directory or has_spans else None,
            "size": size,
            "fingerprint": fingerprint,
            "records": batch.records,
            "events": len(batch.event_times) + batch.events_given,
            "unmatched": sum(found.times for found in batch.unmatched.values()),
            "first_time": min(times, default=None),
            "last_time": max(times, default=None),
            "clock": clock_text(batch),
            "imported_at": time.time(),
        }
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        changes = ", ".join(f"{name} = excluded.{name}" for name in row if name != "key")
        return int(
            self.conn.execute(
                f"""INSERT INTO sources ({names}) VALUES ({marks})
                    ON CONFLICT (key) DO UPDATE SET {changes} RETURNING id""",
                row,
            ).fetchone()[0]
        )

    def _events(self, batch: Batch, ids: Sequence[int], source: int) -> None:
        spans = [ids[span] for span in batch.event_spans]
        types = [self._event_types[name] for name in batch.event_type_names]
        numbers = self._numbers(batch, spans, types, source)
        columns = (
            spans,
            batch.event_times,
            [types[name] for name in batch.event_types],
            numbers if any(numbers) else 0,
            source,
            batch.event_offsets,
        )
        insert(self.conn, "INSERT OR IGNORE INTO events (span, time, type, n, source, offset)", columns)
        self._spans.happened(spans, batch.event_times)

    def _numbers(self, batch: Batch, spans: list[int], types: list[int], source: int) -> Sequence[int]:
        """Number events that are alike, those in earlier parts of a source first."""
        numbers, earlier = batch.event_numbers, 0
        # Events are in order of spans; few spans had some in an earlier part, and few of their events are not later.
        for place in range(bisect_left(batch.event_spans, batch.first_without_events)) if batch.times_given else ():
            at = batch.event_times[place]
            if at <= batch.times_given[1]:
                if numbers[place] == 0:
                    # Of a source that was imported before, these and later ones are there already.
                    found = self.conn.execute(
                        """SELECT count(*) FROM events
                           WHERE span = ? AND time = ? AND type = ? AND source = ? AND offset < ?""",
                        [spans[place], at, types[batch.event_types[place]], source, batch.event_offsets[place]],
                    )
                    (earlier,) = found.fetchone()
                numbers[place] += earlier
        return numbers

    def _tables(self, batch: Batch) -> None:
        for name, columns in batch.tables.items():
            # A row of a run that went on since is replaced by its later state.
            key, *others = columns.values()
            told = [None if values.count(None) == len(values) else values for values in others]
            insert(self.conn, f"INSERT OR REPLACE INTO {name} ({', '.join(columns)})", [key, *told])

    def flush(self) -> None:
        """Write what is left of spans, and make the indexes."""
        self._spans.close()
        for run in self._stale_bounds:
            rebound(self.conn, run)
        if self._unindexed:
            # Faster once the rows are in than kept up row by row. executescript commits.
            schema.pack(self.conn)
            schema.create_indexes(self.conn)
            self.conn.execute("BEGIN")
            self._unindexed = False


def clock_text(batch: Batch) -> str:
    """Say how the times of a source were read as UTC: 'UTC-06:00 (log)' or 'epoch seconds'."""
    clocks = {f"{clock.name} ({clock.evidence})" for clock in batch.run_clocks.values()}
    return ", ".join(sorted(clocks)) or "epoch seconds"


class _Names(dict[str, int]):
    """The ids of names in a table of names, which a new name joins when it is first asked for."""

    def __init__(self, conn: sqlite3.Connection, table: str) -> None:
        super().__init__(conn.execute(f"SELECT name, id FROM {table}"))
        self._conn, self._table = conn, table

    def __missing__(self, name: str) -> int:
        row = self._conn.execute(f"INSERT INTO {self._table} (name) VALUES (?) RETURNING id", [name]).fetchone()
        self[name] = row[0]
        return int(row[0])
