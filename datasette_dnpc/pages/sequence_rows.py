"""The rows of the page of event sequences: variants of a root type, and the steps of one of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from datasette_dnpc.pages.frame import Row, Visit
from datasette_dnpc.sequences import Bins, LiveVariant, Step, step_bins, steps, variants
from importers.figures import StepFigures
from importers.steps import FEW

SAMPLE = 2000
"""Most roots whose events are read for one page, so that it opens within the time limit."""

MOST_READ = 200_000
"""Most events read for one page."""

MOST_VARIANTS = 20
"""Variants on the page, besides one that is asked for; the canned query has the others."""

MOST_EVENTS = 200
"""Events of a variant on the page: cells of its strip and rows of its steps."""

COUNTED_EVENTS = 60_000
"""Most events read to see how the steps of a variant are spread."""


class TooManyEventsError(Exception):
    """One root has more events below it than are read for a page."""


@dataclass(frozen=True)
class Variant:
    """One strip of the page."""

    id: int
    """Id in the table ``variants``; for sequences computed on request, a number from 1 on."""
    rank: int
    """1 for the most common."""
    states: list[str]
    """The first of them, as many as are shown."""
    events: int
    """How many states there are."""
    spans: int
    share: float
    """Per cent."""
    mean_duration: float
    """Seconds."""


@dataclass
class Choice:
    """What was asked for, and what there is to choose from."""

    root_types: list[Row]
    runs: list[Row]
    root_type: Row | None
    run: Row | None
    app: str = ""
    """Name of an app; empty: all."""
    executor: str = ""
    """Label of an executor; empty: all."""
    apps: list[str] = field(default_factory=list)
    """Apps of the run, or of all."""
    executors: list[str] = field(default_factory=list)

    @property
    def roots(self) -> dict[str, str]:
        """Which roots of whatever type the queries are asked for."""
        return {"run": self.run["key"] if self.run else "", "app": self.app, "executor": self.executor}

    @property
    def values(self) -> dict[str, str]:
        """What the canned queries on sequences take."""
        return {"root_type": self.root_type["name"] if self.root_type else "", **self.roots}


@dataclass
class Sequences:
    """Variants of a root type in a run, and the steps of one of them."""

    live: bool
    variants: list[Variant] = field(default_factory=list)
    of_variants: int = 0
    chosen: Variant | None = None
    steps: list[Step] = field(default_factory=list)
    steps_of: str = ""
    """Over which roots the steps are."""
    of_roots: int = 0
    """Roots of the chosen variant, in the run and of the app and executor."""
    of_runs: int = 1
    """Runs that were measured one by one, and put together in the figures of steps."""
    examples: list[Row] = field(default_factory=list)
    note: str = ""
    live_variant: LiveVariant | None = None
    """The chosen one, where it was computed on request."""


async def choose(visit: Visit, root_type: str, run: str, app: str = "", executor: str = "") -> Choice:
    """Read what can be chosen; a run that is not there counts as not asked for."""
    root_types = await visit.read("root_types")
    runs = await visit.read("runs", run=run)
    chosen = next((one for one in runs if run and run in (one["key"], one["name"])), None)
    key = chosen["key"] if chosen else ""
    [shown] = await visit.read("root_type", root_type=root_type, run=key)
    tasks = await visit.read("task_choices", run=key)
    return Choice(
        root_types,
        runs,
        next((one for one in root_types if one["name"] == shown["type"]), None),
        chosen,
        app,
        executor,
        *([str(row["name"]) for row in tasks if row["kind"] == kind] for kind in ("app", "executor")),
    )


class _Gone(Exception):
    """An import has replaced a variant between two questions of one page."""


ATTEMPTS = 5
"""How often the page asks again from the start where an import has changed what it shows meanwhile."""


async def read(visit: Visit, choice: Choice, variant: str) -> Sequences:
    """Read the variants of the chosen root type and run, and the steps of one variant."""
    if choice.root_type is None:
        return Sequences(live=False)
    if not choice.root_type["kept"]:
        return await _live(visit, choice, variant)
    asked = len(visit.sources)
    for _ in range(ATTEMPTS - 1):
        with suppress(_Gone):
            return await _kept(visit, choice, variant)
        del visit.sources[asked:]
    return await _kept(visit, choice, variant)


async def _kept(visit: Visit, choice: Choice, wanted: str) -> Sequences:
    """Read variants as an import has kept them. Raises _Gone."""
    rows = await visit.ask("event_sequences", **choice.values)
    if not rows:
        return Sequences(live=False)
    # As of the query event_steps: of a common variant only one event may be known.
    most = max(rows, key=lambda row: row["spans"] * row["events"])
    shown = wanted if wanted in {str(row["variant"]) for row in rows} else str(most["variant"])
    ranked = [
        (rank, row) for rank, row in enumerate(rows, start=1) if rank <= MOST_VARIANTS or str(row["variant"]) == shown
    ]
    found = await visit.read("variant_states", variants=json.dumps([row["variant"] for _rank, row in ranked]))
    if len(found) < len(ranked):
        raise _Gone
    states = {row["variant"]: [str(state) for state in json.loads(row["states"])] for row in found}
    result = Sequences(live=False, of_variants=rows[0]["of_variants"])
    for rank, row in ranked:
        of_variant = states[row["variant"]]
        figures = (row["spans"], row["share"], row["mean_duration"])
        result.variants.append(Variant(row["variant"], rank, of_variant[:MOST_EVENTS], len(of_variant), *figures))
    chosen = result.chosen = next(one for one in result.variants if str(one.id) == shown)
    if wanted and shown != wanted:
        result.note = f"Variant {wanted} is not among the most common ones here: this is that of most events in all"
    result.examples = await visit.read("examples", variant=chosen.id, **choice.roots)
    measured = await visit.ask("event_steps", **choice.values, variant=str(chosen.id))
    if not measured:
        raise _Gone
    result.steps = [_step(row) for row in measured[:MOST_EVENTS]]
    result.of_roots = measured[0]["of_roots"]
    result.steps_of = _of(measured[0]["roots"], result.of_roots)
    if measured[0]["roots"] > FEW:
        result.of_runs = next(row["runs"] for row in found if row["variant"] == chosen.id)
    return result


def _step(row: Row) -> Step:
    """Return a step of a row of the query event_steps."""
    figures = StepFigures(**{name: row[name] for name in StepFigures._fields})
    return Step(f"{row['span_type']}/{row['event_type']}", figures)


async def count_steps(visit: Visit, choice: Choice, found: Sequences, bins: Bins) -> list[dict[int, int]]:
    """Return for each event of the chosen variant how many roots took how long for the step up to it.

    That is, bin to roots; bin -1 has those that take no time, which a logarithmic scale has no place for. The first
    event ends no step.
    """
    assert found.chosen is not None
    if found.live_variant is not None:
        return await asyncio.to_thread(step_bins, found.live_variant, len(found.steps), bins)
    rows = await visit.read(
        "step_bins",
        variant=found.chosen.id,
        **choice.roots,
        roots=max(min(COUNTED_EVENTS // found.chosen.events, SAMPLE), 1),
        steps=len(found.steps) - 1,
        log=int(bins.log),
        low=bins.low,
        high=bins.high,
        bins=bins.number,
    )
    counted: list[dict[int, int]] = [{} for _ in found.steps]
    for row in rows:
        counted[row["position"]] = {int(number): roots for number, roots in json.loads(row["counts"]).items()}
    return counted


async def _live(visit: Visit, choice: Choice, wanted: str) -> Sequences:
    assert choice.root_type is not None
    roots = {"root_type": choice.root_type["id"], **choice.roots}
    [counted] = await visit.read("live_roots", **roots)
    rows = await visit.read("live_events", **roots, roots=SAMPLE, events=MOST_READ)
    found = await asyncio.to_thread(_grouped, rows)
    with_events = sum(len(variant.roots) for variant in found)
    result = Sequences(live=True, of_variants=len(found))
    result.note = f"Computed now, from the events of {_of(with_events, counted['spans'])}"
    for number, live in enumerate(found, start=1):
        if number > MOST_VARIANTS and str(number) != wanted:
            continue
        spans = len(live.roots)
        mean = sum(live.durations) / spans
        share = 100 * spans / with_events
        states = list(live.states[:MOST_EVENTS])
        result.variants.append(Variant(number, number, states, len(live.states), spans, share, mean))
    result.chosen = _pick(result.variants, wanted)
    if result.chosen is not None:
        live = found[result.chosen.id - 1]
        result.steps = await asyncio.to_thread(steps, live, MOST_EVENTS)
        result.live_variant = live
        result.of_roots = len(live.roots)
        result.steps_of = _of(len(live.roots), len(live.roots))
        result.examples = await _live_examples(visit, live)
    return result


def _grouped(rows: Sequence[Row]) -> list[LiveVariant]:
    """Return the variants of rows of ``live_events``. Raises TooManyEventsError."""
    if len(rows) == MOST_READ:
        # The last root may have lost some of its events.
        rows = [row for row in rows if row["root"] != rows[-1]["root"]]
        if not rows:
            raise TooManyEventsError
    return variants((row["root"], row["time"], row["state"]) for row in rows)


async def _live_examples(visit: Visit, variant: LiveVariant) -> list[Row]:
    """Return the fastest, the middle and the slowest root."""
    ordered = sorted(zip(variant.durations, variant.roots, strict=True))
    picked = dict.fromkeys((ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]))
    rows = await visit.read("live_examples", roots=json.dumps([root for _duration, root in picked]))
    by_id = {row["id"]: row for row in rows}
    return [{**by_id[root], "duration": duration} for duration, root in picked]


def _pick(found: list[Variant], wanted: str) -> Variant | None:
    """Return the variant asked for, else that whose roots have most events together."""
    most = max(found, key=lambda one: one.spans * one.events, default=None)
    return next((one for one in found if str(one.id) == wanted), most)


def _of(sample: int, spans: int) -> str:
    roots = "root" if spans == 1 else "roots"
    return f"{spans:,} {roots}" if sample == spans else f"{sample:,} of {spans:,} {roots}"
