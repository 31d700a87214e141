"""The command ``dnpc serve``."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

from datasette_dnpc import serve
from tests.imports import dnpc, query
from tests.runs import DATA

LOGS = DATA / "htex-chicago"


@contextmanager
def serving(folder: Path, *arguments: object, ends_by: int = signal.SIGINT, status: int = 0) -> Iterator[str]:
    """Run the command in a folder, give the address that it prints, and interrupt it."""
    command = [sys.executable, "-m", "importers.cli", "serve", *map(str, arguments)]
    # The tests' own environment may hold settings of Datasette.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATASETTE_")}
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout
        stop = threading.Timer(60, process.kill)
        stop.start()
        try:
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if found := re.search(r"http://\S+", line):
                    break
            else:
                raise AssertionError("".join(lines))
            yield found[0]
            process.send_signal(ends_by)
            rest = process.stdout.read()
            assert process.wait(timeout=20) == status
            assert "Traceback" not in rest
        finally:
            stop.cancel()
            process.kill()


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return str(answer.read().decode())


def test_logs_are_imported_and_shown_with_their_lines(tmp_path: Path) -> None:
    with serving(tmp_path, LOGS) as address:
        assert address.startswith("http://127.0.0.1:") and address.endswith("/-/dnpc/dnpc")
        database = tmp_path / "dnpc.sqlite3"
        for (name,) in query(database, "SELECT name FROM runs"):
            assert name in fetched(address)
        [(uuid, log, offset)] = query(
            database,
            """SELECT spans.uuid, path, offset FROM spans JOIN events ON events.span = spans.id
               JOIN sources ON sources.id = source WHERE path LIKE '%parsl.log' ORDER BY spans.uuid LIMIT 1""",
        )
        [file] = LOGS.rglob("parsl.log")
        assert str(file).endswith(log)
        line = file.read_bytes()[offset:].split(b"\n")[0].decode()
        assert line in unescape(fetched(f"{address}/span/{uuid}"))
        # What tables are is told, whatever the name of the database.
        assert "Time of the first event" in fetched(address.replace("/-/dnpc/dnpc", "/dnpc/spans"))


def test_database_of_any_name_without_logs(tmp_path: Path) -> None:
    database = tmp_path / "my run.v2.sqlite3"
    assert dnpc("import", LOGS, "--db", database, "--quiet").exit_code == 0
    uuid = query(database, "SELECT spans.uuid FROM spans JOIN span_types ON type = span_types.id"
                           " WHERE name = 'parsl.rundir.task' ORDER BY uuid")[0][0]  # fmt: skip
    marker, hint = 'class="dnpc-line"', "--source-root FOLDER"
    with serving(tmp_path, "--db", database) as address:
        assert "hold.py" in fetched(address)
        without = fetched(f"{address}/span/{uuid}")
        assert marker not in without and hint in without
        assert "Time of the first event" in fetched(address.replace("/-/dnpc/", "/") + "/spans")
    [folder] = {log.parent.parent for log in LOGS.rglob("parsl.log")}
    with serving(tmp_path, "--db", database, "--source-root", folder) as address:
        found = fetched(f"{address}/span/{uuid}")
        assert marker in found and hint not in found
    # Lines of logs stay on this machine.
    with serving(tmp_path, LOGS, "--db", database, "--host", "0.0.0.0") as address:
        assert marker not in fetched(f"{address.replace('0.0.0.0', '127.0.0.1')}/span/{uuid}")


def test_termination_ends_it(tmp_path: Path, empty_db: Path) -> None:
    with serving(tmp_path, "--db", empty_db, ends_by=signal.SIGTERM, status=-signal.SIGTERM) as address:
        assert "There are no spans yet" in fetched(address)


def test_port(tmp_path: Path, empty_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = dnpc("serve", "--db", empty_db, "--port", port)
        assert result.exit_code == 1 and f"Port {port} of 127.0.0.1 can not be used" in result.output
        monkeypatch.setattr(serve, "PORT", port)
        assert serve.free_port("127.0.0.1", None) not in (port, 0)
    assert serve.free_port("127.0.0.1", None) == serve.free_port("127.0.0.1", port) == port
    with serving(tmp_path, "--db", empty_db, "--port", port) as address:
        assert f":{port}/" in address


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--db", "none.sqlite3"], "none.sqlite3 does not exist. Make it with: dnpc import PATH --db none.sqlite3"),
        (["--host", "192.0.2.1"], "192.0.2.1 can not be used"),
        (["--host", "0.0.0.0", "--source-root", "."], "lines of logs are shown on this machine only"),
        (["--port", "0"], "Invalid value for '--port'"),
        (["nothing"], "does not exist"),
    ],
)
def test_what_can_not_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = dnpc("serve", *arguments)
    assert result.exit_code in (1, 2) and message in result.output
    assert list(tmp_path.iterdir()) == []


def test_database_of_something_else(other_db: Path) -> None:
    result = dnpc("serve", "--db", other_db)
    assert result.exit_code == 1 and "is no dnpc database" in result.output
