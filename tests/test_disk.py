"""Disks that are full, folders that may not be written, databases that are damaged: the old database stays whole.

Mounts are made in a namespace of their own, which takes no privileges where the system allows that; elsewhere these
tests are skipped, and a limit of the size of files stands for a full disk.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.imports import dnpc, names_in, query, readable
from tests.runs import DATA

OLD, MORE = DATA / "two-htex", DATA / "runinfo"
COMMAND = [sys.executable, "-m", "importers.cli"]

IN_NAMESPACE = ["unshare", "--map-root-user", "--mount"]

# A disk of so many bytes on the folder of the database, which is copied there and, in the end, back.
ON_A_SMALL_DISK = """
folder=$1 before=$2 kept=$3 size=$4
shift 4
mount -t tmpfs -o size="$size" tmpfs "$folder" && cp -a "$before"/. "$folder" || exit 3
"$@"
status=$?
cp -a "$folder"/. "$kept" || exit 3
exit $status
"""

IN_A_READ_ONLY_FOLDER = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
shift
exec "$@"
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "db" / "dnpc.sqlite3"
    path.parent.mkdir()
    return path


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("old") / "dnpc.sqlite3"
    assert dnpc("import", OLD, "--db", path, "--quiet").exit_code == 0
    return path


@pytest.fixture(scope="module")
def namespaces() -> None:
    """Skip where the system does not let one mount anything."""
    try:
        subprocess.run([*IN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mounts without privileges here: {error}")


def command(*arguments: object) -> list[str]:
    return [*COMMAND, *map(str, arguments)]


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failed import says."""
    assert done.returncode == 1 and "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ") and "--db" in line
    return line


def sound(database: Path) -> bool:
    return query(database, "PRAGMA integrity_check") == [("ok",)]


# What it takes to write all of MORE into a database that holds OLD is about 1.5 MB.
@pytest.mark.parametrize("most", [0, 30_000, 500_000])
@pytest.mark.parametrize("existing", [False, True])
def test_a_limit_of_the_size_of_files(database: Path, old: Path, existing: bool, most: int) -> None:
    if existing:
        shutil.copy(old, database)
    limit: Callable[[], None] = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most))
    words = command("import", MORE, "--db", database, "--quiet")
    line = told(subprocess.run(words, capture_output=True, text=True, preexec_fn=limit, timeout=120))
    assert "can not be written" in line and ("quota" in line or most == 0)
    assert names_in(database.parent) == ([database.name] if existing else [])
    assert not existing or (sound(database) and readable(database) == readable(old))
    # Once there is room, nothing of that matters.
    assert dnpc("import", MORE, "--db", database).exit_code == 0


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("share", [1.02, 1.5])
def test_a_full_disk(tmp_path: Path, database: Path, old: Path, existing: bool, share: float) -> None:
    size, before, kept = int(share * old.stat().st_size), tmp_path / "before", tmp_path / "kept"
    before.mkdir()
    kept.mkdir()
    if existing:
        shutil.copy(old, before)
    words: list[object] = [*IN_NAMESPACE, "sh", "-c", ON_A_SMALL_DISK, "sh", database.parent, before, kept, size]
    words += command("import", MORE, "--db", database, "--quiet")
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120)
    assert "Make room" in told(done)
    assert names_in(kept) == ([database.name] if existing else [])
    assert not existing or (sound(kept / database.name) and readable(kept / database.name) == readable(old))


def in_a_read_only_folder(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    if os.geteuid() == 0:
        words = [*IN_NAMESPACE, "sh", "-c", IN_A_READ_ONLY_FOLDER, "sh", str(folder), *words]
        return subprocess.run(words, capture_output=True, text=True, timeout=120)
    folder.chmod(0o555)
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=120)
    finally:
        folder.chmod(0o755)


@pytest.mark.usefixtures("namespaces" if os.geteuid() == 0 else "database")
@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_that_may_not_be_written(database: Path, old: Path, existing: bool) -> None:
    if existing:
        shutil.copy(old, database)
        database.chmod(0o444)
    done = in_a_read_only_folder(database.parent, command("import", MORE, "--db", database))
    assert f"{database} can not be written" in told(done)
    assert names_in(database.parent) == ([database.name] if existing else [])
    if existing:
        assert database.read_bytes() == old.read_bytes()
        for words in (["sources"], ["slowest-spans"]):
            read = in_a_read_only_folder(database.parent, command(*words, "--db", database))
            assert read.returncode == 0 and read.stdout and not read.stderr


def test_a_damaged_database(database: Path, old: Path) -> None:
    """All pages but the first, which says that it is one of dnpc's."""
    content = bytearray(old.read_bytes())
    schema_pages = 16 * 4096
    for start in range(schema_pages, len(content), 4096):
        content[start : start + 100] = b"\xff" * 100
    database.write_bytes(content)
    for words in (["import", MORE], ["slowest-spans"], ["sources"], ["serve"]):
        result = dnpc(*words, "--db", database)
        assert result.exit_code == 1, words
        assert "damaged" in result.output or "malformed" in result.output, result.output
        assert "--db" in result.output
    assert database.read_bytes() == content
    assert names_in(database.parent) == [database.name]
