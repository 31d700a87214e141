"""The page of all runs: ``/-/dnpc/DATABASE``."""

from __future__ import annotations

import json
from itertools import groupby

from datasette_dnpc.pages.areas import HEIGHT, WIDTH, area_colours, areas, order_of
from datasette_dnpc.pages.frame import Context, Page, Visit

RUNS = 25
"""Runs on one page."""

STATES = 9
"""States with a colour of their own; the others are counted together."""


async def _context(visit: Visit) -> Context:
    number = visit.number("page")
    runs = await visit.ask("runs_overview", rows=RUNS, skip=RUNS * (number - 1))
    context: Context = {
        "runs": runs,
        "number": number,
        "first": RUNS * (number - 1) + 1,
        "onward": visit.queries_by_topic(),
    }
    with visit.within_limit():
        keys = json.dumps([run["run"] for run in runs])
        states = await visit.read("run_states", runs=keys, states=STATES) if runs else []
        order = order_of(states)
        context |= {
            "pictures": {
                run: areas(list(rows), order) for run, rows in groupby(states, key=lambda row: str(row["run"]))
            },
            "colours": area_colours(order),
            "order": order,
            "width": WIDTH,
            "height": HEIGHT,
        }
    return context


PAGE = Page("runs", "Runs", "", "dnpc_runs.html", _context)
