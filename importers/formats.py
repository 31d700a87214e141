"""The registry of importers: one module a format, and the formats that users and installed packages add."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from importers import (
    cloudwatch,
    funcx_client,
    funcx_endpoint,
    htex,
    manager_statistics,
    metric_lines,
    parsl_log,
    parsl_monitoring,
    parsl_tracing,
    submit_scripts,
    taskgraph,
    transactions,
    workqueue_debug,
    workqueue_function,
)
from importers.pattern_file import FormatError, PatternFormat
from importers.pattern_file import load as load_pattern_file
from importers.plugins import Outside, installed, load_module
from importers.sources import Importer

OWN: tuple[Importer, ...] = (
    # In this order: the first that takes a file is given it. metric_lines takes what is left.
    parsl_monitoring,
    parsl_log,
    funcx_endpoint,
    htex,
    transactions.work_queue,
    transactions.taskvine,
    manager_statistics,
    taskgraph,
    workqueue_debug,
    workqueue_function,
    submit_scripts,
    parsl_tracing,
    funcx_client,
    cloudwatch,
    metric_lines,
)
"""dnpc's importers: modules, for the most part. See sources.Importer."""

FORMATS = {importer.NAME: importer for importer in OWN}


def root_types() -> tuple[str, ...]:
    """Return the task-like span types, whose event sequences are kept."""
    return Formats().root_types()


@dataclass(frozen=True)
class Added:
    """Formats beside dnpc's own: pattern files, Python files, and whether those of installed packages count."""

    pattern_files: tuple[Path, ...] = ()
    modules: tuple[Path, ...] = ()
    installed: bool = True


@dataclass
class Formats:
    """The importers of an import by name, in the order in which they are asked for a file.

    ``problems`` says which importers of installed packages are not used, and why. ``added`` is what they were made
    from, so that another process can make the same.
    """

    importers: dict[str, Importer] = field(default_factory=lambda: dict(FORMATS))
    problems: list[str] = field(default_factory=list)
    added: Added = Added(installed=False)

    def root_types(self) -> tuple[str, ...]:
        """Return the task-like span types, whose event sequences are kept."""
        return tuple(dict.fromkeys(root for importer in self.importers.values() for root in importer.ROOTS))

    def version(self, name: str) -> str:
        """Return what tells an added format from its earlier and later states; empty for dnpc's own importers."""
        importer = self.importers[name]
        return importer.version if isinstance(importer, PatternFormat | Outside) else ""


def load_formats(added: Added) -> Formats:
    """Return dnpc's importers and the added ones.

    Those named by files are asked first, so that they can replace dnpc's; those of packages after dnpc's own, but
    for the one that takes what is left. Raises FormatError where a file can't be used; what is wrong with a package
    is noted instead.
    """
    formats = Formats({}, [], added)
    for found in _of_files(added):
        _add(formats, found)
    own = list(formats.importers)
    formats.importers |= FORMATS
    for outside in installed() if added.installed else ():
        try:
            if isinstance(outside, FormatError):
                raise outside
            _add(formats, outside)
        except FormatError as error:
            formats.problems.append(f"{error}. It is not used")
    order = [*own, *(name for name in formats.importers if name not in (*own, metric_lines.NAME)), metric_lines.NAME]
    formats.importers = {name: formats.importers[name] for name in order}
    return formats


formats_here: Callable[[Added], Formats] = lru_cache(maxsize=1)(load_formats)
"""``load_formats``, once for a process that reads for another."""


def _of_files(added: Added) -> Iterator[PatternFormat | Outside]:
    yield from map(load_pattern_file, added.pattern_files)
    yield from map(load_module, added.modules)


def _add(formats: Formats, found: PatternFormat | Outside) -> None:
    other = formats.importers.get(found.NAME, FORMATS.get(found.NAME))
    if other is not None:
        whose = other.origin if isinstance(other, PatternFormat | Outside) else "dnpc's own"
        raise FormatError(f"{found.origin}: the name {found.NAME!r} is taken ({whose}): choose another")
    formats.importers[found.NAME] = found
