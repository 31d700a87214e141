"""Colours that mean the same on the pages and in the plots: of states, of layers, of what is not known."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

FAILED = frozenset({"failed", "fail_retryable", "dep_fail", "failed_after_retries", "dependency failed"})
"""Events, and outcomes of tasks, that tell of a failure."""

DONE = frozenset(
    {
        *("exec_done", "memo_done", "completed", "returned", "DONE", "done", "memoized"),
        # What components log once the result is on its way, often after Parsl, or the client, has it.
        *("worker_all_finished_task", "interchange_removing_task", "endpoint.forwarded", "result_retrieved"),
    }
)
"""Those after which there is no more to do. A task ends in any of them, as its components' last lines fall."""

FEW = ("#0072b2", "#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#8f6bb3", "#b5a432", "#8c564b", "#3f51b5", "#d27d2d")
"""Easily told apart, also by those who see no red and green."""

DONE_COLOURS = ("#aeb8c4", "#d3d9e0", "#9db0c6")
"""Greys, by turns: two states in one chart are to be told apart."""

FAILED_COLOURS = ("#c62828", "#ef7f73", "#8c1a1a")
"""Reds, by turns."""

OTHERS_COLOUR = "#5f6873"
"""Of all states, or groups, that have none of their own."""

NOT_KNOWN = "not known"
"""Stands for no app, outcome or ending."""

NOT_KNOWN_COLOUR = "#8b96a3"

LAYERS = {
    "0 not submitted": "#8c564b",
    "1 submit": "#aeb8c4",
    "2 retry": "#c62828",
    "3 queue": "#e69f00",
    "4 transfer": "#cc79a7",
    "5 dispatch": "#8f6bb3",
    "6 run": "#0072b2",
    "7 return": "#56b4e9",
    "8 no task": "#5f6873",
}
"""The layers of the view ``task_layer``, each with its colour; the first and the last are only of slots."""


def known(value: object) -> str:
    """Return a name as text, where there is one."""
    return NOT_KNOWN if value is None else str(value)


def few_state_colours(states: Iterable[str], free: Iterable[str] = FEW) -> dict[str, str]:
    """Return a colour for each of few states: greys for those in which all is done, reds for failures.

    :param free: colours of the others, by turns
    """
    colours: dict[str, str] = {}
    done, failed, others = cycle(DONE_COLOURS), cycle(FAILED_COLOURS), cycle(free)
    for state in states:
        event = state.rpartition("/")[2]
        if event in DONE:
            colours[state] = next(done)
        elif event in FAILED:
            colours[state] = next(failed)
        else:
            colours[state] = next(others)
    return colours
