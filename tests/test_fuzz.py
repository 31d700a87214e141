"""Faulty logs of every format: an import ends, its database is whole, and what intact lines say is in it.

The full size, a million lines for each importer: ``python -m tests.fuzz --lines 1000000``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importers.formats import OWN
from tests import guided, mutations
from tests.fuzz import AT_ONCE, TARGETS, Failed, Imported, Target, compare, fuzz, imported
from tests.mutations import mutated, mutated_lines
from tests.runs import DATA

LINES = int(os.environ.get("DNPC_FUZZ_LINES", "1000"))
"""Faulty lines for each format; DNPC_FUZZ_LINES sets it."""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_faulty_lines_of_every_format(tmp_path: Path, target: Target) -> None:
    counts = [min(AT_ONCE, LINES - first) for first in range(0, LINES, AT_ONCE)]
    # The command has other seeds, and more lines.
    found = list(fuzz(target, tmp_path, "suite", iter(counts)))
    assert [count for count, _ in found] == counts
    assert sum(one.unmatched for _, one in found) > 0


def test_every_importer_is_a_target(tmp_path: Path) -> None:
    importers = set()
    for number, target in enumerate(TARGETS):
        folder = tmp_path / str(number)
        folder.mkdir()
        intact = imported(target, folder, Random(0), 0)
        assert intact.records, target.name
        importers.add(intact.importer)
    assert importers == {importer.NAME for importer in OWN} | {"myapp"}


@cache
def intact_rows(target: Target) -> Imported:
    with TemporaryDirectory() as folder:
        return imported(target, Path(folder), Random(0), 0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TARGETS), st.randoms(), st.integers(1, 6))
def test_few_faulty_lines(target: Target, rng: Random, count: int) -> None:
    """The same with chances that Hypothesis takes, and makes smaller where something fails."""
    with TemporaryDirectory() as folder:
        compare(target, intact_rows(target), imported(target, Path(folder), rng, count))


@pytest.mark.parametrize("name", guided.CHECKS)
def test_what_guided_checks_begin_with(name: str) -> None:
    """Atheris goes on from there: ``python -m tests.guided NAME``."""
    check = guided.CHECKS[name]
    for number, seed in enumerate(check.seeds):
        check.run(seed)
        check.run(mutated(seed, Random(number), check.seeds))
    assert len(check.seeds) > 5


@pytest.mark.parametrize(
    "target", [t for t in TARGETS if t.name in ("METRIC lines", "TaskVine taskgraph")], ids=lambda t: t.name
)
def test_what_a_guided_target_begins_with(tmp_path: Path, target: Target) -> None:
    check = guided.of_target(target, tmp_path)
    for seed in check.seeds:
        check.run(seed)


def test_one_pass_that_finds_something_else_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    line = next(seed for seed in guided.CHECKS["watch"].seeds if b"initializing state to" in seed)
    patterns, watch = guided.WATCHES[0]
    monkeypatch.setattr(guided, "WATCHES", [(patterns[:1], watch)] * 4)
    with pytest.raises(Failed, match="one pass finds"):
        guided.watched(line)


def test_faults_are_of_all_kinds_and_repeatable() -> None:
    lines = (DATA / "runinfo/000/parsl.log").read_bytes().splitlines()
    faulty = mutated_lines(lines, 5000, Random(1))
    assert faulty == mutated_lines(lines, 5000, Random(1)) != mutated_lines(lines, 5000, Random(2))
    # Nearly all differ from what they were made of, and few are the same.
    assert len(set(faulty) - set(lines)) > 4000
    for odd in (*mutations.JUNK, *mutations.NUMBERS, *mutations.TIMES):
        assert any(odd in line for line in faulty), odd
    assert max(map(len, faulty)) > 5000 and b"" in faulty
    for mutation in mutations.MUTATIONS:
        changed = [mutation(lines[0], Random(n), lines) for n in range(50)]
        assert any(line != lines[0] for line in changed)
        # What is left of a line can be changed again, be it nothing.
        assert all(isinstance(mutation(line, Random(n), lines), bytes) for n, line in enumerate(changed))
        assert isinstance(mutation(b"", Random(1), lines), bytes)
    assert mutated(b"", Random(3), [b""]) is not None


def test_lost_rows_and_lines_are_seen() -> None:
    """The comparison finds what it is there for."""
    target = next(target for target in TARGETS if target.accounts_for_all)
    intact = Imported("x", {(b"line", 1.0, "a")}, 3, 0, 3)
    compare(target, intact, Imported("x", {(b"line", 1.0, "a"), (b"other", 2.0, "b")}, 3, 2, 5))
    for wrong in (
        Imported("x", {(b"line", 1.0, "b")}, 3, 0, 3),
        Imported("x", intact.rows, 2, 1, 3),
        Imported("x", intact.rows, 3, 1, 5),
    ):
        with pytest.raises(Failed):
            compare(target, intact, wrong)


def test_the_command() -> None:
    words = [sys.executable, "-m", "tests.fuzz", "--lines", "50", "--only", "module", "--only", "output of a block"]
    done = subprocess.run(words, cwd=DATA.parent.parent, capture_output=True, text=True, timeout=120, check=True)
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["output of a block", "module"]
    assert all(" 50 lines " in line for line in done.stdout.splitlines())
