"""Traces of Parsl's DESC branch (2022-11 to 2023): RUN/parsl_tracing.pickle, written when the run ends.

::

    {"events": [(1669383194.39, "DFK_SUBMIT_START", "TASK", 3),
                (1669383194.41, "DFK_LAUNCH_TASK_START", "TRY", (3, 0))],
     "binds": [("TASK", 3, "TRY", (3, 0)), ("TRY", (3, 0), "EXECUTOR_TASK", 17), ("EXECUTOR_TASK", 17, "WQ_TASK", 18)]}

A pickle can hold code that runs when it is loaded, and small ones can be made that never end loading. So no unpickler
touches it: its opcodes are read here, and only the few that plain data needs are known. The file is read whole.

A trace has no run id: it is of the run directory that it lies in. Two DataFlowKernels in one process share a trace,
which does not tell them apart.
"""

from __future__ import annotations

import math
import pickletools
import reprlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from importers.fingerprint import Fingerprint
from importers.keys import surrogate_key
from importers.pattern import LATEST
from importers.rows import Batch, storable
from importers.runs import RUN_LOGS, Run, read_run
from importers.sources import Progress, Source

NAME = "parsl_tracing"
FILE = "parsl_tracing.pickle"

WORKFLOW = "parsl.tracing.workflow"
TASK = "parsl.tracing.TASK"
TRY = "parsl.tracing.TRY"
ROOTS = (TASK,)

LONGEST = 300
"""Characters of a name or of a part of an id: no trace has longer ones."""


def span_type(name: str) -> str:
    """Return the span type of a type in a trace, such as 'parsl.tracing.TRY'. Key: the id, or the parts of one."""
    return f"parsl.tracing.{name}"


def find(path: Path) -> Source | None:
    """Recognise a trace by its name. One that lies alone is of a run that stands for it. Raises OSError."""
    if path.name != FILE:
        return None
    directory = path.absolute().parent
    if any((directory / name).is_file() for name in RUN_LOGS):
        return Source(NAME, path, storable(f"{directory.name}/{FILE}"), read_run(directory))
    # It was written at once, so all of it says which it is.
    content = Fingerprint(path.read_bytes()).hexdigest()
    return Source(NAME, path, FILE, Run(surrogate_key("trace", content), None, None, ""), identity=FILE)


def read(source: Source, batch: Batch, progress: Progress) -> str:
    """Read a trace. Offsets are ordinals in its lists."""
    data = source.path.read_bytes()
    progress(len(data))
    batch.format = "pickle"
    try:
        trace = plain_data(data)
    except NotPlainData as refused:
        batch.reject(str(refused), 0, source.name)
        trace = {}
    if not isinstance(trace, dict):
        batch.reject("the pickle holds no trace, which is a dict", 0, _shown(trace))
        trace = {}
    for name, rows in trace.items():
        add = _LISTS.get(name)
        if add is None or not isinstance(rows, list):
            batch.reject("a part of the trace in an unknown form", 0, _shown({name: rows}))
            continue
        for offset, row in enumerate(rows):
            if isinstance(row, tuple) and len(row) == 4 and add(batch, offset, row):
                batch.records += 1
            else:
                batch.reject(f"one of the {name} in an unknown form", offset, _shown(row))
    return Fingerprint(data).hexdigest()


def _add_event(batch: Batch, offset: int, row: tuple[Any, ...]) -> bool:
    """Add ``(time, name, span type, span id)``. Returns whether it is one."""
    time, name, kind, span_id = row
    key = _key(span_id)
    if not (_is_time(time) and _is_name(name) and _is_name(kind) and key):
        return False
    batch.event(_span(batch, kind, key), float(time), storable(name), offset)
    return True


def _add_bind(batch: Batch, offset: int, row: tuple[Any, ...]) -> bool:
    """Add ``(super type, super id, sub type, sub id)``. Returns whether it is one."""
    outer, outer_id, inner, inner_id = row
    outer_key, inner_key = _key(outer_id), _key(inner_id)
    if not (_is_name(outer) and _is_name(inner) and outer_key and inner_key):
        return False
    superspan, subspan = _span(batch, outer, outer_key), _span(batch, inner, inner_key)
    if superspan == subspan:
        return False
    batch.subspan(superspan, subspan, inner_key[-1])
    return True


_LISTS: dict[str, Callable[[Batch, int, tuple[Any, ...]], bool]] = {"events": _add_event, "binds": _add_bind}


def _span(batch: Batch, kind: str, key: tuple[str, ...]) -> int:
    span = batch.span(span_type(storable(kind)), *key)
    if kind == "TASK":
        batch.subspan(batch.span(WORKFLOW), span, key[-1])
    return span


def _is_time(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= LATEST


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def _key(span_id: object) -> tuple[str, ...]:
    """Return the key that an id makes, the same as the log's: (3, 0) is '3', '0'. Empty where it is none."""
    parts = span_id if isinstance(span_id, tuple) else (span_id,)
    return tuple(map(_key_part, parts)) if all(map(_is_key_part, parts)) else ()


def _is_key_part(value: object) -> bool:
    if isinstance(value, str):
        return _is_name(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def _key_part(value: str | float) -> str:
    return storable(value) if isinstance(value, str) else str(value)


class _Shown(reprlib.Repr):
    """Shows the outside of whatever a pickle can hold, however deep or long that is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 3, 100

    def repr_int(self, x: int, level: int) -> str:
        return str(x) if abs(x) < 1 << 63 else f"{hex(x)[:20]}..."


_shown = _Shown().repr


# Reading a pickle


class NotPlainData(Exception):
    """A pickle that is not read; the message says why."""


_CODE = {
    "GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD", "PERSID", "BINPERSID",
    "EXT1", "EXT2", "EXT4",
}  # fmt: skip
"""Opcodes that name, make or call objects."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {
    "BINFLOAT", "FLOAT", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
}  # fmt: skip
"""Opcodes whose argument is the value."""
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REMEMBER = {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
_RECALL = {"GET", "BINGET", "LONG_BINGET"}
_FILL = {"APPEND", "APPENDS", "SETITEM", "SETITEMS"}
_MAKE = {"TUPLE", "LIST", "DICT", "EMPTY_LIST", "EMPTY_DICT", "MARK"}
_PLAIN = {"PROTO", "FRAME", "STOP"}.union(_CONSTANTS, _VALUES, _TUPLES, _REMEMBER, _RECALL, _FILL, _MAKE)

_NAMES = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}
_OPCODES: dict[bytes, tuple[str, Callable[[BytesIO], Any] | None]] = {
    opcode.code.encode("latin-1"): (opcode.name, opcode.arg.reader if opcode.arg else None)
    for opcode in pickletools.opcodes
    if opcode.name in _PLAIN
}


def plain_data(pickle: bytes) -> Any:
    """Return the value of a pickle of any protocol made of None, numbers, texts, tuples, lists and dicts of texts.

    Takes time and memory in proportion to its length. Raises NotPlainData for any other, and one that is cut off.
    """
    try:
        return _value(_operations(pickle))
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as fault:
        raise NotPlainData("the pickle is cut off or damaged; nothing of it was imported") from fault


def _operations(pickle: bytes) -> Iterator[tuple[str, Any]]:
    """Yield each opcode's name and argument, up to the last. Raises NotPlainData, and ValueError where it is cut."""
    file = BytesIO(pickle)
    name = ""
    while name != "STOP":
        code = file.read(1)
        if code not in _OPCODES:
            raise NotPlainData(_refusal(code))
        name, argument = _OPCODES[code]
        yield name, argument(file) if argument else None


def _refusal(code: bytes) -> str:
    name = _NAMES.get(code, "")
    if name in _CODE:
        return f"the pickle holds code or objects ({name}), which are never run; nothing of it was imported"
    if name:
        return f"the pickle holds what no trace does ({name}); nothing of it was imported"
    return "the pickle is cut off or damaged; nothing of it was imported"


def _value(operations: Iterator[tuple[str, Any]]) -> Any:
    """Return what a pickle's opcodes make: each takes from a stack, or puts onto it."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks under each mark
    memo: dict[int, Any] = {}
    for name, argument in operations:
        if name in _VALUES:
            stack.append(argument)
        elif name in _RECALL:
            stack.append(memo[argument])
        elif name in _REMEMBER:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name in ("TUPLE", "LIST", "DICT"):
            items, stack = stack, below.pop()
            stack.append(tuple(items) if name == "TUPLE" else items if name == "LIST" else _dict(items))
        elif name in ("APPENDS", "SETITEMS"):
            items, stack = stack, below.pop()
            _fill(stack[-1], name, items)
        elif name in ("APPEND", "SETITEM"):
            count = 1 if name == "APPEND" else 2
            items, stack[-count:] = stack[-count:], []
            _fill(stack[-1], f"{name}S", items)
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise ValueError("a tuple of more than there is")
            stack[-count:] = [tuple(stack[-count:])]
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
    (value,) = stack
    return value


def _fill(container: Any, name: str, items: list[Any]) -> None:
    """Add items to a list, or to a dict. Raises TypeError where it is none."""
    if name == "APPENDS" and isinstance(container, list):
        container.extend(items)
    elif name == "SETITEMS" and isinstance(container, dict):
        container.update(_dict(items))
    else:
        raise TypeError("not a container of this kind")


def _dict(items: list[Any]) -> dict[str, Any]:
    """Return a dict of keys and values in turn. Only texts are keys: hashing nested tuples can take for ever."""
    keys = items[::2]
    if not all(isinstance(key, str) for key in keys):
        raise TypeError("a key that is no text")
    return dict(zip(keys, items[1::2], strict=True))
