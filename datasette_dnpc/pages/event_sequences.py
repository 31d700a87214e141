"""The page of event sequences: ``/-/dnpc/DATABASE/sequences``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from datasette_dnpc.pages.colours import state_colours
from datasette_dnpc.pages.frame import Context, Page, Visit, page_sql
from datasette_dnpc.sequences import Step
from datasette_dnpc.sequences_data import Choice, Sequences, TooManyEventsError, choose, read

ARGUMENTS = ("root_type", "run", "app", "executor", "variant")
"""Of the address."""


async def _context(visit: Visit) -> Context:
    *asked, variant = (visit.argument(name) for name in ARGUMENTS)
    choice, found = Choice([], [], None, None), Sequences(live=False)
    with visit.within_limit():
        try:
            choice = await choose(visit.database, *asked)
            found = await read(visit.database, choice, variant)
        except TooManyEventsError:
            visit.error = "One span of this type has too many events below it to show them as a sequence."
    _note(visit, choice, found)
    path = visit.url("sequences")
    return {
        "choice": choice,
        "found": found,
        "variant_url": lambda number: f"{path}?{urlencode({**_chosen(choice), 'variant': number})}#steps",
        "colours": state_colours(state for variant in found.variants for state in variant.states),
        "bars": _bars(found.steps),
        "all_variants": visit.query_url("event_sequences", **_chosen(choice)),
    }


PAGE = Page("sequences", "Event sequences", "sequences", "dnpc_sequences.html", _context, run=True)


def _chosen(choice: Choice) -> dict[str, Any]:
    """Return the arguments which ask for the same root type, run, app and executor again."""
    return {name: value for name, value in choice.values.items() if value}


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


def _bars(steps: list[Step]) -> list[dict[str, str]]:
    """Return where each step's mean lies on the common time axis, in per cent of it."""
    total = steps[-1].figures.cumulative if steps else 0
    if total <= 0:
        return [{"left": "0", "width": "0"} for _ in steps]
    return [
        {
            "left": f"{100 * (step.figures.cumulative - step.figures.mean) / total:.3f}",
            "width": f"{100 * step.figures.mean / total:.3f}",
        }
        for step in steps
    ]
