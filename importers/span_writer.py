"""Spans on their way into the database: they get ids at once, and rows once more is known of them."""

from __future__ import annotations

import json
import sqlite3
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from importers.attribute_texts import AttributeTexts
from importers.keys import uuid_bytes
from importers.many_rows import insert
from importers.rows import encode
from importers.schema import ATTRIBUTES
from importers.span_ids import SpanIds


class SpanWriter:
    """Spans, known by uuid. Of the runs that were loaded, those that are in the database are known, too."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._texts = AttributeTexts(conn)
        self._loaded: set[int] = set()
        self._ids = SpanIds()
        self._next_id: int = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM span_rows").fetchone()[0]
        self._begin()

    def _begin(self) -> None:
        """Begin anew with what is to be written."""
        self._first_new = self._next_id
        self._new: list[list[Any]] = [[], [], [], []]
        """Spans that are not in the database yet, in order of their ids: columns of uuids, types, runs and keys."""
        self._attributes: dict[int, str] = {}
        self._began: dict[int, float] = {}
        self._ended: dict[int, float] = {}
        """Times of the first and the last event of spans that got some."""

    def load(self, run: int) -> None:
        """Learn the ids of the spans that a run has already."""
        if run not in self._loaded:
            self._loaded.add(run)
            rows = self._conn.execute(
                """SELECT uuid, span_rows.id FROM span_types
                   CROSS JOIN span_rows ON span_rows.type = span_types.id AND span_rows.run = ?""",
                [run],
            )
            self._ids.update((uuid_bytes(uuid), span) for uuid, span in rows)

    def ids_of(self, uuids: list[bytes], types: list[int], runs: list[int], keys: list[str]) -> Sequence[int]:
        """Return the ids of spans, given in columns: new ones for those that are not known."""
        ids: Sequence[int] = range(self._next_id, self._next_id + len(uuids))
        new: list[list[Any]] = [uuids, types, runs, keys]
        if len(set(uuids)) < len(uuids) or not self._ids.isdisjoint(uuids):
            known = {uuid: span for uuid in uuids if (span := self._ids.get(uuid)) is not None}
            places: list[int] = []
            for place, uuid in enumerate(uuids):
                if uuid not in known:
                    known[uuid] = self._next_id + len(places)
                    places.append(place)
            ids = [known[uuid] for uuid in uuids]
            new = [[column[place] for place in places] for column in new]
        for column, more in zip(self._new, new, strict=True):
            column.extend(more)
        first, self._next_id = self._next_id, self._next_id + len(new[0])
        self._ids.update(zip(new[0], range(first, self._next_id), strict=True))
        return ids

    def annotate(self, ids: Sequence[int], attributes: Mapping[int, str]) -> None:
        """Add attributes, as JSON text by place among some ids, to those that the spans have."""
        for place, later in attributes.items():
            span = ids[place]
            known = self._attributes.setdefault(span, later)
            if known is not later:
                self._attributes[span] = _merged(known, later)

    def happened(self, spans: Sequence[int], times: Sequence[float]) -> None:
        """Note the times of events of spans; those of each span come in order of time."""
        # Of equal keys, a dictionary keeps the last.
        last = dict(zip(spans, times, strict=True))
        first = dict(zip(reversed(spans), reversed(times), strict=True))
        for span in self._began.keys() & first.keys():
            first[span] = min(first[span], self._began[span])
            last[span] = max(last[span], self._ended[span])
        self._began |= first
        self._ended |= last

    def write(self) -> None:
        """Write the new spans, and what was learnt of those that are written, since the last time."""
        first = self._first_new
        uuids, types, runs, keys = self._new
        spans = range(first, first + len(uuids))
        kept = self._texts.share(list(map(self._attributes.get, spans)))
        highs, lows = _halves(uuids)
        insert(
            self._conn,
            """INSERT INTO span_rows
               (id, uuid_high, uuid_low, type, run, key, began, ended, attributes_shared, attributes_own)""",
            (
                spans,
                highs,
                lows,
                types,
                runs,
                keys,
                list(map(self._began.get, spans)),
                list(map(self._ended.get, spans)),
                [shared or "" for shared, _own in kept],
                [own or "" for _shared, own in kept],
            ),
            empty=(8, 9),
        )
        self._add_attributes({span: found for span, found in self._attributes.items() if span < first})
        self._conn.executemany(
            """UPDATE span_rows SET began = min(coalesce(began, ?1), ?1), ended = max(coalesce(ended, ?2), ?2)
               WHERE id = ?3""",
            ((began, self._ended[span], span) for span, began in self._began.items() if span < first),
        )
        self._begin()

    def _add_attributes(self, found: dict[int, str]) -> None:
        """Add attributes to those that spans have in the database."""
        merged = []
        for span, later in found.items():
            (known,) = self._conn.execute(f"SELECT {ATTRIBUTES} FROM span_rows WHERE id = ?", [span]).fetchone()
            if known != (attributes := _merged(known, later)):
                merged.append((span, attributes))
        kept = self._texts.share([attributes for _span, attributes in merged])
        self._conn.executemany(
            "UPDATE span_rows SET attributes_shared = ?, attributes_own = ? WHERE id = ?",
            [(shared, own, span) for (shared, own), (span, _attributes) in zip(kept, merged, strict=True)],
        )

    def close(self) -> None:
        """Write what is left, and forget which spans there are: nobody looks for one from here on."""
        self.write()
        self._loaded.clear()
        self._ids.clear()


def _merged(known: str | None, attributes: str) -> str:
    """Return attributes as JSON text, those that are known replaced by the later ones of the same name."""
    # json_patch would mix values that are objects.
    return attributes if known is None or known == attributes else encode(json.loads(known) | json.loads(attributes))


def _halves(uuids: Sequence[bytes]) -> tuple[array[int], array[int]]:
    """Return the first and the other half of each UUID, as numbers."""
    both = array("q", b"".join(uuids))
    if sys.byteorder == "little":
        both.byteswap()
    return both[0::2], both[1::2]
