"""HTEX logs outside their run directory, or without a parsl.log, find their run by a manager's id."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from importers.pipeline import import_paths
from tests.runs import DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "htex-chicago", tmp_path / "runinfo"))


def views(database: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(database)) as conn:
        return [
            sorted(conn.execute(f"SELECT * FROM {view}"), key=str) for view in ("span", "event", "subspan", "facet")
        ]


def test_worker_logs_elsewhere(folder: Path, tmp_path: Path) -> None:
    """worker_logdir_root puts <label>/block-<N> elsewhere."""
    whole, apart = tmp_path / "whole.sqlite3", tmp_path / "apart.sqlite3"
    import_paths([folder], whole)
    shutil.move(folder / "000" / "htex_Local" / "block-0", tmp_path / "scratch" / "htex_Local" / "block-0")
    import_paths([tmp_path / "scratch", folder], apart)
    assert views(apart) == views(whole)


def test_without_parsl_log_the_monitoring_database_tells_the_run(folder: Path, tmp_path: Path) -> None:
    (folder / "000" / "parsl.log").unlink()
    database = tmp_path / "dnpc.sqlite3"
    import_paths([folder], database)
    with closing(sqlite3.connect(database)) as conn:
        (run,) = conn.execute("SELECT run_id FROM parsl_workflow").fetchone()
        assert conn.execute("SELECT key FROM runs WHERE id IN (SELECT run FROM spans)").fetchall() == [(run,)]
        assert conn.execute(
            "SELECT sum(made), sum(missing) FROM joins JOIN span_types ON span_types.id = left_type"
            " WHERE name = 'parsl.monitoring.node' AND kind = 'facet'"
        ).fetchone() == (1, 0)


def test_logs_that_nobody_names_have_a_run_of_their_own(folder: Path, tmp_path: Path) -> None:
    (folder / "000" / "parsl.log").unlink()
    database, moved = tmp_path / "dnpc.sqlite3", tmp_path / "moved.sqlite3"
    import_paths([folder / "000"], database)
    import_paths([Path(shutil.move(folder / "000", tmp_path / "other"))], moved)
    assert views(database) == views(moved)
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("SELECT count(DISTINCT run) FROM spans").fetchone() == (1,)


def test_runs_that_share_a_folder_for_worker_logs(tmp_path: Path) -> None:
    """Two runs with one worker_logdir_root and one executor label."""
    whole, apart = tmp_path / "whole.sqlite3", tmp_path / "apart.sqlite3"
    folder = Path(shutil.copytree(DATA / "runinfo", tmp_path / "runinfo"))
    import_paths([folder], whole)
    for run in ("000", "001"):
        for block in sorted((folder / run / "htex_Local").glob("block-*")):
            shutil.copytree(block, tmp_path / "scratch" / "htex_Local" / block.name, dirs_exist_ok=True)
            shutil.rmtree(block)
    import_paths([tmp_path / "scratch", folder], apart)
    assert views(apart) == views(whole)


def test_empty_logs_do_not_make_two_runs_one(tmp_path: Path) -> None:
    for run in ("000", "001"):
        folder = Path(shutil.copytree(DATA / "runinfo" / run / "htex_Local", tmp_path / "runinfo" / run / "htex_Local"))
        (folder.parent / "parsl.log").touch()
    database = tmp_path / "dnpc.sqlite3"
    import_paths([tmp_path / "runinfo"], database)
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("SELECT count(DISTINCT run) FROM spans").fetchone() == (2,)
        # Five HTEX logs of each, and two empty ones.
        assert conn.execute("SELECT count(*) FROM sources").fetchone() == (16,)


def test_an_unknown_manager_in_a_shared_folder_keeps_its_rows(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "runinfo", tmp_path / "runinfo"))
    scratch = tmp_path / "scratch" / "htex_Local"
    shutil.move(folder / "001" / "htex_Local" / "block-0", scratch / "block-0")
    (manager,) = (scratch / "block-0").iterdir()
    # By its name, this manager's logs are read before those that a run takes out of the folder.
    shutil.copytree(manager, scratch / "block-0" / "000000000000")
    database = tmp_path / "dnpc.sqlite3"
    import_paths([tmp_path / "scratch", folder], database)
    with closing(sqlite3.connect(database)) as conn:
        managers = "SELECT DISTINCT runs.key FROM spans JOIN events ON span = spans.id JOIN runs ON runs.id = spans.run"
        (known,), (unknown,) = (
            conn.execute(f"{managers} WHERE spans.key = ?", [name]).fetchone()
            for name in (manager.name, "000000000000")
        )
        assert known == "be97fdc3-2299-494c-a9b9-00d08a3f8865" != unknown
