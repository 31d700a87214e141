"""The files beside managers' transaction logs, cut at every byte, written by several managers, or full of nonsense."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from importers import logfile, manager_statistics, taskgraph, workqueue_debug
from importers.cctools import managers
from importers.reading import read_source
from importers.rows import Batch
from tests.batches import read, reasons, spans
from tests.imports import differences, import_logs, readable
from tests.managers import KEYS, manager_key
from tests.test_run_files import FUNCTION_LOG

WQ_START = b"1795397974057628 10123 MANAGER START\n"
VINE_START = b"1795398403720393 10906 MANAGER 10906 START 0\n"
WQ, VINE = KEYS["workqueue"], KEYS["taskvine"]

STATISTICS = (
    b"# timestamp workers_connected time_send bandwidth\n"
    b"1795397974057557 0 0 1.000000\n"
    b"1795397979588156 1 4896 1.000000\n"
    b"1795397984742304 1 13269 1.000000\n"
    b"1795397990005368 1 20000 1.500000\n"
)
GRAPH = (
    b"# taskvine taskgraph version 2\n"
    b'FILE f-code "/lib/exec_parsl_function.py" 7085\n'
    b'FILE f-1 "/scratch/V-a-2026-g6/0000/function" 5493\n'
    b'FILE f-2 "/scratch/V-a-2026-g6/0000/result" 0\n'
    b'FILE f-3 "/scratch/V-a-2026-g6/0001/function" 10\n'
    b'TASK T1 "python3" INPUTS f-code f-1 OUTPUTS f-2 \n'
    b'TASK T2 "python3" INPUTS f-code f-3 f-2 OUTPUTS \n'
    b"# end\n"
)
DRAWING = (
    b'digraph "taskvine" {\n'
    b"node [style=filled,font=Helvetica,fontsize=10];\n"
    b'"file-f-1" [shape=rect,color=blue,label=""];\n'
    b'"file-f-2" [shape=rect,color=blue,label="a "b".txt"];\n'
    b'"task-1" [color=green,label="1"];\n'
    b'"file-f-1" -> "task-1";\n'
    b'"task-1" -> "file-f-2";\n'
    b'"file-f-2" -> "task-251114384";\n'
    b"}\n"
)
DEBUG = b"2026/11/23 01:39:38.80 work_queue_python[10123]wq: "


def sent(number: int, process: bytes = b"10123") -> bytes:
    prefix = DEBUG.replace(b"10123", process)
    return b"%svm (127.0.0.1:1) needs file /r/000/W/function_data/%04d/function (offset 0 length 74) as 'f'\n" % (
        prefix,
        number,
    )


def changed(task: int, states: bytes = b"WAITING (1) to RUNNING (2)", process: bytes = b"10123") -> bytes:
    return b"%sTask %d state change: %s\n" % (DEBUG.replace(b"10123", process), task, states)


def started(task: int, number: int, process: bytes = b"10123") -> bytes:
    return sent(number, process) + changed(task, process=process)


FILES = {
    "000/W/master_log": STATISTICS,
    "000/W/debug_log": started(1, 0) + started(2, 1) + changed(2, b"RUNNING (2) to WAITING (1)") + started(2, 1),
    "v/performance": STATISTICS,
    "v/taskgraph": GRAPH,
    "w/taskgraph": DRAWING,
    "000/W/function_data/0012/log": FUNCTION_LOG,
    "000/submit_scripts/parsl.W.block-0.1795397977.5.sh.out": b"Found cores : 2\n"
    b"connected to manager vm:1024 via local address 127.0.0.1:37482\n"
    b"connected to manager vm:1024 via local address 127.0.0.1:3\n",
    "000/submit_scripts/parsl.W.block-0.1795397977.5.sh.ec": b"127\n",
}


BESIDE = {
    "master_log": "transaction_log",
    "debug_log": "transaction_log",
    "performance": "transactions",
    "taskgraph": "transactions",
}


def lay(folder: Path, name: str, content: bytes, transactions: bytes | None = None) -> Path:
    """Write a file, and the transaction log beside it if it is a manager's."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if log := BESIDE.get(path.name):
        start = VINE_START if log == "transactions" else WQ_START
        path.with_name(log).write_bytes(start if transactions is None else transactions)
    managers.cache_clear()
    return path


def rows(batch: Batch) -> tuple[object, ...]:
    """Return what a batch holds but its unmatched records."""
    events = zip(batch.event_spans, batch.event_times, batch.event_types, strict=True)
    return (
        batch.records,
        batch.keys,
        batch.attributes_json,
        list(events),
        batch.subspans,
        batch.samples,
        batch.raw_records,
    )


@pytest.mark.parametrize("name", FILES)
def test_only_whole_lines_count_wherever_a_file_ends(tmp_path: Path, name: str) -> None:
    content = FILES[name]
    whole = b""
    for end in range(len(content) + 1):
        if content[:end].endswith(b"\n"):
            whole = content[:end]
        found = read(lay(tmp_path, name, content[:end]))
        cut = content[:end] != whole
        assert ("last line is incomplete" in reasons(found)) == cut
        assert rows(found) == rows(read(lay(tmp_path, name, whole)))
    assert found.records > 0
    assert not found.unmatched


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".sh.ec")])
@pytest.mark.parametrize(
    "junk",
    [
        b"\0\xff\xfe\x80\n",
        b"x" * 3_000_000 + b"\n",
        b"9" * 5000 + b" 1 1 1\n",
        b'FILE f "' * 20_000 + b"\n",
        b'TASK T1 "" INPUTS ' * 20_000 + b"\n",
        b'"file-f" [label="' * 20_000 + b"\n",
        DEBUG + b" needs file /function_data/0001/function " * 20_000 + b"\n",
        DEBUG + b" state change: " * 20_000 + b"\n",
        b"connected to manager  via local address " * 20_000 + b"\n",
        b"1795397974057557 " * 20_000 + b"\n",
        b"1670000000.1 " + b"A" * 100_000 + b"\n",
        b"\n\n",
    ],
    ids=range(12),
)
def test_nonsense_between_the_lines_changes_no_row(tmp_path: Path, name: str, junk: bytes) -> None:
    content = FILES[name]
    clean = read(lay(tmp_path, name, content))
    middle = content.index(b"\n", len(content) // 2) + 1
    found = read(lay(tmp_path, name, content[:middle] + junk + content[middle:]))
    assert rows(found)[:6] == rows(clean)[:6]
    assert [record for _offset, record in found.raw_records] == [record for _offset, record in clean.raw_records]
    if name.endswith(("master_log", "performance", "taskgraph", "log")) and "debug" not in name and junk.strip():
        assert sum(kind.times for kind in found.unmatched.values()) == 1


def test_files_are_imported_alike_in_any_order(tmp_path: Path) -> None:
    for name, content in FILES.items():
        # The two task graphs are of one manager: one is enough.
        if name != "w/taskgraph":
            lay(tmp_path / "logs", name, content)
    import_logs(tmp_path / "a", tmp_path / "logs")
    found = sorted(path for path in (tmp_path / "logs").rglob("*") if path.is_file())
    for path in reversed(found):
        import_logs(tmp_path / "b", path)
    assert not differences(readable(tmp_path / "a"), readable(tmp_path / "b"))
    again = import_logs(tmp_path / "a", tmp_path / "logs")
    assert len(again.unchanged) == len(found) and not again.read


# Statistics


def test_rows_that_can_not_be_read(tmp_path: Path) -> None:
    bad = [
        b"1795397991000000 1 2\n",
        b"1795397991000000 1 2 3 4\n",
        b"1795397991000000 1 x 3\n",
        b"1795397991000000 1 1_0 3\n",
        b"1795397991000000 1 1e400 3\n",
        b"-1 1 1 1\n",
        b"1795397991.5 1 1 1\n",
        b"9999999999999999999 1 1 1\n",
        b"1795397990005368 7 7 7\n",
        b"# comment\n",
        b"1795397991000000\n",
    ]
    batch = read(lay(tmp_path, "000/W/master_log", STATISTICS + b"".join(bad)))
    clean = read(lay(tmp_path, "000/W/master_log", STATISTICS))
    assert rows(batch) == rows(clean)
    assert sum(kind.times for kind in batch.unmatched.values()) == len(bad)
    assert set(reasons(batch)) == {
        "a row in an unknown form",
        "a row that has more or fewer values than the header names",
        "a time that can't be",
        "a second row of the same moment",
    }


@pytest.mark.parametrize("values", [(b"-nan", b"inf"), (b"inf", b"inf"), (b"nan", b"nan")])
def test_a_value_that_is_not_finite_is_left_out_alone(tmp_path: Path, values: tuple[bytes, bytes]) -> None:
    lines = STATISTICS.splitlines(keepends=True)
    lines[2] = lines[2].replace(b"1.000000", values[0])
    lines[3] = lines[3].replace(b"1.000000", values[1])
    batch = read(lay(tmp_path, "000/W/master_log", b"".join(lines)))
    assert set(reasons(batch)) == {"a value that is not finite"}
    assert [(time, value) for _, name, time, value in batch.samples if name == "bandwidth"] == [
        (1795397974.057557, 1.0),
        (1795397990.005368, 1.5),
    ]
    assert [value for _, name, _, value in batch.samples if name == "time_send"] == [0, 0.004896, 0.013269, 0.02]


def test_a_clock_that_is_set_back_starts_the_series_again(tmp_path: Path) -> None:
    earlier = b"1795397975000000 1 5 1.500000\n1795397976000000 1 6 1.500000\n1795397977000000 1 7 1.500000\n"
    batch = read(lay(tmp_path, "000/W/master_log", STATISTICS + earlier))
    assert not batch.unmatched
    bandwidth = [(time, value) for _, name, time, value in batch.samples if name == "bandwidth"]
    assert bandwidth[-2:] == [(1795397990.005368, 1.5), (1795397975.0, 1.5)]


def test_statistics_of_two_managers_in_one_file(tmp_path: Path) -> None:
    second = b"# timestamp tasks_done\n1795399999000000 5\n1795400000000000 6\n"
    # The second manager logs its start just after its first statistics, as a manager does.
    path = lay(
        tmp_path,
        "000/W/master_log",
        STATISTICS + second,
        WQ_START + b"1795399999000071 10200 MANAGER START\n",
    )
    batch = read(path)
    assert not batch.unmatched
    of_metric = {(batch.keys[span], name) for span, name, _time, _value in batch.samples}
    assert of_metric == {
        (WQ, "workers_connected"),
        (WQ, "time_send"),
        (WQ, "bandwidth"),
        (manager_key("10200-1795399999000071"), "tasks_done"),
    }
    alone = read(lay(tmp_path, "000/X/master_log", STATISTICS))
    assert [sample for sample in batch.samples if batch.keys[sample[0]] == WQ] == alone.samples


def test_statistics_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are wanted in parts, the parts together are the whole."""
    path = lay(tmp_path, "000/W/master_log", STATISTICS)
    source = manager_statistics.find(path)
    assert source is not None
    whole = read_source(source).batch
    monkeypatch.setattr(manager_statistics, "blocks", partial(logfile.blocks, size=40))
    parts: list[Batch] = []
    rest = read_source(source, sink=parts.append).batch
    for part in parts:
        part.seal()
    assert len([part for part in parts if part.samples]) > 1
    assert [sample for part in [*parts, rest] for sample in part.samples] == whole.samples
    assert [key for part in [*parts, rest] for key in part.keys] == whole.keys == [WQ]
    assert rest.units == whole.units


def test_statistics_without_their_header(tmp_path: Path) -> None:
    batch = read(lay(tmp_path, "v/performance", STATISTICS.split(b"\n", 1)[1]))
    assert reasons(batch) == ["a row above any header that names its values"]
    assert not batch.samples


def test_files_without_a_transaction_log_are_of_no_manager(tmp_path: Path) -> None:
    for name, module in (
        ("performance", manager_statistics),
        ("taskgraph", taskgraph),
        ("debug_log", workqueue_debug),
    ):
        path = lay(tmp_path, f"x/{name}", b"", b"nothing\n")
        assert module.find(path) is None


def test_a_transaction_log_that_is_gone_or_emptied_while_reading(tmp_path: Path) -> None:
    for name in ("000/W/master_log", "v/taskgraph", "000/W/debug_log"):
        path = lay(tmp_path, name, FILES[name])
        module = {"master_log": manager_statistics, "taskgraph": taskgraph, "debug_log": workqueue_debug}[path.name]
        source = module.find(path)
        assert source is not None
        lay(tmp_path, name, FILES[name], b"")
        batch = Batch(source.run.key)
        module.read(source, batch, lambda size: None)
        assert not batch.span_types
        assert batch.unmatched
        lay(tmp_path, name, FILES[name]).with_name(BESIDE[path.name]).unlink()
        with pytest.raises(OSError, match="No such file"):
            module.read(source, Batch(source.run.key), lambda size: None)


# Task graphs


def test_both_forms_of_a_graph(tmp_path: Path) -> None:
    batch = read(lay(tmp_path, "v/taskgraph", GRAPH))
    assert spans(batch, "taskvine.task") == {
        "1": {"inputs": 2, "outputs": 1, "executor_task": 0},
        # It reads the result of task 1, too.
        "2": {"inputs": 3, "outputs": 0, "depends": [1], "executor_task": 1},
    }
    assert spans(batch, "taskvine.manager") == {VINE: {"staging": "V-a-2026-g6"}}
    assert not batch.unmatched
    # Task 1 goes on with its own file.
    again = b'"file-f-2" -> "task-1";\n' * 2
    drawn = read(lay(tmp_path, "w/taskgraph", DRAWING + again))
    assert not drawn.unmatched
    assert spans(drawn, "taskvine.task") == {
        "1": {"inputs": 2, "outputs": 1},
        "251114384": {"inputs": 1, "outputs": 0, "depends": [1]},
    }
    assert [json.loads(record) for _offset, record in drawn.raw_records] == [
        {"file": "f-1", "manager": VINE, "read_by": [1], "written_by": []},
        {"file": "f-2", "manager": VINE, "source": 'a "b".txt', "read_by": [251114384, 1], "written_by": [1]},
    ]


def test_a_graph_of_one_of_several_managers_gives_nothing(tmp_path: Path) -> None:
    two = VINE_START + b"1795399999000000 11000 MANAGER 11000 START 0\n"
    batch = read(lay(tmp_path, "v/taskgraph", GRAPH, two))
    assert not batch.span_types and not batch.raw_records and not batch.records
    assert reasons(batch) == ["of which of the managers in the transaction log it is, is not known"]


def test_a_task_with_the_files_of_two_executor_tasks(tmp_path: Path) -> None:
    batch = read(lay(tmp_path, "v/taskgraph", GRAPH.replace(b"f-code f-1 OUTPUTS", b"f-3 f-1 OUTPUTS")))
    assert reasons(batch) == ["a task with the files of more than one executor task"]
    assert "executor_task" not in spans(batch, "taskvine.task")["1"]
    assert spans(batch, "taskvine.task")["2"]["executor_task"] == 1


def test_files_of_the_user_name_no_executor_task(tmp_path: Path) -> None:
    lines = GRAPH.replace(b" f-2 OUTPUTS", b" f-9 OUTPUTS") + b'FILE f-9 "/data/2023/map" 1\n'
    batch = read(lay(tmp_path, "v/taskgraph", lines))
    assert not batch.unmatched
    assert spans(batch, "taskvine.task")["2"]["executor_task"] == 1
    several = GRAPH + b'FILE f-8 "/data/2023/function" 1\n'
    batch = read(lay(tmp_path, "v/taskgraph", several))
    assert "more than one staging directory: which is the executor's is not known" in reasons(batch)
    assert not spans(batch, "taskvine.manager")


def test_a_file_that_too_many_tasks_write(tmp_path: Path) -> None:
    writers = b"".join(b'"task-%d" -> "file-f";\n' % i for i in range(taskgraph.WRITERS + 1))
    batch = read(lay(tmp_path, "v/taskgraph", writers + b'"file-f" -> "task-999";\n'))
    assert spans(batch, "taskvine.task")["999"] == {"inputs": 1, "outputs": 0}
    assert reasons(batch) == ["a file that too many tasks write: none depends on it"]


# The debug log


@pytest.mark.parametrize("size", [logfile.BLOCK, 50])
def test_what_a_debug_log_says_of_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(workqueue_debug, "blocks", partial(logfile.blocks, size=size))
    log = [
        started(1, 0),
        # Sent, but never started: the next task is not that one.
        sent(7),
        changed(1, b"RUNNING (2) to WAITING (1)"),
        changed(2),
        # What was sent last counts, and only what was sent.
        sent(10) + started(3, 2),
        sent(2) + DEBUG + b"Receiving file /r/function_data/0012/function (size: 1)\n" + changed(3),
        # Contradictions: one task with two functions, one function of two tasks.
        started(4, 3) + changed(4, b"RUNNING (2) to WAITING (1)") + started(4, 5),
        started(5, 6) + started(6, 6),
        # Of another process, in between and unknown to the transaction log.
        sent(8) + started(9, 9, b"77") + changed(8),
        b"2026/11/23 needs file /function_data/0011/function \n" + changed(11),
        b"Task 1 state change: WAITING (1) to RUNNING (2)\n",
    ]
    batch = read(lay(tmp_path, "000/W/debug_log", b"".join(log)))
    assert spans(batch, "workqueue.task") == {
        "1": {"executor_task": 0},
        "3": {"executor_task": 2},
        "8": {"executor_task": 8},
    }
    found = Counter(reason for (reason, _template), kind in batch.unmatched.items() for _ in range(kind.times))
    assert found == {
        "a task with the function of more than one, or of another task's": 3,
        "which manager wrote this is not known": 1,
        "a change of state in an unknown form": 1,
    }
    (last,) = (kind for (reason, _), kind in batch.unmatched.items() if reason.endswith("unknown form"))
    assert (last.offset, last.text) == (len(b"".join(log[:-1])), log[-1].decode().strip())


def test_a_process_with_two_managers_is_told_apart_from_none(tmp_path: Path) -> None:
    twice = WQ_START + b"1795399999000000 10123 MANAGER START\n1795399999500000 10200 MANAGER START\n"
    batch = read(lay(tmp_path, "000/W/debug_log", started(1, 0) + started(1, 1, b"10200"), twice))
    assert spans(batch, "workqueue.task") == {f"{manager_key('10200-1795399999500000')}/1": {"executor_task": 1}}
    assert reasons(batch) == ["which manager wrote this is not known"]
