"""Line patterns: their literals, what they make of a line, and that no line is two things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers import htex, parsl_log
from importers.pattern import EVERY_LINE, Applier, Hit, Pattern, by_literal, longest_literal, searchable
from importers.rows import Batch
from tests.runs import DATA, shared_runs

KINDS = {
    "interchange": htex.INTERCHANGE_PATTERNS,
    "manager": htex.MANAGER_PATTERNS,
    "worker": htex.WORKER_PATTERNS,
    "parsl": parsl_log.PATTERNS,
}


def overlaps(patterns: Iterable[Pattern], messages: Iterable[bytes]) -> Iterator[tuple[bytes, list[Pattern]]]:
    """Yield the messages that more than one pattern matches: there should be none."""
    patterns = list(patterns)
    for message in messages:
        matching = [pattern for pattern in patterns if pattern.compiled.match(message)]
        if len(matching) > 1:
            yield message, matching


# What no sample line says: other releases, and what goes wrong rarely.
SAID_ELSEWHERE = {
    "interchange": [
        b"Removing task 3 from manager record b'4bf9bf8c1848'",
        b"Cancelling htex tasks [17, 18] on removed manager",
        b"Adding manager: b'4bf9bf8c1848' to ready queue",
        b"Received HOLD_MANAGER for b'4bf9bf8c1848'",
        b"Too many heartbeats missed for manager b'4bf9bf8c1848' - removing manager",
        b"Manager b'4bf9bf8c1848' has reached its drain time - draining",
        b"Manager b'4bf9bf8c1848' is drained - sending drained message to manager",
        b"Manager b'4bf9bf8c1848' requested drain",
    ],
    "manager": [
        b"Got tasks: [1, 2], cumulative count of tasks: 2",
        b"Putting exception for executor task 7 in the pending result queue",
        b"Worker 0 has died",
        b"Worker 0 has been restarted",
        b"Worker 0 was busy when it died",
        b"Got shutdown message from interchange",
        b"process_worker_pool ran for 12.5 seconds",
    ],
    "worker": [b"Received task 7", b"Completed task 7", b"All processing finished for task 7"],
    "parsl": [
        b"Task 3 failed due to failure of an inner join future",
        b"DFK cleanup complete",
        b"METRIC STRATEGY htex_Local active_tasks=3 running_blocks=2",
        b"Task 3 set to pending state with AppFuture: <AppFuture at 0x7f2e1f1c4a50 state=pending>",
        b"Task 3 completed (launched -> exec_done)",
        b"Task 3 failed (pending -> dep_fail)",
        b"Task 3 marked for retry",
        b"Allocated block ID 0",
        b"Launched block 0 on executor htex_Local with job ID 3705",
        b"Function data directory: /scratch/TaskVineExecutor-a-2026-g6te, log directory: /a/000/TaskVineExecutor",
        b"Creating executor task 0 with function at: /a/000/WorkQueueExecutor/function_data/0000/function",
        b"Creating executor task 0 with function at: /scratch/TaskVineExecutor-a-g6te/0000/function, argument at: /",
        b"Placing executor task 0 on message queue",
        b"Placing task 0 on message queue",
        b"Task 0 submitted to WorkQueue with id 1",
        b"Executor task 0 submitted to Work Queue with Work Queue task id 1",
        b"Executor task 0 submitted as TaskVine task with id 1",
        b"Completed WorkQueue task 1, parsl task 0",
        b"Updating Future for executor task 0",
        b"Creating Task 0 with function at: /a/000/WorkQueueExecutor/function_data/0000/function",
        b"Creating executor task 0 with function at: /a/000/TaskVineExecutor/function_data/0000/function and result "
        b"to be found at: /a/000/TaskVineExecutor/function_data/0000/result",
        b"Updating Future for Parsl Task 0",
        b"Updating Future for Parsl Task: 0. Task 0 has result_received set to True",
    ],
}


def messages(path: Path) -> Iterator[bytes]:
    """Yield the messages of a log, text or JSON."""
    for line in path.read_bytes().splitlines():
        if path.suffix == ".jsonlog":
            yield json.loads(line)["formatted"].encode()
        elif found := re.match(rb"\d+\.\d{6} .*? [A-Z]+: (.*)", line):
            yield found[1]


@cache
def sample_messages(kind: str) -> frozenset[bytes]:
    """Return every different message of one kind of file in the samples."""
    stem = "worker_*" if kind == "worker" else kind
    return frozenset(m for path in DATA.rglob(f"{stem}.*log") for m in messages(path)) | {*SAID_ELSEWHERE[kind]}


EACH = [(kind, pattern) for kind, patterns in KINDS.items() for pattern in patterns]


@pytest.mark.parametrize(("kind", "pattern"), EACH, ids=lambda x: x if isinstance(x, str) else x.regex.decode()[:40])
def test_every_pattern_matches_lines_that_hold_its_literal(kind: str, pattern: Pattern) -> None:
    matching = [message for message in sample_messages(kind) if pattern.compiled.match(message)]
    assert matching, "no line shows what this pattern is for: add one to SAID_ELSEWHERE"
    assert all(pattern.literal in message for message in matching)
    assert len(pattern.literal) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_no_sample_line_matches_two_patterns(kind: str) -> None:
    assert list(overlaps(KINDS[kind], sample_messages(kind))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_of_the_whole_runs_matches_two_patterns(kind: str) -> None:
    shared = shared_runs()
    if shared is None:
        pytest.skip("the whole runs are not here; DNPC_SHARED_DATA can name their folder")
    stem = "worker_*" if kind == "worker" else kind
    groups = by_literal(KINDS[kind])
    for path in sorted(shared.glob(f"parsl-2026-*/**/{stem}.*log")):
        for message in messages(path):
            near = [p for group in groups if group[0].literal in message for p in group]
            matching = [pattern for pattern in KINDS[kind] if pattern.compiled.match(message)]
            assert len(matching) <= 1, message
            assert set(matching) <= set(near), message


def test_a_line_that_matches_two_patterns_is_found() -> None:
    one, two = Pattern(rb"Task (?P<task>\d+) failed"), Pattern(rb"Task \d+ failed again")
    lines = [b"Task 1 failed", b"Task 1 failed again", b"Task 1 ended"]
    assert list(overlaps([one, two], lines)) == [(b"Task 1 failed again", [one, two])]


@pytest.mark.parametrize(
    ("regex", "literal"),
    [
        (rb"Sent tasks: \[(?P<key>[\d, ]+)\] to manager b'(?P<manager>\w+)'", b"] to manager b'"),
        (rb"Task (?P<task>\d+) failed", b" failed"),
        (rb"abcd(?:efghijkl)?mn", b"abcd"),
        (rb"abcde?fgh", b"abcd"),
        (rb"abcde*fgh", b"abcd"),
        (rb"abcde+fgh", b"abcde"),
        (rb"abcde{0,2}fgh", b"abcd"),
        (rb"abcde??fgh", b"abcd"),
        (rb"ab(cdefgh|xyz)ijkl", b"ijkl"),
        (rb"abc\.def", b"abc.def"),
        (rb"abcd\d\w\sef", b"abcd"),
        (rb"abcd[efghijkl]mno", b"abcd"),
        (rb"abcd[]efghijkl]mno", b"abcd"),
        (rb"abcd[^]efghijkl]mno", b"abcd"),
        (rb"abcd[\]efgh]mno", b"abcd"),
        (rb"^abcd.efg$", b"abcd"),
        (rb"abcd$", b"abcd"),
        (rb"\babcd\b", b"abcd"),
        (rb"abcd(?=efghijkl)", b"abcd"),
        (rb"(?!abcdefgh)ijkl", b"ijkl"),
        (rb"\x41bcde\x66ghi", b"bcde"),
        (rb"(a)\12bcdef", b"bcdef"),
        (rb"(a)\1012 bcde", b"2 bcde"),
        ("aéé(é)".encode(), "aéé".encode()),
    ],
)
def test_longest_literal(regex: bytes, literal: bytes) -> None:
    assert longest_literal(regex) == literal


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        (rb"step=(?P<step>\d+) begins", b" begins"),
        (rb'"step": \d+, "begins"', b"begins"),
        (rb"C:\\home", b"home"),
        ("Schrittfür (?P<step>\\d+)".encode(), b"Schrittf"),
        (rb"abcd\n", b"abcd"),
        (rb"abcd|efgh", EVERY_LINE),
        (rb"(?i)abcd", EVERY_LINE),
        (rb"(?x) abcd efgh", EVERY_LINE),
        (rb"(?i:abcd)", EVERY_LINE),
        (rb"\d+", EVERY_LINE),
        (rb"abc", EVERY_LINE),
    ],
)
def test_what_to_search_for(regex: bytes, text: bytes) -> None:
    assert searchable(re.compile(regex, re.MULTILINE)) == text


@pytest.mark.parametrize("regex", [b"", rb"\d+", rb"abc\d+def", rb"(abcdefgh)", rb"abcd?efg", rb"[abcdefgh]+", rb"."])
def test_a_pattern_without_literal_text_is_refused(regex: bytes) -> None:
    with pytest.raises(ValueError, match="no literal text"):
        Pattern(regex)


@pytest.mark.parametrize("regex", [rb"(?i)Task (?P<task>\d+) done", rb"(?x) Task\ (?P<task>\d+)\ done  # of a task"])
def test_flags_with_which_lines_hold_other_text_need_a_literal(regex: bytes) -> None:
    """Else a line "TASK 5 DONE" would be searched for "Task ", and lost."""
    with pytest.raises(ValueError, match="literal=EVERY_LINE"):
        Pattern(regex, ("x", "task"))
    assert Pattern(regex, ("x", "task"), literal=EVERY_LINE).literal == EVERY_LINE


def test_alternatives_at_the_top_are_refused() -> None:
    with pytest.raises(ValueError, match="make a pattern of each"):
        Pattern(rb"Task (?P<task>\d+) failed|Task (?P<other>\d+) ended")
    assert Pattern(rb"Task (?P<task>\d+) (?:failed|ended) early").literal == b" early"


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(re.error):
        Pattern(rb"Task (?P<task>\d+ failed")


def test_a_literal_may_be_given() -> None:
    assert Pattern(rb"\d+", literal=b"1").literal == b"1"


PLAIN = st.text("abcdefgh :'", min_size=1, max_size=8).map(str.encode)
PIECES = st.one_of(
    PLAIN,
    st.sampled_from(
        [
            rb"\d+",
            rb"(?P<x>\w+)",
            rb"(?:yes|no)",
            rb"[a-z]*",
            rb"\[",
            rb"\.",
            rb".",
            rb"x?",
            rb"x{2}",
            rb"(?:long text)?",
        ]
    ),
)


@settings(deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6), st.data())
def test_a_literal_is_in_whatever_matches(pieces: list[bytes], data: st.DataObject) -> None:
    regex = b"".join(
        piece if i == pieces.index(piece) else piece.replace(b"?P<x>", b"") for i, piece in enumerate(pieces)
    )
    try:
        pattern = Pattern(regex)
    except ValueError:
        return
    example = data.draw(st.from_regex(re.compile(regex), fullmatch=True))
    assert pattern.literal in example
    assert longest_literal(regex) in example
    assert not pattern.starts_with_literal or example.startswith(pattern.literal)


def hit(pattern: Pattern, text: bytes, time: float = 1.5, offset: int = 7) -> Hit:
    match = pattern.compiled.match(text)
    assert match
    return Hit(offset, time, match, pattern)


TASK = ("x.task", "label", "task")
WORKER = ("x.worker", "worker")


def apply(pattern: Pattern, batch: Batch, fields: dict[str, str], *hits: Hit) -> None:
    applier = Applier(pattern, batch, fields)
    for each in hits:
        applier(each)


def named(batch: Batch) -> list[tuple[str, tuple[str, ...]]]:
    return list(zip(batch.span_types, batch.span_keys, strict=True))


def test_a_line_that_names_several_gives_an_event_of_each() -> None:
    pattern = Pattern(
        rb"Sent tasks: \[(?P<task>\d+(?:, \d+)*)\] to (?P<worker>\w+)", TASK, "sent", (WORKER,), ("worker",), "task"
    )
    batch = Batch("run")
    apply(
        pattern,
        batch,
        {"label": "cpu"},
        hit(pattern, b"Sent tasks: [1, 22, 3] to w0"),
        hit(pattern, b"Sent tasks: [4] to w1", 2.5, 40),
    )
    spans = named(batch)
    tasks = [spans.index(("x.task", ("cpu", n))) for n in ("1", "22", "3", "4")]
    assert list(batch.event_spans) == tasks
    assert list(batch.event_times) == [1.5, 1.5, 1.5, 2.5]
    assert list(batch.event_offsets) == [7, 7, 7, 40]
    assert batch.event_type_names == ["sent"]
    assert batch.records == 2
    assert [batch.attributes[task] for task in tasks] == [{"worker": "w0"}] * 3 + [{"worker": "w1"}]


def test_spans_are_made_once_and_lie_in_their_parents() -> None:
    pattern = Pattern(rb"Received task (?P<task>\d+)", TASK, "received", (WORKER,))
    batch = Batch("run")
    apply(
        pattern,
        batch,
        {"label": "cpu", "worker": "0"},
        hit(pattern, b"Received task 5"),
        hit(pattern, b"Received task 5", 3.0, 50),
    )
    assert sorted(named(batch)) == [("x.task", ("cpu", "5")), ("x.worker", ("0",))]
    spans = named(batch)
    task, worker = spans.index(("x.task", ("cpu", "5"))), spans.index(("x.worker", ("0",)))
    assert list(batch.event_spans) == [task, task]
    assert batch.subspans == {(worker, task): "5"}


def test_what_a_line_leaves_open_is_no_attribute() -> None:
    pattern = Pattern(rb"Removing (?P<task>\d+) from manager(?: b'(?P<manager>\w+)')?", TASK, "r", (), ("manager",))
    batch = Batch("run")
    apply(
        pattern,
        batch,
        {"label": "x"},
        hit(pattern, b"Removing 1 from manager"),
        hit(pattern, b"Removing 2 from manager b'ab'"),
    )
    assert list(batch.attributes.values()) == [{"manager": "ab"}]


def test_a_pattern_may_tell_of_a_span_without_an_event() -> None:
    pattern = Pattern(rb"Worker pid is (?P<pid>\d+)", WORKER, attributes=("pid",))
    batch = Batch("run")
    apply(pattern, batch, {"worker": "0"}, hit(pattern, b"Worker pid is 17"))
    assert (named(batch), list(batch.event_times), batch.attributes) == ([("x.worker", ("0",))], [], {0: {"pid": "17"}})


def test_broken_text_does_not_raise() -> None:
    pattern = Pattern(rb"Received task (?P<task>\S+)", TASK, "received", attributes=("task",))
    batch = Batch("run")
    apply(pattern, batch, {"label": "x"}, hit(pattern, b"Received task \xff\x00\xed\xa0\x80"))
    batch.seal()
    assert len(batch.uuids) == 1 and batch.keys[0].encode()
