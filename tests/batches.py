"""Read one log into rows, for tests of what an importer makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from importers.formats import FORMATS
from importers.reading import read_source
from importers.rows import Batch

Values = dict[str, Any]


def read(path: Path) -> Batch:
    """Return the rows of a file, by the first importer that takes it."""
    source = next(filter(None, (importer.find(path) for importer in FORMATS.values())))
    return read_source(source).batch


def spans(batch: Batch, span_type: str) -> dict[str, Values]:
    """Return the attributes of the spans of a type, by local key."""
    return {
        key: json.loads(batch.attributes_json.get(i, "{}"))
        for i, (found, key) in enumerate(zip(batch.span_types, batch.keys, strict=True))
        if found == span_type
    }


def reasons(batch: Batch) -> list[str]:
    """Return why records gave no row: one for each kind of record."""
    return sorted(reason for reason, _template in batch.unmatched)
