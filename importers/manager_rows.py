"""What a run has of its managers of one kind, Work Queue or TaskVine: spans, and what contradicts itself of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from importers import nestings
from importers.cctools import TITLES, span_type


class ManagerRows:
    """The rows of one run for what joins its managers of one kind with others. ``types`` are ids by span type."""

    def __init__(self, conn: sqlite3.Connection, run: int, kind: str, types: dict[str, int]) -> None:
        self.conn, self.run, self.kind, self.types = conn, run, kind, types

    def type_of(self, thing: str) -> int | None:
        """Return the id of a span type of this kind of manager, such as that of 'worker'; None where nobody has any."""
        return self.types.get(span_type(self.kind, thing))

    def spans(
        self, type_id: int | None, attributes: Sequence[str] = (), first: Sequence[str] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Yield id, key, attributes, and the time of the first of each event, of the run's spans of a type."""
        names = [f"json_extract(attributes, '$.{name}')" for name in attributes]
        times = [
            f"""(SELECT min(time) FROM events WHERE span = spans.id
                 AND type = (SELECT id FROM event_types WHERE name = '{name}'))"""
            for name in first
        ]
        yield from self.conn.execute(
            f"SELECT {', '.join(['id', 'key', *names, *times])} FROM spans WHERE run = ? AND type = ? ORDER BY id",
            [self.run, type_id],
        )

    def put(self, rows: Sequence[tuple[int, int, str, str | None]]) -> None:
        """Put spans into others: superspan, subspan, what it is called there, and how that is known."""
        nestings.put(
            self.conn, [row[:3] for row in rows], {(above, span): note for above, span, _name, note in rows if note}
        )

    def report(self, span: int, reason: str, texts: Sequence[str]) -> None:
        """Keep what contradicts itself of a span: the first, and how many there are.

        It is kept with the log of the span's first event, or where it has none with the manager's.
        """
        source = self.conn.execute(
            """SELECT * FROM (SELECT source, offset FROM events WHERE span = ? LIMIT 1)
               UNION ALL
               SELECT * FROM (SELECT id, 0 FROM sources WHERE run = ? AND importer = ? ORDER BY key LIMIT 1)""",
            [span, self.run, self.kind],
        ).fetchone()
        if texts and source:
            self.conn.execute(
                """INSERT INTO unmatched (source, reason, template, count, offset, text) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT DO UPDATE SET count = count + excluded.count""",
                [source[0], reason, TITLES[self.kind], len(texts), source[1], texts[0][:500]],
            )

    def forget_reports(self, *reasons: str) -> None:
        """Forget what was reported for these reasons."""
        self.conn.executemany(
            """DELETE FROM unmatched WHERE template = ? AND reason = ?
               AND source IN (SELECT id FROM sources WHERE run = ?)""",
            [(TITLES[self.kind], reason, self.run) for reason in reasons],
        )
