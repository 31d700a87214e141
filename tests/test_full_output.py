"""Where the output can not be written, a command says so; where nobody reads on, it ends without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import DATA

FULL = Path("/dev/full")


def dnpc(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "importers.cli", *map(str, arguments)]


@pytest.mark.skipif(not FULL.exists(), reason="no device that is full")
def test_output_on_a_full_disk(synthetic_db: Path, tmp_path: Path) -> None:
    commands = [
        dnpc("slowest-spans", "--db", synthetic_db),
        dnpc("graph", "--db", synthetic_db),
        dnpc("import", DATA / "two-htex", "--db", tmp_path / "dnpc.sqlite3"),
    ]
    for command in commands:
        with FULL.open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        assert done.stderr == "Error: The output can not be written: No space left on device\n"


def test_a_reader_that_has_enough(synthetic_db: Path) -> None:
    with subprocess.Popen(
        dnpc("event-rate", "--db", synthetic_db, "--format", "csv"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
