"""Where the time of a run went, at a glance: a bar of its phases, a sentence, and what tells more of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datasette_dnpc.meanings import PHASES

LEAST_TOLD = 5.0
"""Per cent of the makespan that a phase has to have for the sentence to tell of it, beside the longest."""


class Link(NamedTuple):
    """Where more is told: a part of the page of a run, or a canned query."""

    text: str
    part: str = ""
    query: str = ""


class Meaning(NamedTuple):
    """What people are told of a phase."""

    clause: str
    """As the end of a sentence; ``{some}`` stands for the slots that were idle."""
    links: tuple[Link, ...]


_BLOCKS = Link("Blocks", part="blocks")
_WORKERS = Link("Workers", part="workers")
_LAYERS = Link("Layers of the tasks", part="layers")
_WAITED_FOR = Link("What slots waited for", query="gap_layers")
_LONGEST_GAPS = Link("Longest gaps", query="worker_gaps")
_CHAIN = Link("Longest chain", query="longest_chain")
_LAST = Link("What the last task waited for", query="critical_path")

MEANINGS = {
    "1 no worker": Meaning("there was no worker", (_BLOCKS,)),
    "2 no task yet": Meaning("no task had begun to run", (_WAITED_FOR, _LAYERS)),
    "3 all slots busy": Meaning("all slots were busy", (_LAYERS,)),
    "3 tasks ran": Meaning("tasks ran", (_LAYERS,)),
    "3 from the first task to the last": Meaning("tasks ran, now and then or all the time", (_LAYERS,)),
    "4 idle, tasks waited": Meaning("{some} were idle though tasks waited for them", (_WAITED_FOR, _LONGEST_GAPS)),
    "5 idle, none waited": Meaning("{some} were idle as too few tasks were ready", (_CHAIN, _WAITED_FOR)),
    "6 tail": Meaning("{some} were idle as no further task came, while the last ones ran", (_LAST, _CHAIN)),
    "7 after the last task": Meaning("no task was on a worker any more", (_WORKERS,)),
}
"""Phases of the query ``run_phases``."""

_WITHOUT_SLOTS = {
    "2 no task yet": Meaning("no task had begun to run", (_LAYERS,)),
    "4 idle, tasks waited": Meaning("no task ran though some had been launched", (_LAYERS,)),
    "5 idle, none waited": Meaning("no task ran and none had been launched", (_CHAIN,)),
    "7 after the last task": Meaning("no task ran any more", (_LAST,)),
}
"""Those which mean something else where it is not known which slots there were."""


@dataclass(frozen=True)
class Piece:
    """One phase of a run, with its place on the bar in per cent."""

    phase: str
    colour: str
    left: float
    share: float
    seconds: float
    slots: float | None
    busy: float | None
    idle_slot_seconds: float | None
    meaning: Meaning

    @property
    def name(self) -> str:
        """Return the phase without its number."""
        return self.phase.partition(" ")[2]

    @property
    def clause(self) -> str:
        """Return what the phase was, as the end of a sentence."""
        # Of many slots, one is nearly always idle: what counts is how many.
        idle = 100 * max(self.slots - (self.busy or 0.0), 0.0) / self.slots if self.slots else 0.0
        some = f"some slots ({_per_cent(idle, 0)} of them in the mean)"
        return self.meaning.clause.format(some=some)

    @property
    def share_text(self) -> str:
        """Return the per cent of the makespan."""
        return _per_cent(self.share, 1)


@dataclass(frozen=True)
class Verdict:
    """What the page shows."""

    pieces: list[Piece]
    sentence: str
    slots_known: bool
    moments: int | None
    """At how many moments it was looked at what the slots did; None if at all of the time."""


def _per_cent(value: float, decimals: int) -> str:
    """Return per cent as text; what is there is not said to be nothing."""
    least = 10.0**-decimals
    return f"{value:.{decimals}f} %" if value >= least / 2 or not value else f"< {least:.{decimals}f} %"


def verdict(rows: Sequence[dict[str, Any]]) -> Verdict | None:
    """Return what to show of the rows of ``run_phases``, None if there are none."""
    if not rows:
        return None
    slots_known = any(row["slots"] is not None for row in rows)
    pieces: list[Piece] = []
    for row in rows:
        phase = row["phase"]
        left = pieces[-1].left + pieces[-1].share if pieces else 0.0
        meaning = MEANINGS[phase] if slots_known else _WITHOUT_SLOTS.get(phase, MEANINGS[phase])
        figures = {name: row[name] for name in ("share", "seconds", "slots", "busy", "idle_slot_seconds")}
        pieces.append(Piece(phase=phase, colour=PHASES[phase], left=left, meaning=meaning, **figures))
    return Verdict(pieces, _sentence(pieces), slots_known, rows[0]["moments"])


def _sentence(pieces: Sequence[Piece]) -> str:
    """Return the plain reading: the longest phase, and others that are not short."""
    longest, *others = sorted(pieces, key=lambda piece: -piece.share)
    told = [piece for piece in others if piece.share >= LEAST_TOLD]
    clauses = [f"For {longest.share:.0f} % of the time {longest.clause}"]
    return "; ".join(clauses + [f"for {piece.share:.0f} % {piece.clause}" for piece in told]) + "."
