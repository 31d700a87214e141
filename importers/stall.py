"""Notices that a regular expression of a user's own takes for ever on some text, so that it can be given up.

Python's look at signals while they match, and a timer that counts this process's work sends one. Only the main thread
gets signals, and not every system has that timer: without, such an expression does take for ever.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

PATIENCE = 5.0
"""Seconds of work after which one text has taken too long; it may be twice as much until that is noticed."""

_Matched = TypeVar("_Matched", str, bytes)


class Stalled(Exception):
    """A regular expression took too long on a text."""


class _Watch:
    """What is being matched just now, and what was when the timer went off last."""

    def __init__(self) -> None:
        self.now: object = None
        self._before: object = None

    def look(self, number: int, frame: FrameType | None) -> None:
        """Raise Stalled where nothing has changed since the last time."""
        if self.now is not None and self.now is self._before:
            self.now = self._before = None
            raise Stalled
        self._before = self.now


_watch = _Watch()


def match(how: Callable[[_Matched], re.Match[_Matched] | None], text: _Matched) -> re.Match[_Matched] | None:
    """Return what a method of a regular expression finds in a text. Raises Stalled, within ``noticed``."""
    _watch.now = object()
    try:
        return how(text)
    finally:
        _watch.now = None


@contextmanager
def noticed() -> Iterator[None]:
    """Have ``match`` raise Stalled in here where it takes too long."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "ITIMER_VIRTUAL"):
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _watch.look)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, *timer)
        signal.signal(signal.SIGVTALRM, before)
