"""What parsl.log tells of executors' blocks: when each was allocated, launched and scaled in, and how busy they are.

Until 2026 some lines about a block don't name its executor: it is the one of another line nearby.
"""

from __future__ import annotations

from collections.abc import Callable

from importers.pattern import Hit, Pattern
from importers.rows import Batch

EXECUTOR = "parsl.rundir.executor"
BLOCK = "parsl.rundir.block"

_LOADS = ("active_tasks", "active_slots", "running_blocks", "pending_blocks")

_OF_NO_EXECUTOR = "a block of an executor that is not named"


class Blocks:
    """The executors and blocks of one log. ``workflow`` returns the span of a run."""

    def __init__(self, batch: Batch, workflow: Callable[[str], int]) -> None:
        self.batch = batch
        self._workflow = workflow
        self._scaling: dict[str, str] = {}
        """The executor that was last said to be scaled, by run."""
        self._allocated: dict[tuple[str, str], Hit] = {}
        """Lines that tell of a block, by run and block, whose executor is not named yet."""

    def executor(self, run: str, label: str) -> int:
        """Return the span of an executor, in its run."""
        span = self.batch.span(EXECUTOR, label, run=run)
        self.batch.subspan(self._workflow(run), span, label)
        return span

    def _block(self, run: str, label: str, block: str) -> int:
        """Return the span of a block, in its executor."""
        span = self.batch.span(BLOCK, label, block, run=run)
        self.batch.subspan(self.executor(run, label), span, block)
        return span

    def happened(self, hit: Hit, run: str, event: str) -> None:
        """Add an event of a block that the line names with its executor, and maybe with its job."""
        span = self._block(run, _text(hit, "label"), _text(hit, "block"))
        self.batch.event(span, hit.time, event, hit.offset)
        if "job" in hit.match.re.groupindex:
            self.batch.annotate(span, job=_text(hit, "job"))

    def allocated(self, hit: Hit, run: str) -> None:
        """Allocated block ID 0: its executor is named when it is launched, at once."""
        self._allocated[run, _text(hit, "block")] = hit

    def launched(self, hit: Hit, run: str) -> None:
        """Launched block 0 on executor htex_Local with job ID 3705."""
        self.happened(hit, run, "launched")
        allocated = self._allocated.pop((run, _text(hit, "block")), None)
        if allocated is not None:
            span = self._block(run, _text(hit, "label"), _text(hit, "block"))
            self.batch.event(span, allocated.time, "allocated", allocated.offset)

    def scaling(self, hit: Hit, run: str) -> None:
        """Note the executor that the next lines are about."""
        self._scaling[run] = _text(hit, "label")

    def scaled_in(self, hit: Hit, run: str) -> None:
        """Marking block 0 as SCALED_IN: the executor is the one named last."""
        if run not in self._scaling:
            self.batch.reject(_OF_NO_EXECUTOR, hit.offset, hit.match[0])
            return
        span = self._block(run, self._scaling[run], _text(hit, "block"))
        self.batch.event(span, hit.time, "scaled_in", hit.offset)

    def load(self, hit: Hit, run: str) -> None:
        """[Scaling executor L] Executor 252 active tasks, 4 active slots, and 0/1 running/pending blocks."""
        span = self.executor(run, _text(hit, "label"))
        for name in _LOADS:
            self.batch.samples.append((span, name, hit.time, float(hit.match[name])))

    def close(self) -> None:
        """Report the blocks whose executor was never named."""
        for hit in self._allocated.values():
            self.batch.reject(_OF_NO_EXECUTOR, hit.offset, hit.match[0])


def _text(hit: Hit, group: str) -> str:
    return hit.match[group].decode("utf-8", "replace")


Apply = Callable[[Blocks, Hit, str], None]


def _event(event: str) -> Apply:
    return lambda blocks, hit, run: blocks.happened(hit, run, event)


# A kind of lines that share one search.
_SCALING = b"Scaling "
_EXECUTOR = rb"\[Scaling executor (?P<label>[^\]\n]+)\] "

RULES: tuple[tuple[Pattern, Apply], ...] = (
    (Pattern(_EXECUTOR + rb"Allocated block ID (?P<block>\S+)", literal=_SCALING), _event("allocated")),
    (
        Pattern(_EXECUTOR + rb"Launched block (?P<block>\S+) with job ID (?P<job>\S+)", literal=_SCALING),
        _event("launched"),
    ),
    (Pattern(_EXECUTOR + rb"Strategizing for executor", literal=_SCALING), Blocks.scaling),
    (Pattern(rb"Scaling in executor (?P<label>\S+)", literal=_SCALING), Blocks.scaling),
    # Until 2026.
    (Pattern(rb"Allocated block ID (?P<block>\S+)$"), Blocks.allocated),
    (Pattern(rb"Launched block (?P<block>\S+) on executor (?P<label>\S+) with job ID (?P<job>\S+)"), Blocks.launched),
    (Pattern(rb"Marking block (?P<block>\S+) as SCALED_IN"), Blocks.scaled_in),
    (
        Pattern(
            _EXECUTOR + rb"Executor (?P<active_tasks>\d{1,18}) active tasks, "
            rb"(?P<active_slots>\d{1,18}) active slots, and (?P<running_blocks>\d{1,18})/(?P<pending_blocks>\d{1,18})"
            rb" running/pending blocks",
            literal=_SCALING,
        ),
        Blocks.load,
    ),
)
