"""The page of event sequences: ``/-/dnpc/DATABASE/sequences``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from datasette_dnpc.pages.colours import state_colours
from datasette_dnpc.pages.frame import Context, Page, Row, Visit, page_sql
from datasette_dnpc.sequences import Step
from datasette_dnpc.sequences_data import Choice, Sequences, TooManyEventsError, choose, read

ARGUMENTS = ("root_type", "run", "app", "executor", "variant")
"""Of the address; besides them ``step``, the number of one whose slowest examples are asked for."""

EXAMPLES = 20
"""Slowest examples of a step; the query has more."""


async def _context(visit: Visit) -> Context:
    *asked, variant = (visit.argument(name) for name in ARGUMENTS)
    choice, found = Choice([], [], None, None), Sequences(live=False)
    step: int | None = None
    slowest: list[Row] = []
    with visit.within_limit():
        try:
            choice = await choose(visit.database, *asked)
            found = await read(visit.database, choice, variant)
        except TooManyEventsError:
            visit.error = "One span of this type has too many events below it to show them as a sequence."
    _note(visit, choice, found)
    chosen = _chosen(choice)
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
        "axis": (axis := _axis(found.steps)),
        "bars": [_bar(step, axis) for step in found.steps],
        "step": step,
        "slowest": slowest,
        "all_variants": visit.query_url("event_sequences", **chosen),
    }


PAGE = Page("sequences", "Event sequences", "sequences", "dnpc_sequences.html", _context, run=True)


def _chosen(choice: Choice) -> dict[str, Any]:
    """Return the arguments which ask for the same root type, run, app and executor again."""
    return {name: value for name, value in choice.values.items() if value}


def _between(before: Step, after: Step) -> dict[str, str]:
    """Return the arguments which ask for how long it takes from one event to the next."""
    return {"start_state": before.state, "end_state": after.state}


def _note(visit: Visit, choice: Choice, found: Sequences) -> None:
    """Note the SQL of what the page shows, and of what belongs to it."""
    if found.chosen is None:
        return
    chosen = _chosen(choice)
    if found.live:
        visit.note_sql(page_sql()["live_events"], {})
        return
    visit.note_query("event_sequences", **chosen)
    visit.note_query("event_steps", **chosen, variant=found.chosen.id)
    visit.note_query("sequence_examples", **chosen, variant=found.chosen.id)
    visit.note_query("states_over_time", **chosen)


@dataclass(frozen=True)
class Bar:
    """Where one step lies on the common time axis, in per cent of it. Each begins where the one before ends."""

    left: float
    width: float
    """As long as the step in the mean."""
    least: float
    most: float
    """From the shortest to the 95th percentile."""
    median: float


def _axis(steps: Sequence[Step]) -> float:
    """Return the length of the axis in seconds: all means, and the 95th percentiles up to twice as far."""
    total = steps[-1].figures.cumulative if steps else 0.0
    ends = (step.figures.cumulative - step.figures.mean + step.figures.p95 for step in steps)
    return min(max(total, *ends, 0.0), 2 * total) if steps else 0.0


def _bar(step: Step, seconds: float) -> Bar:
    figures = step.figures
    start = figures.cumulative - figures.mean

    def place(time: float) -> float:
        return min(100 * time / seconds, 100.0) if seconds > 0 else 0.0

    return Bar(
        place(start),
        place(figures.cumulative) - place(start),
        place(start + figures.min),
        place(start + figures.p95),
        place(start + figures.p50),
    )
