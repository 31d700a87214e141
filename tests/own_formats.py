"""Formats of the user's own for tests: a pattern file, a Python file, and logs that they fit."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, settings

from importers.formats import Added, load_formats
from importers.places import run_above
from importers.reading import read_source
from importers.rows import Batch
from importers.runs import read_run
from tests import docs
from tests.imports import copied, query
from tests.runs import DATA

README = (docs.ROOT / "importers" / "README.md").read_text(encoding="utf-8")
RUN_ID = "2cf25028-4324-447a-b42b-f813ca5d9dc4"
LOG = "runinfo/000/task_logs/0000/task_0015_memo.stdout"

TOML = r"""
name = "myapp"
path = 'task_logs/\d+/task_0*(?P<task>\d+)_(?P<app>\w+)\.stdout'
time = '^(?P<time>\d+\.\d+) '

[[patterns]]
regex = 'step=(?P<step>\d+) begins'
span = ["myapp.step", "task", "step"]
event = "begins"
parents = [["parsl.rundir.task", "task"]]
attributes = ["app"]

[[patterns]]
regex = 'step=(?P<step>\d+) ends(?: residual=(?P<residual>\S+))?'
span = ["myapp.step", "task", "step"]
event = "ends"
attributes = ["residual"]
"""

EVENTS = "SELECT spans.key, event.time, event.type FROM spans JOIN event ON span_uuid = spans.uuid"
OWN = f"{EVENTS} JOIN span_types ON span_types.id = spans.type WHERE span_types.name LIKE 'myapp%' ORDER BY 2, 1, 3"
MICRO = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def own(database: Path) -> list[tuple[str, float, str]]:
    """Return the events of the user's own spans: key, time, type."""
    return query(database, OWN)


def unmatched(database: Path) -> list[tuple[object, ...]]:
    return query(
        database,
        """SELECT reason, text FROM unmatched JOIN sources ON sources.id = source
           WHERE importer = 'myapp' ORDER BY offset, reason""",
    )


def runs_and_logs(folder: Path) -> Path:
    """Make a folder with three runs, of which the first has app logs of three tasks, and return it."""
    copied(DATA / "runinfo", folder / "runinfo")
    for task in (0, 15, 16):
        write(folder, f"0000/task_{task:04}_simulate.stdout", f"{1795397707 + task}.25 simulate step=1 begins\n"
              f"{1795397707 + task}.5 simulate step=1 ends residual=1e-3\n")  # fmt: skip
    return folder


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """Write an app log into the task logs of run 000."""
    path = folder / "runinfo/000/task_logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return path


def named(folder: Path, text: str = TOML, name: str = "myapp.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def changed(*changes: tuple[str, str]) -> str:
    """Return the pattern file with some texts changed; each must be there."""
    text = TOML
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def read_with(text: str, log: bytes, folder: Path, name: str = "0000/task_0012_simulate.stdout") -> Batch:
    """Read a log by a pattern file, and return its rows."""
    read_run.cache_clear()
    run_above.cache_clear()
    path = write(folder, name, log)
    formats = load_formats(Added((named(folder, text),), (), False))
    source = formats.importers["myapp"].find(path)
    assert source is not None
    return read_source(source, formats=formats).batch


def events_in(batch: Batch) -> list[tuple[str, float, str, int]]:
    columns = zip(batch.event_spans, batch.event_times, batch.event_types, batch.event_offsets, strict=True)
    return sorted((batch.keys[s], time, batch.event_type_names[n], at) for s, time, n, at in columns)


def rejected(batch: Batch) -> list[str]:
    return sorted(reason for reason, _ in batch.unmatched)


def example(name: str) -> str:
    """Return a file that the README shows."""
    (content,) = re.findall(rf"`{re.escape(name)}`:\n\n```\w+\n(.*?)```", README, re.DOTALL)
    return str(content)


def run_of(folder: Path) -> None:
    """Make the folder of run 000 a run directory."""
    (folder / "runinfo/000").mkdir(parents=True)
    (folder / "runinfo/000/parsl.log").write_text(
        f"1795397698.766988 2026-11-23 01:34:58 MainProcess-1 T-2 parsl.dataflow.dflow:1 f DEBUG: Run id is: {RUN_ID}\n"
    )


WHOLE = b"1795397707.25 step=1 begins\n"


MODULE = """
from importers.places import source_at
NAME = {name!r}
ROOTS = ()
def find(path):
    {find}
def read(source, batch, progress):
    {read}
"""
TAKES = "return source_at(NAME, path) if path.suffix == '.stdout' else None"


def module(folder: Path, find: str = TAKES, read: str = "return ''", name: str = "myapp") -> Path:
    return named(folder, MODULE.format(name=name, find=find, read=read), f"{name}.py")
