"""Open SQLite files of others, or our own, for reading only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def open_readonly(path: Path) -> closing[sqlite3.Connection]:
    """Return a connection that can not write, to be used in a ``with``: a run that goes on may be writing to the file.

    It can not attach other files either, nor write a copy with VACUUM INTO.

    Raises sqlite3.Error where the file can't be opened; what is no database shows at the first query only.
    """
    conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    # Text that is not UTF-8 is damaged, not a reason to lose the row.
    conn.text_factory = lambda raw: raw.decode("utf-8", "replace")
    conn.set_authorizer(_refuse_other_files)
    return closing(conn)


def _refuse_other_files(action: int, *what: str | None) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
