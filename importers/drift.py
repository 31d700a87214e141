"""Drift: lines that look like events, yet match no pattern, as after a release that words a message in another way.

A line is *event-like* if its message names a task, try, worker, manager or block by its id, or starts as a pattern
does. Of these, a *known* message is one that no event is made of: it says what another line says, too, or is of no
use. What is left has drifted: it is kept as unmatched, and told by ``dnpc import`` and ``dnpc sources --check``.

Known messages are tables below, and are compared from the start of a message. In them ``#`` stands for a number,
``*`` for a word, and ``$`` at the end for the end of the message. They hold for Parsl since March 2023. Some name no
id: these are frequent, and what is known is passed over fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from importers.alternatives import alternatives, bounded, marked, parts, unnamed
from importers.logfile import (
    JSONLOG,
    TEXT,
    TEXT_LOCAL,
    UNKNOWN,
    Block,
    epoch_at,
    hits,
    json_record,
    message_at,
    time_at,
)
from importers.pattern import LATEST, Hit, Pattern, by_literal
from importers.rows import TEXT_KEPT, Batch
from importers.times import Clock

FEW_COLONS = 2000
"""Bytes: where so many hold no colon, the next one may be far from every line."""

_new_hit: Callable[[tuple[int, float, re.Match[bytes], Pattern]], Hit] = partial(tuple.__new__, Hit)
"""Makes a hit twice as fast as ``Hit``."""

_RECORD = re.compile(rb"\n\d{10}\.\d+ ")
_PREFIX = re.compile(rb"(?:[^:\n]*:){4} ")

_EACH_LINE = re.compile(rb"\n(?=.)")

PARSL_KNOWN = (
    # Of every task.
    "Standard out for task # will",
    "Standard error for task # will",
    "Adding output dependencies",
    "Added output dependencies",
    "Gathering dependencies",
    "Gathered dependencies",
    "Task # will be sent to executor *",
    "Task # has AppFuture: ",
    "Task # will not be memoized",
    "Pushing function ",
    "Sending TasksOutgoing message",
    "Sent TasksOutgoing message",
    "Receiving ResultsIncoming message",
    "Normal ending for ",
    # Of some tasks. Dependencies are in the line of submission, too.
    "Task # has dependency task #",
    "Task # has dependency future ",
    "Task # has outstanding dependencies, so ",
    "Task # is not pending, so ",
    "Task # failed due to dependency failure so skipping retries",
    "Task # has memoization hash ",
    "Task # had no result in cache",
    "Task # using result from cache",
    "Task # checkpointed",
    "Task # requested invalid executor ",
    "Replacing app cache entry * with result from task #",
    "Storing app cache entry * with result from task #",
    "Join callback for task # skipping because ",
    "A joinable future ",
    "Could not parse ",
    "Standard out for task # has unknown specification: ",
    "Standard error for task # has unknown specification: ",
    "Internal consistency error: ",
    "Globus Transfer task: ",
    # Until 2023.
    "Standard output for task # available at ",
    "Standard error for task # available at ",
    "Incorrect stdout format ",
    "Incorrect stderr format ",
    # Of executors that hand tasks on to Work Queue or TaskVine.
    "Creating executor task # for function ",
    "Creating executor task # with result to be found at: ",
    "Constructing map for local filenames at worker for executor task #",
    "Executor task id: ",
    "Submitting executor task #",
    "Submitted executor task # to TaskVine",
    "Sending executor task #",
    "Task with executor id # / ",
    "completed executor task info: ",
    "Creating task # for function ",
    "Creating Task # with ",
    "Constructing map for local filenames at worker for task #",
    "Submitting task # to WorkQueue",
    "Sending task # with command: ",
    "Task with id parsl # / wq # ",
    # Of blocks and managers.
    "Sending block monitoring message: ",
    "[Scaling executor *] Strategy case ",
    "Strategy case ",
    "[Scaling executor *] Submitting to provider with job_name ",
    "Submitting to provider with job_name ",
    "Creating process with command ",
    "Launch command: ",
    "Scale in called, blocks=#",
    "Selected idle block ids to kill: ",
    "Sending hold for manager: *",
    "Sending hold to manager: *",
    "Sent hold request to manager: *",
)
"""Messages of parsl.log that no event is made of."""

HTEX_KNOWN = (
    # Interchange, of every task.
    "starting worker message section",
    "leaving worker message section",
    "start task_incoming section",
    "Processing message type * from manager *",
    "Sending result on results_outgoing",
    "Sent result on results_outgoing",
    "Manager * is now saturated",
    "leaving _ready_managers section",
    "Managers count (",
    # Interchange, of managers.
    "Sending message {",
    "Manager * has free capacity #",
    "Manager * -> {",
    "Received command request: ",
    "Reply: ",
    "Received unknown command: ",
    "Manager * has incompatible version info",
    "Manager has incompatible version info",
    "Failed to read manager message",
    "Unexpected message type received from manager: ",
    "Ignoring message from unknown manager: ",
    "Ignoring exception removing task_id # ",
    "Cancelling htex tasks [] on removed manager",
    # Until 2025.
    "Current tasks on manager *: ",
    "Got # result items in batch from manager *",
    "Fetched # tasks so far",
    "Manager * sent heartbeat via ",
    "Manager * has compatible P",
    "JSON message was not correctly formatted from manager: ",
    "Got Exception reading message from manager: ",
    "Received a result from a un-registered manager: ",
    "Received heartbeat via tasks connection for not-registered manager *",
    # Until 2023.
    "Got Exception reading registration message from manager: ",
    "Suppressing bad registration from manager: ",
    "Unexpected non-heartbeat message received from manager *",
    # Manager.
    "ready workers: #, pending tasks: #",
    "Result received from worker",
    "Result sent to interchange",
    "Starting monitor_queue.get()",
    "Got a monitoring message",
    "Put monitoring message on ",
    "Sending registration message: ",
    "Worker # was not busy when it died",
    "Worker # joined successfully",
    "Terminating worker #: is_alive()=",
    "Worker * (#) failed to terminate in a timely manner",
    "Manager ID: ",
    "Block ID: ",
    # Worker.
    "Normal ending for ",
    "Manager (#) died; worker # shutting down",
    "Worker ID: # failed to remove itself from ready_worker_queue",
    "Not enough resources, placing task # into backlog",
)
"""Messages of HTEX's interchange, managers and workers that no event is made of."""

_IDS = re.compile(
    # Task 5, tasks: [5, 6], task_id 5, block ID 0, executor task id: 7, Worker 0, try 1
    rb"\b(?:[Tt]asks?|[Tt]r(?:y|ies)|[Ww]orkers?|[Bb]locks?)(?:[ _](?:id|ID)s?)?(?:[:=] ?| )[\[('\"]?\d"
    # executor id 254
    rb"|\b[Ee]xecutor id \d"
    # manager b'2d216d98b581', manager: 2d216d98b581, b'2d216d98b581'
    rb"|\b[Mm]anagers?(?:[ _](?:id|ID)s?)?(?:[:=] ?| )[\[('\"]?[\da-f]{12}\b|\bb'[\da-f]{12}'"
)
"""Names of a task, try, worker, block or manager, by its id."""


class Drifted(NamedTuple):
    """A line that has drifted: where it starts, its message, and what is kept of it."""

    offset: int
    message: bytes
    text: bytes


class Watch:
    """Reads the lines of one kind of log: those that a pattern matches, and those that have drifted.

    In text, one regular expression goes from line to line of a block and passes over known messages, which most are.
    Where it stops, it tells which pattern matches: a third of the time that a search for each pattern's literal takes.
    """

    def __init__(self, patterns: Iterable[Pattern], known: Iterable[str]) -> None:
        self._patterns = list(patterns)
        self._groups = by_literal(self._patterns)
        self._regexes = [unnamed(pattern.regex) for pattern in self._patterns]
        self._known = [_known(message) for message in known]
        self._starts = tuple(pattern.literal for pattern in self._patterns if pattern.starts_with_literal)
        self._takers = [(pattern, pattern.compiled.match) for pattern in self._patterns]

    def records(self, block: Block, clock: Clock, batch: Batch) -> Iterator[Hit | Drifted]:
        """Yield the lines of a block that a pattern matches, the first that does, or that have drifted: in order.

        ``clock`` reads local times. A line that a pattern matches, yet of a time that can't be, is kept as unmatched.
        """
        if batch.format in (TEXT, TEXT_LOCAL, UNKNOWN):
            return self._text_records(block, clock, batch)
        found = chain.from_iterable(hits(block, group, clock, batch, watched=True) for group in self._groups)
        lines = self._json_lines(block) if batch.format == JSONLOG else ()
        return iter(sorted(chain(found, lines), key=itemgetter(0)))

    def _text_records(self, block: Block, clock: Clock, batch: Batch) -> Iterator[Hit | Drifted]:
        # Every line comes after a newline, the first one too, and some colons follow the last: see _epoch_stops.
        data, start, takers = b"\n%b:::::\n" % block.data, block.start - 1, self._takers
        is_epoch = batch.format != TEXT_LOCAL
        if not is_epoch:
            stops = self._local_stops
        elif _is_usual(data):
            stops = self._epoch_stops
        else:
            stops = _EACH_LINE
        mark = b": " if is_epoch else b"]  "
        for stop in stops.finditer(data):
            line, message = stop.start() + 1, stop.end()
            ends_prefix = data.find(mark, line, message) + len(mark) == message
            if stop.lastindex and ends_prefix and data.find(b"\n", line, message) < 0:
                pattern, match_at = takers[stop.lastindex - 1]
                time = epoch_at(data, line) if is_epoch else time_at(data, line, clock, batch)
                if 0 <= time <= LATEST and (match := match_at(data, message)):
                    yield _new_hit((start + line, time, match, pattern))
                    continue
            # A line in another form than most, with colons in its message, or several of which the first has too few.
            while line <= message:
                end = data.find(b"\n", line)
                yield from self._of_line(data, line, end, start, clock, batch)
                line = end + 1

    def _of_line(
        self, data: bytes, line: int, end: int, start: int, clock: Clock, batch: Batch
    ) -> Iterator[Hit | Drifted]:
        """Yield what a line of text is, however its time and prefix are written."""
        message = message_at(data, line, end)
        if not message:
            return
        for pattern, match_at in self._takers:
            if match := match_at(data, message):
                time = time_at(data, line, clock, batch)
                if 0 <= time <= LATEST:
                    yield Hit(start + line, time, match, pattern)
                else:
                    batch.reject("a time that can't be", start + line, data[line:end])
                return
        if self._looks_like_event(data, message, end) and not self._taken.match(data, message):
            kept = message + TEXT_KEPT
            yield Drifted(start + line, data[message : min(end, kept)], data[line : min(end, kept)])

    @cached_property
    def _taken(self) -> re.Pattern[bytes]:
        return re.compile(alternatives([*self._regexes, *self._known]), re.MULTILINE)

    @cached_property
    def _notable(self) -> bytes:
        """A message that a pattern matches, the last group telling which, or that is not known."""
        return rb"(?=%b|(?!%b))" % (marked(self._regexes), alternatives(self._known))

    @cached_property
    def _epoch_stops(self) -> re.Pattern[bytes]:
        # 1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Thread-1398 parsl.dataflow.dflow:565 f INFO: Task 0 ...
        # What excludes one character alone is searched several times faster than what excludes two, so this runs over
        # the end of a line that has too few colons, as far as the next time, whose own colons make it stop there; and
        # it stops at a colon in a thread's name. Both are seen to afterwards.
        prefix = rb"\d{10}\.\d+ [^:]*:[^:]*:[^:]*:[^:]*:(?: %b|(?! ))" % self._notable
        # Other lines that begin with a time are few.
        return re.compile(rb"\n(?:%b|(?!\d{10}\.)-?\d{1,12}\.\d+ |\d{4}-\d\d-\d\d )" % prefix, re.MULTILINE)

    @cached_property
    def _local_stops(self) -> re.Pattern[bytes]:
        # 2023-03-06 11:20:07.190 interchange:485 HTEX-Interchange(18277) MainThread f [DEBUG]  Sent tasks: ...
        # It stops at a bracket in a thread's name.
        prefix = rb"\d{4}-\d\d-\d\d [^\]\n]*\](?:  %b|(?!  )[^\n])" % self._notable
        return re.compile(rb"\n(?:%b|-?\d{1,12}\.\d+ )" % prefix, re.MULTILINE)

    @cached_property
    def _suspect_json(self) -> re.Pattern[bytes]:
        # {"created": 1795397728.356707, ..., "formatted": "Sent tasks: [1, 2] to manager b'2d216d98b581'"}
        taken = alternatives([_parts_in_json(parts(regex)) for regex in (*self._regexes, *self._known)])
        # Many such texts may be in one long line: none is compared as far as the line's end.
        return re.compile(bounded(rb'"formatted": ?"(?!%b)' % taken))

    def _json_lines(self, block: Block) -> Iterator[Drifted]:
        data, end = block.data, 0
        for match in self._suspect_json.finditer(data):
            if match.start() < end:
                continue
            begin, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
            if not self._looks_like_event(data, match.end(), end):
                continue
            record = json_record(data[begin:end])
            # The log of a process has the records of other libraries, too, and of the user's code.
            if isinstance(record, str) or str(record.get("name", "parsl")).split(".")[0] != "parsl":
                continue
            message = record["formatted"].encode("utf-8", "surrogatepass")
            first = message.partition(b"\n")[0]
            if self._looks_like_event(first, 0, len(first)) and not self._taken.match(message):
                yield Drifted(block.start + begin, first[:TEXT_KEPT], message[: 4 * TEXT_KEPT])

    def _looks_like_event(self, data: bytes, begin: int, end: int) -> bool:
        return data.startswith(self._starts, begin, end) or _IDS.search(data, begin, end) is not None


def _is_usual(data: bytes) -> bool:
    """Tell whether the records of a block have a prefix with four colons, and the next colon is never far.

    Else searches for colons would go past records, or take time that grows with the square of the block.
    """
    first = _RECORD.search(data)
    if first and not _PREFIX.match(data, first.end()):
        return False
    windows = range(0, len(data) - FEW_COLONS, FEW_COLONS)
    return all(data.find(b":", begin, begin + FEW_COLONS) >= 0 for begin in windows)


@lru_cache
def watch(patterns: tuple[Pattern, ...], known: tuple[str, ...]) -> Watch:
    """Return what watches a kind of log, made once for all logs of the kind."""
    return Watch(patterns, known)


def _known(message: str) -> bytes:
    """Return the regular expression of a known message; its numbers are written as the patterns write them."""
    text, dollar, _ = message.partition("$")
    return re.escape(text.encode()).replace(rb"\#", rb"(?:\d{1,18})").replace(rb"\*", rb"\S+") + dollar.encode()


def _parts_in_json(text: list[bytes]) -> list[bytes]:
    """Return the same for text in JSON, where a quote is the end, and a newline is escaped."""
    return [rb'(?=["\\])' if part == b"$" else part.replace(rb"\S", rb'[^\s"]') for part in text]
