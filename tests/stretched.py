"""Runs that go on over a change of daylight saving: made of real ones, by moving their times, and stretching them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.imports import copied, text_of
from tests.runs import DATA

ZERO = datetime(1970, 1, 1)
EPOCH_AND_LOCAL = re.compile(r"(?m)^(\d{10}\.\d{6}) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
MONITORING_TIMES = {
    "workflow": ["time_began", "time_completed"],
    "task": ["task_time_invoked", "task_time_returned"],
    "try": ["task_try_time_launched", "task_try_time_running", "task_try_time_returned"],
    "status": ["timestamp"],
    "resource": ["timestamp"],
    "node": ["timestamp", "last_heartbeat"],
    "block": ["timestamp"],
}


def micros(moment: datetime) -> int:
    """Return the microseconds of a naive time, as if it were UTC."""
    return (moment - ZERO) // timedelta(microseconds=1)


def text_in(zone: str, micro: int) -> str:
    """Return what a clock shows, to microseconds."""
    utc = (ZERO + timedelta(microseconds=micro)).replace(tzinfo=timezone.utc)
    return f"{utc.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S.%f}"


@dataclass(frozen=True)
class Stretched:
    """How the times of a sample are moved: what was ``middle`` is at ``change``, in microseconds, and all else around.

    ``east`` is how many hours east of UTC the clock of the sample was; that of the moved one is in ``zone``.
    """

    zone: str
    change: int
    middle: int
    factor: int
    east: int

    def moved(self, micro: int) -> int:
        """Return when something is that was at a time of the sample, in microseconds."""
        return self.change + (micro - self.middle) * self.factor

    def epoch(self, text: str) -> str:
        """Return the epoch seconds of a time of the sample, as text."""
        micro = self.moved(int(text.replace(".", "")))
        return f"{micro // 1_000_000}.{micro % 1_000_000:06}"

    def local(self, text: str) -> tuple[int, str]:
        """Return UTC microseconds and local time of a local time of the sample."""
        micro = self.moved(micros(datetime.fromisoformat(text)) - self.east * 3_600_000_000)
        return micro, text_in(self.zone, micro)


def stretch(name: str, to: Path, zone: str, change: datetime, hours: float, east: int) -> tuple[Path, Stretched]:
    """Copy a sample, so that its parsl.log is of so many hours around a change, in UTC. ``east`` is where it was made.

    Returns the folder, and how its times were moved.
    """
    folder = copied(DATA / name, to)
    logs = [log for log in sorted(folder.rglob("*.log")) if EPOCH_AND_LOCAL.search(log.read_text())]
    shown = [
        int(time.replace(".", ""))
        for log in logs
        for time in EPOCH_AND_LOCAL.findall(log.read_text())
        if log.name == "parsl.log"
    ]
    factor = int(hours * 3_600_000_000 / (max(shown) - min(shown)))
    how = Stretched(zone, micros(change), (min(shown) + max(shown)) // 2, factor, east)
    for log in logs:
        log.write_text(EPOCH_AND_LOCAL.sub(_moved_record(how), log.read_text()))
    for log in sorted(folder.rglob("*.jsonlog")):
        records = [_moved_json(json.loads(line), how) for line in log.read_text().splitlines()]
        log.write_text("".join(map(text_of, records)))
    if (folder / "monitoring.db").exists():
        _move_monitoring(folder / "monitoring.db", how)
    return folder, how


def _moved_record(how: Stretched) -> Callable[[re.Match[str]], str]:
    def moved(match: re.Match[str]) -> str:
        epoch = how.epoch(match[1])
        return f"{epoch} {text_in(how.zone, int(epoch.replace('.', '')))[:19]} "

    return moved


def _moved_json(record: dict[str, Any], how: Stretched) -> dict[str, Any]:
    record["created"] = how.moved(round(float(str(record["created"])) * 1_000_000)) / 1_000_000
    for name in ("time_began", "time_completed"):
        key = f"parsl.workflow_info.{name}"
        if key in record:
            record[key] = how.local(str(record[key]))[1]
    return record


def _move_monitoring(path: Path, how: Stretched) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        for table, columns in MONITORING_TIMES.items():
            for column in columns:
                rows = conn.execute(f'SELECT rowid, {column} FROM "{table}" WHERE {column} IS NOT NULL').fetchall()
                moved = [(how.local(text)[1], rowid) for rowid, text in rows]
                conn.executemany(f'UPDATE "{table}" SET {column} = ? WHERE rowid = ?', moved)
