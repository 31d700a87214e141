"""What stands in single records of tasks and transfers, also where less stands there than usual."""

from __future__ import annotations

import json
from typing import Any

import pytest

from importers import record_fields
from importers.record_fields import (
    amounts,
    asked_of,
    granted_of,
    moments_of,
    moved_file,
    result_of,
    retrieved_of,
    text_of,
    words,
)


def test_a_field_that_is_no_utf_8_is_text_all_the_same() -> None:
    assert text_of("é".encode() + b"\xff") == "é\ufffd"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"", (b"", b"", b"")),
        (b" \t", (b"", b"", b"")),
        (b"one", (b"one", b"", b"")),
        (b" one\t two ", (b"one", b"two", b"")),
        (b"one two three  four", (b"one", b"two", b"three  four")),
    ],
)
def test_words(said: bytes, found: tuple[bytes, bytes, bytes]) -> None:
    assert words(said) == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"", {}),
        (b"work", {"category": "work"}),
        (b"work F", {"category": "work"}),
        (b'work F {"disk":[0,"MB"]}', {"category": "work", "requested": {"disk": 0}}),
        (b'work F 12 {"disk": [0, "MB"], "cores": [1.5, "cores"]}',
         {"category": "work", "requested": {"disk": 0, "cores": 1.5}}),
        (b"work F 12", {"category": "work"}),
        (b"\xff F {}", {"category": "\ufffd"}),
    ],
)  # fmt: skip
def test_what_a_task_asks_for(said: bytes, found: dict[str, Any]) -> None:
    assert asked_of(said) == found


def test_what_an_attempt_is_granted_is_known_by_name() -> None:
    said = b'{"memory":[3,"MB"],"gpus":[0,"gpus"],"tasks":[9,"tasks"],"disk":[2,"MB"],"cores":[1,"cores"]}'
    assert granted_of(said) == {"cores": 1, "gpus": 0, "memory": 3, "disk": 2}
    assert granted_of(b'{"memory":[3,"MB"]}') == {"memory": 3}
    assert granted_of(b"") == {}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"", {}),
        (b"SUCCESS", {"result": "SUCCESS"}),
        (b"SUCCESS  0 ", {"result": "SUCCESS", "exit_code": 0}),
        (b"SIGNAL -11", {"result": "SIGNAL", "exit_code": -11}),
        (b"SUCCESS 1234567890", {"result": "SUCCESS", "exit_code": 1234567890}),
        (b"SUCCESS 12345678901", {"result": "SUCCESS"}),
        (b"SUCCESS 0x1", {"result": "SUCCESS"}),
        (b"SUCCESS --1", {"result": "SUCCESS"}),
    ],
)
def test_results(said: bytes, found: dict[str, Any]) -> None:
    """Of a task that is done, and of one that was retrieved, of which no more is told."""
    assert result_of(said) == found
    assert retrieved_of(said) == found
    assert retrieved_of(said + b" {}" if b" " in said else said) == found


@pytest.mark.parametrize(
    ("limits", "measured", "found"),
    [
        (b"{}", b'{"a": [1, "s"], "b": [2, "s"]}', {"measured": {"a": 1, "b": 2}}),
        (b'{"wall":[1,"s"]}', b"{}", {"limits_exceeded": '{"wall":[1,"s"]}'}),
        (b'{"wall":[1,"s"]}', b'{"a":[1,"s"]}', {"limits_exceeded": '{"wall":[1,"s"]}', "measured": {"a": 1}}),
        (b"{}", b"", {}),
    ],
)
def test_what_is_told_of_a_task_that_was_retrieved(limits: bytes, measured: bytes, found: dict[str, Any]) -> None:
    said = b"SUCCESS  0  " + limits + b" " + measured
    assert retrieved_of(said) == {"result": "SUCCESS", "exit_code": 0} | found
    # It is another's each time: what one takes out of it, another task still has.
    retrieved_of(said).clear()
    assert retrieved_of(said) == {"result": "SUCCESS", "exit_code": 0} | found
    assert result_of(said) == {"result": "SUCCESS", "exit_code": 0}


def test_moments_are_taken_out_of_what_was_measured() -> None:
    measured = {"time_commit_start": 5e8, "time_worker_end": 6e8, "time_worker_start": 0.0, "seconds": 7.0}
    assert sorted(moments_of(measured)) == [("commit_start", 5e8), ("worker_end", 6e8)]
    assert measured == {"seconds": 7.0}


def test_amounts_have_a_unit_or_none_and_a_bound() -> None:
    assert amounts(b'{"a":[1],"b":[-2.5,"MB"],"c":[999999999999999999,"B"],"d":[1e19,"B"]}') == {
        "a": 1,
        "b": -2.5,
        "c": 999999999999999999,
    }


@pytest.mark.parametrize(
    ("direction", "is_cached", "found"),
    [
        (b"INPUT", True, {"direction": "INPUT", "cached": True}),
        (b"OUTPUT", False, {"direction": "OUTPUT"}),
        (b"", False, {}),
    ],
)
def test_the_attributes_of_a_transfer(direction: bytes, is_cached: bool, found: dict[str, Any]) -> None:
    told = moved_file(direction, "é a file".encode(), b"0.500000", is_cached)
    assert json.loads(told) == {"file": "é a file", "megabytes": 0.5} | found
    assert told == moved_file(direction, "é a file".encode(), 0.5, is_cached)


@pytest.mark.parametrize("name", ["asked_of", "_outcome", "moved_file"])
def test_what_is_remembered_has_a_bound(name: str) -> None:
    """However many tasks differ in what their records say."""
    assert 0 < getattr(record_fields, name).cache_info().maxsize < 100_000
