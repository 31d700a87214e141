"""Times in the database that were read by one clock and are to be as another shows them.

That is so where the zone of a run was guessed, and its log came later; where the log shows a change of daylight saving
since it grew; and for the hour that local time has twice, where only the order of lines tells the one from the other.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter

from importers.times import Clock, clock_of_name, clock_of_offset


def shown_clocks(conn: sqlite3.Connection) -> dict[str, Clock]:
    """Return the clocks of runs that their own logs show, by run key."""
    clocks = {
        key: clock_of_offset(offset)
        for key, offset in conn.execute("SELECT key, utc_offset FROM runs WHERE utc_offset IS NOT NULL")
    }
    changing = conn.execute(
        """SELECT runs.key, zone, evidence FROM clocks
           JOIN runs ON runs.id = clocks.run JOIN sources ON sources.id = clocks.source
           WHERE importer = 'parsl_log' AND evidence = 'log'"""
    )
    return clocks | {key: clock_of_name(zone, evidence) for key, zone, evidence in changing}


def retime(conn: sqlite3.Connection, touched: Collection[int]) -> set[int]:
    """Move times to the clocks that runs' logs show by now. Return the ids of the runs that had some.

    In the runs that got rows in this import, ``touched``, times of an hour that came twice are told apart, too.
    """
    shown = shown_clocks(conn)
    moved: set[int] = set()
    read: list[tuple[int, int, Clock]] = []
    for source, run, key, zone, evidence in conn.execute(
        """SELECT source, clocks.run, runs.key, zone, evidence
           FROM clocks JOIN runs ON runs.id = clocks.run JOIN sources ON sources.id = source
           WHERE importer <> 'parsl_log'"""
    ).fetchall():
        old = clock_of_name(zone, evidence)
        new = shown.get(key, old)
        if new != old:
            _move(conn, source, run, key, old, new)
            moved.add(run)
        if run in touched:
            read.append((source, run, new))
    return moved | set(_order(conn, read))


def rebound(conn: sqlite3.Connection, run: int) -> None:
    """Take the first and last times of a run's spans from its events again."""
    conn.execute(
        """UPDATE span_rows SET (began, ended) = (SELECT min(time), max(time) FROM events WHERE span = span_rows.id)
           WHERE run = ?""",
        [run],
    )


def time_columns(conn: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield each parsl_* table with its columns of times."""
    for (table,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'parsl_*'"):
        columns = [row[1] for row in conn.execute(f"PRAGMA table_info({table})")]
        times = [
            c for c in columns if "_time_" in c or c in ("time_began", "time_completed", "timestamp", "last_heartbeat")
        ]
        yield table, [c for c in times if not c.startswith("psutil_")]


def _move(conn: sqlite3.Connection, source: int, run: int, run_key: str, old: Clock, new: Clock) -> None:
    """Move the times that a source gave to a run from one clock to another."""
    conn.create_function("moved", 1, lambda at: None if at is None else new.utc(old.naive(at)))
    moved = conn.execute(
        """SELECT events.span, moved(events.time), events.type, events.n, events.source, events.offset, events.note
           FROM spans JOIN events ON events.span = spans.id WHERE spans.run = ? AND events.source = ?""",
        [run, source],
    ).fetchall()
    conn.execute(
        "DELETE FROM events WHERE source = ? AND span IN (SELECT id FROM spans WHERE run = ?)",
        [source, run],
    )
    conn.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", moved)
    moved = conn.execute(
        """SELECT samples.span, samples.metric, moved(samples.time), samples.value, samples.source
           FROM spans JOIN samples ON samples.span = spans.id WHERE spans.run = ? AND samples.source = ?""",
        [run, source],
    ).fetchall()
    conn.execute("DELETE FROM samples WHERE source = ? AND span IN (SELECT id FROM spans WHERE run = ?)", [source, run])
    conn.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)", moved)
    rebound(conn, run)
    (importer,) = conn.execute("SELECT importer FROM sources WHERE id = ?", [source]).fetchone()
    # Only a monitoring.db has given rows to these tables.
    for table, columns in time_columns(conn) if importer == "parsl_monitoring" else ():
        changes = ", ".join(f"{column} = moved({column})" for column in columns)
        conn.execute(f"UPDATE {table} SET {changes} WHERE run_id = ?", [run_key])
    conn.execute(
        "UPDATE clocks SET zone = ?, evidence = ? WHERE source = ? AND run = ?", [new.name, new.evidence, source, run]
    )
    conn.execute(
        """UPDATE sources SET clock = (SELECT group_concat(clock, ', ') FROM (
               SELECT DISTINCT zone || ' (' || evidence || ')' AS clock FROM clocks
               WHERE source = sources.id ORDER BY 1))
           WHERE id = ?""",
        [source],
    )
    _bound_source(conn, source)


def _bound_source(conn: sqlite3.Connection, source: int) -> None:
    conn.execute(
        """UPDATE sources SET (first_time, last_time) =
               (SELECT min(time), max(time) FROM events WHERE source = sources.id) WHERE id = ?""",
        [source],
    )


_NEAR = 6 * 3600.0
"""Seconds around a set-back of a clock in which lines are looked at to tell when it was, in a log."""


def _order(conn: sqlite3.Connection, read: list[tuple[int, int, Clock]]) -> Iterator[int]:
    """Tell apart times of an hour that came twice: of sources and runs, by these clocks. Yield runs that had some."""
    together: defaultdict[tuple[int, float, float], list[int]] = defaultdict(list)
    for source, run, clock in read:
        # Of a monitoring.db, which has no order of time, the runs are others than its own.
        for first, last in conn.execute(
            "SELECT first_time, last_time FROM sources WHERE id = ? AND run = ? AND first_time IS NOT NULL",
            [source, run],
        ):
            for moment, back in clock.set_backs(first, last):
                together[run, moment, back].append(source)
    for (run, moment, back), sources in together.items():
        events = conn.execute(
            """SELECT source, span, time, events.type, n FROM spans JOIN events ON events.span = spans.id
               WHERE spans.run = ? AND source IN (SELECT value FROM json_each(?)) AND time BETWEEN ? AND ?
               ORDER BY source, events.offset, time""",
            [run, json.dumps(sources), moment - _NEAR, moment + _NEAR],
        ).fetchall()
        (begun,) = conn.execute(
            "SELECT min(first_time) FROM sources WHERE run = ? AND importer = 'parsl_log'", [run]
        ).fetchone()
        later = []
        for _source, group in groupby(events, itemgetter(0)):
            of_log = list(group)
            places = after_set_back([event[2] for event in of_log], moment, back, begun or 0.0)
            later += [of_log[place] for place in places]
        conn.executemany(
            "UPDATE OR REPLACE events SET time = round(time + ?, 6) WHERE span = ? AND time = ? AND type = ? AND n = ?",
            [(back, *event[1:]) for event in later],
        )
        if later:
            rebound(conn, run)
            yield run
        for source in {event[0] for event in later}:
            _bound_source(conn, source)


_LATE = 300.0
"""Seconds by which the clock of another host may be behind."""


def after_set_back(times: Sequence[float], moment: float, back: float, begun: float = 0.0) -> list[int]:
    """Return the places of times that are to be later by ``back`` seconds, in the order in which a log has them.

    These are UTC seconds, each the earlier where local time leaves two to choose from, of a clock that was set back at
    ``moment``. The log shows by a step back where that was. Where it shows none, it was in its longest pause; before
    the first line and after the last, that is taken to be half of what the clock was set back. It was before any
    time at which the run had not ``begun``.
    """
    # As the clock showed them, which is the same for those that have been told apart before.
    local = [time if time < moment else time - back for time in times]
    doubtful = [place for place, time in enumerate(local) if moment - back <= time < moment]
    if not doubtful:
        return []
    first, last = doubtful[0], doubtful[-1]
    before = local[first - 1] if first else local[first] - back / 2
    after = local[last + 1] if last + 1 < len(times) else local[last] + back / 2
    steps = [late - early for early, late in pairwise([before, *(local[place] for place in doubtful), after])]
    too_early = (n for n, place in enumerate(doubtful) if times[place] < begun - _LATE)
    possible = range(next(too_early, len(doubtful)) + 1)
    # Of equal pauses the last, so that times stay the earlier ones.
    turn = max(possible, key=lambda n: (steps[n] < -back / 2, abs(steps[n]), n))
    return [place for place in doubtful[turn:] if times[place] < moment]
