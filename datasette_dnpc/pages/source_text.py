"""The text of a log line that an event was read from, out of the folders that the setting ``source_root`` names.

Off unless the setting is there: a server must read no file only because a database names it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

LONGEST = 4096
"""Bytes of a line that are shown."""

NOT_BYTES = frozenset({"parsl_monitoring", "parsl_tracing", "cloudwatch"})
"""Importers of what has no lines: the offset of their events is the number of a row or of a record."""


def roots(setting: object) -> list[Path]:
    """Return the folders of the setting: one folder, or a list of them; without it none."""
    given = [setting] if isinstance(setting, str) else setting
    if not isinstance(given, (list, tuple)):
        return []
    return [Path(folder).expanduser() for folder in given if isinstance(folder, str) and folder]


class LogFiles:
    """The logs below some folders, each opened once for a page."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [Path(os.path.realpath(folder)) for folder in folders]
        self._found: dict[tuple[str, int], Path | None] = {}

    def __bool__(self) -> bool:
        return bool(self._folders)

    def line(self, path: str, size: int, importer: str, offset: int | None) -> str | None:
        """Return the line that starts at an offset of a source, at most ``LONGEST`` bytes of it.

        :param path: of the source, relative to the folder that holds the runs
        :param size: bytes of the source when it was read: logs only grow, so a shorter file is another one

        None where there is no such file below the folders, more than one that fits, or no line at the offset.
        """
        if importer in NOT_BYTES or offset is None or not 0 <= offset < size:
            return None
        if (path, size) not in self._found:
            self._found[path, size] = self._find(path, size)
        file = self._found[path, size]
        return None if file is None else _line_at(file, offset)

    def _find(self, path: str, size: int) -> Path | None:
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts or "\0" in path:
            return None
        files = {file: _size(file) for file in self._inside(parts)}
        # Of the same name in several folders it is the one that was read, or that which has grown since.
        same = [file for file, now in files.items() if now == size]
        fitting = same or [file for file, now in files.items() if now > size]
        return fitting[0] if len(fitting) == 1 else None

    def _inside(self, path: PurePosixPath) -> Iterable[Path]:
        """Yield the real path of that file in each folder, unless a symbolic link leads out of the folder."""
        for folder in self._folders:
            file = Path(os.path.realpath(folder / path))
            if file.is_relative_to(folder):
                yield file


def _size(file: Path) -> int:
    """Return the bytes of a regular file, -1 for anything else."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _line_at(file: Path, offset: int) -> str | None:
    before = min(offset, 1)
    try:
        with file.open("rb") as opened:
            opened.seek(offset - before)
            piece = opened.read(before + LONGEST + 1)
    except OSError:
        return None
    if before and piece[:1] != b"\n":
        return None
    line, newline, _ = piece[before:].partition(b"\n")
    if b"\0" in line:
        return None
    cut = not newline and len(line) > LONGEST
    return line[:LONGEST].decode("utf-8", "replace").rstrip("\r") + (" …" if cut else "")
