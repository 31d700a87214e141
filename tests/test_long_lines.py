"""Lines that say over and over what a reader looks for: it looks at each line once, however long it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers import cctools
from tests.test_regex_time import limited

SIZE = 1 << 23


@pytest.mark.parametrize("said", [b" MANAGER ", b" MANAGER START", b"1795397974057628 10123 MANAGER START "])
def test_a_line_that_names_managers(tmp_path: Path, said: bytes) -> None:
    """To look for the line's start at each of them took the square of its length: minutes here, days at 100 MB."""
    start = b"1795397974057628 10123 MANAGER START\n"
    log = tmp_path / "transaction_log"
    log.write_bytes(start + said * (SIZE // len(said)) + b"\n" + start.replace(b"10123", b"10124"))
    with limited("managers"):
        found = cctools.managers(log)
    assert [manager.pid for manager in found] == ["10123", "10124"]
