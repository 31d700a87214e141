"""What a pattern makes of its fields: keys of several fields, lists, runs that lines name, empty fields."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.pattern import EVERY_LINE, LEADING, Applier, Hit, Pattern, by_literal, longest_literal, searchable
from importers.rows import Batch

EMPTY = "a field that the span's key needs is empty"


def rows(pattern: Pattern, *lines: bytes, **fields: str) -> Batch:
    """Return what lines give, each at the offset of its number times ten."""
    batch = Batch("run")
    applier = Applier(pattern, batch, fields)
    for number, line in enumerate(lines):
        match = (pattern.compiled.search if pattern.anywhere else pattern.compiled.match)(line)
        assert match
        applier(Hit(10 * number, float(number), match, pattern))
    return batch


def spans(batch: Batch) -> list[tuple[Any, ...]]:
    return [(kind, *key) for kind, key in zip(batch.span_types, batch.span_keys, strict=True)]


def nested(batch: Batch) -> dict[tuple[Any, Any], str]:
    named = spans(batch)
    assert all(0 <= span < len(named) for pair in batch.subspans for span in pair)
    return {(named[above], named[below]): key for (above, below), key in batch.subspans.items()}


def rejected(batch: Batch) -> list[tuple[str, int, int, str]]:
    return [(reason, *found) for (reason, _template), found in batch.unmatched.items()]


@settings(deadline=None)
@given(st.text("ABCXYZabcxyz0189 _:;,<>='\"/@#%&!~-", min_size=4, max_size=12))
def test_plain_text_is_its_own_literal(text: str) -> None:
    assert longest_literal(text.encode()) == text.encode()


@pytest.mark.parametrize(
    ("regex", "literal", "leads"),
    [
        (rb"abcdefgh(\d+) a much longer text", b"abcdefgh", True),
        (rb"abcdefg(\d+) a much longer text", b" a much longer text", False),
        (rb"abcdefg(\d+) abc", b"abcdefg", False),
        (rb"(\d+) a much longer text", b" a much longer text", False),
        (rb"abcdefghi", b"abcdefghi", True),
    ],
)
def test_a_text_at_the_start_is_searched_for_where_it_is_long_enough(regex: bytes, literal: bytes, leads: bool) -> None:
    pattern = Pattern(regex)
    assert (pattern.literal, pattern.starts_with_literal) == (literal, leads)
    assert (len(literal) >= LEADING and regex.startswith(literal)) == leads


def test_a_literal_that_is_given_need_not_lead() -> None:
    assert not Pattern(rb"abcdefghijkl", literal=b"abcdefgh").starts_with_literal


def test_a_line_ends_where_the_regex_says_though_others_follow() -> None:
    """Files are searched whole."""
    assert Pattern(rb"Worker (?P<w>\d+) died$").compiled.match(b"Worker 3 died\nWorker 4 died again\n")


def test_four_plain_bytes_are_enough_to_search_for_and_three_are_not() -> None:
    assert searchable(Pattern(rb"\d+ abc \d+", literal=b"x").compiled) == b" abc "
    assert searchable(Pattern(rb"\d+abcd\d+", literal=b"x").compiled) == b"abcd"
    assert searchable(Pattern(rb"\d+abc\d+", literal=b"x").compiled) == EVERY_LINE


def test_how_often_is_no_text() -> None:
    assert longest_literal(rb"abcde{1000,2000}fg") == b"abcd"


def test_patterns_are_told_apart_and_stay_as_they_are() -> None:
    """Importers share them, and some are the keys of a dictionary."""
    one, other = Pattern(rb"Task (\d+) began"), Pattern(rb"Task (\d+) began")
    assert len({one, other, one}) == 2
    with pytest.raises(FrozenInstanceError):
        one.event = "another"  # type: ignore[misc]
    with pytest.raises(TypeError, match="starts_with_literal"):
        Pattern(rb"Task (\d+) began", starts_with_literal=True)  # type: ignore[call-arg]


def test_patterns_that_share_a_literal_share_its_search() -> None:
    began, failed, ended = (Pattern(rb"Task (\d+) " + word) for word in (rb"began (\d+)", rb"failed", rb"began (\w+)"))
    assert by_literal([began, failed, ended]) == [[began, ended], [failed]]
    assert by_literal([]) == []


PAIR = ("x.step", "task", "step")
ANY = rb"task=(?P<task>\S*) step=(?P<step>\S*)"


def test_a_key_may_have_several_groups() -> None:
    lines = (b"task=1 step=2", b"task=2 step=1", b"task=1 step=2", b"task=1 step=3")
    batch = rows(Pattern(ANY, PAIR, "begins"), *lines)
    assert spans(batch) == [("x.step", "1", "2"), ("x.step", "2", "1"), ("x.step", "1", "3")]
    assert list(batch.event_spans) == [0, 1, 0, 2]
    assert list(batch.event_offsets) == [0, 10, 20, 30]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("label", "task", "step"), ("cpu", "1", "2")),
        (("task", "label", "step"), ("1", "cpu", "2")),
        (("task", "step", "label"), ("1", "2", "cpu")),
        (("label", "worker", "step"), ("cpu", "w0", "2")),
        (("step", "label"), ("2", "cpu")),
        (("label",), ("cpu",)),
        ((), ()),
    ],
)
def test_fields_of_the_line_and_of_the_file_make_a_key_in_any_order(
    fields: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    batch = rows(Pattern(ANY, ("x.t", *fields), "seen"), b"task=1 step=2", b"task=1 step=2", label="cpu", worker="w0")
    assert spans(batch) == [("x.t", *expected)]
    assert list(batch.event_spans) == [0, 0]


@pytest.mark.parametrize("key", [("x.t", "task", "step"), ("x.t", "label", "step"), ("x.t", "step")])
def test_a_record_whose_key_has_an_empty_field_is_kept_as_unmatched(key: tuple[str, ...]) -> None:
    batch = rows(Pattern(ANY, key, "seen"), b"task=1 step=2", b"task=7 step= ", label="cpu")
    assert len(spans(batch)) == 1 == len(batch.event_spans)
    assert rejected(batch) == [(EMPTY, 1, 10, "task=7 step=")]
    assert batch.records == 2


def test_an_empty_field_of_the_file_leaves_no_key() -> None:
    batch = rows(Pattern(ANY, ("x.t", "label", "step"), "seen"), b"task=1 step=2", label="")
    assert spans(batch) == []
    assert rejected(batch) == [(EMPTY, 1, 0, "task=1 step=2")]


def test_broken_text_in_a_key_of_several_groups_is_replaced() -> None:
    batch = rows(Pattern(ANY, PAIR, "seen"), b"task=\xff step=2", "task=ü step=ß".encode())
    assert spans(batch) == [("x.step", "\N{REPLACEMENT CHARACTER}", "2"), ("x.step", "ü", "ß")]


def test_a_group_that_took_no_part_is_empty() -> None:
    pattern = Pattern(rb"begin (?P<task>\d+)(?: step (?P<step>\d+))?", PAIR, "begins", literal=b"begin")
    batch = rows(pattern, b"begin 1 step 2", b"begin 1")
    assert spans(batch) == [("x.step", "1", "2")]
    assert rejected(batch) == [(EMPTY, 1, 10, "begin 1")]


def test_each_item_of_a_list_has_its_own_key_parents_and_events() -> None:
    pattern = Pattern(
        rb"sent \[(?P<task>[^\]]*)\] to (?P<worker>\w+)",
        ("x.sent", "worker", "task"),
        "sent",
        (("x.task", "task"), ("x.worker", "worker")),
        each="task",
        literal=b"sent [",
    )
    batch = rows(pattern, b"sent [1, 2] to w0", b"sent [1] to w1")
    sent = [("x.sent", "w0", "1"), ("x.sent", "w0", "2"), ("x.sent", "w1", "1")]
    assert [spans(batch)[span] for span in batch.event_spans] == sent
    assert nested(batch) == {
        (("x.task", "1"), sent[0]): "1",
        (("x.worker", "w0"), sent[0]): "1",
        (("x.task", "2"), sent[1]): "2",
        (("x.worker", "w0"), sent[1]): "2",
        (("x.task", "1"), sent[2]): "1",
        (("x.worker", "w1"), sent[2]): "1",
    }


def test_an_empty_item_of_parsls_list_leaves_the_others() -> None:
    pattern = Pattern(rb"sent \[(?P<task>[^\]]*)\]", ("x.task", "task"), "sent", each="task", literal=b"sent [")
    batch = rows(pattern, b"sent [1, , 3]")
    assert spans(batch) == [("x.task", "1"), ("x.task", "3")]
    assert rejected(batch) == [(EMPTY, 1, 0, "sent [1, , 3]")]
    assert batch.records == 1


@pytest.mark.parametrize(
    ("line", "items"),
    [
        (b"x sent 1,2", ["1", "2"]),
        (b"x sent 1 ,  2,3 ", ["1", "2", "3"]),
        (b"x sent ,1,, 2,", ["1", "2"]),
        (b"x sent one two", ["one two"]),
        (b"x sent ,", []),
        (b"x sent", []),
    ],
)
def test_a_list_of_users_is_written_in_any_way(line: bytes, items: list[str]) -> None:
    pattern = Pattern(rb"sent(?: (?P<task>.+))?", ("x.task", "task"), "sent", each="task", anywhere=True, literal=b"s")
    batch = rows(pattern, line)
    assert spans(batch) == [("x.task", item) for item in items]
    assert rejected(batch) == [] and batch.records == 1


def test_facts_of_the_file_are_attributes_too() -> None:
    pattern = Pattern(ANY, PAIR, "begins", attributes=("app", "step", "host"))
    batch = rows(pattern, b"task=1 step=2", b"task=3 step=4", app="memo", host="")
    assert batch.attributes == {0: {"app": "memo", "step": "2"}, 1: {"app": "memo", "step": "4"}}


def test_broken_text_in_an_attribute_is_replaced() -> None:
    batch = rows(Pattern(ANY, ("x.t", "task"), attributes=("step",)), b"task=1 step=a\xffb")
    assert batch.attributes == {0: {"step": "a\N{REPLACEMENT CHARACTER}b"}}


def test_a_span_lies_in_parents_that_have_a_key_and_are_not_itself() -> None:
    parents = (("x.task", "task"), ("x.step", "task", "step"), ("x.run",), ("x.label", "label"))
    pattern = Pattern(rb"task=(?P<task>\S*) step=(?P<step>\S+) of=(?P<of>\S*)", PAIR, "b", (*parents, ("x.of", "of")))
    batch = rows(pattern, b"task=1 step=2 of=", b"task=1 step=3 of=7", label="")
    first, second = ("x.step", "1", "2"), ("x.step", "1", "3")
    assert nested(batch) == {
        (("x.task", "1"), first): "2",
        (("x.run",), first): "2",
        (("x.task", "1"), second): "3",
        (("x.run",), second): "3",
        (("x.of", "7"), second): "3",
    }
    assert rejected(batch) == []


@pytest.mark.parametrize(
    ("key", "name"), [((), "run"), (("step",), "2"), (("task", "step"), "2"), (("label", "task", "step"), "2")]
)
def test_a_span_is_called_in_its_parent_by_the_last_part_of_its_key(key: tuple[str, ...], name: str) -> None:
    batch = rows(Pattern(ANY, ("x.t", *key), "seen", (("x.over", "task"),)), b"task=1 step=2", label="cpu")
    assert list(nested(batch).values()) == [name]


@pytest.mark.parametrize("key", [("x.t", "task"), ("x.t", "label", "task"), ("x.t", "run"), ("x.t", "label", "run"),
                                 ("x.t", "task", "run"), ("x.t",)])  # fmt: skip
def test_a_line_may_name_the_run(key: tuple[str, ...]) -> None:
    pattern = Pattern(rb"run (?P<run>\w*) task (?P<task>\d+)", key, "seen", run="run", literal=b"run ")
    batch = rows(pattern, b"run a task 1", b"run b task 1", b"run a task 1", b"run  task 1", label="cpu")
    values = {"task": "1", "label": "cpu"}
    expected = [("x.t", *((values | {"run": run})[name] for name in key[1:])) for run in ("a", "b")]
    assert spans(batch) == expected
    assert batch.span_runs == ["a", "b"]
    assert list(batch.event_spans) == [0, 1, 0]
    assert rejected(batch) == [(EMPTY, 1, 30, "run  task 1")]


def test_a_line_that_names_its_run_and_a_list() -> None:
    pattern = Pattern(
        rb"run (?P<run>\w+) sent \[(?P<task>[^\]]*)\]", ("x.task", "task"), "sent", each="task", run="run", literal=b"r"
    )
    batch = rows(pattern, b"run a sent [1, 2]", b"run b sent [2]")
    assert [(run, *span) for run, span in zip(batch.span_runs, spans(batch), strict=True)] == [
        ("a", "x.task", "1"),
        ("a", "x.task", "2"),
        ("b", "x.task", "2"),
    ]
    assert list(batch.event_spans) == [0, 1, 2]


def test_patterns_that_share_what_they_have_seen_know_the_spans_of_their_own_keys() -> None:
    batch, seen = Batch("run"), {}  # type: ignore[var-annotated]
    for kind in ("task", "try", "task"):
        pattern = Pattern(rb"number (?P<n>\d+)", (f"x.{kind}", "n"), "seen")
        match = pattern.compiled.match(b"number 7")
        assert match
        Applier(pattern, batch, {}, seen)(Hit(0, 1.0, match, pattern))
    assert spans(batch) == [("x.task", "7"), ("x.try", "7")] and list(batch.event_spans) == [0, 1, 0]


def test_what_lies_in_a_run_that_the_line_names_is_called_by_it() -> None:
    pattern = Pattern(rb"of (?P<id>\S+) task (?P<n>\S+)", ("x.run",), "seen", (("x.all", "n"),), run="id")
    batch = rows(pattern, b"of a task 1", b"of \xff task 1", b"of a task \xfe")
    assert list(zip(batch.span_runs, spans(batch), strict=True)) == [
        ("a", ("x.run",)),
        ("a", ("x.all", "1")),
        ("\ufffd", ("x.run",)),
        ("\ufffd", ("x.all", "1")),
        ("a", ("x.all", "\ufffd")),
    ]
    assert sorted(batch.subspans.values()) == ["a", "a", "\ufffd"]


def test_a_last_part_that_is_no_text_is_called_as_its_key_says() -> None:
    pattern = Pattern(rb"task (?P<n>\S+)", ("x.task", "n"), "seen", (("x.all", "n"),))
    batch = rows(pattern, b"task \xff")
    assert nested(batch) == {(("x.all", "\ufffd"), ("x.task", "\ufffd")): "\ufffd"}
