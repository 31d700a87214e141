"""Find the run of HTEX logs that lie in no run directory with a run id.

That is so where ``worker_logdir_root`` puts manager and worker logs elsewhere, and where ``initialize_logging=False``
leaves no parsl.log. A manager's id is random, so whoever else names it tells its run: the interchange log of
a run, or the node table of a monitoring.db.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from pathlib import Path

from importers.readonly import open_readonly
from importers.runs import Run
from importers.sources import Source

_MANAGER = re.compile(rb"manager:? b'([^'\s]{1,64})'")


def adopt(sources: list[Source]) -> list[Source]:
    """Return the sources, those without a run id given to the run that knows one of their managers."""
    orphans = {source.run.key for source in sources if source.run.directory and source.run.run_id is None}
    if not orphans:
        return sources
    runs = _runs_of_managers(sources)
    adopted = [_adopted(source, runs) if source.run.key in orphans else source for source in sources]
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
    (run,) = found.values()
    return replace(source, run=replace(run, directory=source.run.directory, stand_in=source.run.key))


def _runs_of_managers(sources: list[Source]) -> dict[str, Run]:
    """Return the run of each manager that a run's interchange log or a monitoring.db names."""
    known = {source.run.key: source.run for source in sources if source.run.run_id is not None}
    runs: dict[str, Run] = {}
    for source in sources:
        if source.importer == "parsl_monitoring":
            runs |= {manager: known.get(run, Run(run, run, None, "")) for manager, run in _nodes(source.path)}
        elif source.run.run_id is not None:
            runs |= dict.fromkeys(_managers(source), source.run)
    return runs


def _managers(source: Source) -> set[str]:
    """Return the managers that an HTEX log is of, or names."""
    if "manager" in source.fields:
        return {source.fields["manager"]}
    return _named_managers(source.path) if source.path.name.startswith("interchange.") else set()


def _nodes(monitoring_db: Path) -> list[tuple[str, str]]:
    try:
        with open_readonly(monitoring_db) as conn:
            return conn.execute(
                "SELECT DISTINCT uid, run_id FROM node WHERE run_id IS NOT NULL ORDER BY run_id"
            ).fetchall()
    except sqlite3.Error:
        return []  # its importer reports what is wrong with it


def _named_managers(interchange_log: Path) -> set[str]:
    managers: set[bytes] = set()
    try:
        with interchange_log.open("rb") as file:
            for line in file:
                managers.update(_MANAGER.findall(line))
    except OSError:
        pass  # its importer reports that it can not be read
    return {manager.decode("utf-8", "replace") for manager in managers}
