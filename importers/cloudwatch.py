"""Results of CloudWatch Logs Insights queries, which hold what the funcX service logged of tasks.

::

    {"status": "Complete", "results": [
        [{"field": "@timestamp", "value": "2022-08-03 09:26:39.123"},
         {"field": "@message", "value": "{\\"log\\": \\"{\\\\\\"task_id\\\\\\": ...}\\"}"}], ...]}

The message is JSON text, whose ``log`` is again JSON text: ``task_id``, ``name`` (the logger), ``message`` ... A row
that names a task is an event of it. Every row is kept whole as a record, with the JSON text in it taken apart. Offsets
are ordinals in the results.

A query gives 10 000 rows at most, so that several files are queried whose times overlap. All are of one run, since
ids of tasks are unique everywhere: rows that two files share give one event. A file is read whole.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from pathlib import Path
from typing import Any

from importers.fingerprint import Fingerprint
from importers.keys import surrogate_key
from importers.pattern import LATEST
from importers.rows import TEXT_KEPT, Batch, storable
from importers.runs import Run
from importers.sources import Progress, Source
from importers.times import naive_seconds

NAME = "cloudwatch"

TASK = "cloudwatch.task"
ROOTS = (TASK,)

RUN = surrogate_key("cloudwatch")
"""The run of all these tasks."""

MOST_ROWS = 10_000
"""A query gives no more rows."""

DEEPEST = 100
"""Containers in each other that are taken apart. SQLite reads no JSON that is deeper than 1000."""

_NAMES = re.compile(r"aws\.json|q-.*-(?:full|partial)\.json")
_HEAD = 1 << 16
_BLOCK = 1 << 22

Fields = dict[str, Any]
"""A row of a result: its fields' values by their names."""


def find(path: Path) -> Source | None:
    """Recognise a result by its name, or else by how it begins. Raises OSError."""
    if path.suffix != ".json":
        return None
    fingerprint = Fingerprint()
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if not _NAMES.fullmatch(path.name) and not (b'"results"' in head and b'"@message"' in head):
            return None
        fingerprint.update(head)
        while chunk := file.read(_BLOCK):
            fingerprint.update(chunk)
    return Source(NAME, path, storable(path.name), Run(RUN, None, None, ""), identity=fingerprint.hexdigest())


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read the result of a query."""
    data = source.path.read_bytes()
    progress(len(data))
    batch.format = "Logs Insights"
    seen: set[str] = set()
    for offset, row in enumerate(_rows(data, batch)):
        fields = _fields(row)
        if fields is None:
            batch.reject("a row in an unknown form", offset, reprlib.repr(row))
            continue
        text, log = _take_apart(fields)
        batch.raw_records.append((offset, _json(fields)))
        batch.records += 1
        if isinstance(log, dict) and log.get("task_id") and text not in seen:
            seen.add(text)
            _add(batch, offset, fields.get("@timestamp"), log)
    if batch.span_types:
        batch.run_names[RUN] = "CloudWatch"
    return Fingerprint(data).hexdigest()


def _add(batch: Batch, offset: int, timestamp: object, log: Fields) -> None:
    """Add what one log record says of a task."""
    task, name, message = log["task_id"], log.get("name"), log.get("message")
    time = naive_seconds(timestamp.removesuffix("Z")) if isinstance(timestamp, str) else None
    if (
        not (isinstance(task, str) and isinstance(name, str) and isinstance(message, str))
        or len(task) > TEXT_KEPT
        or time is None
        or not 0 <= time <= LATEST
    ):
        batch.reject("a record of a task without a time, name or message", offset, _json(log))
        return
    span = batch.span(TASK, storable(task))
    batch.event(span, time, storable(f"{name}--{message}"[:TEXT_KEPT]), offset)
    known = {key: log.get(key) for key in ("user_id", "task_group_id")}
    batch.annotate(span, **{key: value for key, value in known.items() if isinstance(value, str | int)})


def _rows(data: bytes, batch: Batch) -> list[Any]:
    """Return the rows of a result, as far as it is whole, and reject what is not as it should be."""
    text = data.decode("utf-8-sig", "replace")
    result = _parsed(text)
    if result is None and (begin := re.search(r'"results"\s*:\s*\[', text)):
        whole, end = _rows_before_the_damage(text, begin.end())
        batch.reject("the file is cut off or damaged here", len(whole), text[end : end + TEXT_KEPT])
        return whole
    if not isinstance(result, dict) or not isinstance(rows := result.get("results"), list):
        batch.reject("no result of a CloudWatch query", 0, "a JSON object with a list of results is expected")
        return []
    if (status := result.get("status")) != "Complete":
        batch.reject("the query was not complete: there may be more", 0, f"status {reprlib.repr(status)}")
    if len(rows) >= MOST_ROWS:
        batch.reject("as many rows as a query gives at most: there may be more", 0, f"{len(rows)} rows")
    return rows


def _rows_before_the_damage(text: str, position: int) -> tuple[list[Any], int]:
    """Return the whole rows of a list that starts here, and where the damage is."""
    rows: list[Any] = []
    while True:
        while text[position : position + 1] in (" ", "\n", "\r", "\t", ","):
            position += 1
        try:
            row, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return rows, position
        rows.append(row)


def _fields(row: Any) -> Fields | None:
    """Return the fields of ``[{"field": "@timestamp", "value": ...}, ...]``, None where a row has another form."""
    fields = {}
    for item in row if isinstance(row, list) else [None]:
        name, value = (item.get("field"), item.get("value")) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or isinstance(value, list | dict):
            return None
        fields[name] = value
    return fields or None


def _take_apart(fields: Fields) -> tuple[str, Any]:
    """Replace the JSON text in the message of a row by what it says. Returns the text of the log, and its content."""
    message = _opened(fields.get("@message"))
    if not isinstance(message, dict) or "log" not in message:
        if message is not None:
            fields["@message"] = message
        return "", None
    text, log = message["log"], _opened(message["log"])
    fields["@message"] = message | {"log": log}
    return text if isinstance(text, str) else _json(text), log


def _opened(value: Any) -> Any:
    """Return what JSON text of an object or list says; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        content = _parsed(value)
        return content if isinstance(content, dict | list) and _depth(content) <= DEEPEST else value
    return value


def _depth(value: Any) -> int:
    depth, layer = 0, [value]
    while layer:
        depth += 1
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth


def _number(text: str) -> float | str:
    """Read a number with a fraction or an exponent; one that is no number for SQLite's JSON stays text."""
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 20 else text


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=str)


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> str:
    """Return a value as JSON that SQLite reads."""
    return storable(json.dumps(value, ensure_ascii=False))
