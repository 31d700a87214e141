"""The query ``runs_compared``, against the layers of each task of the two runs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean

import pytest

from datasette_dnpc import queries
from tests.imports import dnpc, query

DATA = Path(__file__).parent / "data"
LAYERS = ("1 submit", "2 retry", "3 queue", "4 transfer", "5 dispatch", "6 run", "7 return")
SAMPLES = ("htex-chicago", "htex-crash", "workqueue")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compared") / "dnpc.sqlite3"
    dnpc("import", *(DATA / name for name in SAMPLES), "--db", path, "--quiet")
    return path


def seconds_of(database: Path, run: str) -> dict[tuple[str, str], list[float]]:
    """Return app and layer to the seconds of each task of a run."""
    columns = ", ".join(f"in_{layer[2:]}" for layer in LAYERS)
    found = defaultdict(list)
    for app, *seconds in query(
        database, f"SELECT app, {columns} FROM task_layer JOIN runs ON runs.id = run_id WHERE runs.key = ?", run
    ):
        for layer, each in zip(LAYERS, seconds, strict=True):
            if each is not None:
                found[app, layer].append(each)
    return found


def test_each_pair_of_runs(database: Path) -> None:
    runs: dict[str, str] = dict(query(database, "SELECT key, name FROM runs"))
    assert len(runs) == len(SAMPLES)
    for run in runs:
        for other in runs.keys() - {run}:
            ones, others = seconds_of(database, run), seconds_of(database, other)
            rows = queries.rows(database, "runs_compared", run=run, other=runs[other])
            assert {(row["run"], row["other"]) for row in rows} == {(run, other)}
            assert {(row["run_name"], row["other_name"]) for row in rows} == {(runs[run], runs[other])}
            assert {(row["app"], row["layer"]) for row in rows} == ones.keys() | others.keys()
            for row in rows:
                one, two = ones[row["app"], row["layer"]], others[row["app"], row["layer"]]
                assert (row["tasks"], row["other_tasks"]) == (len(one), len(two))
                assert (row["seconds"], row["other_seconds"]) == (pytest.approx(sum(one)), pytest.approx(sum(two)))
                means = [fmean(values) if values else None for values in (one, two)]
                assert [row["mean"], row["other_mean"]] == [pytest.approx(mean) for mean in means]
                if None in means:
                    assert row["difference"] is None and row["ratio"] is None
                else:
                    assert row["difference"] == pytest.approx(fmean(two) - fmean(one))
                    assert (row["ratio"] is None) == (fmean(one) == 0)
            differences = [abs(row["other_seconds"] - row["seconds"]) for row in rows]
            assert differences == sorted(differences, reverse=True)
            assert [row["label"][:3] for row in rows] == [f"{place:03}" for place in range(1, len(rows) + 1)]
            assert {row["of_rows"] for row in rows} == {len(rows)}


def test_which_runs_where_none_is_named(database: Path) -> None:
    ordered = [key for (key,) in query(database, "SELECT key FROM runs JOIN run_began ON run = id ORDER BY time DESC")]
    apps = {run: {app for app, _ in seconds_of(database, run)} for run in ordered}
    latest = ordered[0]
    alike = [run for run in ordered[1:] if apps[run] & apps[latest]]

    def pair(**asked: str) -> tuple[str, str]:
        row = queries.rows(database, "runs_compared", **asked)[0]
        return row["run"], row["other"]

    assert pair() == ((alike or ordered[1:])[0], latest)
    assert pair(run=latest)[0] == latest and pair(run=latest)[1] == ordered[1]
    assert pair(run=ordered[2]) == (ordered[2], latest)
    assert pair(other=ordered[2])[1] == ordered[2]
    assert queries.rows(database, "runs_compared", run=latest, other=latest) == []
    assert queries.rows(database, "runs_compared", other="none such") == []


def test_one_app_or_executor(database: Path) -> None:
    everything = queries.rows(database, "runs_compared")
    app = everything[0]["app"]
    of_app = queries.rows(database, "runs_compared", app=app)
    assert {row["app"] for row in of_app} == {app} and len(of_app) == len(LAYERS)
    means = {row["layer"]: row["mean"] for row in everything if row["app"] == app}
    assert {row["layer"]: row["mean"] for row in of_app} == means
    assert queries.rows(database, "runs_compared", executor="none such") == []


def test_beginnings_of_keys_name_runs_on_the_command_line(database: Path) -> None:
    keys = [key for (key,) in query(database, "SELECT key FROM runs ORDER BY key")]
    whole = dnpc("runs-compared", "--run", keys[0], "--other", keys[1], "--format", "csv", "--db", database)
    begun = dnpc("runs-compared", "--run", keys[0][:8], "--other", keys[1][:8], "--format", "csv", "--db", database)
    assert begun.output == whole.output and keys[0] in whole.output and keys[1] in whole.output
    nothing = dnpc("runs-compared", "--other", "zz", "--db", database)
    assert "There is no run 'zz'" in nothing.output
    # Nor does a text that is the beginning of several, or of all.
    empty = dnpc("tasks", "--run", "", "--format", "csv", "--db", database)
    assert all(key in empty.output for key in keys)
