"""The page of one span: ``/-/dnpc/DATABASE/span/UUID``; without a uuid, some to choose from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from datasette_dnpc.pages.colours import type_colours
from datasette_dnpc.pages.frame import Context, Page, Row, Visit, json_text
from datasette_dnpc.pages.source_text import LogFiles, roots
from datasette_dnpc.sql_functions import iso_time


@dataclass(frozen=True)
class Fact:
    """What each account of one thing says of one attribute: None where it says nothing."""

    name: str
    values: list[str | None]


async def _context(visit: Visit) -> Context:
    wanted = visit.item or visit.argument("uuid").strip()
    if not wanted:
        return await _to_choose_from(visit)
    spans = await visit.read("span_facts", uuid=wanted)
    if not spans:
        from datasette.utils.asgi import NotFound

        raise NotFound(f"There is no span {wanted} in this database")
    span = spans[0]
    context: Context = {"span": span, "heading": f"{span['span_type']} {span['key']}"}
    # The page shows what was read before Datasette's time limit, if one query takes longer.
    with visit.within_limit():
        context["accounts"] = accounts = await visit.read("span_facets", uuid=wanted)
        context["attributes"] = _side_by_side(accounts)
        context["failures"] = await visit.read("span_failures", uuid=wanted)
        context["events"] = await _events(visit, wanted)
        context["waterfall"] = found = waterfall(await visit.ask("waterfall", root=wanted))
        context["colours"] = type_colours(row["span_type"] for row in found.rows)
        context["ancestors"] = await visit.read("span_ancestors", uuid=wanted)
        context["samples"] = await visit.read("span_samples", uuid=wanted)
    return context


async def _to_choose_from(visit: Visit) -> Context:
    run, key = visit.argument("run"), visit.argument("key").strip()
    runs = await visit.read("runs", run=run)
    context: Context = {"span": None, "runs": runs, "key": key, "found": []}
    context["run_names"] = {one["key"]: one["name"] for one in runs}
    with visit.within_limit():
        if key:
            # A surrogate key is as good: it names one span in any run.
            facts = await visit.read("span_facts", uuid=key)
            context["found"] = [*map(_in_list, facts), *await visit.read("spans_of_key", key=key, run=run)]
        else:
            context["found"] = await visit.ask("slowest_spans", run=run)
    return context


def _in_list(span: Row) -> Row:
    """Return a row of ``span_facts`` in the shape of those of ``spans_of_key``."""
    began = span["began"]
    return {**span, "began_iso": iso_time(began), "duration": span["ended"] - began if began is not None else None}


PAGE = Page("span", "Span", "span", "dnpc_span.html", _context, run=True, has_item=True)


def _side_by_side(accounts: list[Row]) -> list[Fact]:
    """Return each attribute that any account has, with the values of all of them."""
    known = [_attributes(account["attributes"]) for account in accounts]
    names = dict.fromkeys(name for attributes in known for name in attributes)
    return [
        Fact(name, [json_text(attributes[name]) if name in attributes else None for attributes in known])
        for name in names
    ]


def _attributes(text: str | None) -> dict[str, Any]:
    """Return a JSON object; what is none is a value without a name."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"": value}


def _setting(visit: Visit) -> object:
    """Return the setting ``source_root`` of the database, else of the plugin."""
    # Datasette 1.0 does not look for the latter once anything is set for the database.
    of_database = visit.datasette.plugin_config("datasette-dnpc", database=visit.database.name)
    config = of_database or visit.datasette.plugin_config("datasette-dnpc") or {}
    return config.get("source_root")


async def _events(visit: Visit, uuid: str) -> list[Row]:
    """Return the events, with the text of the log line where the setting allows to read it."""
    events = await visit.read("span_events", uuid=uuid)
    files = LogFiles(roots(_setting(visit)))
    if not files:
        return events

    def with_text() -> list[Row]:
        return [
            {**event, "text": files.line(event["source"], event["size"], event["importer"], event["offset"])}
            for event in events
        ]

    return await asyncio.to_thread(with_text)


@dataclass(frozen=True)
class Waterfall:
    """The rows of the query, each with where it lies on their common axis."""

    rows: list[Row]
    """With ``left`` and ``width`` of its bar in per cent of the axis, where it has events, and ``ticks``: the ``d`` of
    an SVG path with a line for each event, in a square of 100 by 100."""
    seconds: float
    """How long the axis is."""


def waterfall(rows: list[Row]) -> Waterfall:
    """Return where each row of the query ``waterfall`` lies."""
    timed = [row for row in rows if row["since_root_began"] is not None]
    seconds = max((row["since_root_began"] + (row["duration"] or 0) for row in timed), default=0.0)
    scale = 100 / seconds if seconds > 0 else 0.0
    placed = []
    for row in rows:
        if row["since_root_began"] is not None:
            ticks = (f"M{time * scale:.3f} 0V100" for time in json.loads(row["event_times"] or "[]"))
            left, width = row["since_root_began"] * scale, (row["duration"] or 0) * scale
            row = {**row, "left": f"{left:.3f}", "width": f"{width:.3f}", "ticks": "".join(ticks)}
        placed.append(row)
    return Waterfall(placed, seconds)
