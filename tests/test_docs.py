"""The documents say what is true: generated parts are up to date, names in them exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from datasette_dnpc.sql_files import TOPICS, queries
from tests import docs, pictures
from tests.imports import dnpc
from tests.runs import DATA


@pytest.mark.parametrize("file", docs.FILES, ids=lambda file: file.parent.name)
def test_generated_parts_are_up_to_date(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == docs.updated(text), "make docs"


def test_readme_names_every_query_among_the_answers() -> None:
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    answers = text[text.index("## Questions") : text.index("## Import")]
    assert set(re.findall(r"`(\w+)`", answers)) == set(queries())


def test_readme_has_the_queries_below_their_topics() -> None:
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in text[: text.index("## Import")].splitlines() if line.startswith("| "))
    parts = re.split(r"^\| \*\*(.+)\*\* \| \|$", table, flags=re.MULTILINE)[1:]
    assert parts[::2] == list(TOPICS[:-1])
    for topic, rows in zip(parts[::2], parts[1::2], strict=True):
        assert set(re.findall(r"`(\w+)`", rows)) & set(queries()) == {
            name for name, query in queries().items() if query.topic == topic
        }


@pytest.mark.parametrize("package", ["importers", "datasette_dnpc"])
def test_packages_readme_names_every_module(package: str) -> None:
    text = (docs.ROOT / package / "README.md").read_text(encoding="utf-8")
    inside = [path for path in (docs.ROOT / package).iterdir() if not path.name.startswith(("_", "."))]
    modules = {f"{path.name}/" if path.is_dir() else path.name for path in inside} - {"README.md", "py.typed"}
    assert modules <= set(re.findall(r"`(\w+(?:\.\w+|/))`", text))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return the database that README's commands make of the samples."""
    made = tmp_path / "dnpc.sqlite3"
    imported = [sys.executable, "-m", "importers.cli", "import", str(docs.ROOT / "tests/data/runinfo")]
    subprocess.run([*imported, "--db", str(made), "--quiet"], check=True)
    return made


def test_pictures_are_there_and_small() -> None:
    assert {path.stem for path in pictures.FOLDER.iterdir()} == set(pictures.NAMES)
    for name in pictures.NAMES:
        content = (pictures.FOLDER / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) < 400_000


def test_pictures_can_be_drawn_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples are parts of the same two runs."""
    database = tmp_path / "dnpc.sqlite3"
    assert dnpc("import", DATA / "runinfo", DATA / "workqueue", "--db", database).exit_code == 0
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    pictures.draw(database)
    assert {path.stem for path in tmp_path.glob("*.png")} == {"types", *pictures.PLOTS}


def test_python_in_readme_runs(database: Path) -> None:
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    drawn = subprocess.run(
        [sys.executable, "-c", f"{code}\nassert ax.collections"], cwd=database.parent, capture_output=True, text=True
    )
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == ""


def test_sql_in_readme_runs_in_datasettes_dialect(database: Path) -> None:
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "query", str(database), sql, "--csv"], capture_output=True, text=True
    )
    # Each try of monitoring.db has its account in parsl.log: 29 + 29 + 28, and a header.
    assert len(done.stdout.splitlines()) == 1 + 86, done.stderr
