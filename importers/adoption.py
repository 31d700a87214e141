"""Find the run of the logs of managers and workers that lie in no run directory with a run id.

For HTEX that is so where ``worker_logdir_root`` puts them elsewhere, and where ``initialize_logging=False``
leaves no parsl.log; for funcX where they were copied without the endpoint's log. A manager's id is random, so whoever
else names it tells its run: the interchange log of a run, an endpoint's log, or the node table of a monitoring.db.
The output of a block names no manager, and goes with the other logs of its run directory.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from importers.readonly import open_readonly
from importers.runs import Run
from importers.sources import Source

_MANAGER = re.compile(rb"manager:? b'([^'\s]{1,64})'")
_NAMES_MANAGERS = ("interchange.", "endpoint.")
_BLOCK = 1 << 22


def adopt(sources: list[Source]) -> list[Source]:
    """Return the sources, those without a run id given to the run that knows one of their managers."""
    orphans = {
        source.run.key
        for source in sources
        if source.run.run_id is None and (source.run.directory or "manager" in source.fields)
    }
    if not orphans:
        return sources
    runs = _runs_of_managers(sources)
    adopted = [_adopted(source, runs) if source.run.key in orphans else source for source in sources]
    adopted = _followed(adopted)
    # A stand-in that some logs of the folder still need is not given up.
    needed = {source.run.key for source in adopted if source.run.run_id is None}
    return [
        replace(source, run=replace(source.run, stand_in="")) if source.run.stand_in in needed else source
        for source in adopted
    ]


def _adopted(source: Source, runs: dict[str, Run]) -> Source:
    """Give a source to the run of its managers. Logs of several runs may lie in one folder."""
    found = {runs[manager].key: runs[manager] for manager in _managers(source) if manager in runs}
    if len(found) != 1:
        return source
    return _moved(source, *found.values())


def _followed(sources: list[Source]) -> list[Source]:
    """Give logs that name no manager to the run of the others in their run directory, if these are of one run."""
    runs: defaultdict[str, dict[str, Run]] = defaultdict(dict)
    for source in sources:
        if source.run.run_id is not None:
            runs[source.run.stand_in][source.run.key] = source.run
    return [
        _moved(source, *runs[source.run.key].values())
        if source.run.run_id is None
        and source.run.directory
        and len(runs[source.run.key]) == 1
        and not _managers(source)
        else source
        for source in sources
    ]


def _moved(source: Source, run: Run) -> Source:
    return replace(source, run=replace(run, directory=source.run.directory, stand_in=source.run.key))


def _runs_of_managers(sources: list[Source]) -> dict[str, Run]:
    """Return the run of each manager that a run's interchange log, an endpoint's log or a monitoring.db names."""
    known = {source.run.key: source.run for source in sources if source.run.run_id is not None}
    runs: dict[str, Run] = {}
    for source in sources:
        if source.importer == "parsl_monitoring":
            runs |= {manager: known.get(run, Run(run, run, None, "")) for manager, run in _nodes(source.path)}
        elif source.run.run_id is not None:
            runs |= dict.fromkeys(_managers(source), source.run)
    return runs


def _managers(source: Source) -> set[str]:
    """Return the managers that a log is of, or names."""
    if "manager" in source.fields:
        return {source.fields["manager"]}
    if not source.path.name.startswith(_NAMES_MANAGERS):
        return set()
    try:
        return named_managers(source.path)
    except OSError:
        return set()  # its importer reports that it can not be read


def _nodes(monitoring_db: Path) -> list[tuple[str, str]]:
    try:
        with open_readonly(monitoring_db) as conn:
            return conn.execute(
                "SELECT DISTINCT uid, run_id FROM node WHERE run_id IS NOT NULL ORDER BY run_id"
            ).fetchall()
    except sqlite3.Error:
        return []  # its importer reports what is wrong with it


def named_managers(log: Path) -> set[str]:
    """Return the managers that an interchange's or an endpoint's log names. Raises OSError."""
    managers: set[bytes] = set()
    with log.open("rb") as file:
        rest = b""
        while chunk := file.read(_BLOCK):
            data = rest + chunk
            managers.update(_MANAGER.findall(data))
            # What is cut at the end of one block is whole in the next.
            rest = data[-100:]
    return {manager.decode("utf-8", "replace") for manager in managers}
