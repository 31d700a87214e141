"""The page of one run: ``/-/dnpc/DATABASE/run/KEY``; without a key, that of the latest run.

It has parts, so that each opens at once: what happened over time, where the time went, what workers and blocks did.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from datasette_dnpc.meanings import LAYERS, NOT_KNOWN, NOT_KNOWN_COLOUR, OTHERS_COLOUR, few_state_colours
from datasette_dnpc.pages.areas import HEIGHT, WIDTH, area_colours, areas, order_of
from datasette_dnpc.pages.frame import Context, Page, Row, Visit
from datasette_dnpc.pages.lanes import Bar, Lanes, by_app, by_slot
from datasette_dnpc.pages.time_axis import TimeAxis, part_of_run
from datasette_dnpc.pages.verdict import verdict
from datasette_dnpc.sql_files import views

LANES = 40
"""Lanes of slots on one page."""

SPANS = 400
"""Spans in the lanes of apps: a sample where there are more."""

GROUPS = 9
"""Apps or outcomes with a colour of their own."""

_IDLE = "idle"

_LAYERS = {name: colour for name, colour in LAYERS.items() if name not in ("0 not submitted", "8 no task")}
"""Those of tasks."""

FILTERS = ("root_type", "app", "executor", "worker", "lanes_by", "span_type", "colour")
"""Arguments of the address besides the part and the stretch of time."""


@dataclass(frozen=True)
class Part:
    """One of the parts of the page."""

    name: str
    """In the address, as ``part``."""
    title: str
    context: Callable[[Visit, Row], Awaitable[Context]]
    """Returns what it shows of a run: of a row of the query ``runs_overview``."""


async def _context(visit: Visit) -> Context:
    wanted = visit.item or visit.argument("run")
    runs = await visit.read("runs", run=wanted)
    # Without one, the latest.
    found = await visit.ask("runs_overview", run=wanted, rows=1)
    if not found and not visit.item:
        return {"run": None, "runs": runs}
    if not found:
        from datasette.utils.asgi import NotFound

        raise NotFound(f"There is no run {wanted} in this database")
    run = found[0]
    visit.run_key = str(run["run"])
    part = next((one for one in PARTS if one.name == visit.argument("part")), PARTS[0])
    # Nothing of a run that has no event lies on an axis of time.
    shown = {**await _verdict(visit, run), **await part.context(visit, run)} if run["began"] is not None else {}
    return {
        "run": run,
        "runs": runs,
        "heading": f"Run {run['name']}",
        "part": part,
        "parts": PARTS,
        "part_url": lambda name: visit.url("run", run["run"], part=name),
        "onward": visit.queries_by_topic(run=run["run"]),
        **shown,
    }


PAGE = Page("run", "Run", "run", "dnpc_run.html", _context, run=True, has_item=True)


async def _within_limit(visit: Visit, rows: Awaitable[list[Row]]) -> list[Row] | None:
    """Return rows, or None where they took longer than Datasette's limit: what else there is is shown nevertheless.

    One after the other: at the same time, each would take longer.
    """
    with visit.within_limit():
        return await rows
    return None


async def _verdict(visit: Visit, run: Row) -> Context:
    phases = await _within_limit(visit, visit.ask("run_phases", run=run["run"]))
    return {"phases": phases, "verdict": verdict(phases or [])}


async def _over_time(visit: Visit, run: Row) -> Context:
    key = str(run["run"])
    axis = part_of_run(run["makespan"], visit.argument("from"), visit.argument("to"))
    window = axis.arguments()
    asked = {name: visit.argument(name).strip() for name in FILTERS}
    asked = {name: value for name, value in asked.items() if value}
    of_app = asked.get("lanes_by") == "app"
    root_types = await visit.read("run_root_types", run=key)
    choices = await visit.read("task_choices", run=key)
    types = await visit.read("run_span_types", run=key) if of_app else []
    root_type = asked.get("root_type") or _first(row["name"] for row in root_types)
    filters: dict[str, object] = {"run": key, **{name: asked.get(name, "") for name in ("app", "executor")}}
    clip: dict[str, object] = {f"{name}_seconds": window.get(name, "") for name in ("from", "to")}
    states = await _within_limit(visit, visit.ask("states_over_time", **filters, **clip, root_type=root_type))
    by_outcome = asked.get("colour") == "outcome"
    if of_app:
        span_type = asked.get("span_type") or _first(row["name"] for row in types)
        question = visit.ask("gantt", **filters, **clip, span_type=span_type, rows=SPANS)
        bars = await _within_limit(visit, question)
        lanes = by_app(bars or [], axis, "ending" if by_outcome else "app")
    else:
        slots: dict[str, object] = {"worker": asked.get("worker", ""), "first_lane": visit.number("first_lane")}
        question = visit.ask("worker_gantt", **filters, **clip, **slots, lanes=LANES)
        bars = await _within_limit(visit, question)
        lanes = by_slot(bars or [], axis, "outcome" if by_outcome else "app")

    given = {**asked, **clip, "run": key}
    order = order_of(states or [])

    def address(within: TimeAxis, **arguments: object) -> str:
        return visit.url("run", key, **{**asked, **within.arguments(), **arguments}) + "#charts"

    return {
        "axis": axis,
        "asked": {**asked, "root_type": root_type},
        "window": window,
        "root_types": root_types,
        "choices": choices,
        "span_types": types,
        "of_app": of_app,
        "address": address,
        "bar_address": lambda bar: _bar_address(visit, bar, axis, address),
        "why_no_states": await visit.why("states_over_time", states, given),
        "why_no_bars": await visit.why("gantt" if of_app else "worker_gantt", bars, given),
        "states": states,
        "state_table": _table_of_states(states or []),
        "counts": _counts(states or [], order, axis),
        "state_order": order,
        "state_labels": {row["state"]: row["state_label"] for row in states or []},
        "state_colours": area_colours(order),
        "width": WIDTH,
        "height": HEIGHT,
        "bars": bars,
        "lanes": lanes,
        "lane_pages": _lane_pages(bars or []) if not of_app else None,
        "lane_colours": group_colours(lanes),
        "other_colour": OTHERS_COLOUR,
    }


def _first(names: Iterable[object]) -> str:
    return str(next(iter(names), ""))


def _bar_address(visit: Visit, bar: Bar, axis: TimeAxis, address: Callable[[TimeAxis], str]) -> str:
    """Return where a bar leads: to its span, or to the time of the stays that are one bar."""
    if bar.uuid is not None:
        return visit.span_url(bar.uuid)
    return address(TimeAxis(bar.began, bar.ended, axis.whole).zoomed(1.2))


def _lane_pages(rows: list[Row]) -> dict[str, int | None] | None:
    """Return which lanes are shown, and where those before and after begin; None if all are shown."""
    if not rows:
        return None
    first, last = rows[0]["lane_number"], rows[-1]["lane_number"]
    of_lanes = rows[0]["of_lanes"]
    return {
        "first": first,
        "last": last,
        "of_lanes": of_lanes,
        "before": max(first - LANES, 1) if first > 1 else None,
        "after": last + 1 if last < of_lanes else None,
    }


def _counts(rows: list[Row], order: list[str], axis: TimeAxis) -> Any:
    """Return the picture of the counts, on the axis."""
    placed = ({**row, "time": row["since_run_began"]} for row in rows)
    return areas(placed, order, (axis.first, axis.last))


def _table_of_states(rows: list[Row]) -> list[tuple[Row, dict[str, Any]]]:
    """Return for each time one of its rows, and the count of each state."""
    found: dict[float, tuple[Row, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["time"], (row, {}))[1][row["state"]] = row["spans"]
    return list(found.values())


def group_colours(lanes: Lanes) -> dict[str, str]:
    """Return a CSS colour for the groups of most bars; the others share one."""
    known = [group for group in lanes.groups if group != NOT_KNOWN]
    return few_state_colours(known[:GROUPS]) | ({NOT_KNOWN: NOT_KNOWN_COLOUR} if NOT_KNOWN in lanes.groups else {})


async def _layers_and_failures(visit: Visit, run: Row) -> Context:
    layers = await _within_limit(visit, visit.ask("task_layers", run=run["run"]))
    failures = await _within_limit(visit, visit.ask("failures", run=run["run"]))
    return {
        "layers": _by_app(layers or []),
        "layer_rows": layers,
        "why_no_layers": await visit.why("task_layers", layers, run),
        "failures": failures,
        "layer_colours": _LAYERS,
        "layer_meanings": _layer_meanings(),
    }


def _layer_meanings() -> dict[str, str]:
    """Return what the view says of each layer."""
    told = views()["task_layer"].columns
    return {layer: told[f"in_{layer.partition(' ')[2]}"] for layer in _LAYERS}


def _by_app(rows: list[Row]) -> list[list[Row]]:
    """Return the rows of each app, each with the place of its layer on the app's bar, in per cent."""
    apps: dict[object, list[Row]] = {}
    for row in rows:
        of_app = apps.setdefault(row["app"], [])
        left = of_app[-1]["left"] + of_app[-1]["width"] if of_app else 0.0
        of_app.append({**row, "left": left, "width": max(row["share"] or 0.0, 0.0)})
    return list(apps.values())


async def _workers(visit: Visit, run: Row) -> Context:
    used = await _within_limit(visit, visit.ask("utilisation", run=run["run"]))
    workers = await _within_limit(visit, visit.ask("workers", run=run["run"]))
    axis = part_of_run(run["makespan"], "", "")
    slots = _slots(used or [])
    order = [*dict.fromkeys(row["state"] for row in slots if row["state"] != _IDLE), _IDLE]
    return {
        "axis": axis,
        "why_no_workers": await visit.why("workers", workers, run),
        "used": used,
        "slots": areas(slots, order, (axis.first, axis.last)),
        "slot_order": order,
        "slot_colours": few_state_colours(order[:-1]) | {_IDLE: "#c3cad3"},
        "width": WIDTH,
        "height": HEIGHT,
        "workers": workers,
    }


async def _blocks(visit: Visit, run: Row) -> Context:
    blocks = await _within_limit(visit, visit.ask("blocks", run=run["run"]))
    return {
        "axis": part_of_run(run["makespan"], "", ""),
        "blocks": blocks,
        "why_no_blocks": await visit.why("blocks", blocks, run),
    }


def _slots(rows: list[Row]) -> list[Row]:
    """Return the slots that are busy, of each label, and those that are idle, in the shape of counts by state.

    The workers' first part begins, and their last one ends, with none of them.
    """
    found: dict[tuple[float, str], float] = {}
    for row in rows:
        busy, idle = (row["since_run_began"], f"{row['label']}: busy"), (row["since_run_began"], _IDLE)
        found[busy] = found.get(busy, 0.0) + row["busy"]
        found[idle] = found.get(idle, 0.0) + max(row["slots"] - row["busy"], 0.0)
    if rows:
        found |= {(rows[-1]["since_run_began"] + rows[-1]["seconds"], state): 0.0 for _, state in list(found)}
    return [{"time": time, "state": state, "spans": spans} for (time, state), spans in sorted(found.items())]


PARTS = (
    Part("", "Over time", _over_time),
    Part("layers", "Layers and failures", _layers_and_failures),
    Part("workers", "Workers", _workers),
    Part("blocks", "Blocks", _blocks),
)
