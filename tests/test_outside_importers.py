"""Importers from outside: Python files and installed packages, and what goes wrong in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import docs
from tests.imports import differences, dnpc, import_logs, names_in, query, readable
from tests.own_formats import (
    MODULE,
    module,
    named,
    own,
    runs_and_logs,
    unmatched,
)
from tests.runs import DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runs_and_logs(tmp_path)


# Python files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def find(path:", "SyntaxError: '(' was never closed (myapp.py, line 1)"),
        ("\n\nimport nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' (myapp.py, line 3)"),
        ("1 / 0", "ZeroDivisionError: division by zero (myapp.py, line 1)"),
        ("open('nowhere')", "(myapp.py, line 1)"),
        ("\nraise SystemExit(3)", "SystemExit: 3 (myapp.py, line 2)"),
        ("import re\nre.compile('(')", "(myapp.py, line 2)"),
        ("from importers.pattern import Pattern\nPattern(rb'\\d+')", "(myapp.py, line 2)"),
        ("\0", "null bytes"),
        ("# \xff", "it has no NAME. An importer has, for example: NAME = "),
        ("NAME = 7", "NAME is not what an importer has, for example: NAME = "),
        ("NAME = 'x'", "it has no ROOTS. An importer has, for example: ROOTS = ()"),
        ("NAME = 'x'\nROOTS = 'abc'", "ROOTS is not what an importer has"),
        ("NAME = 'x'\nROOTS = ()", "it has no find. An importer has, for example: def find(path): ..."),
        ("NAME = 'x'\nROOTS = ()\nfind = 1", "find is not what an importer has"),
        ("NAME = 'x'\nROOTS = ()\ndef find(path): pass", "it has no read"),
        (MODULE.format(name="htex", find="pass", read="pass"), "the name 'htex' is taken (dnpc's own)"),
    ],
)
def test_a_python_file_that_is_no_importer(tmp_path: Path, text: str, said: str) -> None:
    file = named(tmp_path, text, "myapp.py")
    result = dnpc("import", DATA / "two-htex", "--module", file, "--db", tmp_path / "db")
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {file}: ") and said in result.output
    assert names_in(tmp_path) == ["myapp.py"]


@pytest.mark.parametrize(
    ("find", "said"),
    [
        ("return {}[path.suffix]", "KeyError: '.stdout' (myapp.py, line 7)"),
        ("raise SystemExit('enough')", "SystemExit: enough"),
        ("return 7", "TypeError: find returned int, not a Source or None"),
        ("return source_at('htex', path)", "find returned a Source of 'htex', not of 'myapp'"),
        ("return source_at(NAME, path, {'task': 7})", "(myapp.py, line 7)"),
        ("import os; from dataclasses import replace; "
         "return replace(source_at(NAME, path), name='\\udcff')", "holds what is no character"),
    ],
)  # fmt: skip
def test_a_find_that_fails(folder: Path, find: str, said: str) -> None:
    """Its files are given to the other importers, and the failure is told once."""
    file = module(folder, f"if path.suffix != '.stdout': return None\n    {find}")
    database = folder / "db"
    for quiet in ((), ("--quiet",)):
        result = dnpc("import", folder / "runinfo", "--module", file, "--db", database, *quiet)
        assert result.exit_code == 0
        assert result.output.count("the importer myapp failed on it (3 files in all)") == 1 and said in result.output
    plain = folder / "plain"
    import_logs(plain, folder / "runinfo")
    assert differences(readable(plain), readable(database)) == {}


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("raise KeyError('x')", "KeyError: 'x' (myapp.py, line 8)"),
        ("raise SystemExit(2)", "SystemExit: 2 (myapp.py, line 8)"),
        ("batch.event('x', 'y')", "TypeError: "),
        ("import json; json.loads('{')", "JSONDecodeError: "),
        ("return None", "TypeError: read returned NoneType, not the fingerprint as text"),
        ("batch.event(5, 1.5, 'x', 0); return ''", "a span's number that batch.span did not give"),
        ("batch.event_times.append(1.5); return ''", "columns of events differ in length"),
        ("batch.span('x', 5); return ''", "TypeError: '5' is no text"),
        ("batch.span('x', '\\udcff'); return ''", "holds what is no character"),
        ("batch.span('a/b', '5'); return ''", "a span type holds '/'"),
        ("batch.table('nowhere', {'a': [1]}); return ''", "dnpc's own importers"),
        ("batch.format = None; return ''", "TypeError: 'None' is no text"),
        ("raise RecursionError", "RecursionError"),
        ("return read(source, batch, progress)", "RecursionError"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_read_that_fails(folder: Path, read: str, said: str, jobs: int) -> None:
    """The source is reported as not read, with nothing of it, and the others are imported."""
    file = module(folder, read=f"batch.span('myapp.half', 'done'); {read}")
    database = folder / "db"
    result = dnpc("import", folder / "runinfo", "--module", file, "--db", database, "--quiet", "--jobs", jobs)
    assert result.exit_code == 0
    assert result.output.count("the importer failed, 1 time") == 3 and said in result.output
    plain = folder / "plain"
    import_logs(plain, folder / "runinfo")
    assert differences(readable(plain, "sources", "unmatched"), readable(database, "sources", "unmatched")) == {}
    # Once it is right, the files are read.
    module(folder, read="batch.span('myapp.whole', source.name); return ''")
    assert dnpc("import", folder / "runinfo", "--module", file, "--db", database).exit_code == 0
    assert len(query(database, "SELECT * FROM span WHERE type = 'myapp.whole'")) == 3


def test_times_that_cant_be_are_kept_as_unmatched(folder: Path) -> None:
    """Whatever an importer from outside gives."""
    file = module(
        folder,
        read="""span = batch.span('myapp.step', source.name)
    for n, time in enumerate((-1.0, 0.0, 5.5, 1e11, 2e11, float('nan'), float('inf'))):
        batch.event(span, time, 'at', n)
        batch.samples.append((span, 'x', time, 1.0))
    batch.samples.append((span, 'y', 1.5, float('nan')))
    batch.records += 1
    return ''""",
    )
    database = folder / "db"
    assert dnpc("import", folder / "runinfo", "--module", file, "--db", database).exit_code == 0
    assert [time for _, time, _ in own(database)] == [0.0] * 3 + [5.5] * 3 + [1e11] * 3
    samples = """SELECT DISTINCT time FROM samples JOIN sources ON sources.id = source
                 WHERE importer = 'myapp' ORDER BY 1"""
    assert query(database, samples) == [(0.0,), (5.5,), (1e11,)]
    assert {reason for reason, _ in unmatched(database)} == {
        "an event at a time that can't be",
        "a sample that is no number, or at a time that can't be",
    }


def test_a_data_class_in_a_python_file(folder: Path) -> None:
    file = module(folder)
    file.write_text("from __future__ import annotations\nfrom dataclasses import dataclass, field\n"
                    "@dataclass\nclass Step:\n    name: str = field(default='x')\n" + file.read_text())  # fmt: skip
    result = dnpc("import", folder / "runinfo", "--module", file, "--db", folder / "db")
    assert result.exit_code == 0 and len(query(folder / "db", "SELECT * FROM sources WHERE importer = 'myapp'")) == 3
    assert "__pycache__" not in names_in(folder)


# Installed packages


def package(folder: Path, name: str, points: dict[str, str], modules: dict[str, str]) -> None:
    """Install a package of modules with entry points into the folder ``site``."""
    place = folder / name
    place.mkdir()
    for stem, text in modules.items():
        (place / f"{stem}.py").write_text(text)
    listed = "\n".join(f"{point} = {json.dumps(value)}" for point, value in points.items())
    (place / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n[project.entry-points."dnpc.importers"]\n{listed}\n'
        f"[tool.setuptools]\npy-modules = {json.dumps(list(modules))}\n"
    )
    docs.install(place)


def command(folder: Path, *arguments: object, packages: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder / name / "site") for name in packages] + [str(docs.ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "importers.cli", *map(str, arguments)],
        cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_installed_importers_beside_broken_ones(folder: Path) -> None:
    takes = "return source_at(NAME, path) if path.suffix in ('.stdout', '.log') else None"
    works = MODULE.format(name="myapp", find=takes, read="batch.span('myapp.whole', source.name); return 'x'")
    clash = MODULE.format(name="htex", find="pass", read="pass")
    as_object = "from types import SimpleNamespace as S\nimporter = S(NAME='o', ROOTS=(), find=lambda p: None, read=1)"
    package(
        folder,
        "good",
        {"myapp": "good_format"},
        {"good_format": works},
    )
    package(
        folder,
        "bad",
        {"a": "bad_syntax", "b": "bad_import", "c": "nowhere_at_all", "d": "bad_clash", "e": "bad_syntax2:x",
         "f": "bad_object:importer", "g": "bad_empty:nothing"},
        {"bad_syntax": "def (", "bad_import": "\nimport nowhere_either", "bad_clash": clash,
         "bad_syntax2": "raise SystemExit", "bad_object": as_object, "bad_empty": ""},
    )  # fmt: skip
    both = ("good", "bad")
    done = command(folder, "import", "runinfo", "--db", "db", "--jobs", "3", packages=both)
    assert done.returncode == 0, done.stderr
    # What dnpc's own importers know is theirs, and what they leave is for others.
    taken = query(folder / "db", "SELECT path FROM sources WHERE importer = 'myapp'")
    names = Counter(re.sub(r"task_\d+", "task", Path(path).name) for (path,) in taken)
    assert names == {"task_simulate.stdout": 3, "database_manager.log": 2, "monitoring_zmq_router.log": 2}
    problems = done.stderr.splitlines()
    wrong = ["'a'", "'b'", "'c'", "'d'", "'e'", "'f'", "'g'"]
    assert [re.findall(r"'\w'", problem)[0] for problem in problems] == wrong
    assert all(f"importer {point} of the package bad: " in line for point, line in zip(wrong, problems, strict=True))
    said = ["(bad_syntax.py, line 1)", "(bad_import.py, line 2)", "nowhere_at_all", "the name 'htex' is taken",
            "(bad_syntax2.py, line 1)", "read is not what an importer has", "nothing"]  # fmt: skip
    assert all(text in problem for text, problem in zip(said, problems, strict=True))
    shown = command(folder, "import", "--help", packages=both)
    assert "myapp" in shown.stdout
    chosen = command(folder, "import", "runinfo", "--importer", "myapp", "--db", "db2", packages=both)
    assert chosen.returncode == 0
    assert query(folder / "db2", "SELECT DISTINCT importer FROM sources") == [("myapp",)]


def test_a_file_named_on_the_command_line_stands_for_an_installed_importer_of_its_name(folder: Path) -> None:
    package(folder, "good", {"myapp": "good_format"}, {"good_format": MODULE.format(name="myapp", find="1", read="1")})
    options = ("--pattern-file", named(folder), "--db", "db")
    done = command(folder, "import", "runinfo", *options, packages=("good",))
    assert done.returncode == 0 and len(own(folder / "db")) == 6
