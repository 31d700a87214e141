"""What `dnpc graph -o FILE` writes is told by the end of the file's name; no picture's name gets a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.imports import dnpc


@pytest.mark.parametrize("name", ["types.pdf", "types.jpeg", "types.sv"])
def test_an_ending_that_is_not_known(synthetic_db: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    result = dnpc("graph", "--db", synthetic_db, "-o", file)
    assert result.exit_code == 2 and not file.exists()
    assert "ends in none of .txt, .dot, .gv, .mmd, .png, .svg" in " ".join(result.output.split())
    assert dnpc("graph", "--db", synthetic_db, "-o", file, "--format", "mermaid").exit_code == 0
    assert file.read_text().startswith("flowchart")


@pytest.mark.parametrize("name", ["types", "types.txt", "TYPES.TXT"])
def test_a_text(synthetic_db: Path, tmp_path: Path, name: str) -> None:
    assert dnpc("graph", "--db", synthetic_db, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_text() == dnpc("graph", "--db", synthetic_db).stdout != ""
