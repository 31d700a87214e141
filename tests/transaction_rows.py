"""Short transaction logs, and what a database holds of one, with names for ids."""

from __future__ import annotations

import re
from pathlib import Path

from tests.imports import Rows, import_logs, query
from tests.managers import HOST, MANAGER, OTHER_HOST, OTHER_WORKER, START, TASKVINE, WORK_QUEUE, WORKER, record, write

NAMES = {WORK_QUEUE: "transaction_log", TASKVINE: "transactions"}

SPANS = """
SELECT span_types.name, spans.key, spans.attributes FROM spans JOIN span_types ON span_types.id = spans.type
ORDER BY 1, 2"""

EVENTS = """
SELECT span_types.name, spans.key, round(events.time - ?, 6), event_types.name
FROM events JOIN spans ON spans.id = span JOIN span_types ON span_types.id = spans.type
JOIN event_types ON event_types.id = events.type ORDER BY 1, 2, 3, events.offset"""

NESTED = """
SELECT a_types.name, a.key, b_types.name, b.key FROM subspans
JOIN spans AS a ON a.id = superspan JOIN span_types AS a_types ON a_types.id = a.type
JOIN spans AS b ON b.id = subspan JOIN span_types AS b_types ON b_types.id = b.type ORDER BY 3, 4, 1"""


def imported(tmp_path: Path, text: str, kind: str = WORK_QUEUE) -> Path:
    """Import a log that lies alone."""
    import_logs(tmp_path / "d.db", write(tmp_path / "logs" / NAMES[kind], text))
    return tmp_path / "d.db"


def short(rows: Rows) -> Rows:
    """Leave out what all keys and types start with."""
    return [
        tuple(re.sub(rf"{MANAGER}/?|^(workqueue|taskvine)\.", "", v) if isinstance(v, str) else v for v in row)
        for row in rows
    ]


def task_events(database: Path) -> dict[str, str]:
    """Return the events of each task in order."""
    found: dict[str, list[str]] = {}
    for span_type, key, _time, event in query(database, EVENTS, 0):
        if span_type.endswith(".task"):
            found.setdefault(key.split("/")[-1], []).append(event)
    return {key: " ".join(events) for key, events in found.items()}


def lines(*records: tuple[float, str]) -> str:
    """Return a log of records, at seconds after the start."""
    return "".join(record(START + at, text) for at, text in records)


WORK_QUEUE_LOG = "# time manager_pid MANAGER START|END\n\n" + lines(
    (0, "MANAGER START"),
    (1, 'TASK 1 WAITING work FIRST_RESOURCES {"disk":[0,"MB"]}'),
    (2, f"WORKER {WORKER} {HOST}  CONNECTION"),
    (2.1, f'WORKER {WORKER} RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"]}}'),
    (3, "TRANSFER INPUT 1 1 0.000000 0.250000 exec_parsl_function.py"),
    (3.5, f'TASK 1 RUNNING {HOST}  FIRST_RESOURCES {{"memory":[24105,"MB"],"cores":[4,"cores"],"bogus":[1,"b"]}}'),
    (4, f"TASK 1 WAITING_RETRIEVAL {HOST} "),
    (4.5, "TRANSFER OUTPUT 1 0 0.500000 0.125000 my result"),
    (5, 'TASK 1 RETRIEVED SUCCESS  0  {"wall":[1,"s"]} {"wq_input_time":[0.0002,"s"]}'),
    (5.5, 'TASK 1 DONE SUCCESS  0  {} {"wq_input_time":[0.0002,"s"]}'),
    (6, f"WORKER {WORKER} {HOST}  DISCONNECTION EXPLICIT"),
    (7, "CATEGORY work MAX {}"),
    (8, "MANAGER END"),
)


LOST = (
    (0, "MANAGER START"),
    (1, f"WORKER {WORKER} {HOST}  CONNECTION"),
    (1, f"WORKER {OTHER_WORKER} {OTHER_HOST}  CONNECTION"),
    (2, "TASK 5 WAITING work FIRST_RESOURCES {}"),
    (2.5, "TRANSFER INPUT 5 0 1.0 0.25 first"),
    (3, f"TASK 5 RUNNING {HOST}  FIRST_RESOURCES {{}}"),
    (4, f"WORKER {WORKER} {HOST}  DISCONNECTION FAILURE"),
    (4, "TASK 5 WAITING work FIRST_RESOURCES {}"),
    (4.5, "TRANSFER INPUT 5 0 1.0 0.25 second"),
    (5, f"TASK 5 RUNNING {OTHER_HOST}  FIRST_RESOURCES {{}}"),
    (6, f"TASK 5 WAITING_RETRIEVAL {OTHER_HOST}"),
    (6.5, "TRANSFER OUTPUT 5 0 1.0 0.25 result"),
    (7, "TASK 5 DONE SUCCESS  0 "),
)
