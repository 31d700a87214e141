"""The faults that measure the suite: that each is one change, and that SQL and tables get theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.mutants import TESTS, faults

MODULE = '''"""SELECT nothing FROM docstrings WHERE a = b."""

ROWS = (("a", f(1)), ("b", 2.5))
LETTERS = b"x|y|z"
IS_OPEN: bool = True
FIRST = ROWS[0]


def query():
    """DELETE FROM docstrings."""
    return "SELECT DISTINCT x FROM t WHERE y = 1 AND NOT EXISTS (SELECT 2) ORDER BY x", 7, "no query: a = b"
'''


def module(code: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"f": lambda *_: "f"}
    exec(code, found)
    return found


def test_tables_and_sql_get_faults_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text(MODULE)
    whole = module(compile(MODULE, "some.py", "exec"))
    made = [(fault.line, fault.what, module(fault.code)) for fault in faults(path)]
    tables = {what: found for line, what, found in made if line < 9}
    assert set(tables) == {
        "without ('a', f(1))",
        "without ('b', 2.5)",
        "without f(1)",
        "1 -> 2",
        "2.5 -> 3.5",
        "True -> False",
        *(f"without the alternative {letter!r}" for letter in (b"x", b"y", b"z")),
    }
    assert tables["without ('a', f(1))"]["ROWS"] == (("b", 2.5),)
    assert tables["2.5 -> 3.5"]["ROWS"] == (("a", "f"), ("b", 3.5))
    assert tables["without the alternative b'y'"]["LETTERS"] == b"x|z"
    assert tables["True -> False"]["IS_OPEN"] is False
    sql = {found["query"]()[0] for line, _what, found in made if line > 9}
    text, number, other = whole["query"]()
    assert sql == {
        text.replace("AND NOT", "OR NOT"),
        text.replace("y = 1", "y <> 1"),
        text.replace("NOT ", ""),
        text.replace("DISTINCT ", ""),
        text.replace("ORDER BY x", ""),
    }
    assert all(found["query"]()[1:] == (number, other) for _line, _what, found in made)
    assert all(found["query"]()[0] == text for found in tables.values())


def test_every_module_is_there_and_has_tests() -> None:
    folder = Path(__file__).parent
    for name, topics in TESTS.items():
        assert all((folder / f"test_{topic}.py").is_file() for topic in topics)
        assert topics and (folder.parent / "importers" / f"{name}.py").is_file(), name
