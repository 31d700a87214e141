"""All or nothing: what an import leaves behind when it fails, is killed, or meets other users of the database."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from importers import reading, schema, transactions
from importers.database import StoreError, open_store
from importers.formats import Added
from importers.pipeline import import_paths
from importers.sources import Source
from tests.benchmarks.workqueue_log import write_log
from tests.imports import differences, readable
from tests.runs import DATA

RUN = DATA / "two-htex"


def content(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return list(conn.iterdump())


def fail(*_: object) -> None:
    raise RuntimeError("the import fails after its rows are written")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def test_failure_leaves_no_new_database(database: Path) -> None:
    with pytest.raises(RuntimeError):
        import_paths([RUN], database, finish=fail)
    assert list(database.parent.iterdir()) == []


def test_failure_leaves_the_old_database(database: Path) -> None:
    import_paths([DATA / "htex-crash"], database)
    before = content(database)
    with pytest.raises(RuntimeError):
        import_paths([RUN], database, finish=fail)
    assert content(database) == before


@pytest.mark.parametrize("existing", [False, True])
def test_killed_import(database: Path, existing: bool) -> None:
    if existing:
        import_paths([DATA / "htex-crash"], database)
    before = content(database) if existing else None
    # It stops itself where all rows are written, but nothing is committed.
    code = (
        "import os, signal; from pathlib import Path; from importers.pipeline import import_paths;"
        f"import_paths([Path({str(RUN)!r})], Path({str(database)!r}),"
        " finish=lambda conn: os.kill(os.getpid(), signal.SIGKILL))"
    )
    killed = subprocess.run([sys.executable, "-c", code])
    assert killed.returncode == -signal.SIGKILL
    if existing:
        assert content(database) == before
    else:
        assert not database.exists() and list(database.parent.iterdir()) != []
    import_paths([RUN], database)
    assert [path.name for path in database.parent.iterdir()] == [database.name]
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("SELECT count(*) FROM runs").fetchone() == (2 if existing else 1,)


def test_leftover_of_a_running_import_stays(database: Path) -> None:
    running = database.with_name(f".{database.name}.{os.getppid()}.importing")
    foreign = database.with_name(f".{database.name}.copy.importing")
    running.touch()
    foreign.touch()
    import_paths([RUN], database)
    assert running.exists() and foreign.exists()


def test_database_made_meanwhile_is_not_replaced(database: Path) -> None:
    def other(_conn: sqlite3.Connection) -> None:
        database.write_bytes(b"of another import")

    with pytest.raises(StoreError, match="another import meanwhile"):
        import_paths([RUN], database, finish=other)
    assert database.read_bytes() == b"of another import"


def test_other_version_is_refused_with_the_way_out(database: Path) -> None:
    import_paths([RUN], database)
    with closing(sqlite3.connect(database)) as conn:
        conn.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(StoreError, match=r"another version of dnpc.*--db"), open_store(database):
        pass


def test_locked_database(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_paths([RUN], database)
    with closing(sqlite3.connect(database, isolation_level=None)) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options | {"timeout": 0.1}))
        with pytest.raises(StoreError, match="locked by another program"):
            import_paths([RUN], database)


def test_a_reader_goes_on_and_sees_the_new_rows_afterwards(database: Path) -> None:
    import_paths([DATA / "htex-crash"], database)
    counted = "SELECT count(*) FROM runs"
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0)) as reader:
        assert reader.execute(counted).fetchone() == (1,)

        def read(_conn: sqlite3.Connection) -> None:
            assert reader.execute(counted).fetchone() == (1,)

        import_paths([RUN], database, finish=read)
        assert reader.execute(counted).fetchone() == (2,)


START_METHODS = [
    method for method in ("fork", "spawn", "forkserver") if method in multiprocessing.get_all_start_methods()
]


def log_of_tasks(folder: Path, tasks: int) -> Source:
    """Write a transaction log, and return the source that it is."""
    found = transactions.work_queue.find(write_log(folder / "transaction_log", tasks))
    assert found is not None
    return found


@pytest.mark.parametrize("method", START_METHODS)
def test_other_processes_give_the_same_rows_however_they_start(tmp_path: Path, method: str) -> None:
    """The start method is set for a whole process, so that another one imports."""
    log_of_tasks(tmp_path / "log", 300)
    code = (
        "import multiprocessing, sys; from pathlib import Path; from importers.pipeline import import_paths\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method(sys.argv[1])\n"
        "    import_paths([Path(path) for path in sys.argv[3:]], Path(sys.argv[2]), jobs=3)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    subprocess.run([sys.executable, script, method, tmp_path / "d.db", RUN, tmp_path / "log"], check=True, timeout=60)
    import_paths([RUN, tmp_path / "log"], tmp_path / "one.db", jobs=1)
    assert differences(readable(tmp_path / "one.db"), readable(tmp_path / "d.db")) == {}


@pytest.mark.parametrize("method", START_METHODS)
def test_reading_processes_end_with_a_killed_import(tmp_path: Path, method: str) -> None:
    source = log_of_tasks(tmp_path, 3000)
    code = (
        "import multiprocessing, sys, time; from pathlib import Path\n"
        "from importers import reading, transactions; from importers.formats import Added\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method(sys.argv[1])\n"
        "    source = transactions.work_queue.find(Path(sys.argv[2]))\n"
        "    with reading.Reader([(source, True)], Added(installed=False)) as reader:\n"
        "        reader._sent.poll(60)\n"
        "        print(reader._process.pid, flush=True)\n"
        "        time.sleep(60)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, str(script), method, str(source.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        reader = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{reader}").exists() or "Z" in Path(f"/proc/{reader}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    os.kill(reader, signal.SIGKILL)
    pytest.fail("the reading process outlives the import")


def test_a_reading_process_that_is_killed_while_it_sends(tmp_path: Path) -> None:
    """What is in the pipe by then is less than a part, and no more will come."""
    with reading.Reader([(log_of_tasks(tmp_path, 3000), True)], Added(installed=False)) as reader:
        assert reader._sent.poll(60)
        pid = reader._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(StoreError, match="ended from outside"):
            reader.read(lambda part: None)


def test_what_goes_wrong_in_a_reading_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("as planned")

    monkeypatch.setattr(reading, "read_source", broken)
    monkeypatch.setattr(multiprocessing, "Process", multiprocessing.get_context("fork").Process)
    with (
        reading.Reader([(log_of_tasks(tmp_path, 1), True)], Added(installed=False)) as reader,
        pytest.raises(RuntimeError, match="as planned"),
    ):
        reader.read(None)


def test_other_processes_read_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"parsl.log": 75, "interchange.log": 50, "manager.log": 22, "worker_0.log": 5}
    monkeypatch.setattr(reading, "size_of", sizes.__getitem__)
    # 75 bytes are another process's, and 50 + 22 + 5 are read here.
    assert reading._share(list(sizes), 2) == [[1, 2, 3], [0]]  # type: ignore[arg-type]
    assert reading._share(list(sizes), 1) == [[0, 1, 2, 3]]  # type: ignore[arg-type]
