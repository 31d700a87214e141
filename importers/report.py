"""The import report as text: the same rows as in the tables sources, joins and unmatched."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importers.pipeline import Summary

NAMED = 6
"""Names of unknown files that the summary lists, the most frequent first."""

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
        lines.append(f"{len(summary.unchanged)} sources are unchanged since they were imported.")
    lines += [f"Left out: {_plain(str(path))}: {why}." for path, why in summary.skipped]
    if summary.unknown:
        names = [_plain(f"{name} ({count})") for name, count in summary.unknown.most_common(NAMED)]
        more = f" and {len(summary.unknown) - NAMED} more names" if len(summary.unknown) > NAMED else ""
        lines.append(f"{summary.unknown.total()} other files, of no format that is read: {', '.join(names)}{more}.")
    runs, spans, events = conn.execute(
        "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM spans), (SELECT count(*) FROM events)"
    ).fetchone()
    lines.append(f"{_plain(str(summary.database))} has {runs:,} runs, {spans:,} spans and {events:,} events.")
    return "\n".join(lines)


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
    for key, path, reason, count, text in conn.execute(
        """SELECT sources.key, path, reason, sum(count), min(text) FROM unmatched
           JOIN sources ON sources.id = unmatched.source GROUP BY sources.id, reason ORDER BY path, reason"""
    ):
        if keys is None or key in keys:
            yield f"Not understood in {_plain(path)}: {reason}, {count} times, first: {_plain(text[:100])}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    cells = [list(columns)] + [[_plain(f"{v:,}" if isinstance(v, int) else str(v)) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    numeric = {i for i, name in enumerate(columns) if name in _COLUMNS[3:8]}
    for row in cells:
        padded = [text.rjust(widths[i]) if i in numeric else text.ljust(widths[i]) for i, text in enumerate(row)]
        yield "  ".join(padded).rstrip()


def _plain(text: str) -> str:
    """Make text from a log safe for a terminal: control characters can move the cursor or hide text."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)
