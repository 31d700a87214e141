"""Folders for work that is not done, beside what it is for: gone when it is, and what a killed process left, later."""

from __future__ import annotations

import glob
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_beside(path: Path, work: str) -> Iterator[Path]:
    """Make an empty folder that only its owner can read, on the file system of ``path``; it is removed in the end.

    ``work`` is the end of its name, and tells what it is for. Raises OSError.
    """
    place = Path(os.path.realpath(path))
    folder = place.with_name(f".{place.name}.{_host()}.{os.getpid()}.{work}")
    remove_leftovers(place, work)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(place: Path, work: str) -> None:
    """Remove the folders that processes of this machine have left which were killed."""
    for folder in place.parent.glob(f".{glob.escape(place.name)}.{_host()}.*.{work}"):
        process = folder.name.split(".")[-2]
        if process.isdigit() and not is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Tell whether another process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is of another user
    return pid != os.getpid()


def _host() -> str:
    # Two machines that share the folder do not know of each other's processes.
    return socket.gethostname().replace(".", "-").replace("/", "-")
