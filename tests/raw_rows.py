"""The rows of a database as plain Python objects, and one question asked in every way: for tests of the analyses."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from datasette.app import Datasette

from datasette_dnpc import queries
from datasette_dnpc.sql_files import create_views
from importers import totals
from importers.cli import main
from importers.schema import create_indexes, create_tables
from tests.imports import import_logs

Rows = list[dict[str, Any]]


@dataclass
class Raw:
    """What the tables hold, by id of the span."""

    types: dict[int, str] = field(default_factory=dict)
    runs: dict[int, str | None] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    uuids: dict[int, str] = field(default_factory=dict)
    events: dict[int, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    subs: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    supers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    peers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def of_type(self, name: str) -> list[int]:
        """Return the spans of a type."""
        return [span for span, found in self.types.items() if found == name]

    def below(self, root: int) -> dict[int, int]:
        """Return what is below a span, with its depth."""
        return self._reached(root, self.subs)

    def above(self, span: int) -> dict[int, int]:
        """Return what a span is part of, with how far above."""
        return self._reached(span, self.supers)

    def states(self, root: int) -> list[tuple[float, str]]:
        """Return the time and state of each event below a root."""
        return [(time, f"{self.types[span]}/{event}") for span in self.below(root) for time, event in self.events[span]]

    def _reached(self, start: int, neighbours: dict[int, list[int]]) -> dict[int, int]:
        found: dict[int, int] = {}
        level, depth = {start}, 0
        while level:
            todo = list(level)
            while todo:
                span = todo.pop()
                if span not in found:
                    found[span] = depth
                    todo += self.peers[span]
            level = {other for span in found if found[span] == depth for other in neighbours[span]} - found.keys()
            depth += 1
        return found


def read_raw(database: Path) -> Raw:
    """Read all spans, events, subspans and facets."""
    raw = Raw()
    with closing(sqlite3.connect(database)) as conn:
        span_types = dict(conn.execute("SELECT id, name FROM span_types"))
        event_types = dict(conn.execute("SELECT id, name FROM event_types"))
        runs = dict(conn.execute("SELECT id, key FROM runs"))
        for span, uuid, number, run, key in conn.execute("SELECT id, uuid, type, run, key FROM spans"):
            raw.types[span], raw.runs[span] = span_types[number], runs.get(run)
            raw.keys[span], raw.uuids[span] = key, uuid
        for span, time, number in conn.execute("SELECT span, time, type FROM events"):
            raw.events[span].append((time, event_types[number]))
        for above, below in conn.execute("SELECT superspan, subspan FROM subspans"):
            raw.subs[above].append(below)
            raw.supers[below].append(above)
        for left, right in conn.execute('SELECT "left", "right" FROM facets'):
            raw.peers[left].append(right)
            raw.peers[right].append(left)
    return raw


def select(database: Path, sql: str, *params: object) -> Rows:
    """Return the rows of a SELECT in SQLite without functions of dnpc."""
    with closing(sqlite3.connect(database)) as conn:
        conn.row_factory = sqlite3.Row
        return [dict(row) for row in conn.execute(sql, params)]


def imported(database: Path, *paths: Path) -> Path:
    """Import logs into a database with views."""
    import_logs(database, *paths)
    with closing(sqlite3.connect(database)) as conn, conn:
        create_views(conn)
    return database


def made_of(database: Path, spans: Iterable[tuple[str, list[tuple[float, str]]]]) -> Path:
    """Make a database of one run with these spans, each a type and its events, numbered from 1."""
    with closing(sqlite3.connect(database)) as conn, conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs VALUES (1, 'r', 'a run', 0)")
        for number, (kind, events) in enumerate(spans, start=1):
            conn.execute("INSERT OR IGNORE INTO span_types (name) VALUES (?)", [kind])
            times = [time for time, _ in events]
            conn.execute(
                "INSERT INTO spans (id, uuid, type, run, key, began, ended)"
                " VALUES (?, ?, (SELECT id FROM span_types WHERE name = ?), 1, ?, ?, ?)",
                [number, f"u{number}", kind, str(number), min(times, default=None), max(times, default=None)],
            )
            for n, (time, event) in enumerate(events):
                conn.execute("INSERT OR IGNORE INTO event_types (name) VALUES (?)", [event])
                conn.execute(
                    "INSERT INTO events (span, time, type, n, source)"
                    " VALUES (?, ?, (SELECT id FROM event_types WHERE name = ?), ?, 1)",
                    [number, time, event, n],
                )
        create_views(conn)
        totals.update(conn, [1])
    return database


def agreed(database: Path, name: str, **params: str) -> Rows:
    """Return the answer of a query, which is the same in Python, from the command and in Datasette's JSON."""
    rows = queries.rows(database, name, **params)
    options = [word for key, value in params.items() for word in (f"--{key.replace('_', '-')}", value)]
    arguments = [name.replace("_", "-"), "--db", str(database), "--format", "json", *options]
    printed = CliRunner().invoke(main, arguments)
    assert printed.exit_code == 0, printed.output
    assert json.loads(printed.stdout) == rows

    async def served() -> Any:
        client = Datasette([str(database)]).client
        return (await client.get(f"/{database.stem}/{name}.json", params={"_shape": "array", **params})).json()

    assert asyncio.run(served()) == rows[:1000]
    return rows
