"""The import report as text: the same rows as in the tables sources, joins and unmatched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from importers.rows import DRIFT, KINDS_KEPT

if TYPE_CHECKING:
    from importers.pipeline import Summary

NAMED = 6
"""Names of unknown files that the summary lists, the most frequent first."""

KINDS_LISTED = 10
"""Kinds of lines that have drifted which the report lists for each source, the most frequent first."""

_WATCHED = ("parsl_log", "htex")
"""Importers of logs that have no reason to be in an unknown dialect."""

ISSUES = "https://github.com/Parsl/dnpc/issues"

_COLUMNS = (
    "run",
    "source",
    "dialect",
    "records",
    "events",
    "unmatched",
    "joined",
    "not joined",
    "local times",
)


def summary_text(conn: sqlite3.Connection, summary: Summary) -> str:
    """Return the summary of an import for a terminal."""
    lines = list(report_rows(conn, [read.source.key for read in summary.read])) if summary.read else []
    if summary.unchanged:
        are = "is unchanged since it was" if len(summary.unchanged) == 1 else "are unchanged since they were"
        lines.append(f"{_counted(len(summary.unchanged), 'source')} {are} imported.")
    lines += [f"Left out: {plain(str(path))}: {why}." for path, why in summary.skipped]
    if summary.unknown:
        names = [plain(f"{name} ({count})") for name, count in summary.unknown.most_common(NAMED)]
        more = f" and {len(summary.unknown) - NAMED} more names" if len(summary.unknown) > NAMED else ""
        files = _counted(summary.unknown.total(), "other file")
        lines.append(f"{files}, of no format that is read: {', '.join(names)}{more}.")
    runs, spans, events = conn.execute(
        """SELECT (SELECT count(*) FROM runs), (SELECT coalesce(sum(spans), 0) FROM span_totals),
               (SELECT count(*) FROM events)"""
    ).fetchone()
    counts = f"{_counted(runs, 'run')}, {_counted(spans, 'span')} and {_counted(events, 'event')}"
    lines.append(f"{plain(str(summary.database))} has {counts}.")
    return "\n".join(lines)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def report_rows(conn: sqlite3.Connection, keys: Sequence[str] | None = None) -> Iterator[str]:
    """Yield the lines of the report: of the sources with these keys, or of all."""
    rows = conn.execute(
        """SELECT sources.key, coalesce(runs.name, ''), path, format, records, events, unmatched,
                  coalesce(sum(joins.made), 0), coalesce(sum(joins.missing), 0), clock
           FROM sources LEFT JOIN joins ON joins.source = sources.id LEFT JOIN runs ON runs.id = sources.run
           GROUP BY sources.id ORDER BY 2, path"""
    ).fetchall()
    chosen = [row[1:] for row in rows if keys is None or row[0] in keys]
    yield from _table(_COLUMNS, chosen)
    for count, inner, outer in conn.execute(
        """SELECT count(*), inner_type.name, outer_type.name
           FROM subspan_notes
           CROSS JOIN spans AS b ON b.id = subspan CROSS JOIN span_types AS inner_type ON inner_type.id = b.type
           CROSS JOIN spans AS a ON a.id = superspan CROSS JOIN span_types AS outer_type ON outer_type.id = a.type
           WHERE subspan_notes.note LIKE 'inferred %' GROUP BY 2, 3 ORDER BY 2, 3"""
    ):
        joins = f"{_counted(count, 'join')} of {inner} to {outer}"
        yield f"Inferred, not logged: {joins}. Each has a note in subspans that says from what."
    for key, path, reason, count, text in conn.execute(
        """SELECT sources.key, path, reason, sum(count), min(text) FROM unmatched
           JOIN sources ON sources.id = unmatched.source
           WHERE reason <> ? GROUP BY sources.id, reason ORDER BY path, reason""",
        [DRIFT],
    ):
        if keys is None or key in keys:
            yield f"Not understood in {plain(path)}: {reason}, {_counted(count, 'time')}, first: {plain(text[:100])}"
    for source in _drifted(conn):
        if keys is None or source.key in keys:
            yield from source.lines(KINDS_LISTED)


class _Drifted(NamedTuple):
    """A source with lines that look like events, but match no pattern: their templates, the most frequent first."""

    key: str
    path: str
    importer: str
    dialect: str
    kinds: list[tuple[str, int]]

    def lines(self, most: int) -> Iterator[str]:
        """Yield a heading, and a line for each of the most frequent templates."""
        times = sum(count for _, count in self.kinds)
        yield plain(f"Not understood in {self.path}, {times:,} lines of dialect {self.dialect}: {DRIFT}")
        for kind, count in self.kinds[:most]:
            yield plain(f"{count:>12,}  {kind}")
        if rest := self.kinds[most:]:
            yield f"{sum(count for _, count in rest):>12,}  of {len(rest):,} other kinds"


def _drifted(conn: sqlite3.Connection) -> Iterator[_Drifted]:
    rows = conn.execute(
        """SELECT sources.key, path, importer, format, template, count FROM unmatched
           JOIN sources ON sources.id = unmatched.source
           WHERE reason = ? ORDER BY path, sources.key, count DESC, template""",
        [DRIFT],
    )
    for (key, path, importer, dialect), kinds in groupby(rows, key=lambda row: tuple(row[:4])):
        yield _Drifted(key, path, importer, dialect, [(template, count) for *_, template, count in kinds])


def drift_lines(conn: sqlite3.Connection) -> list[str]:
    """Return what is to be told of lines that look like events, but match no pattern, and of logs in no known dialect.

    It ends with what can be done. Empty where there are none.
    """
    sources = list(_drifted(conn))
    unknown = conn.execute(
        f"""SELECT path, importer FROM sources WHERE format = 'unknown' AND records = 0
            AND importer IN ({", ".join("?" * len(_WATCHED))}) ORDER BY path""",
        _WATCHED,
    ).fetchall()
    if not sources and not unknown:
        return []
    importers = ", ".join(sorted({source.importer for source in sources} | {importer for _, importer in unknown}))
    return [
        *(line for source in sources for line in source.lines(KINDS_KEPT + 1)),
        *(plain(f"Not understood in {path}: none of its first lines is in a known dialect") for path, _ in unknown),
        "Events of these logs may be missing. The table unmatched, shown by the page unmatched_report, has the first "
        f"line of each kind. What tells of an event needs a pattern in the importer ({importers}), what does not "
        "belongs to the known messages in importers/drift.py. Or report it, with the version that wrote the logs: "
        f"{ISSUES}",
    ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    cells = [list(columns)] + [[plain(f"{v:,}" if isinstance(v, int) else str(v)) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    numeric = {i for i, name in enumerate(columns) if name in _COLUMNS[3:8]}
    for row in cells:
        padded = [text.rjust(widths[i]) if i in numeric else text.ljust(widths[i]) for i, text in enumerate(row)]
        yield "  ".join(padded).rstrip()


def plain(text: str) -> str:
    """Make text from a log safe for a terminal: control characters can move the cursor, hide text or turn it round."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
