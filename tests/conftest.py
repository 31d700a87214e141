"""Databases that many tests read and none changes, and one for each test to fill."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import synthetic
from tests.small_runs import SmallRuns


@pytest.fixture
def runs(tmp_path: Path) -> SmallRuns:
    """A database for a handful of spans made by hand."""
    return SmallRuns(tmp_path)


@pytest.fixture(scope="session")
def synthetic_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 200 tasks and one of 40, as dnpc.sqlite3."""
    return synthetic.build(tmp_path_factory.mktemp("synthetic") / "dnpc.sqlite3")


@pytest.fixture(scope="session")
def empty_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables and views, no rows."""
    return synthetic.build_empty(tmp_path_factory.mktemp("empty") / "dnpc.sqlite3")


@pytest.fixture(scope="session")
def hostile_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a name and texts that try to break out of HTML, URLs and SQL."""
    folder = tmp_path_factory.mktemp("hostile")
    return synthetic.build(folder / "a b.c'd.sqlite3", tasks=10, hostile=True)


@pytest.fixture(scope="session")
def other_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database which is none of dnpc's."""
    import sqlite3

    path = tmp_path_factory.mktemp("other") / "other.sqlite3"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE spans (id INTEGER PRIMARY KEY)")
    conn.commit()
    conn.close()
    return path
