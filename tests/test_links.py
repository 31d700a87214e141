"""What ties formats together: every kind of join, on runs of a few spans whose joins are told by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from importers.rows import Batch
from tests.imports import query
from tests.small_runs import SmallRuns, of

WORKFLOW, TASK, TRY = "parsl.rundir.workflow", "parsl.rundir.task", "parsl.rundir.try"
BLOCK, EXECUTOR = "parsl.rundir.block", "parsl.rundir.executor"
MONITORED_BLOCK = "parsl.monitoring.block"
MANAGER = "parsl.executor.htex.manager"
LAYERS = tuple(f"parsl.executor.htex.{layer}.task" for layer in ("interchange", "manager", "worker"))

FACETS = (
    ("parsl.monitoring.workflow", WORKFLOW),
    ("parsl.monitoring.task", TASK),
    ("parsl.monitoring.try", TRY),
    (MONITORED_BLOCK, BLOCK),
    ("parsl.monitoring.node", MANAGER),
    (WORKFLOW, "parsl.tracing.workflow"),
    (TASK, "parsl.tracing.TASK"),
    (TRY, "parsl.tracing.TRY"),
)

Span = str | Callable[[Batch, str], int]


def chain(*spans: str) -> set[tuple[str, str]]:
    """Return each span with the next."""
    return set(pairwise(spans))


@pytest.mark.parametrize(("left", "right"), FACETS)
def test_two_accounts_of_one_thing_are_facets(runs: SmallRuns, left: str, right: str) -> None:
    runs.log("a", {left: ["0", "1", "lone"]})
    runs.log("b", {right: ["0", "1", "another", "third"], "parsl.rundir.other": ["0", "lone"]})
    runs.log("b", {right: ["lone"]}, run="elsewhere")
    runs.link()
    assert runs.facets() == {(f"{left} {key}", f"{right} {key}") for key in ("0", "1")}
    assert runs.joins() == {("a", "facet", left, right): (2, 1), ("b", "facet", right, left): (2, 2)}
    assert runs.joins("elsewhere") == {}


def test_three_accounts_of_one_task(runs: SmallRuns) -> None:
    for log, span_type in (("db", "parsl.monitoring.task"), ("log", TASK), ("trace", "parsl.tracing.TASK")):
        runs.log(log, {span_type: ["0"]})
    runs.link()
    assert runs.facets() == chain("parsl.monitoring.task 0", f"{TASK} 0", "parsl.tracing.TASK 0")


def launched(key: str, executor: str, number: int) -> Span:
    return of(key, (1.0, "launched"), executor=executor, executor_task=number)


@pytest.mark.parametrize("layers", [some for n in (1, 2, 3) for some in combinations(LAYERS, n)])
def test_a_try_holds_the_outermost_layer_that_a_log_tells_of(runs: SmallRuns, layers: tuple[str, ...]) -> None:
    runs.log("parsl", {TRY: [launched("3/0", "cpu", 7), launched("3/1", "gpu", 7), launched("4/0", "cpu", 8)]})
    for layer in layers:
        runs.log(layer, {layer: ["cpu/7", "gpu/7", "cpu/99"]})
    runs.link()
    expected = set()
    for attempt, task in (("3/0", "cpu/7"), ("3/1", "gpu/7")):
        expected |= chain(f"{TRY} {attempt}", *(f"{layer} {task}" for layer in layers))
    assert runs.subspans() == expected | chain(*(f"{layer} cpu/99" for layer in layers))
    joins = {("parsl", "subspan", TRY, layers[0]): (2, 1), (layers[0], "subspan", layers[0], TRY): (2, 1)}
    for outer, inner in pairwise(layers):
        joins |= {(outer, "subspan", outer, inner): (3, 0), (inner, "subspan", inner, outer): (3, 0)}
    assert runs.joins() == joins


def test_a_task_that_one_layer_does_not_tell_of_is_in_the_layer_before(runs: SmallRuns) -> None:
    interchange, manager, worker = LAYERS
    runs.log("parsl", {TRY: [launched(f"{n}/0", "cpu", n) for n in range(4)]})
    runs.log("interchange", {interchange: ["cpu/0", "cpu/1"]})
    runs.log("manager", {manager: ["cpu/0", "cpu/2"]})
    runs.log("worker", {worker: ["cpu/0", "cpu/1", "cpu/2", "cpu/3"]})
    # A run of the same executor, whose interchange tells of more.
    runs.log("interchange", {interchange: ["cpu/2", "cpu/3"]}, run="other")
    runs.link()
    assert runs.subspans() == (
        chain(f"{TRY} 0/0", *(f"{layer} cpu/0" for layer in LAYERS))
        | chain(f"{TRY} 1/0", f"{interchange} cpu/1", f"{worker} cpu/1")
        | chain(f"{TRY} 2/0", f"{manager} cpu/2", f"{worker} cpu/2")
        | chain(f"{TRY} 3/0", f"{worker} cpu/3")
    )


@pytest.mark.parametrize("kind", ["workqueue", "taskvine"])
def test_a_try_holds_the_task_of_its_executor(runs: SmallRuns, kind: str) -> None:
    executor_task = f"parsl.executors.{kind}.executor_task"
    runs.log("parsl", {TRY: [launched("0/0", "WQ", 1), launched("1/0", "WQ", 2)], executor_task: ["WQ/1", "WQ/3"]})
    runs.link()
    assert runs.subspans() == {(f"{TRY} 0/0", f"{executor_task} WQ/1")}
    assert runs.joins() == {
        ("parsl", "subspan", TRY, executor_task): (1, 1),
        ("parsl", "subspan", executor_task, TRY): (1, 1),
    }


def test_only_a_try_on_an_executor_whose_log_is_there_lacks_its_task(runs: SmallRuns) -> None:
    layer = LAYERS[0]
    runs.log(
        "parsl",
        {
            TRY: [
                launched("0/0", "cpu", 0),
                launched("1/0", "cpu", 1),
                launched("2/0", "cp", 2),
                launched("3/0", "cpu2", 3),
                of("4/0", (1.0, "launched"), executor="cpu"),
                of("5/0", (1.0, "pending")),
                of("6/0", (1.0, "pending"), executor_task=0),
            ]
        },
    )
    runs.log("interchange", {layer: ["cpu/0"]})
    runs.log("interchange", {layer: ["cpu2/3"]}, run="other")
    # Another layer of another executor says nothing about this one.
    runs.log("worker", {LAYERS[2]: ["cp/9"]})
    runs.link()
    assert runs.joins()["parsl", "subspan", TRY, layer] == (1, 1)
    assert runs.subspans() == {(f"{TRY} 0/0", f"{layer} cpu/0")}


@pytest.mark.parametrize("block", [BLOCK, MONITORED_BLOCK])
def test_a_block_holds_the_managers_that_name_it(runs: SmallRuns, block: str) -> None:
    def manager(key: str, executor: str, number: str) -> Span:
        return of(key, (1.0, "started"), executor=executor, block=number)

    runs.log("a", {block: ["htex/0", "htex/1", "gpu/0"]})
    runs.log("m", {MANAGER: [manager("x", "htex", "0"), manager("y", "htex", "0"), manager("z", "gpu", "0"),
                             manager("lone", "htex", "5"), of("bare", (1.0, "started"))]})  # fmt: skip
    runs.log("m", {MANAGER: [manager("w", "htex", "1")]}, run="elsewhere")
    runs.link()
    assert runs.subspans() == {
        (f"{block} htex/0", f"{MANAGER} x"),
        (f"{block} htex/0", f"{MANAGER} y"),
        (f"{block} gpu/0", f"{MANAGER} z"),
    }
    assert runs.joins() == {("a", "subspan", block, MANAGER): (2, 1), ("m", "subspan", MANAGER, block): (3, 2)}


@pytest.mark.parametrize(
    ("outer", "metric"),
    [(EXECUTOR, "metric.STRATEGY"), (TASK, "metric.COUNTED_DEPS"), (TASK, "metric.GATHERED_DEPS")],
)
def test_what_a_metric_is_of_holds_it_and_lacks_none(runs: SmallRuns, outer: str, metric: str) -> None:
    runs.log("parsl", {outer: ["0", "1", "2"]})
    runs.log("metrics", {metric: [of("a/0", (1.0, "metric"), id="0"), of("b/1", (1.0, "metric"), id="7")]})
    runs.link()
    assert runs.subspans() == {(f"{outer} 0", f"{metric} a/0")}
    assert runs.joins() == {
        ("parsl", "subspan", outer, metric): (1, 0),
        ("metrics", "subspan", metric, outer): (1, 1),
    }


@pytest.mark.parametrize(("key", "name"), [("e/7", "7"), ("e/7/x", "7/x"), ("plain", "plain")])
def test_what_a_subspan_is_called_in_its_superspan(runs: SmallRuns, key: str, name: str) -> None:
    runs.log("layers", {LAYERS[0]: [key], LAYERS[1]: [key]})
    runs.log("blocks", {BLOCK: ["longer/0"], MANAGER: [of(key, (1.0, "started"), executor="longer", block="0")]})
    runs.link()
    assert query(runs.path, "SELECT key FROM subspans") == [(name,), (name,)]


# Of funcX, whose ids are unique everywhere: a client's run, an endpoint's, a worker's, and CloudWatch's.
SUBMIT, ENDPOINT, FUNCX_WORKER = "synthetic.task.submit", "funcx.endpoint.task", "funcx.worker.task"
CLOUD = "cloudwatch.task"


def submitted(key: str, task: str | None) -> Span:
    return of(key, (1.0, "submitted"), funcx_task=task)


# One that names no task has no other span to be looked for.
SUBMISSIONS = [submitted("0", "t0"), submitted("1", "t1"), submitted("2", None), submitted("3", "t3")]


def test_a_task_is_followed_through_the_runs_of_funcx(runs: SmallRuns) -> None:
    runs.log("client", {SUBMIT: SUBMISSIONS}, run="client")
    runs.log("endpoint", {ENDPOINT: ["t0", "t9"]}, run="endpoint")
    runs.log("worker", {FUNCX_WORKER: ["t0", "t1", "t8"]}, run="worker")
    runs.log("cloud", {CLOUD: ["t0", "t7"]}, run="cloud")
    assert runs.link() == {"client", "endpoint", "worker", "cloud"}
    assert runs.subspans() == {
        (f"{SUBMIT} 0", f"{ENDPOINT} t0"),
        (f"{ENDPOINT} t0", f"{FUNCX_WORKER} t0"),
        (f"{SUBMIT} 1", f"{FUNCX_WORKER} t1"),
        (f"{SUBMIT} 0", f"{CLOUD} t0"),
    }
    assert runs.joins("client") == {("client", "subspan", SUBMIT, ENDPOINT): (1, 2),
                                    ("client", "subspan", SUBMIT, CLOUD): (1, 2)}  # fmt: skip
    assert runs.joins("endpoint") == {("endpoint", "subspan", ENDPOINT, FUNCX_WORKER): (1, 0),
                                      ("endpoint", "subspan", ENDPOINT, SUBMIT): (1, 0)}  # fmt: skip
    assert runs.joins("worker") == {("worker", "subspan", FUNCX_WORKER, ENDPOINT): (1, 0)}
    assert runs.joins("cloud") == {("cloud", "subspan", CLOUD, SUBMIT): (1, 0)}


def test_without_the_endpoint_a_submission_holds_what_the_worker_did(runs: SmallRuns) -> None:
    runs.log("client", {SUBMIT: SUBMISSIONS}, run="client")
    runs.log("worker", {FUNCX_WORKER: ["t0", "t5"]}, run="worker")
    runs.link()
    assert runs.subspans() == {(f"{SUBMIT} 0", f"{FUNCX_WORKER} t0")}
    assert runs.joins("client") == {("client", "subspan", SUBMIT, FUNCX_WORKER): (1, 2)}
    assert runs.joins("worker") == {("worker", "subspan", FUNCX_WORKER, SUBMIT): (1, 0)}


def test_only_a_task_of_a_manager_whose_workers_are_logged_lacks_its_worker(runs: SmallRuns) -> None:
    def task(key: str, manager: str | None) -> Span:
        return of(key, (1.0, "received"), manager=manager)

    managers = {"t0": "m1", "t1": "m1", "t2": "m2", "t3": None, "t4": "m", "t5": "m12", "t6": "m1", "t7": "m1"}
    runs.log("endpoint", {ENDPOINT: [task(*pair) for pair in managers.items()]})
    runs.log("worker", {FUNCX_WORKER: ["t0", "stranger"], "funcx.worker": ["m1/0"]})
    # Other things of managers, and workers of another run, are no workers.
    runs.log("manager", {"funcx.manager": ["m2/0", "m12/0"]})
    runs.log("worker", {"funcx.worker": ["m2/0", "m12/0"], FUNCX_WORKER: ["t9"]}, run="other")
    runs.link()
    assert runs.joins() == {
        ("endpoint", "subspan", ENDPOINT, FUNCX_WORKER): (1, 3),
        ("worker", "subspan", FUNCX_WORKER, ENDPOINT): (1, 1),
    }
    # Where no endpoint is logged in the worker's own run, nothing lacks one.
    assert runs.joins("other") == {}


def test_linking_again_changes_nothing(runs: SmallRuns) -> None:
    runs.log("parsl", {TRY: [launched("0/0", "cpu", 0)], TASK: ["0"], BLOCK: ["cpu/0"]})
    runs.log("htex", {layer: ["cpu/0"] for layer in LAYERS})
    runs.log("db", {"parsl.monitoring.task": ["0"]})
    runs.log("m", {MANAGER: [of("m", (1.0, "started"), executor="cpu", block="0")]})
    runs.log("client", {SUBMIT: [submitted("0", "t0")]}, run="client")
    runs.log("cloud", {CLOUD: ["t0"]}, run="cloud")
    runs.link()
    before = runs.facets(), runs.subspans(), [runs.joins(run) for run in ("r", "client", "cloud")]
    assert all(before)
    runs.link("r", "client", "cloud")
    assert (runs.facets(), runs.subspans(), [runs.joins(run) for run in ("r", "client", "cloud")]) == before


def test_a_layer_that_comes_later_goes_between(runs: SmallRuns) -> None:
    interchange, _manager, worker = LAYERS
    runs.log("parsl", {TRY: [launched("0/0", "cpu", 0), launched("1/0", "cpu", 1)]})
    runs.log("worker", {worker: ["cpu/0", "cpu/1"]})
    runs.log("parsl", {TRY: [launched("0/0", "cpu", 0)]}, run="other")
    runs.log("worker", {worker: ["cpu/0"]}, run="other")
    runs.link()
    direct = {(f"{TRY} {n}/0", f"{worker} cpu/{n}") for n in (0, 1)}
    assert {(above, below) for above, below in runs_of(runs, "r")} == direct
    runs.log("interchange", {interchange: ["cpu/0"]})
    runs.link()
    assert runs_of(runs, "r") == chain(f"{TRY} 0/0", f"{interchange} cpu/0", f"{worker} cpu/0") | {
        (f"{TRY} 1/0", f"{worker} cpu/1")
    }
    # The other run has no interchange's log.
    assert runs_of(runs, "other") == {(f"{TRY} 0/0", f"{worker} cpu/0")}


def runs_of(runs: SmallRuns, run: str) -> set[tuple[str, str]]:
    """Return what lies in what in one run."""
    rows = query(
        runs.path,
        """SELECT l.name || ' ' || a.key, r.name || ' ' || b.key FROM subspans
           JOIN spans a ON a.id = superspan JOIN span_types l ON l.id = a.type
           JOIN spans b ON b.id = subspan JOIN span_types r ON r.id = b.type
           JOIN runs ON runs.id = a.run WHERE runs.key = ?""",
        run,
    )
    return {(above, below) for above, below in rows}


def test_what_logs_themselves_nest_stays(runs: SmallRuns) -> None:
    """Only what this module makes is made again."""
    inside = [
        ((TRY, "0/0"), (LAYERS[0], "by hand")),
        ((TASK, "0"), (TRY, "0/0")),
        ((MANAGER, "m"), (LAYERS[2], "cpu/0")),
    ]
    runs.log("parsl", {TRY: [launched("0/0", "cpu", 0)], TASK: ["0"], MANAGER: ["m"], LAYERS[2]: ["cpu/0"]}, inside[1:])
    runs.log("elsewhere", {TRY: ["0/0"], LAYERS[0]: ["by hand"]}, inside[:1], run="untouched")
    runs.link("r")
    runs.link("r")
    expected = {(f"{a[0]} {a[1]}", f"{b[0]} {b[1]}") for a, b in inside}
    assert runs.subspans() == expected | {(f"{TRY} 0/0", f"{LAYERS[2]} cpu/0")}


def test_only_the_runs_asked_for_are_linked(runs: SmallRuns) -> None:
    for run in ("one", "two"):
        runs.log("db", {"parsl.monitoring.task": ["0"]}, run=run)
        runs.log("parsl", {TASK: ["0"]}, run=run)
    assert runs.link("one") == {"one"}
    assert len(runs.facets()) == 1
    assert runs.joins("two") == {} != runs.joins("one")


def test_a_run_that_holds_spans_of_a_changed_run_changes_too(runs: SmallRuns) -> None:
    runs.log("client", {SUBMIT: [submitted("0", "t0")]}, run="client")
    runs.log("endpoint", {ENDPOINT: ["t0"]}, run="endpoint")
    runs.log("unrelated", {TASK: ["0"]}, run="unrelated")
    assert runs.link() == {"client", "endpoint", "unrelated"}
    runs.log("worker", {FUNCX_WORKER: ["t0"]}, run="worker")
    # The worker's task is now in the endpoint's, and so below the client's submission.
    assert runs.link() == {"worker", "endpoint", "client"}
    assert runs.subspans() == chain(f"{SUBMIT} 0", f"{ENDPOINT} t0", f"{FUNCX_WORKER} t0")
    assert runs.link("unrelated") == {"unrelated"}


def test_what_comes_later_goes_between_runs_that_were_linked(runs: SmallRuns) -> None:
    """The client's run, the worker's and the endpoint's are three: only the last is new then."""
    runs.log("client", {SUBMIT: [submitted("0", "t0")]}, run="client")
    runs.log("worker", {FUNCX_WORKER: ["t0"]}, run="worker")
    runs.link()
    assert runs.subspans() == {(f"{SUBMIT} 0", f"{FUNCX_WORKER} t0")}
    runs.log("endpoint", {ENDPOINT: ["t0"]}, run="endpoint")
    # Nothing new is below the worker's spans.
    assert runs.link() == {"client", "endpoint"}
    assert runs.subspans() == chain(f"{SUBMIT} 0", f"{ENDPOINT} t0", f"{FUNCX_WORKER} t0")
    assert runs.joins("client") == {("client", "subspan", SUBMIT, ENDPOINT): (1, 0)}


def test_several_clients_and_endpoints(runs: SmallRuns) -> None:
    for n in (1, 2):
        tasks = [submitted(f"{i}", f"t{n}{i}") for i in range(3)]
        runs.log("client", {SUBMIT: tasks}, run=f"client{n}")
        runs.log("endpoint", {ENDPOINT: [f"t{client}{n}" for client in (1, 2)]}, run=f"endpoint{n}")
    runs.log("worker", {FUNCX_WORKER: [f"t{client}{i}" for client in (1, 2) for i in range(3)]}, run="worker")
    runs.link()
    expected: set[tuple[str, str]] = set()
    for client in (1, 2):
        # Of the first task of either client, no endpoint's log tells.
        expected |= chain(f"{SUBMIT} 0", f"{FUNCX_WORKER} t{client}0")
        for n in (1, 2):
            expected |= chain(f"{SUBMIT} {n}", f"{ENDPOINT} t{client}{n}", f"{FUNCX_WORKER} t{client}{n}")
    assert runs.subspans() == expected
    for n in (1, 2):
        assert runs.joins(f"client{n}") == {("client", "subspan", SUBMIT, ENDPOINT): (2, 1)}
        assert runs.joins(f"endpoint{n}") == {
            ("endpoint", "subspan", ENDPOINT, FUNCX_WORKER): (2, 0),
            ("endpoint", "subspan", ENDPOINT, SUBMIT): (2, 0),
        }


@pytest.mark.parametrize("manager_is_logged", [True, False])
@pytest.mark.parametrize("kind", ["workqueue", "taskvine"])
def test_an_executor_task_holds_its_managers_task(runs: SmallRuns, kind: str, manager_is_logged: bool) -> None:
    executor_task, task = f"parsl.executors.{kind}.executor_task", f"{kind}.task"
    tasks = [of(f"WQ/{n}", (1.0, "created"), manager_task=number) for n, number in enumerate((5, 8, 9))]
    runs.log("parsl", {executor_task: tasks})
    manager = {f"{kind}.manager": [of("m", (1.0, "START"), executor="WQ")]} if manager_is_logged else {}
    runs.log("transactions", {**manager, task: [of(key, (2.0, "WAITING")) for key in ("m/5", "m/6")]})
    runs.link()
    assert runs.subspans() == ({(f"{executor_task} WQ/0", f"{task} m/5")} if manager_is_logged else set())
    made = int(manager_is_logged)
    assert runs.joins() == {
        ("parsl", "subspan", executor_task, task): (made, 3 - made),
        ("transactions", "subspan", task, executor_task): (made, 2 - made),
    }


def test_a_span_counts_for_the_log_of_its_first_event_or_sample(runs: SmallRuns) -> None:
    left, right = "parsl.monitoring.task", TASK
    runs.log("late", {left: [of("0", (5.0, "x")), of("1", (5.0, "x"))]})
    runs.log("early", {left: [of("0", (2.0, "x"))], right: ["0"]})
    # What no event or sample tells of is nowhere to be counted.
    runs.log("early", {left: [of("silent")]})
    for name, time, metric in (("third", 9.0, "a"), ("second", 5.0, "z"), ("first", 3.0, "z")):
        runs.sample(name, left, "sampled", time, metric)
    runs.sample("others", left, "another", 1.0, "a")
    runs.link()
    assert runs.joins() == {
        ("early", "facet", left, right): (1, 0),
        ("late", "facet", left, right): (0, 1),
        ("first", "facet", left, right): (0, 1),
        ("others", "facet", left, right): (0, 1),
        ("early", "facet", right, left): (1, 0),
    }


def a_facet(n: int) -> dict[str, list[Span]]:
    return {"parsl.monitoring.task": [str(i) for i in range(n)], TASK: [str(i) for i in range(n)]}


def a_task(n: int) -> dict[str, list[Span]]:
    layers: dict[str, list[Span]] = {layer: [f"cpu/{i}" for i in range(n)] for layer in LAYERS}
    return {TRY: [launched(f"{i}/0", "cpu", i) for i in range(n)], **layers}


def a_block(n: int) -> dict[str, list[Span]]:
    managers: list[Span] = [of(f"m{i}", (1.0, "started"), executor="cpu", block=str(i)) for i in range(n)]
    return {BLOCK: [f"cpu/{i}" for i in range(n)], MANAGER: managers}


def a_monitored_block(n: int) -> dict[str, list[Span]]:
    return {MONITORED_BLOCK if name == BLOCK else name: spans for name, spans in a_block(n).items()}


def a_strategy(n: int) -> dict[str, list[Span]]:
    return {EXECUTOR: [str(i) for i in range(n)], **_metric("STRATEGY", n)}


def a_count(n: int) -> dict[str, list[Span]]:
    return {TASK: [str(i) for i in range(n)], **_metric("COUNTED_DEPS", n)}


def a_gathering(n: int) -> dict[str, list[Span]]:
    return {TASK: [str(i) for i in range(n)], **_metric("GATHERED_DEPS", n)}


def _metric(name: str, n: int) -> dict[str, list[Span]]:
    return {f"metric.{name}": [of(f"x/{i}", (1.0, "metric"), id=str(i)) for i in range(n)]}


def a_submission(n: int) -> dict[str, list[Span]]:
    return {SUBMIT: [submitted(str(i), f"t{i}") for i in range(n)], ENDPOINT: [f"t{i}" for i in range(n)]}


@pytest.mark.parametrize(
    "some", [a_facet, a_task, a_block, a_monitored_block, a_strategy, a_count, a_gathering, a_submission]
)
def test_twice_as_many_spans_take_twice_the_work(tmp_path: Path, some: Callable[[int], dict[str, list[Span]]]) -> None:
    """Each span looks for its other, instead of trying all: counted in steps of SQLite."""
    steps = []
    for n in (100, 200, 400):
        (tmp_path / str(n)).mkdir()
        runs = SmallRuns(tmp_path / str(n))
        runs.log("log", some(n))
        steps.append(runs.steps_to_link())
        assert len(runs.facets()) + len(runs.subspans()) >= n
    assert steps[2] - steps[1] < 2.5 * (steps[1] - steps[0])
