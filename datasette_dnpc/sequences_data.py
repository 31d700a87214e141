"""What the page of event sequences shows, read from the database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datasette_dnpc.sequences import Bins, LiveVariant, Step, step_bins, steps, variants
from datasette_dnpc.sql_files import FOLDER, load, queries
from importers.figures import StepFigures
from importers.steps import FEW

if TYPE_CHECKING:
    from datasette.database import Database

SAMPLE = 2000
"""Most roots whose events are read for one page, so that it opens within the time limit."""

MOST_READ = 200_000
"""Most events read for one page."""

MOST_VARIANTS = 20
"""Variants on the page, besides one that is asked for; the canned query has the others."""

MOST_EVENTS = 200
"""Events of a variant on the page: cells of its strip and rows of its steps."""

MOST_RUNS = 900
"""Runs to choose from: the latest."""

COUNTED_EVENTS = 60_000
"""Most events read to see how the steps of a variant are spread."""

_SQL = load(FOLDER / "pages")


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

    root_types: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    root_type: dict[str, Any] | None
    run: dict[str, Any] | None
    app: str = ""
    """Name of an app; empty: all."""
    executor: str = ""
    """Label of an executor; empty: all."""
    apps: list[str] = field(default_factory=list)
    """Apps of the run, or of all."""
    executors: list[str] = field(default_factory=list)

    @property
    def values(self) -> dict[str, str]:
        """What the canned queries on sequences take."""
        return {
            "root_type": self.root_type["name"] if self.root_type else "",
            "run": self.run["key"] if self.run else "",
            "app": self.app,
            "executor": self.executor,
            "sample": "",
        }

    @property
    def ids(self) -> dict[str, Any]:
        """What the page's own queries take besides a root type or variant."""
        return {"run": self.run["id"] if self.run else None, "app": self.app, "executor": self.executor}


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
    examples: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""
    live_variant: LiveVariant | None = None
    """The chosen one, where it was computed on request."""


async def _rows(database: Database, sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    result = await database.execute(sql, params)
    return [dict(row) for row in result.rows]


async def choose(database: Database, root_type: str, run: str, app: str = "", executor: str = "") -> Choice:
    """Read what can be chosen; a root type or run that is not there counts as not asked for."""
    root_types = await _rows(
        database,
        "select span_types.id, span_types.name, kept_root_type.rank is not null as stored"
        " from span_types left join kept_root_type on kept_root_type.id = span_types.id"
        " order by kept_root_type.rank is null, kept_root_type.rank, span_types.name",
        {},
    )
    runs = await _rows(
        database,
        "select id, key, coalesce(name, key) as name from runs order by :run in (key, name) desc, id desc limit :runs",
        {"run": run, "runs": MOST_RUNS},
    )
    default = await _rows(database, "select type from default_type", {})
    name = root_type or (default[0]["type"] if default else None)
    chosen = next((one for one in runs if run and run in (one["key"], one["name"])), None)
    tasks = await _rows(database, _SQL["task_choices"].sql, {"run": chosen["key"] if chosen else ""})
    return Choice(
        root_types,
        sorted(runs, key=lambda one: -int(one["id"])),
        next((one for one in root_types if one["name"] == name), None),
        chosen,
        app,
        executor,
        *([str(row["name"]) for row in tasks if row["kind"] == kind] for kind in ("app", "executor")),
    )


async def read(database: Database, choice: Choice, variant: str) -> Sequences:
    """Read the variants of the chosen root type and run, and the steps of one variant."""
    if choice.root_type is None:
        return Sequences(live=False)
    if choice.root_type["stored"]:
        return await _stored(database, choice, variant)
    return await _live(database, choice, variant)


async def _stored(database: Database, choice: Choice, wanted: str) -> Sequences:
    assert choice.root_type is not None
    rows = await _rows(database, queries()["event_sequences"].sql, choice.values)
    sequences = await _rows(
        database,
        "select id, sequence, spans from variants where root_type = :root_type",
        {"root_type": choice.root_type["id"]},
    )
    kept = {row["id"]: row for row in sequences}
    result = Sequences(live=False, of_variants=rows[0]["of_variants"] if rows else 0)
    # As of the query event_steps: of a common variant only one event may be known.
    most = max(rows, key=lambda row: row["spans"] * row["events"], default={"variant": ""})
    shown = wanted if wanted in {str(row["variant"]) for row in rows} else str(most["variant"])
    for rank, row in enumerate(rows, start=1):
        if len(result.variants) >= MOST_VARIANTS and str(row["variant"]) != shown:
            continue
        states = [str(state) for state in json.loads(kept[row["variant"]]["sequence"])]
        figures = (row["spans"], row["share"], row["mean_duration"])
        result.variants.append(Variant(row["variant"], rank, states[:MOST_EVENTS], len(states), *figures))
    chosen = result.chosen = _pick(result.variants, shown)
    if chosen is None:
        return result
    if wanted and shown != wanted:
        result.note = f"Variant {wanted} is not among the most common ones here: this is that of most events in all"
    result.examples = await _rows(
        database,
        _SQL["examples"].sql,
        {"variant": chosen.id, **choice.ids},
    )
    measured = await _rows(database, queries()["event_steps"].sql, {**choice.values, "variant": str(chosen.id)})
    result.steps = [_step(row) for row in measured[:MOST_EVENTS]]
    result.of_roots = measured[0]["of_roots"]
    result.steps_of = _of(measured[0]["roots"], result.of_roots)
    if measured[0]["roots"] > FEW:
        runs = "select count(*) as runs from variant_totals where variant = :variant"
        result.of_runs = (await _rows(database, runs, {"variant": chosen.id}))[0]["runs"]
    return result


def _step(row: dict[str, Any]) -> Step:
    """Return a step of a row of the query event_steps."""
    figures = StepFigures(**{name: row[name] for name in StepFigures._fields})
    return Step(f"{row['span_type']}/{row['event_type']}", figures)


def bins_asked(choice: Choice, found: Sequences, bins: Bins) -> dict[str, Any]:
    """Return what the page's SQL ``step_bins`` is asked for, to count the steps of the chosen variant."""
    assert found.chosen is not None
    return {
        "variant": found.chosen.id,
        **choice.ids,
        "roots": max(min(COUNTED_EVENTS // found.chosen.events, SAMPLE), 1),
        "steps": len(found.steps) - 1,
        "log": int(bins.log),
        "low": bins.low,
        "high": bins.high,
        "bins": bins.number,
    }


async def count_steps(database: Database, choice: Choice, found: Sequences, bins: Bins) -> list[dict[int, int]]:
    """Return for each event of the chosen variant how many roots took how long for the step up to it.

    That is, bin to roots; bin -1 has those that take no time, which a logarithmic scale has no place for. The first
    event ends no step.
    """
    if found.live_variant is not None:
        return await asyncio.to_thread(step_bins, found.live_variant, len(found.steps), bins)
    counted: list[dict[int, int]] = [{} for _ in found.steps]
    for row in await _rows(database, _SQL["step_bins"].sql, bins_asked(choice, found, bins)):
        counted[row["position"]] = {int(number): roots for number, roots in json.loads(row["counts"]).items()}
    return counted


def live_asked(choice: Choice) -> dict[str, Any]:
    """Return what the page's SQL ``live_events`` is asked for."""
    assert choice.root_type is not None
    return {"root_type": choice.root_type["id"], **choice.ids, "roots": SAMPLE, "events": MOST_READ}


async def _live(database: Database, choice: Choice, wanted: str) -> Sequences:
    asked = live_asked(choice)
    [counted] = await _rows(database, _SQL["live_roots"].sql, {name: asked[name] for name in _SQL["live_roots"].params})
    found = await _events(database, asked)
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
        result.examples = await _live_examples(database, live)
    return result


async def _events(database: Database, params: dict[str, Any]) -> list[LiveVariant]:
    result = await database.execute(_SQL["live_events"].sql, params)
    rows = result.rows
    if len(rows) == MOST_READ:
        # The last root may have lost some of its events.
        rows = [row for row in rows if row["root"] != rows[-1]["root"]]
        if not rows:
            raise TooManyEventsError
    return await asyncio.to_thread(variants, map(tuple, rows))


async def _live_examples(database: Database, variant: LiveVariant) -> list[dict[str, Any]]:
    """Return the fastest, the middle and the slowest root."""
    ordered = sorted(zip(variant.durations, variant.roots, strict=True))
    picked = dict.fromkeys((ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]))
    examples = []
    for duration, root in picked:
        [row] = await _rows(
            database,
            "select spans.id, uuid, spans.key, coalesce(runs.name, runs.key) as run_name"
            " from spans left join runs on runs.id = run where spans.id = :id",
            {"id": root},
        )
        examples.append({**row, "duration": duration})
    return examples


def _pick(found: list[Variant], wanted: str) -> Variant | None:
    """Return the variant asked for, else that whose roots have most events together."""
    most = max(found, key=lambda one: one.spans * one.events, default=None)
    return next((one for one in found if str(one.id) == wanted), most)


def _of(sample: int, spans: int) -> str:
    roots = "root" if spans == 1 else "roots"
    return f"{spans:,} {roots}" if sample == spans else f"{sample:,} of {spans:,} {roots}"
