"""parsl_tracing.pickle: its rows, what it joins to, and pickles that are made to do harm."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers import parsl_tracing
from importers.formats import FORMATS
from importers.parsl_tracing import FILE, NotPlainData, plain_data
from importers.reading import ReadSource, read_source
from importers.runs import read_run
from importers.sources import find_sources
from tests import runs
from tests.imports import copied, differences, dnpc, every_row, import_logs, names_in, query, readable
from tests.runs import DATA

Trace = dict[str, list[tuple[Any, ...]]]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def trace_of(run: runs.Run) -> Trace:
    """Make the trace of a run: a task's submission, its tries and their executor tasks, just after the log's events."""
    trace: Trace = {"events": [], "binds": []}
    begun: dict[int, float] = {}
    for state in run.states:
        begun.setdefault(state.task, state.time)
    for task, at in begun.items():
        trace["events"] += [(at + 1e-6, "DFK_SUBMIT_START", "TASK", task), (at + 2e-6, "DFK_SUBMIT_END", "TASK", task)]
    for launch in run.launches:
        attempt = (launch.task, launch.try_id)
        trace["events"].append((launch.time + 1e-6, "DFK_LAUNCH_TASK_START", "TRY", attempt))
        trace["binds"].append(("TASK", launch.task, "TRY", attempt))
        if launch.executor_task is not None:
            trace["binds"].append(("TRY", attempt, "EXECUTOR_TASK", launch.executor_task))
            trace["events"].append((launch.time + 2e-6, "WQEX_SUBMIT_END", "EXECUTOR_TASK", launch.executor_task))
    return trace


def text_of(span_id: Any) -> str:
    return "/".join(map(str, span_id)) if isinstance(span_id, tuple) else str(span_id)


def written(path: Path, trace: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(trace, protocol=protocol))
    return path


def read(path: Path) -> ReadSource:
    read_run.cache_clear()
    (source,) = find_sources([path], FORMATS.values(), [], Counter())
    assert source.importer == "parsl_tracing"
    return read_source(source)


def events(database: Path) -> Counter[tuple[Any, ...]]:
    return Counter(
        query(
            database,
            """SELECT event.time, event.type, span.type, key FROM event JOIN spans ON spans.uuid = span_uuid
               JOIN span ON span.uuid = span_uuid WHERE span.type LIKE 'parsl.tracing.%'""",
        )
    )


def expected_events(trace: Trace) -> Counter[tuple[Any, ...]]:
    return Counter((at, name, f"parsl.tracing.{kind}", text_of(key)) for at, name, kind, key in trace["events"])


def binds(database: Path) -> set[tuple[Any, ...]]:
    return set(
        query(
            database,
            """SELECT s.type, a.key, t.type, b.key, subspans.key FROM subspans
               JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
               JOIN span s ON s.uuid = a.uuid JOIN span t ON t.uuid = b.uuid WHERE t.type LIKE 'parsl.tracing.%'""",
        )
    )


def expected_binds(trace: Trace, run: str) -> set[tuple[Any, ...]]:
    found = {
        (f"parsl.tracing.{a}", text_of(x), f"parsl.tracing.{b}", text_of(y), text_of(y).split("/")[-1])
        for a, x, b, y in trace["binds"]
    }
    tasks = {key for _, _, kind, key in trace["events"] if kind == "TASK"}
    return found | {("parsl.tracing.workflow", run, "parsl.tracing.TASK", str(n), str(n)) for n in tasks}


# A trace beside the logs of its run


@pytest.mark.parametrize("number", ["000", "001"])
def test_a_trace_in_a_run_directory(tmp_path: Path, database: Path, number: str) -> None:
    folder = copied(DATA / "runinfo" / number, tmp_path / number)
    run = runs.read_run(folder)
    trace = trace_of(run)
    assert run.run_id and len(trace["events"]) > 50 and len(trace["binds"]) > 25
    written(folder / FILE, trace)
    import_logs(database, folder)
    assert events(database) == expected_events(trace)
    assert binds(database) == expected_binds(trace, run.run_id)
    assert query(database, "SELECT DISTINCT runs.key FROM spans JOIN runs ON runs.id = run") == [(run.run_id,)]
    found = query(database, f"SELECT records, events, unmatched, path FROM sources WHERE path LIKE '%{FILE}'")
    assert found == [(len(trace["events"]) + len(trace["binds"]), len(trace["events"]), 0, f"{number}/{FILE}")]


def test_facets_to_the_log_and_event_sequences(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "runinfo" / "000", tmp_path / "000")
    run = runs.read_run(folder)
    trace = trace_of(run)
    written(folder / FILE, trace)
    import_logs(database, folder)
    facets = query(
        database,
        """SELECT l.type, a.key, r.type, b.key FROM facet JOIN span l ON l.uuid = left_uuid
           JOIN span r ON r.uuid = right_uuid JOIN spans a ON a.uuid = left_uuid JOIN spans b ON b.uuid = right_uuid
           WHERE r.type LIKE 'parsl.tracing.%'""",
    )
    same = {("task", str(task), "TASK", str(task)) for task in run.tasks}
    same |= {("try", f"{x.task}/{x.try_id}", "TRY", f"{x.task}/{x.try_id}") for x in run.launches}
    same |= {("workflow", run.run_id or "", "workflow", run.run_id or "")}
    assert Counter(facets) == Counter((f"parsl.rundir.{a}", x, f"parsl.tracing.{b}", y) for a, x, b, y in same)
    # The sequence of a task in the log holds the events of the trace.
    expected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, name, kind, key in trace["events"]:
        if kind != "EXECUTOR_TASK":
            expected[str(key[0] if isinstance(key, tuple) else key)][f"parsl.tracing.{kind}/{name}"] += 1
    for launch in run.launches:
        if launch.executor_task is not None:
            expected[str(launch.task)]["parsl.tracing.EXECUTOR_TASK/WQEX_SUBMIT_END"] += 1
    for root in ("parsl.rundir.task", "parsl.tracing.TASK"):
        found = query(
            database,
            """SELECT spans.key, sequence FROM sequences JOIN spans ON spans.id = root
               JOIN variants ON variants.id = variant JOIN span USING (uuid) WHERE span.type = ?""",
            root,
        )
        assert len(found) == len(run.tasks)
        for task, sequence in found:
            states = Counter(json.loads(sequence))
            assert Counter({k: n for k, n in states.items() if k.startswith("parsl.tracing")}) == expected[task]
            assert any(state.startswith("parsl.rundir") for state in states)
    joins = query(
        database,
        """SELECT l.name, sum(made), sum(missing) FROM joins JOIN span_types l ON l.id = left_type
           JOIN span_types r ON r.id = right_type WHERE kind = 'facet' AND r.name LIKE 'parsl.rundir.%'
           AND l.name LIKE 'parsl.tracing.%' GROUP BY 1""",
    )
    # The workflow's span in the trace has no event.
    assert joins == [("parsl.tracing.TASK", len(run.tasks), 0), ("parsl.tracing.TRY", len(run.launches), 0)]


def test_order_place_and_repetition_do_not_matter(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "runinfo" / "000", tmp_path / "000")
    written(folder / FILE, trace_of(runs.read_run(folder)))
    import_logs(database, folder)
    first = every_row(database)
    import_logs(database, folder)
    assert every_row(database) == first
    paths = [folder / FILE, folder / "parsl.log", folder / "htex_Local", folder / "submit_scripts"]
    for number, order in enumerate((paths, paths[::-1])):
        other = tmp_path / f"{number}.sqlite3"
        for path in filter(Path.exists, order):
            import_logs(other, path)
        assert differences(readable(other), readable(database)) == {}
    moved = tmp_path / "moved.sqlite3"
    import_logs(moved, copied(folder, tmp_path / "elsewhere" / "000"))
    assert differences(readable(moved), readable(database)) == {}


# A trace by itself


SMALL: Trace = {
    "events": [
        (1669383194.25, "DFK_SUBMIT_START", "TASK", 3),
        (1669383194.5, "DFK_LAUNCH_TASK_START", "TRY", (3, 0)),
        (1669383194.5, "DFK_LAUNCH_TASK_START", "TRY", (3, 0)),
        (1669383195, "WQEX_SUBMIT_END", "EXECUTOR_TASK", 17),
        (1669383196.0, "DONE", "WQ_TASK", "18"),
        (1669383197.0, "\N{GREEK SMALL LETTER ALPHA}", "OTHER", 1.5),
    ],
    "binds": [
        ("TASK", 3, "TRY", (3, 0)),
        ("TRY", (3, 0), "EXECUTOR_TASK", 17),
        ("EXECUTOR_TASK", 17, "WQ_TASK", "18"),
        ("TASK", 4, "TASK", 5),
    ],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_lone_trace_of_any_protocol(tmp_path: Path, database: Path, protocol: int) -> None:
    path = written(tmp_path / FILE, SMALL, protocol)
    import_logs(database, path)
    assert events(database) == expected_events(SMALL)
    ((run,),) = query(database, "SELECT key FROM runs")
    held = expected_binds(SMALL, run)
    # Tasks that only a bind names are tasks of the workflow, too.
    assert binds(database) == held | {("parsl.tracing.workflow", run, "parsl.tracing.TASK", n, n) for n in ("4", "5")}
    assert query(database, "SELECT records, unmatched, sources.events FROM sources") == [(10, 0, 6)]
    assert query(database, "SELECT n FROM events JOIN event_types ON id = type WHERE name LIKE '%LAUNCH%'") == [
        (0,),
        (1,),
    ]
    assert query(database, "SELECT offset FROM events ORDER BY offset") == [(n,) for n in range(6)]
    # The same in another folder is the same source of the same run.
    moved = tmp_path / "elsewhere" / FILE
    moved.parent.mkdir()
    shutil.copy(path, moved)
    before = every_row(database)
    import_logs(database, moved)
    assert every_row(database) == before


def test_other_files_are_not_taken(tmp_path: Path) -> None:
    assert parsl_tracing.find(written(tmp_path / "other.pickle", SMALL)) is None


def test_two_lone_traces_are_two_runs(tmp_path: Path, database: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / FILE, {"events": [(1669383194.25, name, "TASK", 0)], "binds": []})
    import_logs(database, tmp_path)
    assert query(database, "SELECT count(*) FROM runs") == [(2,)]


# Pickles


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_data_is_what_was_pickled(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol=protocol)
    assert repr(plain_data(data)) == repr(pickle.loads(data))


def test_parts_that_are_shared_stay_shared() -> None:
    shared = [1]
    found = plain_data(pickle.dumps({"a": shared, "b": [shared, shared]}))
    assert found == {"a": [1], "b": [[1], [1]]} and found["a"] is found["b"][0] is found["b"][1]


def test_memo_numbers_in_any_order() -> None:
    assert plain_data(b"\x80\x02K\x01q\x05K\x02q\x09h\x05\x87.") == (1, 2, 1)


class Reduced:
    """Runs a function of its choice when it is unpickled."""

    def __init__(self, *calls: Any) -> None:
        self._calls = calls

    def __reduce__(self) -> Any:
        return self._calls[0], self._calls[1:]


class Plain:
    """An object of a class of its own."""


CODE: dict[str, Callable[[Path], bytes]] = {
    "function": lambda path: pickle.dumps({"events": [Reduced(Path.touch, path)], "binds": []}),
    "protocol 0": lambda path: pickle.dumps({"events": [Reduced(Path.touch, path)]}, protocol=0),
    "system": lambda path: f"cos\nsystem\n(S'touch {path}'\ntR.".encode(),
    "inst": lambda path: f"(Vtouch {path}\nios\nsystem\n.".encode(),
    "obj": lambda path: f"(cos\nsystem\nVtouch {path}\no.".encode(),
    "class": lambda path: pickle.dumps({"events": [(1.5, "a", "TASK", Plain())], "binds": []}),
    "fraction": lambda path: pickle.dumps({"events": [(Fraction(3, 2), "a", "TASK", 1)], "binds": []}),
    "global": lambda path: b"cbuiltins\nprint\n.",
    "stack global": lambda path: b"\x80\x04\x8c\x08builtins\x8c\x05print\x93.",
    "newobj": lambda path: b"\x80\x02)\x81.",
    "newobj_ex": lambda path: b"\x80\x04)}\x92.",
    "build": lambda path: b"\x80\x02}}b.",
    "persistent id": lambda path: b"P1\n.",
    "binary persistent id": lambda path: b"\x80\x04K\x01Q.",
    "extension 1": lambda path: b"\x80\x02\x82\x01.",
    "extension 2": lambda path: b"\x80\x02\x83\x01\x00.",
    "extension 4": lambda path: b"\x80\x02\x84\x01\x00\x00\x00.",
}


@pytest.mark.parametrize("kind", list(CODE))
@pytest.mark.parametrize("after_the_end", [False, True])
def test_code_and_objects_are_never_made(tmp_path: Path, database: Path, kind: str, after_the_end: bool) -> None:
    mark = tmp_path / "mark"
    folder = tmp_path / "alone"
    folder.mkdir()
    # What comes after the first pickle's end is not read at all, by any reader.
    content = pickle.dumps(SMALL) if after_the_end else b""
    (folder / FILE).write_bytes(content + CODE[kind](mark))
    result = dnpc("import", folder, "--db", database)
    assert not mark.exists() and names_in(tmp_path) == ["alone", "dnpc.sqlite3"]
    if after_the_end:
        assert result.exit_code == 0 and events(database) == expected_events(SMALL)
        return
    assert result.exit_code == 1
    assert "code or objects (" in result.output and "never run" in result.output
    assert query(database, "SELECT count(*) FROM spans") == [(0,)]


OTHER: dict[str, bytes] = {
    "bytes": pickle.dumps(b"abc"),
    "bytearray": pickle.dumps(bytearray(b"abc"), protocol=5),
    "set": pickle.dumps({1, 2}),
    "frozenset": pickle.dumps(frozenset({1, 2})),
    "out of band": pickle.dumps(pickle.PickleBuffer(b"abc"), protocol=5, buffer_callback=lambda buffer: None),
    "text of Python 2": b"S'abc'\np0\n.",
    "dup": b"\x80\x02K\x012\x86.",
    "pop": b"\x80\x02K\x01K\x020.",
    "pop mark": b"\x80\x02K\x01(K\x021.",
}

DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello\n",
    "zeros": b"\0" * 1000,
    "every byte": bytes(range(256)),
    "no stop": b"\x80\x04K\x01",
    "stop of nothing": b".",
    "two values": b"\x80\x04K\x01K\x02.",
    "open mark": b"\x80\x04(K\x01",
    "tuple without a mark": b"\x80\x04t.",
    "tuple of nothing": b"\x80\x04\x86.",
    "append to nothing": b"\x80\x04K\x01a.",
    "append to a number": b"\x80\x04K\x01K\x02a.",
    "set item of a list": b"\x80\x04]K\x01K\x02s.",
    "odd items": b"\x80\x04}(\x8c\x01au.",
    "unknown memo": b"\x80\x04h\x05.",
    "memo of nothing": b"\x80\x04\x94.",
    "bad number": b"\x80\x00Fabc\n.",
    "bad integer": b"Iabc\n.",
    "long number": b"L" + b"9" * 10_000 + b"L\n.",
    "negative length": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "huge length of an integer": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "huge length of a text": b"\x80\x04X\xff\xff\xff\xffabc.",
    "larger length of a text": b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.",
    "large length of a text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 45) + b"abc.",
    "text that is none": b"\x80\x04\x8c\x02\xff\xfe.",
    "bad escape": b"V\\ud8\n.",
    "unhashable key": b"\x80\x04}]K\x01s.",
}


@pytest.mark.parametrize("data", [*OTHER.values(), *DAMAGED.values()], ids=[*OTHER, *DAMAGED])
def test_pickles_of_other_things_and_damaged_ones(tmp_path: Path, database: Path, data: bytes) -> None:
    with pytest.raises(NotPlainData):
        plain_data(data)
    (tmp_path / FILE).write_bytes(data)
    result = dnpc("import", tmp_path / FILE, "--db", database)
    assert result.exit_code == 1 and "nothing of it was imported" in result.output.replace("\n", " ")
    # Beside an intact run, it changes nothing.
    folder = copied(DATA / "two-htex", tmp_path / "two-htex")
    (folder / "000" / FILE).write_bytes(data)
    other, intact = tmp_path / "other.sqlite3", tmp_path / "intact.sqlite3"
    assert dnpc("import", folder, "--db", other).exit_code == 0
    import_logs(intact, DATA / "two-htex")
    assert differences(readable(other, "sources", "unmatched"), readable(intact, "sources", "unmatched")) == {}


def nested_tuples(depth: int) -> bytes:
    """Return the opcodes of a tuple of itself twice, and so on: 2 ** depth leaves in a few bytes."""
    return b")\x94" + b"".join(b"h" + bytes([n]) + b"\x86\x94" for n in range(depth))


BOMBS: dict[str, bytes] = {
    # The usual unpickler allocates gigabytes for this index alone.
    "memo index": b"\x80\x02K\x01r\xff\xff\xff\xff0.",
    "memo index of a value": b"\x80\x02K\x01r\xff\xff\xff\xff.",
    "text memo index": b"I1\np" + b"9" * 18 + b"\n.",
    # Hashing takes 2 ** 90 steps.
    "key": b"\x80\x04}" + nested_tuples(90) + b"K\x01s.",
    "keys": b"\x80\x04}(" + nested_tuples(90) + b"K\x01u.",
    "key of a dict": b"\x80\x02(" + nested_tuples(90) + b"K\x01d.",
    # So does showing it.
    "pickle": b"\x80\x04" + nested_tuples(90) + b".",
    "value": b"\x80\x04}\x8c\x06events" + nested_tuples(90) + b"s.",
    "event": b"\x80\x04}\x8c\x06events](" + nested_tuples(90) + b"es.",
    "lists in lists": b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "tuples in tuples": b"\x80\x04)" + b"\x85" * 200_000 + b".",
    "dicts in dicts": b"\x80\x04}" + b"\x8c\x01a}" * 200_000 + b"s" * 200_000 + b".",
    "marks": b"\x80\x04" + b"(" * 1_000_000,
    "a list in itself": b"\x80\x04]\x94h\0a.",
    "a dict in itself": b"\x80\x04}\x94\x8c\x06eventsh\0s.",
    "events in themselves": b"\x80\x04}\x8c\x06events]\x94h\0as.",
}


@pytest.mark.parametrize("kind", list(BOMBS))
def test_small_pickles_that_grow_or_never_end(tmp_path: Path, database: Path, kind: str) -> None:
    (tmp_path / FILE).write_bytes(BOMBS[kind])
    tracemalloc.start()
    try:
        result = dnpc("import", tmp_path / FILE, "--db", database)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.exit_code == 1 and "Nothing in these files was understood" in result.output
    assert most < 300_000_000
    assert query(database, "SELECT max(length(text)) < 1000 FROM unmatched") == [(1,)]


def test_an_id_of_tuples_without_end_loses_no_other(tmp_path: Path) -> None:
    event = b"(G?\xf8\0\0\0\0\0\0\x8c\x01a\x8c\x04TASKh\x3ct"
    intact = b"(G?\xf8\0\0\0\0\0\0\x8c\x01a\x8c\x04TASKK\x07t"
    (tmp_path / FILE).write_bytes(
        b"\x80\x04}(\x8c\x01x" + nested_tuples(60) + b"\x8c\x06events](" + event + intact + b"eu."
    )
    batch = read(tmp_path / FILE).batch
    assert batch.records == 1 and "7" in batch.keys
    assert sorted(reason for reason, _ in batch.unmatched) == [
        "a part of the trace in an unknown form",
        "one of the events in an unknown form",
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_trace_cut_at_every_byte(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / FILE
    whole = pickle.dumps(SMALL, protocol=protocol)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        batch = read(path).batch
        assert batch.records == 0 and not batch.span_types
        assert [reason for reason, _ in batch.unmatched] == [
            "the pickle is cut off or damaged; nothing of it was imported"
        ]
    path.write_bytes(whole)
    assert read(path).batch.records == 10


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_traces_that_were_damaged(data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps(SMALL, protocol=data.draw(st.sampled_from(PROTOCOLS))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not whole:
            break
    try:
        plain_data(bytes(whole))
    except NotPlainData:
        return


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_anything_as_a_pickle(data: bytes) -> None:
    try:
        plain_data(data)
    except NotPlainData:
        return


# Traces of another shape


@pytest.mark.parametrize(
    "trace",
    [None, 1, "a", [], (), {}, [SMALL], {"events": None}, {"events": {}}, {"events": "abc", "binds": 5}, {"other": []},
     {"events": [], "binds": []}],
    ids=repr,
)  # fmt: skip
def test_pickles_that_are_no_trace(tmp_path: Path, database: Path, trace: Any) -> None:
    result = dnpc("import", written(tmp_path / FILE, trace), "--db", database)
    assert result.exit_code == 1 and "Nothing in these files was understood" in result.output
    assert query(database, "SELECT sum(count) FROM unmatched") >= [(1,)]


HUGE = 10**5000
BAD_EVENTS: list[Any] = [
    None, 5, "abcd", (), (1.5,), (1.5, "a", "TASK"), (1.5, "a", "TASK", 1, 2), [1.5, "a", "TASK", 1], {"a": 1},
    ("1.5", "a", "TASK", 1), (None, "a", "TASK", 1), (True, "a", "TASK", 1), (-0.5, "a", "TASK", 1),
    (1e11 + 1, "a", "TASK", 1), (float("nan"), "a", "TASK", 1), (float("inf"), "a", "TASK", 1), (HUGE, "a", "TASK", 1),
    ((1.5,), "a", "TASK", 1),
    (1.5, 1, "TASK", 1), (1.5, None, "TASK", 1), (1.5, "", "TASK", 1), (1.5, "a" * 301, "TASK", 1),
    (1.5, ("a",), "TASK", 1),
    (1.5, "a", 1, 1), (1.5, "a", "", 1), (1.5, "a", None, 1), (1.5, "a", "T" * 301, 1), (1.5, "a", ["TASK"], 1),
    (1.5, "a", "TASK", None), (1.5, "a", "TASK", True), (1.5, "a", "TASK", ()), (1.5, "a", "TASK", ""),
    (1.5, "a", "TASK", [1]), (1.5, "a", "TASK", {}), (1.5, "a", "TASK", (1, (2,))), (1.5, "a", "TASK", (1, None)),
    (1.5, "a", "TASK", HUGE), (1.5, "a", "TASK", -HUGE), (1.5, "a", "TASK", 1 << 63), (1.5, "a", "TASK", (1, HUGE)),
    (1.5, "a", "TASK", float("nan")), (1.5, "a", "TASK", float("inf")), (1.5, "a", "TASK", "i" * 301),
]  # fmt: skip


@pytest.mark.parametrize("event", BAD_EVENTS)
def test_an_event_of_another_shape_loses_no_other(tmp_path: Path, database: Path, event: Any) -> None:
    trace = {"events": [SMALL["events"][0], event, SMALL["events"][1]], "binds": []}
    assert dnpc("import", written(tmp_path / FILE, trace), "--db", database).exit_code == 0
    assert events(database) == expected_events({"events": SMALL["events"][:2]})
    assert query(database, "SELECT reason, count, offset FROM unmatched") == [
        ("one of the events in an unknown form", 1, 1)
    ]


BAD_BINDS: list[Any] = [
    None, (), ("TASK", 3, "TRY"), ("TASK", 3, "TRY", None), ("TASK", None, "TRY", 3), (1, 3, "TRY", 3),
    ("TASK", 3, 2, 3), ("TASK", [3], "TRY", 3), ["TASK", 3, "TRY", 3], ("TASK", 3, "TASK", 3),
]  # fmt: skip


@pytest.mark.parametrize("bind", BAD_BINDS, ids=repr)
def test_a_bind_of_another_shape_loses_no_other(tmp_path: Path, database: Path, bind: Any) -> None:
    trace = {"events": SMALL["events"][:1], "binds": [SMALL["binds"][0], bind, SMALL["binds"][1]]}
    assert dnpc("import", written(tmp_path / FILE, trace), "--db", database).exit_code == 0
    ((run,),) = query(database, "SELECT key FROM runs")
    assert binds(database) == expected_binds({"events": SMALL["events"][:1], "binds": SMALL["binds"][:2]}, run)
    assert query(database, "SELECT reason, count, offset FROM unmatched") == [
        ("one of the binds in an unknown form", 1, 1)
    ]


def test_names_and_ids_of_all_kinds(tmp_path: Path, database: Path) -> None:
    odd = ["\ud800", "\0", "a/b", "'; DROP TABLE spans; --", "\x1b[2J", "\u202e", " ", "%s", "3/0"]
    trace = {"events": [(1.5 + i, text, text, (text, i)) for i, text in enumerate(odd)], "binds": []}
    assert dnpc("import", written(tmp_path / FILE, trace), "--db", database).exit_code == 0
    assert query(database, "SELECT count(*) FROM event") == [(len(odd),)]
    assert dnpc("sources", "--db", database).exit_code == 0


def test_binds_in_a_circle(tmp_path: Path, database: Path) -> None:
    ring = [("TASK", i, "TASK", (i + 1) % 3) for i in range(3)]
    trace = {"events": [(1.5 + i, "a", "TASK", i) for i in range(3)], "binds": ring}
    assert dnpc("import", written(tmp_path / FILE, trace), "--db", database).exit_code == 0
    assert query(database, "SELECT sequence FROM variants") == [(json.dumps(["parsl.tracing.TASK/a"] * 3),)]
