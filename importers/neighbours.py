"""Files beside a log, which tell whose it is: not read through symbolic links that lead out of an import's folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_folders: list[tuple[Path, Path]] = []
"""The folders of the import, as they were given and as they really are; none where all links are followed."""


def stay_inside(folders: Iterable[Path]) -> None:
    """Read through no link that leads out of these folders, until this is said of others."""
    _folders[:] = [(folder.absolute(), Path(os.path.realpath(folder))) for folder in folders]


def is_open(path: Path) -> bool:
    """Tell whether a file is there and may be read: whatever lies outside the folders, inside what really is inside."""
    if not path.is_file():
        return False
    place, real = path.absolute(), Path(os.path.realpath(path))
    is_inside = any(place.is_relative_to(folder) for both in _folders for folder in both)
    return not is_inside or any(real.is_relative_to(folder) for _, folder in _folders)
