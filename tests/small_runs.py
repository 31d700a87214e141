"""Runs of a handful of spans, made row by row, for tests of what is derived from rows: links and event sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from importers import links, sequences
from importers.database import open_store
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from importers.store import Store
from tests.imports import query

Attributes = Mapping[str, object]
Pair = tuple[str, str]

SPAN = "l.name || ' ' || a.key, r.name || ' ' || b.key"


def of(key: str, *events: tuple[float, str], **attributes: object) -> Callable[[Batch, str], int]:
    """Return what adds the span of a key, with its events and attributes, to the rows of a log."""

    def add(batch: Batch, span_type: str) -> int:
        span = batch.span(span_type, *key.split("/"))
        for time, name in events:
            batch.event(span, time, name, 0)
        batch.annotate(span, **attributes)
        return span

    return add


class SmallRuns:
    """A database to which logs are added as an import does, here made of rows instead of lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "small.sqlite3"
        self._logs: list[tuple[str, str, Batch]] = []

    def log(
        self,
        name: str,
        spans: Mapping[str, Sequence[str | Callable[[Batch, str], int]]],
        inside: Sequence[tuple[Pair, Pair]] = (),
        run: str = "r",
        importer: str = "small",
    ) -> None:
        """Add what a log tells: spans by type, each a key or as `of` gives it, and (outer, inner) pairs of spans.

        A span that is no more than a key has one event, so that it belongs to the log.
        """
        batch = Batch(run)
        for span_type, told in spans.items():
            for span in told:
                (of(span, (1.0, "seen")) if isinstance(span, str) else span)(batch, span_type)
        for outer, inner in inside:
            above, below = (batch.span(span_type, *key.split("/")) for span_type, key in (outer, inner))
            batch.subspan(above, below, inner[1])
        self._logs.append((importer, name, batch))

    def sample(self, name: str, span_type: str, key: str, time: float, metric: str, run: str = "r") -> None:
        """Add a log that has a sample of a span, and no event."""
        batch = Batch(run)
        batch.samples.append((batch.span(span_type, *key.split("/")), metric, time, 1.0))
        self._logs.append(("small", name, batch))

    def store(self, then: Callable[[Store], object]) -> None:
        """Put the logs that were added into the database, and do what an import does then."""
        with open_store(self.path) as store:
            for importer, name, batch in self._logs:
                batch.seal()
                run = Run(batch.run, batch.run, None, batch.run)
                store.add(Source(importer, Path(name), f"{batch.run}/{name}", run), batch, 1, name)
            self._logs = []
            store.flush()
            then(store)

    def link(self, *runs: str) -> set[str]:
        """Link these runs, by default those that got rows, and return the runs whose spans may have got others below.

        Their sequences are left alone.
        """
        found: set[int] = set()

        def make(store: Store) -> None:
            chosen = {store.run(run) for run in runs} or store.touched
            found.update(links.link(store.conn, chosen, store.made))

        self.store(make)
        return {key for number, key in query(self.path, "SELECT id, key FROM runs") if number in found}

    def steps_to_link(self) -> int:
        """Link the runs that got rows, and return how many steps SQLite took, in hundreds."""
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        def make(store: Store) -> None:
            store.conn.set_progress_handler(step, 100)
            links.link(store.conn, store.touched, store.made)
            store.conn.set_progress_handler(None, 0)

        self.store(make)
        return steps

    def count(self, *root_types: str, runs: Sequence[str] = ()) -> None:
        """Link, and bring what is kept of the sequences of these roots up to date, of the runs that got rows."""

        def make(store: Store) -> None:
            touched = {store.run(run) for run in runs} or set(store.touched)
            sequences.update(store.conn, links.link(store.conn, touched, store.made), root_types)

        self.store(make)

    def forget(self, run: str) -> None:
        """Drop what is kept of the sequences of a run."""
        self.store(lambda store: sequences.forget(store.conn, store.run(run)))

    def facets(self) -> set[Pair]:
        """Return the facets, each span as 'type key'."""
        return self._pairs("facets", "left", "right")

    def subspans(self) -> set[Pair]:
        """Return what lies in what, each span as 'type key'."""
        return self._pairs("subspans", "superspan", "subspan")

    def _pairs(self, table: str, left: str, right: str) -> set[Pair]:
        rows = query(
            self.path,
            f"""SELECT {SPAN} FROM {table}
                JOIN spans a ON a.id = "{left}" JOIN span_types l ON l.id = a.type
                JOIN spans b ON b.id = "{right}" JOIN span_types r ON r.id = b.type""",
        )
        assert len(set(rows)) == len(rows)
        return {(one, other) for one, other in rows}

    def joins(self, run: str = "r") -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """Return how many joins each log of a run has, and how many it lacks, by log, kind, its type and the other."""
        rows = query(
            self.path,
            """SELECT substr(path, instr(path, '/') + 1), kind, l.name, r.name, made, missing FROM joins
               JOIN runs ON runs.id = joins.run JOIN sources ON sources.id = source
               JOIN span_types l ON l.id = left_type JOIN span_types r ON r.id = right_type WHERE runs.key = ?""",
            run,
        )
        return {(log, kind, left, right): (made, missing) for log, kind, left, right, made, missing in rows}
