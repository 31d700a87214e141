"""What the records of a manager's tasks mean: read many at a time, and understood once for all that come alike.

A task's records are kept until it is done. Most tasks have the same events in the same order: WAITING, TRANSFER_INPUT,
RUNNING and so on. What each place in such a sequence means is worked out once, and what all tasks with it say is then
taken column by column.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress, cycle, repeat
from typing import Any, NamedTuple

from importers.record_fields import asked_of, moments_of, moved_file, result_of, retrieved_of, text_of
from importers.rows import Batch
from importers.timed_spans import ENDED, STARTED, Timed, in_turn, nest

_FLOAT = rb"(-?\d{1,9}(?:\.\d{1,30})?)"
RECORD = re.compile(
    rb"(\d{1,17})[ \t]+(\d{1,10})[ \t]+"
    rb"(?:TASK[ \t]+(\d{1,18})[ \t]+((?!TRANSFER_)[A-Z][A-Z_]{1,39})"
    rb"|TRANSFER[ \t]+(INPUT|OUTPUT)[ \t]+(\d{1,18})[ \t]+(\S+)[ \t]+" + _FLOAT + rb"[ \t]+" + _FLOAT + rb")"
    rb"(?:[ \t](.*)|)\n|(.*\n)"
)
"""A record of a task, of a transfer, or another line. Groups: microseconds, process id; task, state; direction, task,
cache flag, size, seconds; the rest, which of a transfer is the name of the file; another line."""

Found = tuple[bytes, ...]
"""The groups of ``RECORD``."""

_NO_TASK = b"0"
"""The number of no task, which TaskVine's first logs have in transfers: ids count from 1."""

RUNNING, WAITING, RETRIEVED, DONE = "RUNNING", "WAITING", "RETRIEVED", "DONE"
_INPUT, _OUTPUT = "TRANSFER_INPUT", "TRANSFER_OUTPUT"
_TRANSFERS = {b"INPUT": _INPUT, b"OUTPUT": _OUTPUT}
_SYNONYMS = {b"READY": WAITING}

_AT_ONCE = 5000
"""Tasks whose records are put side by side at a time: a bound on memory."""


class Start(NamedTuple):
    """What a record tells of an attempt that starts: the span of its worker, if it has a name, and its resources."""

    worker: int | None
    granted: dict[str, Any]


_TELLS: dict[str, Callable[[Any], dict[str, Any]]] = {
    WAITING: asked_of,
    RUNNING: lambda start: start.granted,
    RETRIEVED: retrieved_of,
    DONE: result_of,
}
"""The attributes that the records of a state tell, of what comes after the state."""


class _Plan(NamedTuple):
    """What the records of tasks mean that have these events in this order. Places count from 0."""

    attempts: list[tuple[int, int | None]]
    """Where each starts, and where it ends if it does."""
    transfers: dict[int, int | None]
    """The place of each, in order, and of the start that names its worker: ``_BEFORE`` these records; None: nobody."""
    is_over: bool
    """Whether all attempts have ended, and nothing was sent since."""


_BEFORE = -1


@lru_cache(maxsize=1024)
def _plan(events: tuple[str, ...]) -> _Plan:
    attempts: list[tuple[int, int | None]] = []
    transfers: dict[int, int | None] = {}
    sent: list[int] = []
    for place, event in enumerate(events):
        if event == _INPUT:
            # To a worker that is named later.
            transfers[place] = None
            sent.append(place)
        elif event == _OUTPUT:
            transfers[place] = attempts[-1][0] if attempts else _BEFORE
        elif event == RUNNING:
            # Where two attempts follow each other, when the first ended is not known.
            attempts.append((place, None))
            transfers.update(zip(sent, repeat(place), strict=False))
            sent = []
        else:
            if attempts and attempts[-1][1] is None:
                attempts[-1] = attempts[-1][0], place
            if event == WAITING:
                # What was sent for an attempt that never started: to which worker is not known.
                sent = []
    return _Plan(attempts, transfers, not sent and not (attempts and attempts[-1][1] is None))


class Attempt(NamedTuple):
    """One start of a task: when, the offset of that record, the span of the worker, and when and where it ended."""

    started: float
    offset: int
    worker: int | None
    ended: float | None
    ended_offset: int | None


class _Before(NamedTuple):
    """What is known of a task that was given to the batch."""

    span: int
    transfers: int
    attempts: tuple[Attempt, ...]


_NOTHING_BEFORE = _Before(-1, 0, ())


class _Events(dict[bytes, str]):
    """The events of tasks by the states that they come to."""

    def __missing__(self, word: bytes) -> str:
        self[word] = word.decode()
        return self[word]


_Row = tuple[str, float, int, Any, float]
"""What a record says: event, time, offset, what is told besides, and when a transfer started."""


class Tasks:
    """The tasks of one manager, from their records to rows. They are known by the numbers that it gave them."""

    def __init__(
        self, batch: Batch, scope: tuple[str, ...], task_type: str, attempt_type: str, transfers: Timed
    ) -> None:
        self._batch, self._scope = batch, scope
        self._task_type, self._attempt_type = task_type, attempt_type
        self._transfers = transfers
        self._of_no_task = 0
        self._events = _Events(_SYNONYMS)
        self._rows: defaultdict[bytes, list[_Row]] = defaultdict(list)
        """What was read of each task and is not given to the batch yet."""
        self._done: dict[bytes, None] = {}
        """The tasks that were done since some were given."""
        self._before: dict[bytes, _Before] = {}
        self._attempts: list[tuple[str, Attempt]] = []
        """Attempts that are no spans yet, by their names."""

    def read(self, found: Sequence[Found], offsets: Iterable[int], start_of: Callable[[bytes], Start]) -> None:
        """Read records of tasks and transfers; ``start_of`` makes what the rest of a record of RUNNING tells."""
        numbers = [record[2] or record[5] for record in found]
        events = [_TRANSFERS[record[4]] if record[4] else self._events[record[3]] for record in found]
        times = [int(record[0]) / 1e6 for record in found]
        told: list[Any] = [
            moved_file(record[4], record[9], record[7], record[6] != b"0") if record[4] else record[9]
            for record in found
        ]
        # A time below zero has been seen in TaskVine's first logs: how long a transfer took is not known then.
        starts = [
            time - seconds if record[4] and 0 < (seconds := float(record[8])) <= time else time
            for record, time in zip(found, times, strict=True)
        ]
        for place, event in enumerate(events):
            if event == RUNNING:
                told[place] = start_of(told[place])
            elif event == DONE:
                self._done[numbers[place]] = None
        rows = self._rows
        for number, row in zip(numbers, zip(events, times, offsets, told, starts, strict=True), strict=True):
            rows[number].append(row)

    def give(self) -> None:
        """Give the batch what was read of the tasks that are done."""
        done, self._done = self._done, {}
        self._give(done, unfinished=False)

    def close(self) -> None:
        """Give the batch what is left: the tasks that did not end, too."""
        self._give([*self._rows], unfinished=True)

    def _give(self, numbers: Iterable[bytes], *, unfinished: bool) -> None:
        self._give_of_no_task()
        alike: defaultdict[tuple[bool, tuple[str, ...]], list[bytes]] = defaultdict(list)
        for number in numbers:
            alike[number not in self._before, tuple([row[0] for row in self._rows[number]])].append(number)
        # Spans that are known come first, so that events are in order of spans.
        for (is_new, events), tasks in sorted(alike.items(), key=lambda item: item[0][0]):
            if unfinished or _plan(events).is_over:
                for first in range(0, len(tasks), _AT_ONCE):
                    self._give_alike(tasks[first : first + _AT_ONCE], events, is_new=is_new)
        self._give_attempts()

    def _give_of_no_task(self) -> None:
        """Give the transfers of no task, which are no events of one."""
        rows = self._rows.pop(_NO_TASK, [])
        if of_task := [row for row in rows if row[0] not in _TRANSFERS.values()]:
            self._rows[_NO_TASK] = of_task
        for event, time, offset, attributes, start in rows:
            if event in _TRANSFERS.values():
                self._transfers.add(f"{text_of(_NO_TASK)}.{self._of_no_task}", start, time, offset, attributes, None)
                self._of_no_task += 1

    def _give_alike(self, numbers: list[bytes], events: tuple[str, ...], *, is_new: bool) -> None:
        """Give the batch tasks that have these events in this order, all at once."""
        batch = self._batch
        before = [self._before.get(number, _NOTHING_BEFORE) for number in numbers]
        alike = _Alike([number.decode() for number in numbers], before, events, map(self._rows.pop, numbers))
        spans: Sequence[int] = [known.span for known in before]
        if is_new:
            spans = batch.new_spans(self._task_type, self._scope, alike.names)
        attributes, moments = alike.told()
        rows = alike.event_rows(spans, [batch.event_type(event) for event in events])
        if moments:
            extra = [(spans[task], time, batch.event_type(name), offset) for task, time, name, offset in moments]
            rows = zip(*sorted([*zip(*rows, strict=True), *extra]), strict=True)
        batch.events(*rows)
        for start, _end in alike.plan.attempts:
            nest(batch, alike.workers(start), spans, alike.names)
        alike.move(self._transfers)
        attempts = alike.attempts()
        moved = len(alike.plan.transfers)
        for number, span, known, all_of_it in zip(numbers, spans, before, attempts, strict=True):
            self._before[number] = _Before(span, known.transfers + moved, all_of_it)
        for name, known, all_of_it, found in zip(alike.names, before, attempts, attributes, strict=True):
            if len(all_of_it) > 1:
                found["attempts"] = len(all_of_it)
                made = len(known.attempts) if len(known.attempts) > 1 else 0
                self._attempts += [(f"{name}.{n}", all_of_it[n]) for n in range(made, len(all_of_it))]
        for span, found in zip(spans, attributes, strict=True):
            if found:
                # What came after a task's end is added to what was given then.
                batch.attributes[span] = batch.attributes.get(span, {}) | found

    def _give_attempts(self) -> None:
        """Make the attempts of tasks that were started more than once."""
        if not self._attempts:
            return
        names, attempts = zip(*self._attempts, strict=True)
        spans = self._batch.new_spans(self._attempt_type, self._scope, names)
        for span, attempt in zip(spans, attempts, strict=True):
            self._batch.event(span, attempt.started, STARTED, attempt.offset)
            if attempt.ended is not None:
                self._batch.event(span, attempt.ended, ENDED, attempt.ended_offset)
        nest(self._batch, [attempt.worker for attempt in attempts], spans, names)
        self._attempts = []


class _Alike:
    """Tasks whose records have the same events in the same order, in columns: one task after the other."""

    def __init__(
        self, names: list[str], before: list[_Before], events: tuple[str, ...], rows: Iterable[list[_Row]]
    ) -> None:
        self.names, self._before, self._events = names, before, events
        self.plan = _plan(events)
        found = [*chain.from_iterable(rows)]
        self._times, self._offsets, self._told, self._starts = ([row[n] for row in found] for n in range(1, 5))

    def _at(self, column: Sequence[Any], place: int) -> Sequence[Any]:
        """Return what each task has at a place."""
        return column[place :: len(self._events)]

    def event_rows(self, spans: Sequence[int], types: list[int]) -> Iterable[Sequence[Any]]:
        """Return the columns of the tasks' events: spans, times, types and offsets."""
        return in_turn(*[spans] * len(types)), self._times, types * len(spans), self._offsets

    def told(self) -> tuple[list[dict[str, Any]], list[tuple[int, float, str, int]]]:
        """Return the attributes of each task, and moments that were measured: task, time, event and offset."""
        attributes: list[dict[str, Any]] = [{} for _ in self.names]
        moments = []
        for place, event in enumerate(self._events):
            if (tells := _TELLS.get(event)) is None:
                continue
            for task, said in enumerate(self._at(self._told, place)):
                found = tells(said)
                if event == RETRIEVED and (measured := found.get("measured")):
                    offset = self._at(self._offsets, place)[task]
                    moments += [(task, time, name, offset) for name, time in moments_of(measured)]
                    if not measured:
                        del found["measured"]
                attributes[task].update(found)
        return attributes, moments

    def workers(self, start: int | None) -> list[int | None]:
        """Return the worker of each task, by the place of the start that names it: as ``_Plan.transfers`` has it."""
        if start is None:
            return [None] * len(self.names)
        if start == _BEFORE:
            return [known.attempts[-1].worker if known.attempts else None for known in self._before]
        return [said.worker for said in self._at(self._told, start)]

    def move(self, transfers: Timed) -> None:
        """Add the tasks' transfers to others."""
        plan, count = self.plan.transfers, len(self.plan.transfers)
        if not plan:
            return
        is_transfer = [place in plan for place in range(len(self._events))]

        def of_transfers(column: Sequence[Any]) -> Iterator[Any]:
            return compress(column, cycle(is_transfer))

        transfers.names += [
            f"{name}.{n}"
            for name, known in zip(self.names, self._before, strict=True)
            for n in range(known.transfers, known.transfers + count)
        ]
        transfers.starts += of_transfers(self._starts)
        transfers.ends += of_transfers(self._times)
        transfers.offsets += of_transfers(self._offsets)
        transfers.attributes += of_transfers(self._told)
        transfers.workers += in_turn(*map(self.workers, plan.values()))

    def attempts(self) -> list[tuple[Attempt, ...]]:
        """Return the attempts of each task, those before among them."""
        found = [known.attempts for known in self._before]
        nothing = [None] * len(self.names)
        for start, end in self.plan.attempts:
            columns = (
                self._at(self._times, start),
                self._at(self._offsets, start),
                self.workers(start),
                nothing if end is None else self._at(self._times, end),
                nothing if end is None else self._at(self._offsets, end),
            )
            new = map(Attempt._make, zip(*columns, strict=True))
            found = [(*known, attempt) for known, attempt in zip(found, new, strict=True)]
        return found
