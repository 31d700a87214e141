"""Files beside a log, which tell whose it is: not read through symbolic links that lead out of an import's folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_folders: ContextVar[tuple[tuple[Path, Path], ...]] = ContextVar("_folders", default=())
"""The folders of the import, as they were given and as they really are; none where all links are followed."""


@contextmanager
def staying_inside(folders: Iterable[Path]) -> Iterator[None]:
    """Have ``is_open`` let through no link, in here, that leads out of these folders."""
    before = _folders.set(tuple((folder.absolute(), Path(os.path.realpath(folder))) for folder in folders))
    try:
        yield
    finally:
        _folders.reset(before)


def is_open(path: Path) -> bool:
    """Tell whether a file is there and may be read: whatever lies outside the folders, inside what really is inside."""
    if not path.is_file():
        return False
    place, real = path.absolute(), Path(os.path.realpath(path))
    folders = _folders.get()
    is_inside = any(place.is_relative_to(folder) for both in folders for folder in both)
    return not is_inside or any(real.is_relative_to(folder) for _, folder in folders)
