"""What stands in the records of a Work Queue or TaskVine manager: resources, results, amounts that were measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from importers.pattern import LATEST
from importers.rows import encode, storable

_EXIT_CODE = re.compile(rb"-?\d{1,10}")
_AMOUNTS = ("cores", "gpus", "memory", "disk")

_MEASURED_TIMES = ("time_commit_start", "time_commit_end", "time_worker_start", "time_worker_end")
"""Seconds since 1970, by the clocks of manager and worker: events of the task, named without 'time_'."""


def amounts(text: bytes) -> dict[str, float]:
    """Return the amounts in ``{"disk":[80787,"MB"],"cores":[4,"cores"]}`` by name; empty where it is something else."""
    try:
        found = json.loads(text.decode())
        return {storable(name): amount[0] for name, amount in found.items() if abs(amount[0]) < 1e18}
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError):
        return {}


def text_of(field: bytes) -> str:
    """Return a field as text."""
    return field.decode("utf-8", "replace")


# Many tasks are alike in what follows, so that it is worked out once.


@lru_cache(maxsize=4096)
def asked_of(said: bytes) -> dict[str, Any]:
    """``work FIRST_RESOURCES 1 {"disk":[0,"MB"]}``: before the brace is TaskVine's count of attempts."""
    category, _limits, resources = words(said)
    requested = amounts(resources[resources.find(b"{") :])
    return ({"category": text_of(category)} if category else {}) | ({"requested": requested} if requested else {})


def granted_of(said: bytes) -> dict[str, float]:
    """Return what an attempt may use, of all that there is."""
    found = amounts(said)
    return {name: found[name] for name in _AMOUNTS if name in found}


@lru_cache(maxsize=4096)
def _outcome(result: bytes, code: bytes) -> dict[str, Any]:
    return {"result": text_of(result)} | ({"exit_code": int(code)} if _EXIT_CODE.fullmatch(code) else {})


@lru_cache(maxsize=4096)
def moved_file(direction: bytes, name: bytes, megabytes: bytes | float, is_cached: bool) -> str:
    """Return the attributes of a transfer as JSON."""
    found: dict[str, Any] = {"file": text_of(name), "megabytes": float(megabytes)}
    if direction:
        found["direction"] = text_of(direction)
    if is_cached:
        found["cached"] = True
    return encode(found)


def words(said: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the first two words and the rest, empty where there are fewer."""
    first, second, rest, *_ = (*said.split(None, 2), b"", b"", b"")
    return first, second, rest


def result_of(said: bytes) -> dict[str, Any]:
    """``SUCCESS  0  {} {"wq_input_time":[0.0002,"s"],...}``, which repeats what was retrieved, or less."""
    result, code, _rest = words(said)
    return _outcome(result, code) if result else {}


def retrieved_of(said: bytes) -> dict[str, Any]:
    """``SUCCESS  0  {} {"wq_input_time":[0.0002,"s"],...}``: limits that were exceeded, and what was measured."""
    result, code, rest = words(said)
    if not result:
        return {}
    found = dict(_outcome(result, code))
    limits, _, measured = rest.partition(b" ")
    if limits not in (b"", b"{}"):
        found["limits_exceeded"] = text_of(limits)
    if known := amounts(measured):
        found["measured"] = known
    return found


def moments_of(measured: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Take the times out of what was measured, and yield them by their events' names."""
    for name in _MEASURED_TIMES:
        # Zero where the task never got so far.
        if 0 < (at := measured.pop(name, 0)) < LATEST:
            yield name.removeprefix("time_"), at
