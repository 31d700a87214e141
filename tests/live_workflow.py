"""Small Parsl workflows for test_live.py, which runs a copy of this file as a script.

``python live_workflow.py KIND RUNINFO`` prints, as JSON, a list of runs: the run id and for each
task its id, app, how it ended and how often it was tried.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from parsl.app.app import join_app, python_app
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor
from parsl.monitoring import MonitoringHub
from parsl.providers import LocalProvider

local_provider: Any = LocalProvider  # typed in some releases of Parsl only

submitted: list[Any] = []  # every AppFuture, those made inside the join app too


def add(left: float, right: float) -> float:
    return left + right


def flaky(marker: str) -> str:
    from pathlib import Path  # apps run in another process, without this module

    if not Path(marker).exists():
        Path(marker).touch()
        raise ValueError("the first try always fails")
    return "second try"


def bad() -> None:
    raise RuntimeError("every try fails")


def make_config(runinfo: Path, *, label: str, monitoring: bool, debug: bool) -> Config:
    """Return a configuration that keeps to this machine's loopback interface."""
    return Config(
        executors=[
            HighThroughputExecutor(
                label=label,
                address="127.0.0.1",
                max_workers_per_node=2,
                worker_debug=debug,
                encrypted=False,
                provider=local_provider(init_blocks=1, max_blocks=1),
            )
        ],
        monitoring=MonitoringHub(hub_address="127.0.0.1", resource_monitoring_interval=1) if monitoring else None,
        retries=1,
        run_dir=str(runinfo),
        strategy="none",
        usage_tracking=0,
    )


def submit(app: Any, *args: Any) -> Any:
    future = app(*args)
    submitted.append(future)
    return future


def submit_every_kind(kernel: DataFlowKernel, folder: Path) -> None:
    """Submit 20 tasks: plain, dependent, tried again, failed, failed by dependency, joined."""
    adds = python_app(add, data_flow_kernel=kernel)
    fails = python_app(bad, data_flow_kernel=kernel)

    def fan(count: int) -> list[Future[float]]:
        return [submit(adds, n, 1) for n in range(count)]

    numbers = [submit(adds, n, n) for n in range(10)]
    for number in numbers[:3]:
        submit(adds, number, 1)
    submit(python_app(flaky, data_flow_kernel=kernel), str(folder / "tried"))
    submit(adds, submit(fails), 1)
    submit(join_app(fan, data_flow_kernel=kernel), 3)


def outcome(future: Any) -> dict[str, Any]:
    """Wait for a task and describe it."""
    error = future.exception(timeout=60)
    return {
        "task": future.tid,
        "app": future.task_record["func_name"],
        "state": future.task_record["status"].name,
        "tries": future.task_record["try_id"] + 1,
        "error": type(error).__name__ if error else None,
    }


def run(configs: list[Config], folder: Path | None = None) -> list[dict[str, Any]]:
    """Run workflows side by side in this process: 5 plain tasks each, or one with every kind."""
    kernels = [DataFlowKernel(config) for config in configs]
    described = []
    for kernel in kernels:
        if folder:
            submit_every_kind(kernel, folder)
        else:
            for n in range(5):
                submit(python_app(add, data_flow_kernel=kernel), n, 1)
    for kernel in kernels:
        kernel.wait_for_current_tasks()
        mine = [future for future in submitted if future.task_record["dfk"] is kernel]
        tasks = [outcome(future) for future in mine]
        described.append({"run_id": kernel.run_id, "run_dir": kernel.run_dir, "tasks": tasks})
    for kernel in kernels:
        kernel.cleanup()
    return described


def main(kind: str, runinfo: Path) -> None:
    if kind == "monitored":
        configs = [make_config(runinfo, label="htex_Local", monitoring=True, debug=True)]
        described = run(configs, folder=runinfo.parent)
    elif kind == "two":
        labels = ("first", "second")
        described = run([make_config(runinfo, label=x, monitoring=False, debug=True) for x in labels])
    else:
        described = run([make_config(runinfo, label="quiet", monitoring=False, debug=False)])
    sys.stdout.write(json.dumps(described))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
