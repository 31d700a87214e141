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
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from importers.logfile import Block, json_record, message_at
from importers.pattern import Pattern
from importers.rows import DRIFT, TEXT_KEPT, Batch

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


class Line(NamedTuple):
    """A line that has drifted: where it starts, its message, and what is kept of it."""

    offset: int
    message: bytes
    text: bytes


class Watch:
    """Finds the lines of one kind of log that look like events, but that neither a pattern nor a known message takes.

    One regular expression goes from line to line of a block and stops only where a message is not known, since most
    are: a twentieth of the time that the import takes.
    """

    def __init__(self, patterns: Iterable[Pattern], known: Iterable[str]) -> None:
        patterns = list(patterns)
        regexes = [*map(_unnamed, (pattern.regex for pattern in patterns)), *map(_known, known)]
        self._starts = tuple(pattern.literal for pattern in patterns if pattern.starts_with_literal)
        taken = alternatives(regexes)
        self._taken = re.compile(taken, re.MULTILINE)
        # 1795397698.766988 2026-11-23 01:34:58 MainProcess-3679 Thread-1398 parsl.dataflow.dflow:565 f INFO: Task 0 ...
        # 2023-03-06 11:20:07.190 interchange:485 HTEX-Interchange(18277) MainThread f [DEBUG]  Sent tasks: ...
        # What excludes one character alone is searched several times faster than what excludes two, so this runs over
        # the end of a line that has too few colons, as far as the next time; and it stops at a colon or bracket in a
        # thread's name. Both are seen to afterwards.
        epoch = rb"\d{10}\.\d+ [^\n]{20}[^:]*:[^:]*:(?: (?!%b)|[^ \n])" % taken
        local = rb"\d{4}-\d\d-\d\d [^\]\n]*\](?:  (?!%b)|(?!  )[^\n])" % taken
        self._suspect_text = re.compile(_bounded(rb"\n(?:%b|%b)" % (epoch, local)), re.MULTILINE)
        # {"created": 1795397728.356707, ..., "formatted": "Sent tasks: [1, 2] to manager b'2d216d98b581'"}
        in_json = alternatives([_parts_in_json(regex) for regex in map(_parts, regexes)])
        self._suspect_json = re.compile(_bounded(rb'"formatted": ?"(?!%b)' % in_json))

    def lines(self, block: Block, dialect: str) -> Iterator[Line]:
        """Yield the lines of a block that have drifted, in order."""
        return self._json_lines(block) if dialect == "jsonlog" else self._text_lines(block)

    def report(self, block: Block, batch: Batch) -> None:
        """Keep the lines of a block that have drifted as unmatched."""
        for line in self.lines(block, batch.format):
            batch.reject(DRIFT, line.offset, line.text, kind=line.message)

    def _text_lines(self, block: Block) -> Iterator[Line]:
        data = b"\n" + block.data
        for match in self._suspect_text.finditer(data):
            begin, end = data.rfind(b"\n", 0, match.end()) + 1, data.find(b"\n", match.end())
            message = message_at(data, begin, end)
            if message and self._looks_like_event(data, message, end) and not self._taken.match(data, message):
                kept = message + TEXT_KEPT
                yield Line(block.start + begin - 1, data[message : min(end, kept)], data[begin : min(end, kept)])

    def _json_lines(self, block: Block) -> Iterator[Line]:
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
                yield Line(block.start + begin, first[:TEXT_KEPT], message[: 4 * TEXT_KEPT])

    def _looks_like_event(self, data: bytes, begin: int, end: int) -> bool:
        return data.startswith(self._starts, begin, end) or _IDS.search(data, begin, end) is not None


@lru_cache
def watch(patterns: tuple[Pattern, ...], known: tuple[str, ...]) -> Watch:
    """Return what watches a kind of log, made once for all logs of the kind."""
    return Watch(patterns, known)


_Tree = dict[bytes, "_Tree"]

_PART = re.compile(
    rb"\\x[\da-fA-F]{2}|\\\d{1,3}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<repeat>(?:[*+?]|\{[\d,]+\})\??)|.", re.DOTALL
)


def _bounded(regex: bytes) -> bytes:
    """Return a regular expression whose repetitions end after 4096 times, so that none runs from each line to the end.

    What is too long for that is suspect, and then looked at as a whole.
    """
    most = {b"*": b"{0,4096}", b"+": b"{1,4096}"}
    return b"".join(most.get(token[0][:1], token[0][:1]) + token[0][1:] for token in _PART.finditer(regex))


def _unnamed(regex: bytes) -> bytes:
    return re.sub(rb"\(\?P<\w+>", b"(?:", regex)


def _known(message: str) -> bytes:
    """Return the regular expression of a known message; its numbers are written as the patterns write them."""
    text, dollar, _ = message.partition("$")
    return re.escape(text.encode()).replace(rb"\#", rb"(?:\d{1,18})").replace(rb"\*", rb"\S+") + dollar.encode()


def _parts(regex: bytes) -> list[bytes]:
    """Split a regular expression into what stands one after the other: characters, classes, groups, as repeated."""
    parts: list[bytes] = []
    depth = 0
    for token in _PART.finditer(regex):
        if depth or token["repeat"]:
            parts[-1] += token[0]
        else:
            parts.append(token[0])
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
    return parts


def _parts_in_json(parts: list[bytes]) -> list[bytes]:
    """Return the same for text in JSON, where a quote is the end, and a newline is escaped."""
    return [rb'(?=["\\])' if part == b"$" else part.replace(rb"\S", rb'[^\s"]') for part in parts]


def alternatives(regexes: Iterable[bytes | list[bytes]]) -> bytes:
    """Return a regular expression that matches where any of some does, and where they begin alike compares that once.

    They have no named groups, and no alternatives outside groups. Where one begins as another one is, the shorter
    decides.
    """
    tree: _Tree = {}
    for regex in regexes:
        node = tree
        for part in [*(_parts(regex) if isinstance(regex, bytes) else regex), b""]:
            node = node.setdefault(part, {})
    return _joined(tree)


def _joined(tree: _Tree) -> bytes:
    if b"" in tree:
        return b""
    branches = [part + _joined(below) for part, below in tree.items()]
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"
