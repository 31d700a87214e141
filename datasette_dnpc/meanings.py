"""Colours that mean the same on the pages and in the plots: of states, of layers, of what is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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


PHASES = {
    "1 no worker": LAYERS["0 not submitted"],
    "2 no task yet": "#b5a432",
    "3 all slots busy": LAYERS["6 run"],
    "3 tasks ran": LAYERS["6 run"],
    "3 from the first task to the last": LAYERS["6 run"],
    "4 idle, tasks waited": LAYERS["3 queue"],
    "5 idle, none waited": LAYERS["5 dispatch"],
    "6 tail": LAYERS["4 transfer"],
    "7 after the last task": LAYERS["1 submit"],
}
"""The phases of the query ``run_phases``, each with its colour."""


def known(value: object) -> str:
    """Return a name as text, where there is one."""
    return NOT_KNOWN if value is None else str(value)


USUAL = {
    "pending": "#b5a432",
    "launched": "#8c564b",
    "launched_on_executor": "#d27d2d",
    "interchange_put_task": LAYERS["3 queue"],
    "WAITING": LAYERS["3 queue"],
    "interchange_to_manager": LAYERS["5 dispatch"],
    "manager_got_task": "#3f51b5",
    "worker_received_task": "#56b4e9",
    "running": LAYERS["6 run"],
    "RUNNING": LAYERS["6 run"],
    "worker_completed_task": "#009e73",
    "WAITING_RETRIEVAL": "#009e73",
    "joining": "#cc79a7",
}
"""Colours, of ``FEW``, of the events after which tasks stay longest: the same in each chart, and as of their layer."""


def _unused(colour: str, used: Collection[str]) -> str:
    """Return the colour, made lighter until it is none of those used."""
    while colour in used and colour != "#ffffff":
        channels = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        colour = "#" + "".join(f"{channel + -(-(255 - channel) * 2 // 5):02x}" for channel in channels)
    return colour


def few_state_colours(states: Iterable[str], free: Sequence[str] = FEW) -> dict[str, str]:
    """Return a colour for each of few states: greys for those in which all is done, reds for failures.

    :param free: colours of the others: those of ``USUAL``, as far as they are in here, then by turns. Of two states
        with one usual colour, such as WAITING of two managers, the second has it lighter
    """
    states = list(dict.fromkeys(states))
    done, failed = cycle(DONE_COLOURS), cycle(FAILED_COLOURS)
    colours: dict[str, str] = {}
    for state in states:
        event = state.rpartition("/")[2]
        if event in DONE:
            colours[state] = next(done)
        elif event in FAILED:
            colours[state] = next(failed)
        elif USUAL.get(event) in free:
            colours[state] = _unused(USUAL[event], colours.values())
    others = cycle([colour for colour in free if colour not in colours.values()] or free)
    return {state: colours.get(state) or next(others) for state in states}
