"""Many things of one type that started and ended, given in columns: transfers, and what was put into a cache."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

from importers.rows import Batch

STARTED, ENDED = "started", "ended"


class Timed:
    """Many things of one type that started and ended, below their workers: in columns, until they become spans."""

    def __init__(self) -> None:
        self.count = 0
        self._clear()

    def _clear(self) -> None:
        self.names: list[str] = []
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.offsets: list[int] = []
        self.attributes: list[str] = []
        self.workers: list[int | None] = []

    def add(self, name: str, start: float, end: float, offset: int, attributes: str, worker: int | None) -> None:
        """Add one thing; its attributes are JSON text."""
        self.names.append(name)
        self.starts.append(start)
        self.ends.append(end)
        self.offsets.append(offset)
        self.attributes.append(attributes)
        self.workers.append(worker)

    def give(self, batch: Batch, span_type: str, scope: tuple[str, ...]) -> None:
        """Make the spans, with their events."""
        spans = batch.new_spans(span_type, scope, self.names)
        types = [batch.event_type(STARTED), batch.event_type(ENDED)]
        batch.events(
            in_turn(spans, spans),
            in_turn(self.starts, self.ends),
            types * len(spans),
            in_turn(self.offsets, self.offsets),
        )
        batch.attributes_json.update(zip(spans, self.attributes, strict=True))
        nest(batch, self.workers, spans, self.names)
        self._clear()


def in_turn(*columns: Sequence[Any]) -> list[Any]:
    """Return the first of each column, then the second of each, and so on."""
    count = len(columns)
    mixed = [None] * sum(map(len, columns))
    for place, column in enumerate(columns):
        mixed[place::count] = column
    return mixed


def nest(batch: Batch, workers: Sequence[Any], spans: Sequence[int], names: Sequence[str]) -> None:
    """Put spans below their workers, where these are known."""
    is_known = [worker is not None for worker in workers]
    batch.subspans.update(compress(zip(zip(workers, spans, strict=True), names, strict=True), is_known))
