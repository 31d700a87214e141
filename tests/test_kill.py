"""An import that is killed at any moment leaves the old database or the new one, and the next import all else as well.

``DNPC_KILLS=200`` kills that often, imports of larger logs; without it, enough to see that nothing has changed.
What the kills left is in the report of ``--junit-xml``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importers.database import StoreError
from tests.imports import dnpc, every_row, import_logs, names_in, query
from tests.runs import DATA

KILLS = int(os.environ.get("DNPC_KILLS", "8"))

FIRST, MORE = DATA / "two-htex", DATA / ("runinfo" if KILLS > 8 else "htex-crash")

# It says when all modules are loaded, so that no kill is spent on that, and when the import is done.
IMPORT = """
import sys, datasette_dnpc.sql_files
from importers.cli import main
print("ready", flush=True)
main(sys.argv[1:], standalone_mode=False)
print("done", flush=True)
"""

# It kills itself right before the file operation of that number, and tells its number of operations otherwise.
KILLED_AT = """
import os, signal, sys, datasette_dnpc.sql_files
from importers.cli import main
seen = 0
def count(event, arguments):
    global seen
    if event in ("os.link", "os.rename", "os.remove", "sqlite3.connect") and "dnpc.sqlite3" in str(arguments[0]):
        seen += 1
        if seen == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
main(sys.argv[2:])
"""


# It kills itself right before the statement that has these words.
KILLED_AT_STATEMENT = """
import os, signal, sqlite3, sys
from importers.cli import main
connect = sqlite3.connect
def traced(*arguments, **options):
    conn = connect(*arguments, **options)
    conn.set_trace_callback(lambda sql: sys.argv[1] in sql and os.kill(os.getpid(), signal.SIGKILL))
    return conn
sqlite3.connect = traced
main(sys.argv[2:])
"""


@dataclass(frozen=True)
class Case:
    """Databases before and after an import of ``paths``; no file where there is none before."""

    old: Path
    new: Path
    paths: tuple[Path, ...]
    digests: tuple[str | None, str | None]

    def arguments(self, database: Path, jobs: int = 1) -> list[str]:
        return ["import", *map(str, self.paths), "--db", str(database), "--quiet", "--jobs", str(jobs)]

    def begin(self, database: Path) -> None:
        """Make the folder of a database what it was before the import."""
        shutil.rmtree(database.parent, ignore_errors=True)
        database.parent.mkdir()
        if self.old.exists():
            shutil.copy(self.old, database)


def digest(database: Path) -> str | None:
    """Return a digest of all rows, tables and views of a sound database; None where there is none."""
    if not database.exists():
        return None
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    content = (
        query(database, "SELECT name, sql FROM sqlite_master ORDER BY name"),
        sorted(every_row(database).items()),
    )
    return hashlib.sha256(repr(content).encode()).hexdigest()


def made(folder: Path, first: tuple[Path, ...], paths: tuple[Path, ...]) -> Case:
    old, new = folder / "old.sqlite3", folder / "new.sqlite3"
    if first:
        dnpc("import", *first, "--db", old, "--quiet")
        shutil.copy(old, new)
    dnpc("import", *paths, "--db", new, "--quiet")
    return Case(old, new, paths, (digest(old), digest(new)))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("cases")
    for name in ("new", "existing"):
        (folder / name).mkdir()
    return {"new": made(folder / "new", (), (FIRST, MORE)), "existing": made(folder / "existing", (FIRST,), (MORE,))}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "db" / "dnpc.sqlite3"


def started(case: Case, database: Path, jobs: int) -> subprocess.Popen[str]:
    """Start an import in a session of its own, and return as it begins."""
    command = [sys.executable, "-c", IMPORT, *case.arguments(database, jobs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0] and process.stdout.readline() == "ready\n"
    return process


def processes_of(session: int) -> list[int]:
    """Return the processes that live in a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # What the name of a program holds is not to be taken for fields.
            state, _, _, number = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(number) == session and state not in "ZX":
            found.append(int(folder.name))
    return found


def none_lives_on(session: int) -> None:
    for _ in range(200):
        if not processes_of(session):
            return
        time.sleep(0.05)
    os.killpg(session, signal.SIGKILL)
    pytest.fail("a reading process outlives the import")


def old_or_new(case: Case, database: Path) -> str:
    """Check what a killed import has left, and that the next one puts all in order; return what was left."""
    left = digest(database)
    assert left in case.digests
    result = dnpc(*case.arguments(database))
    assert result.exit_code == 0, result.output
    assert digest(database) == case.digests[1]
    assert names_in(database.parent) == [database.name]
    return "new" if left == case.digests[1] else "old"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", ["new", "existing"])
def test_killed_at_any_moment(
    cases: dict[str, Case],
    database: Path,
    name: str,
    jobs: int,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    case, moments = cases[name], random.Random(f"{name} {jobs}")
    case.begin(database)
    with started(case, database, jobs) as process:
        began = time.monotonic()
        assert process.stdout is not None and process.stdout.readline() == "done\n"
        duration = time.monotonic() - began
    assert digest(database) == case.digests[1]
    left = []
    for _ in range(KILLS // 4):
        case.begin(database)
        with started(case, database, jobs) as process:
            time.sleep(moments.uniform(0, duration))
            process.kill()
        none_lives_on(process.pid)
        left.append(old_or_new(case, database))
    record_testsuite_property(
        f"{name}, {jobs} jobs", f"{left.count('old')} old, {left.count('new')} new; {duration:.2f} s without a kill"
    )


@pytest.mark.parametrize("name", ["new", "existing"])
def test_killed_before_each_file_operation(cases: dict[str, Case], database: Path, name: str) -> None:
    """The moments at which a new database gets its place are too short to be hit by chance."""
    case, left = cases[name], []
    for number in range(1, 50):
        case.begin(database)
        command = [sys.executable, "-c", KILLED_AT, str(number), *case.arguments(database)]
        status = subprocess.run(command, timeout=60).returncode
        if status == 0:
            break
        assert status == -signal.SIGKILL
        left.append(old_or_new(case, database))
    else:
        pytest.fail("the import does not end")
    assert left == sorted(left, reverse=True) and left[0] == "old"
    # It is linked to its place before the name that it was built under is removed.
    assert name == "existing" or left[-1] == "new"


@pytest.mark.parametrize("statement", ["ANALYZE", "COMMIT", "locking_mode = EXCLUSIVE"])
def test_killed_before_the_last_statements(cases: dict[str, Case], database: Path, statement: str) -> None:
    case = cases["existing"]
    case.begin(database)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_STATEMENT, statement, *case.arguments(database)], timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    committed = statement == "locking_mode = EXCLUSIVE"
    assert old_or_new(case, database) == ("new" if committed else "old")


def test_what_a_deleted_database_left_behind_is_not_taken_for_the_new_ones(
    cases: dict[str, Case], database: Path
) -> None:
    """Killed after its commit, an import leaves rows in a file of their own; then the database is deleted."""
    case = cases["existing"]
    case.begin(database)
    code = (
        "import os, signal, sys, importers.database as d; from importers.cli import main\n"
        "d._close = lambda conn: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main(sys.argv[1:])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, *case.arguments(database)]).returncode == -signal.SIGKILL
    log = database.with_name(f"{database.name}-wal")
    assert log.stat().st_size > 0
    database.unlink()
    assert dnpc(*cases["new"].arguments(database)).exit_code == 0
    assert digest(database) == cases["new"].digests[1]
    assert names_in(database.parent) == [database.name]


def leftover(database: Path, pid: int, content: bytes = b"") -> Path:
    database.parent.mkdir(exist_ok=True)
    path = database.with_name(f".{database.name}.{pid}.importing")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"half a database" * 100])
@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1, 10**30], ids=["this", "none", "no pid"])
def test_leftovers_of_processes_that_are_gone(database: Path, pid: int, content: bytes) -> None:
    """In a container, the next import has the number that the killed one had."""
    leftover(database, pid, content)
    import_logs(database, FIRST)
    assert names_in(database.parent) == [database.name]


def test_a_leftover_whose_number_another_process_has_by_now(database: Path) -> None:
    leftover(database, os.getppid(), b"half a database" * 100)
    import_logs(database, FIRST)
    assert names_in(database.parent) == [database.name]


def test_what_another_import_builds_just_now_stays(database: Path) -> None:
    """Whatever number it has: it may be one on another machine. And it comes to its end."""
    other = leftover(database, 2**22 + 1)
    with closing(sqlite3.connect(other, isolation_level=None)) as conn:
        conn.executescript("PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE")
        conn.execute("CREATE TABLE runs (id)")
        import_logs(database, FIRST)
        conn.execute("INSERT INTO runs VALUES (1)")
        assert names_in(database.parent) == [other.name, database.name]
    import_logs(database, FIRST)
    assert names_in(database.parent) == [database.name]


# File operations that fail


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_file_system_without_hard_links(
    cases: dict[str, Case], database: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cases["new"].begin(database)
    monkeypatch.setattr(os, "link", fail_with(number))
    assert dnpc(*cases["new"].arguments(database)).exit_code == 0
    assert digest(database) == cases["new"].digests[1]
    assert names_in(database.parent) == [database.name]


@pytest.mark.parametrize("broken", [("fsync",), ("link", "replace")])
def test_a_new_database_that_can_not_get_its_place(
    cases: dict[str, Case], database: Path, monkeypatch: pytest.MonkeyPatch, broken: tuple[str, ...]
) -> None:
    cases["new"].begin(database)
    for name in broken:
        monkeypatch.setattr(os, name, fail_with(errno.EIO))
    result = dnpc(*cases["new"].arguments(database))
    assert result.exit_code == 1 and len(result.output.splitlines()) == 1
    assert "can not be written: Input/output error" in result.output and "--db" in result.output
    assert names_in(database.parent) == []


def test_of_two_imports_into_one_new_database_the_second_is_refused(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between the last look and the move."""
    database.parent.mkdir()
    link = os.link

    def overtaken(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"of another import")
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    with pytest.raises(StoreError, match="another import meanwhile"):
        import_logs(database, FIRST)
    assert database.read_bytes() == b"of another import"
    assert names_in(database.parent) == [database.name]


def test_a_link_to_a_database_stays_one(database: Path, tmp_path: Path) -> None:
    database.parent.mkdir()
    link = tmp_path / "link.sqlite3"
    link.symlink_to(database)
    for path in (FIRST, MORE):
        import_logs(link, path)
        assert link.is_symlink() and not database.is_symlink()
    assert query(database, "SELECT count(DISTINCT run) FROM sources") > [(1,)]
    assert names_in(database.parent) == [database.name]
