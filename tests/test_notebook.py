"""The example notebook runs from top to bottom, and draws what its cells ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests import docs
from tests.imports import dnpc
from tests.runs import DATA

NOTEBOOK = docs.ROOT / "datasette_dnpc" / "notebooks" / "where_did_the_time_go.ipynb"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the notebook with its outputs, from a database of the sample runs."""
    folder = tmp_path_factory.mktemp("notebook")
    dnpc("import", DATA / "runinfo", "--db", folder / "dnpc.sqlite3")
    notebook = kept()
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    return notebook


def kept() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_each_cell_shows_something_and_nothing_complains(done: Any) -> None:
    for cell in code(done):
        assert cell.outputs, cell.source
        assert [output for output in cell.outputs if output.output_type in ("stream", "error")] == []


def test_each_plot_is_a_picture(done: Any) -> None:
    drawing = [cell for cell in code(done) if re.search(r"= plots\.", cell.source)]
    pictures = [cell for cell in code(done) if any("image/png" in output.get("data", {}) for output in cell.outputs)]
    assert len(drawing) >= 5
    assert pictures == drawing


def test_tables_are_those_of_the_commands(done: Any, tmp_path: Path) -> None:
    """The rows that a cell ends with are printed as Python has them."""
    shown = [eval(cell.outputs[0].data["text/plain"], {}) for cell in code(done) if "= plots." not in cell.source]
    runs, layers, waiting = shown
    assert len(runs) == 3
    assert layers and waiting
    assert all(row["in_queue"] > row["in_run"] for row in waiting)


def test_it_is_kept_without_outputs() -> None:
    assert [cell.outputs for cell in code(kept()) if cell.outputs] == []
