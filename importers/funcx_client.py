"""funcX client: the log of a program that submits synthetic tasks and waits for their results.

Any ``.log`` file that holds lines like

``1659518795.716790 2022-08-03 11:26:35,716 MainProcess-221120 MainThread-140308941870912 synthetic_client:57
<module> INFO: FUNC 3000 submit``

among what the SDK says. The program numbers its tasks; ``FUNCBIND`` gives the UUID by which the endpoint knows one.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from pathlib import Path

from importers.fingerprint import Fingerprint
from importers.keys import surrogate_key
from importers.logfile import blocks, hits
from importers.metric_lines import read_metrics
from importers.pattern import LATEST, Applier, Hit, Pattern
from importers.rows import DRIFT, Batch, storable
from importers.runs import Run
from importers.sources import Progress, Source

NAME = "funcx_client"

SUBMIT = ("synthetic.task.submit", "task")
WORKER = ("synthetic.task.worker", "task")

ROOTS = (SUBMIT[0],)

_HEAD = 1 << 20
_SUBMIT_LINE = re.compile(rb"^\d{1,20}\.\d{1,20} [^\n]{1,1000}: FUNC \d{1,18} submit$", re.MULTILINE)

_LITERAL = b": FUNC"
_TASK = rb"(?P<task>\d{1,18})"


def _pattern(
    regex: bytes, span: tuple[str, ...] = SUBMIT, event: str = "", attributes: tuple[str, ...] = ()
) -> Pattern:
    return Pattern(regex, span, event, attributes=attributes, literal=_LITERAL)


# FUNCREMOTE 3000 start 1659518799.2180448            written by the client later: the last field is the worker's time
_REMOTE = {
    event: _pattern(rb"FUNCREMOTE " + _TASK + b" " + event.encode() + rb" (?P<time>[\d.]{1,40})$", WORKER, event)
    for event in ("start", "end")
}
# FUNCDURATION 3000 0.5
_DURATION = _pattern(rb"FUNCDURATION " + _TASK + rb" (?P<seconds>[\d.e+-]{1,40})$")
_UNKNOWN = _pattern(rb"FUNC[A-Z]* [^\n]*")

PATTERNS = (
    # FUNC 3000 submit
    *(
        _pattern(rb"FUNC " + _TASK + b" " + event.encode() + b"$", event=event)
        for event in ("submit", "submitted", "result_start", "result_retrieved")
    ),
    *_REMOTE.values(),
    _DURATION,
    # FUNCBIND 3000 fb0d5bf0-124a-45c5-a1e2-b1b1bbe24d24
    _pattern(rb"FUNCBIND " + _TASK + rb" (?P<funcx_task>[0-9a-f-]{36})$", attributes=("funcx_task",)),
    _UNKNOWN,
)


def find(path: Path) -> Source | None:
    """Recognise a client's log by a line that says FUNC, a number, and submit. Raises OSError."""
    if path.suffix != ".log":
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD)
    head = head[: head.rfind(b"\n") + 1]
    if b" FUNC " not in head or not _SUBMIT_LINE.search(head):
        return None
    # The first line stays as the log grows, and is the same in a copy.
    run = surrogate_key("funcx client", head[: head.find(b"\n") + 1])
    return Source(NAME, path, storable(path.name), Run(run, None, None, ""), identity="log")


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read a client's log. Raises OSError."""
    batch.format = "text"
    fingerprint = Fingerprint()
    appliers = {pattern: Applier(pattern, batch, source.fields) for pattern in PATTERNS if pattern is not _UNKNOWN}
    for block in blocks(source.path, fingerprint, batch, progress):
        for hit in hits(block, PATTERNS, source.clock, batch):
            if not batch.run_names:
                day = datetime.fromtimestamp(hit.time, timezone.utc)
                batch.run_names[batch.run] = f"funcX client {day:%Y-%m-%d}"
            if hit.pattern is _UNKNOWN:
                batch.reject(DRIFT, hit.offset, hit.match[0])
            elif hit.pattern is _DURATION:
                _duration(batch, hit)
            elif hit.pattern in _REMOTE.values():
                _remote(batch, hit, appliers[hit.pattern])
            else:
                appliers[hit.pattern](hit)
        read_metrics(block, source, batch)
    return fingerprint.hexdigest()


def _number(text: bytes) -> float:
    """Return a number, or NaN where the text is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _duration(batch: Batch, hit: Hit) -> None:
    seconds = _number(hit.match["seconds"])
    if not math.isfinite(seconds):
        batch.reject("a duration that is no number", hit.offset, hit.match[0])
        return
    batch.records += 1
    batch.annotate(batch.span(SUBMIT[0], hit.match["task"].decode()), duration=seconds)


def _remote(batch: Batch, hit: Hit, apply: Applier) -> None:
    time = _number(hit.match["time"])
    if not 0 <= time <= LATEST:
        batch.reject("a time that can't be", hit.offset, hit.match[0])
        return
    apply(hit._replace(time=time))
    task = hit.match["task"].decode()
    batch.subspan(batch.span(SUBMIT[0], task), batch.span(WORKER[0], task), "remote")
