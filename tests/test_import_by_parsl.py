"""Workers of Parsl read: the database is the one that this machine makes alone, or the old one, with the reason."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import parsl
import pytest

from importers import on_parsl
from importers.beside import folder_beside
from importers.database import WORK
from importers.formats import OWN, Added
from importers.on_parsl import Asked, OnWorker, Piece, read_piece, state_of_code
from importers.reading import EngineError, ReadSource, read_source, size_of
from importers.sources import find_sources
from importers.times import Clock
from tests.imports import differences, dnpc, every_row, import_logs, names_in, query
from tests.runs import DATA
from tests.test_live import run_process

# Two workers on this machine, that start in another folder than the command.
CONFIG = """
from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            address="127.0.0.1",
            cores_per_worker=0.01,
            max_workers_per_node=2,
            encrypted=False,
            heartbeat_period=1,
            provider=LocalProvider(init_blocks=1, max_blocks=1, worker_init={init!r}),
        )
    ],
    retries={retries},
    strategy="none",
    usage_tracking=0,
)
"""

# An importer that ends the process in which it reads: each time, or the first time only.
DEADLY = """
import os, signal
from pathlib import Path
from importers.line_reader import LineTime, read_lines
from importers.pattern import Pattern
from importers.places import source_at

NAME = "deadly"
ROOTS = ()
TIME = LineTime(rb"^(?P<time>\\d+) ")
ONCE = Path({once!r})

def find(path):
    return source_at(NAME, path, {{}}) if path.name == "deadly.txt" else None

def read(source, batch, progress):
    if not ONCE.exists():
        ONCE.touch({touch})
        os.kill(os.getpid(), signal.SIGKILL)
    return read_lines(source, batch, progress, (Pattern(rb"step (?P<step>\\d+)", ("step", "step"), "begins"),), TIME)
"""


def configured(folder: Path, init: str = "cd /", retries: int = 0) -> Path:
    file = folder / "config.py"
    file.write_text(CONFIG.format(init=init, retries=retries))
    return file


def importing(folder: Path, *arguments: object) -> str:
    """Run the import in a process of its own, in a folder; return what it printed."""
    command = [sys.executable, "-m", "importers.cli", "import", *map(str, arguments), "--db", "dnpc.sqlite3"]
    return run_process(command, folder).stdout


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with runs of several components, in which a command runs."""
    for name in ("htex-chicago", "workqueue", "taskvine"):
        shutil.copytree(DATA / name, tmp_path / "logs" / name)
    return tmp_path


@pytest.mark.live
def test_database_is_the_one_that_this_machine_makes_though_a_worker_was_lost(logs: Path) -> None:
    marker = logs / "killed"
    (logs / "deadly.py").write_text(DEADLY.format(once=str(marker), touch=""))
    (logs / "logs" / "deadly.txt").write_text("1795397704 step 1\n1795397705 step 2\n")
    arguments = ["logs", "--module", "deadly.py", "--timezone", "America/Chicago"]
    printed = importing(logs, *arguments, "--parsl", configured(logs, retries=1).name)
    assert marker.exists()
    assert names_in(logs) == ["config.py", "deadly.py", "dnpc.sqlite3", "killed", "logs"]  # and no runinfo
    found = every_row(logs / "dnpc.sqlite3")
    assert len(found["events"]) > 1000
    (logs / "dnpc.sqlite3").unlink()
    assert importing(logs, *arguments, "--jobs", "1") == printed
    assert differences(found, every_row(logs / "dnpc.sqlite3")) == {}


def lost(folder: Path) -> tuple[str, ...]:
    (folder / "deadly.py").write_text(DEADLY.format(once=str(folder / "killed"), touch=") if False else (None"))
    (folder / "logs" / "deadly.txt").touch()
    return "logs", "--module", "deadly.py", "--parsl", configured(folder).name


def another_version(folder: Path) -> tuple[str, ...]:
    other = shutil.copytree(Path(on_parsl.__file__).parent, folder / "other" / "importers")
    with (other / "times.py").open("a") as file:
        file.write("# of another version\n")
    return "logs", "--parsl", configured(folder, init=f"export PYTHONPATH={folder / 'other'}").name


def no_dnpc(folder: Path) -> tuple[str, ...]:
    (folder / "other").mkdir()
    (folder / "other" / "importers.py").touch()
    return "logs", "--parsl", configured(folder, init=f"export PYTHONPATH={folder / 'other'}").name


def not_shared(folder: Path) -> tuple[str, ...]:
    # What /proc/self/cwd is depends on who looks.
    return "/proc/self/cwd/logs", "--parsl", configured(folder).name


full = pytest.mark.skipif(not os.environ.get("DNPC_FULL"), reason="starts Parsl once more: set DNPC_FULL=1")


@pytest.mark.live
@pytest.mark.parametrize(
    ("case", "why"),
    [
        (lost, "WorkerLost: .*With retries=2 in the configuration"),
        pytest.param(another_version, "has another version of dnpc. Install the same there as here", marks=full),
        pytest.param(no_dnpc, "ModuleNotFoundError: .*dnpc has to be installed in the Python of the wor", marks=full),
        pytest.param(not_shared, "does not see /proc/self/cwd/logs/.* in a folder that the workers share", marks=full),
    ],
)
def test_what_keeps_workers_from_reading_is_told(logs: Path, case: Callable[[Path], tuple[str, ...]], why: str) -> None:
    """One of the cases runs by default, all with DNPC_FULL=1."""
    arguments = case(logs)
    before = names_in(logs)
    command = [sys.executable, "-m", "importers.cli", "import", *arguments, "--db", "dnpc.sqlite3"]
    with pytest.raises(AssertionError) as failed:
        run_process(command, logs)
    assert re.search(why, str(failed.value)), failed.value
    assert "Traceback" not in str(failed.value)
    assert names_in(logs) == before


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "it has no configuration named config. It needs, for example: from parsl import Config"),
        ("config = {}", "it has no configuration named config"),
        ("import parsl\nconfig = parsl.Config(executer=[])", "TypeError: "),
        ("config = (", "SyntaxError: "),
        ("raise SystemExit", "SystemExit: "),
    ],
)
def test_unfit_configuration_is_told(tmp_path: Path, code: str, why: str) -> None:
    file = tmp_path / "config.py"
    file.write_text(code)
    printed = dnpc("import", DATA / "workqueue", "--parsl", file, "--db", tmp_path / "dnpc.sqlite3")
    assert printed.exit_code == 1 and f"{file}: {why}" in printed.output
    assert names_in(tmp_path) == ["config.py"]


def test_configuration_that_starts_parsl_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsl, "dfk", lambda: object())
    printed = dnpc("import", DATA / "workqueue", "--parsl", configured(tmp_path), "--db", tmp_path / "dnpc.sqlite3")
    assert printed.exit_code == 1 and "leave parsl.load(config) out" in printed.output


def test_missing_parsl_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsl", None)
    printed = dnpc("import", DATA / "workqueue", "--parsl", configured(tmp_path), "--db", tmp_path / "dnpc.sqlite3")
    assert printed.exit_code == 1 and "pip install 'datasette-dnpc[parsl]'" in printed.output


def test_one_way_of_reading_is_chosen(tmp_path: Path) -> None:
    printed = dnpc("import", DATA / "workqueue", "--parsl", configured(tmp_path), "--jobs", 2)
    assert printed.exit_code == 2 and "give one of them" in printed.output


def piece_of(file: Path, *paths: Path, modules: tuple[Path, ...] = ()) -> Piece:
    sources = find_sources(paths, OWN, [], Counter())
    asked = tuple(Asked(source, size_of(source), False) for source in sources)
    return Piece(asked, Added(modules=modules), state_of_code(), file)


def test_worker_that_can_not_write_says_so(tmp_path: Path) -> None:
    piece = piece_of(tmp_path / "missing" / "0.rows", DATA / "workqueue")
    with pytest.raises(OnWorker, match=r"can not write into .*missing: No such file.* choose one with --db"):
        read_piece(piece)


def test_worker_that_does_not_see_a_format_says_so(tmp_path: Path) -> None:
    piece = piece_of(tmp_path / "0.rows", DATA / "workqueue", modules=(tmp_path / "mine.py",))
    with pytest.raises(OnWorker, match=r"can not use a format of yours\. .*mine\.py: it can not be read"):
        read_piece(piece)
    assert names_in(tmp_path) == []


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    piece = piece_of(tmp_path / "0.rows", DATA)
    in_zone = Clock(ZoneInfo("America/Chicago"), "option")
    asked = tuple(Asked(replace(one.source, clock=in_zone), one.size, in_parts=False) for one in piece.asked)
    piece = replace(piece, asked=asked)
    read_piece(piece)
    found = list(on_parsl._rows(piece, [None] * len(asked)))
    assert found == [read_source(one.source) for one in asked]
    assert {one.source.clock for one in found} == {in_zone}
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("size", [1 << 40, -1])
def test_worker_that_sees_less_of_a_log_says_so(tmp_path: Path, size: int) -> None:
    piece = piece_of(tmp_path / "0.rows", DATA / "htex-chicago" / "000" / "parsl.log")
    source = piece.asked[0].source
    if size < 0:
        source, size = replace(source, path=tmp_path / "parsl.log"), 1
    with pytest.raises(OnWorker, match=rf"does not see {source.path} as it is here"):
        read_piece(replace(piece, asked=(Asked(source, size, False),)))


@pytest.mark.parametrize("named", [os.system, Path.unlink, getattr, ReadSource.__init__])
def test_nothing_but_rows_is_made_of_what_lies_in_the_folder(tmp_path: Path, named: Any) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return named, (str(tmp_path / "kept"),)

    (tmp_path / "kept").touch()
    piece = piece_of(tmp_path / "0.rows", DATA / "workqueue")
    with gzip.open(piece.file, "wb") as file:
        pickle.dump(Hostile(), file)
    with pytest.raises(EngineError, match="is not as a worker has written it: it names"):
        list(on_parsl._rows(piece, [None]))
    assert (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", b"rows", gzip.compress(b"", mtime=0), gzip.compress(b"\x80\x05]", mtime=0)]
)
def test_damaged_rows_are_told(tmp_path: Path, content: bytes) -> None:
    piece = piece_of(tmp_path / "0.rows", DATA / "workqueue")
    piece.file.write_bytes(content)
    with pytest.raises(EngineError, match="is not as a worker has written it"):
        list(on_parsl._rows(piece, [None]))


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([1], [[0]]),
        ([100, 1], [[0], [1]]),
        ([0, 0, 0], [[0, 1, 2]]),
        ([4, 4, 4, 4, 4], [[0, 1], [2, 3], [4]]),
        ([1, 100, 1, 1], [[0], [1], [2, 3]]),
    ],
)
def test_neighbours_are_read_together(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], shares: list[list[int]]
) -> None:
    monkeypatch.setattr(on_parsl, "BYTES_AT_ONCE", 10)
    assert [list(share) for share in on_parsl._shares(sizes)] == shares


def test_what_killed_imports_left_is_removed(tmp_path: Path) -> None:
    database = tmp_path / "dnpc.sqlite3"
    with folder_beside(database, WORK) as folder:
        (folder / "0.rows").touch()
        alive = shutil.copytree(folder, folder.with_name(folder.name.replace(str(os.getpid()), "1")))
        elsewhere = shutil.copytree(folder, tmp_path / ".dnpc.sqlite3.elsewhere.999999999.reading")
        shutil.copytree(folder, folder.with_name(folder.name.replace(str(os.getpid()), "999999999")))
    import_logs(database, DATA / "workqueue")
    assert names_in(tmp_path) == sorted([alive.name, elsewhere.name, "dnpc.sqlite3"])
    assert query(database, "SELECT count(*) FROM spans") > [(0,)]


def test_workers_are_told_of_their_configuration_and_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They write beside the one, wherever the other lies."""
    told = []

    @contextmanager
    def nobody(file: Path, database: Path) -> Iterator[None]:
        told.append((file, database))
        yield

    monkeypatch.setattr(on_parsl, "OnParsl", nobody)
    file, database = configured(tmp_path), tmp_path / "elsewhere" / "d.db"
    database.parent.mkdir()
    assert dnpc("import", DATA / "htex-crash", "--parsl", file, "--db", database).exit_code == 0
    assert told == [(file, database)]
    assert dnpc("import", DATA / "htex-crash", "--db", database).exit_code == 0
    assert len(told) == 1
