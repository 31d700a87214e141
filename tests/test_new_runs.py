"""What an import links that brings runs which are new, together with more of runs that were there."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers.database import open_store
from importers.rows import Batch
from importers.runs import Run
from importers.sources import Source
from tests.small_runs import SmallRuns, of

TRY = "parsl.rundir.try"
OUTER, INNER = "parsl.executor.htex.interchange.task", "parsl.executor.htex.worker.task"

SUBMIT, ENDPOINT, WORKER = "synthetic.task.submit", "funcx.endpoint.task", "funcx.worker.task"

LAUNCHED = of("0/0", (1.0, "launched"), executor="cpu", executor_task=7)


@pytest.mark.parametrize("with_new_run", [False, True])
def test_a_layer_goes_between_in_a_run_that_was_there(tmp_path: Path, with_new_run: bool) -> None:
    runs = SmallRuns(tmp_path)
    runs.log("first", {TRY: [LAUNCHED], INNER: ["cpu/7"]}, run="old")
    runs.link()
    assert runs.subspans() == {(f"{TRY} 0/0", f"{INNER} cpu/7")}
    runs.log("second", {OUTER: ["cpu/7"]}, run="old")
    if with_new_run:
        runs.log("first", {"another": ["1"]}, run="new")
    runs.link()
    assert runs.subspans() == {(f"{TRY} 0/0", f"{OUTER} cpu/7"), (f"{OUTER} cpu/7", f"{INNER} cpu/7")}


@pytest.mark.parametrize("more", [(), ("client",), ("worker",), ("client", "worker")])
def test_a_layer_goes_between_runs_that_were_there(tmp_path: Path, more: tuple[str, ...]) -> None:
    """Whether or not the same import brings more of these runs."""
    runs = SmallRuns(tmp_path)
    runs.log("client", {SUBMIT: [of("0", (1.0, "submitted"), funcx_task="t0")]}, run="client")
    runs.log("worker", {WORKER: ["t0"]}, run="worker")
    runs.link()
    assert runs.subspans() == {(f"{SUBMIT} 0", f"{WORKER} t0")}
    runs.log("endpoint", {ENDPOINT: ["t0"]}, run="endpoint")
    for run in more:
        runs.log("more", {"another": ["1"]}, run=run)
    runs.link()
    assert runs.subspans() == {(f"{SUBMIT} 0", f"{ENDPOINT} t0"), (f"{ENDPOINT} t0", f"{WORKER} t0")}


def test_only_a_run_that_had_no_rows_is_new(tmp_path: Path) -> None:
    made = []
    for keys in (["a"], ["a", "b"], ["b", "c", "a"], ["c"]):
        with open_store(tmp_path / "d.sqlite3") as store:
            for key in keys:
                batch = Batch(key)
                batch.event(batch.span("some", key), 1.0, "seen", 0)
                batch.seal()
                store.add(Source("small", Path(key), f"{key}/log", Run(key, key, None, key)), batch, 1, "")
            store.flush()
            names = dict(store.conn.execute("SELECT id, key FROM runs"))
            made.append((sorted(map(names.__getitem__, store.made)), sorted(map(names.__getitem__, store.touched))))
    assert made == [(["a"], ["a"]), (["b"], ["a", "b"]), (["c"], ["a", "b", "c"]), ([], ["c"])]


def test_less_is_done_for_a_new_run(tmp_path: Path) -> None:
    """There is nothing to forget of it: SQLite takes fewer steps than where the run was there without spans."""
    steps = []
    for was_there in (False, True):
        folder = tmp_path / str(was_there)
        folder.mkdir()
        runs = SmallRuns(folder)
        if was_there:
            runs.store(lambda store: store.run("r"))
        many = [f"cpu/{n}" for n in range(1000)]
        runs.log("log", {OUTER: many, INNER: many})
        steps.append(runs.steps_to_link())
        assert len(runs.subspans()) == len(many)
    assert 0 < steps[0] < steps[1]
