"""The registry of importers: one module a format."""

from __future__ import annotations

from importers import htex, parsl_log, parsl_monitoring
from importers.sources import Importer

FORMATS: dict[str, Importer] = {
    # A module is the importer: see sources.Importer.
    module.NAME: module
    for module in (parsl_monitoring, parsl_log, htex)
}


def root_types() -> tuple[str, ...]:
    """Return the task-like span types, whose event sequences are kept."""
    return tuple(root for importer in FORMATS.values() for root in importer.ROOTS)
