"""The page of event sequences: ``/-/dnpc/DATABASE/sequences``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from datasette_dnpc.pages.colours import state_colours
from datasette_dnpc.pages.frame import Context, Page, Row, Visit
from datasette_dnpc.pages.sequence_rows import Choice, Sequences, TooManyEventsError, choose, count_steps, read
from datasette_dnpc.pages.step_charts import Spread, StepAxis, axis_of_steps, in_turn
from datasette_dnpc.sequences import Step

ARGUMENTS = ("root_type", "run", "app", "executor", "variant")
"""Of the address; besides them ``step``, the number of one whose slowest examples are asked for."""

EXAMPLES = 20
"""Slowest examples of a step; the query has more."""


async def _context(visit: Visit) -> Context:
    *asked, variant = (visit.argument(name) for name in ARGUMENTS)
    choice, found = Choice([], [], None, None), Sequences(live=False)
    step: int | None = None
    slowest: list[Row] = []
    axis = spreads = None
    with visit.within_limit():
        try:
            choice = await choose(visit, *asked)
            found = await read(visit, choice, variant)
        except TooManyEventsError:
            visit.error = "One span of this type has too many events below it to show them as a sequence."
    chosen = _chosen(choice)
    with visit.within_limit():
        axis = axis_of_steps(found.steps)
        if axis is not None:
            spreads = await _spreads(visit, choice, found, axis)
    with visit.within_limit():
        # The first event ends no step.
        if (
            found.chosen is not None
            and not found.live
            and 0 < visit.number("step", least=0, default=0) < len(found.steps)
        ):
            step = visit.number("step")
            asked_for = {**chosen, "variant": str(found.chosen.id), "position": str(step)}
            slowest = await visit.ask("sequence_examples", **asked_for, rows=EXAMPLES)
    path = visit.url("sequences")
    of_variant = {**chosen, "variant": found.chosen.id if found.chosen else ""}
    return {
        "choice": choice,
        "found": found,
        "variant_url": lambda number: f"{path}?{urlencode({**chosen, 'variant': number})}#steps",
        "step_url": lambda number: f"{path}?{urlencode({**of_variant, 'step': number})}#examples",
        "between_url": lambda number: visit.url(
            "distributions", **chosen, **_between(found.steps[number - 1], found.steps[number])
        ),
        "colours": state_colours(state for variant in found.variants for state in variant.states),
        "axis": axis if spreads else None,
        "spreads": spreads,
        "bars": list(in_turn(found.steps)),
        "run_names": {one["key"]: one["name"] for one in choice.runs},
        "step": step,
        "slowest": slowest,
        "all_variants": visit.query_url("event_sequences", **chosen),
    }


PAGE = Page("sequences", "Event sequences", "sequences", "dnpc_sequences.html", _context, run=True)


def _chosen(choice: Choice) -> dict[str, Any]:
    """Return the arguments which ask for the same root type, run, app and executor again."""
    return {name: value for name, value in choice.values.items() if value}


async def _spreads(visit: Visit, choice: Choice, found: Sequences, axis: StepAxis) -> list[Spread]:
    """Return how the step up to each event is spread; the first event ends none."""
    counted = await count_steps(visit, choice, found, axis.bins)
    return [axis.spread(step, roots) for step, roots in zip(found.steps, counted, strict=True)]


def _between(before: Step, after: Step) -> dict[str, str]:
    """Return the arguments which ask for how long it takes from one event to the next."""
    return {"start_state": before.state, "end_state": after.state}
