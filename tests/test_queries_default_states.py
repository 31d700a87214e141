"""From which state to which durations are, where none is named: what says most, though most roots never started."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasette_dnpc import queries
from tests.imports import dnpc

PATTERNS = """
name = "jobs"
files = ["jobs.log"]
time = '^(?P<time>[\\d.]+) '
roots = ["job"]

[[patterns]]
regex = '^(?P<job>\\d+) (?P<what>begins|ends)'
span = ["job", "job"]
event = "{event}"
"""


@pytest.mark.parametrize(("started", "states"), [(2, ("job/begins", "job/ends")), (0, ("job/begins", "job/begins"))])
def test_roots_of_one_event_count_only_among_themselves(tmp_path: Path, started: int, states: tuple[str, str]) -> None:
    waiting = 5
    lines = [f"{1000 + job}.5 {job} begins\n" for job in range(waiting + started)]
    lines += [f"{2000 + 3 * job}.5 {job} ends\n" for job in range(waiting, waiting + started)]
    (tmp_path / "jobs.log").write_text("".join(lines))
    pattern = PATTERNS.split("[[patterns]]")
    events = [
        pattern[1].replace("(?P<what>begins|ends)", event).replace("{event}", event) for event in ("begins", "ends")
    ]
    (tmp_path / "jobs.toml").write_text("[[patterns]]".join([pattern[0], *events]))
    database = tmp_path / "dnpc.sqlite3"
    dnpc("import", tmp_path / "jobs.log", "--pattern-file", tmp_path / "jobs.toml", "--db", database, "--quiet")
    for name in ("event_pairs", "pair_histogram"):
        rows = queries.rows(database, name, root_type="job")
        assert {(row["start_state"], row["end_state"]) for row in rows} == {states}
    rows = queries.rows(database, "event_pairs", root_type="job")
    expected = [1000 + 2 * job for job in range(waiting, waiting + started)] or [0] * waiting
    assert sorted(row["duration"] for row in rows) == expected
