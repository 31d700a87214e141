"""No line drives a regular expression to more than linear time; a user's own that is driven so far is given up.

Each is tried on texts made from itself (``tests.attacks``), of half a million bytes: what is linear takes thousandths
of a second there, what is quadratic many seconds. ``LIMIT`` only ends the wait. DNPC_ATTACKS=5 tries more characters.
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import datasette_dnpc
import importers
from importers import drift, htex, parsl_log, stall
from importers.logfile import TEXT, Block
from importers.rows import Batch
from importers.times import clock_of_offset
from tests.attacks import attacks
from tests.imports import dnpc, query
from tests.own_formats import TOML, WHOLE, events_in, named, read_with, runs_and_logs, write

SIZE = 1 << 19
VARIANTS = int(os.environ.get("DNPC_ATTACKS", "1"))
MOST = 15
"""Attacks on one regular expression, where DNPC_ATTACKS asks for no more."""

LIMIT = 2.0
"""Seconds of work, of whatever speed the machine is, after which an attack has succeeded."""

ROOT = Path(__file__).parents[1]
SEARCHES = {"search", "finditer", "findall", "sub", "subn", "split"}
SHORT = {"importers.rows._VARIABLE"}
"""Those that only ever see the first characters of a text."""
OF_REGEXES = {"importers.pattern_file._PARTED"}
"""Those that read what a user has written into a pattern file, which no log makes longer."""


WATCHED = ("_taken", "_local_stops", "_suspect_json")
"""Those that a watch makes when it first needs them; its _epoch_stops is used on usual texts only."""


class Driven(Exception):
    """It took too long."""


@contextmanager
def limited(what: str, seconds: float = 0.0) -> Iterator[None]:
    """Raise Driven where this takes too long: regular expressions look at signals while they match."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Driven(what)

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds or LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def modules() -> Iterator[Any]:
    for package in (importers, datasette_dnpc):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def patterns_in(value: Any, depth: int = 6) -> Iterator[re.Pattern[Any]]:
    """Yield the regular expressions that a value of a module holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from patterns_in(item, depth - 1)
    elif depth and isinstance(value, dict):
        yield from patterns_in(list(value.items()), depth - 1)
    elif depth and type(value).__module__.startswith(("importers.", "datasette_dnpc.")):
        yield from patterns_in(list(getattr(value, "__dict__", {}).values()), depth - 1)


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield calls such as ``_IDS.search(...)`` and ``re.sub(...)`` in a file, with the name before the point."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            owner = node.func.value
            yield getattr(owner, "id", getattr(owner, "attr", "")), node


def str_or_bytes(constant: ast.Constant) -> Any:
    return constant.value


def every_pattern() -> dict[tuple[Any, int], tuple[str, re.Pattern[Any], bool]]:
    """Return all regular expressions, with where they are and whether they are searched for, not only matched."""
    searched: set[str] = set()
    found: dict[tuple[Any, int], tuple[str, re.Pattern[Any], bool]] = {}
    for package in ("importers", "datasette_dnpc"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for owner, call in calls(path):
                searched.add(f"{module}.{owner}")
                if owner == "re" and isinstance(call.args[0], ast.Constant):
                    flags = re.MULTILINE if any("MULTILINE" in ast.dump(arg) for arg in call.args) else 0
                    inline: re.Pattern[Any] = re.compile(str_or_bytes(call.args[0]), flags)
                    found[inline.pattern, inline.flags] = (f"{module}, line {call.lineno}", inline, True)
    for module in modules():
        for name, value in vars(module).items():
            if not name.startswith("__"):
                for pattern in patterns_in(value):
                    place = f"{module.__name__}.{name}"
                    known = found.get((pattern.pattern, pattern.flags), (place, pattern, False))
                    found[pattern.pattern, pattern.flags] = (known[0], pattern, known[2] or place in searched)
    for patterns, known_messages in (
        (parsl_log.PATTERNS, drift.PARSL_KNOWN),
        (htex.INTERCHANGE_PATTERNS, drift.HTEX_KNOWN),
        (htex.MANAGER_PATTERNS, drift.HTEX_KNOWN),
        (htex.WORKER_PATTERNS, drift.HTEX_KNOWN),
    ):
        watch = drift.Watch(patterns, known_messages)
        for name in WATCHED:
            place, pattern = f"importers.drift.Watch.{name}", getattr(watch, name)
            found[pattern.pattern, pattern.flags] = (place, pattern, f"importers.drift.{name}" in searched)
    return found


EVERY = every_pattern()


def drive(place: str, pattern: re.Pattern[Any], is_searched: bool, variants: int) -> int:
    """Try a regular expression on long lines and on many lines; return on how many texts. Raises Driven."""
    tried, size = 0, SIZE >> 8 if place in OF_REGEXES else SIZE
    found = list(attacks(pattern, variants))
    # Those made of all known messages in one repeat much: a share of these is tried unless more characters are.
    for before, unit in found[:: len(found) // MOST + 1 if variants == 1 else 1]:
        line = f"{before}{unit * max(1, 24 // len(unit))}\n"
        texts = [before + unit * (size // len(unit)) + "\0\n", line * (size // len(line))]
        long, many = (text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace") for text in texts)
        step = len(line)
        with limited(f"{place}: {pattern.pattern!r} on {before!r} and then {unit!r}, over and over"):
            pattern.match(long)
            # One whose point is a newline, too, is for texts that are no part of another.
            for start in range(0, 0 if pattern.flags & re.DOTALL else len(many), step):
                pattern.match(many, start)
            if is_searched:
                for text in (long, many):
                    for _ in pattern.finditer(text):
                        pass
        tried += 1
    return tried


def test_all_regular_expressions_are_found() -> None:
    places = {place for place, _, _ in EVERY.values()}
    named = {place.rsplit(".", 1)[0].split(",")[0] for place in places}
    for path in (ROOT / "importers").glob("*.py"):
        if "re.compile(" in path.read_text(encoding="utf-8"):
            assert f"importers.{path.stem}" in named, path
    assert "importers.drift.Watch._suspect_json" in places and len(EVERY) > 150
    assert sum(is_searched for _, _, is_searched in EVERY.values()) > 15


RECORD = b"1795397698.766988 2026-11-23 01:34:58 P-1 T-1 m:5 f INFO: "


@pytest.mark.parametrize(
    "text",
    [
        b"1111111111.1 a\n" * (SIZE // 15),
        RECORD + b"x\n" + b"1111111111.1 a\n" * (SIZE // 15),
        (RECORD + b"x\n" + b"1111111111.1 a\n" * 120) * (SIZE // 1900),
        (RECORD + b"Task " * 12 + b"\n") * (SIZE // 120),
        b"1111111111.1 " + b":" * SIZE,
    ],
)
def test_no_text_drives_a_watch_beyond_linear_time(text: bytes) -> None:
    batch = Batch("run", format=TEXT)
    with limited(repr(text[:200])):
        watch = drift.Watch(parsl_log.PATTERNS, drift.PARSL_KNOWN)
        for _ in watch.records(Block(0, text + b"\n"), clock_of_offset(0.0), batch):
            pass


def test_no_text_drives_a_regular_expression_beyond_linear_time() -> None:
    tried = sum(drive(*found, VARIANTS) for found in EVERY.values() if found[0] not in SHORT)
    assert tried > 200


@pytest.mark.parametrize(
    "regex", [r"(a+)+$", r"x*x*x*x*y", r"\[Scaling ([^\]]+)\] Executor", r"^(\w+\s?)*$", r"\[(?:\\.|[^\]])*\]"]
)
def test_what_is_not_linear_is_noticed(monkeypatch: pytest.MonkeyPatch, regex: str) -> None:
    monkeypatch.setitem(globals(), "LIMIT", 1.0)
    with pytest.raises(Driven):
        drive("here", re.compile(regex), True, 5)


def test_templates_of_what_is_not_understood() -> None:
    """These see the first characters of a record only, which bounds what they take."""
    short = [found[1] for found in EVERY.values() if found[0] in SHORT]
    assert len(short) == 8
    for pattern in short:
        for before, unit in attacks(pattern, 3):
            batch = Batch("run")
            with limited(f"a template of {before!r} and then {unit!r}", 10):
                for n in range(20):
                    batch.reject("hostile", n, before + unit * SIZE)
            assert sum(found.times for found in batch.unmatched.values()) == 20


CATASTROPHE = r"(?:[a-z]+)+ of step (?P<step>\d+)$"
HOSTILE = b"1795397707.3 " + b"a" * 60 + b" of step x\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "PATIENCE", 0.3)


def own_pattern(regex: str) -> str:
    return f"""{TOML}
[[patterns]]
regex = '{regex}'
span = ["myapp.step", "task", "step"]
event = "odd"
"""


@pytest.mark.usefixtures("impatient")
def test_a_pattern_of_a_users_own_that_takes_for_ever_is_given_up(tmp_path: Path) -> None:
    text = own_pattern(CATASTROPHE)
    log = WHOLE + b"1795397707.4 the end of step 7\n" + HOSTILE * 3 + WHOLE.replace(b"step=1", b"step=9")
    with limited("a pattern file", 60):
        batch = read_with(text, log, tmp_path)
    # What other patterns say of the lines after it is there, and what it said before.
    told_of = {(key, name) for key, _, name, _ in events_in(batch)}
    assert told_of == {("12/1", "begins"), ("12/9", "begins"), ("12/7", "odd")}
    ((reason, _), told) = next(iter(batch.unmatched.items()))
    assert "takes too long on this line" in reason and CATASTROPHE[:20] in reason
    assert told.times == 1 and told.text.startswith("a" * 20)


@pytest.mark.usefixtures("impatient")
def test_an_import_with_such_a_pattern_ends_and_says_why(tmp_path: Path) -> None:
    folder = runs_and_logs(tmp_path)
    for task in range(20, 26):
        write(folder, f"0000/task_{task:04}_simulate.stdout", HOSTILE + WHOLE)
    file = named(folder, own_pattern(CATASTROPHE))
    with limited("an import", 60):
        result = dnpc("import", folder, "--pattern-file", file, "--db", tmp_path / "dnpc.sqlite3", "--jobs", "1")
    assert result.exit_code == 0 and "takes too long on this line" in result.output
    steps = query(tmp_path / "dnpc.sqlite3", "SELECT count(*) FROM event WHERE type = 'begins'")
    assert steps == [(9,)]
    reasons = query(tmp_path / "dnpc.sqlite3", "SELECT count(*) FROM unmatched WHERE reason LIKE '%too long%'")
    assert reasons == [(6,)]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("key", "regex", "place", "told"),
    [
        ("time", r"^(?P<time>\d+\.\d+) (?:[a-z]+)+$", "runinfo/000/task_logs/0000", "takes too long on this line"),
        ("time", r"^(?P<time>\d+\.\d+) (?:[a-z]+)+$", "alone/task_logs/0000", "time, takes too long on it"),
        ("path", r"(?:[a-z]+)+(?P<task>\d)(?P<app>!)", "runinfo/000/task_logs/0000", "time, takes too long on it"),
    ],
)
def test_where_and_when_that_take_for_ever(tmp_path: Path, key: str, regex: str, place: str, told: str) -> None:
    folder = runs_and_logs(tmp_path)
    name = f"{'a' * 60}.stdout" if key == "path" else "task_0020_simulate.stdout"
    (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / place / name).write_bytes(HOSTILE.replace(b" of step", b" step=1 begins") + WHOLE)
    line = next(line for line in TOML.splitlines() if line.startswith(f"{key} ="))
    file = named(folder, TOML.replace(line, f"{key} = '{regex}'"))
    database = tmp_path / "dnpc.sqlite3"
    with limited("an import", 60):
        result = dnpc("import", folder, "--pattern-file", file, "--db", database, "--jobs", "1")
    assert result.exit_code == 0 and told in " ".join(result.output.split())
    # Everything else is imported.
    assert query(database, "SELECT count(*) FROM runs WHERE key LIKE '%-%-%-%-%'") == [(3,)]


def test_without_a_timer_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, or where the system has no such timer, matching goes on as ever."""
    monkeypatch.delattr(signal, "ITIMER_VIRTUAL")
    before = signal.getsignal(signal.SIGVTALRM)
    with stall.noticed():
        assert signal.getsignal(signal.SIGVTALRM) == before
        assert stall.match(re.compile("a+").search, "xaa") is not None


def test_a_timer_is_left_as_it_was() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with stall.noticed():
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[1] == pytest.approx(stall.PATIENCE)
    assert signal.getsignal(signal.SIGVTALRM) == before and signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
