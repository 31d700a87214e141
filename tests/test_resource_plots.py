"""Plots of shares and parts, against the rows that they draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datasette_dnpc import plots, queries
from tests.raw_rows import imported
from tests.runs import DATA


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resources")
    return imported(folder / "dnpc.sqlite3", DATA / "workqueue", DATA / "htex-chicago")


def axes() -> Axes:
    return Figure().add_subplot()


def bars(ax: Axes) -> list[tuple[float, float, float]]:
    """Return place, beginning and length of each bar."""
    return [
        (patch.get_y() + patch.get_height() / 2, patch.get_x(), patch.get_width())  # type: ignore[attr-defined]
        for patch in ax.patches
    ]


def note_of(ax: Axes) -> str:
    return " ".join(text.get_text() for text in ax.texts)


def test_shares_are_drawn_as_the_query_has_them(path: Path) -> None:
    rows = queries.rows(path, "task_resources")
    known = [row["share"] for row in rows if row["share"] is not None]
    ax = plots.shares(path, "task_resources", ax=axes())
    assert sorted(length for _, _, length in bars(ax)) == pytest.approx(sorted(100 * share for share in known))
    assert len(known) > 2
    without = len(rows) - len(known)
    assert (f"{without} where share is NULL" in note_of(ax)) == (without > 0)


def test_levels_are_a_line_a_label(path: Path) -> None:
    rows = [row for row in queries.rows(path, "node_resources") if row["share"] is not None]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    ax = plots.levels(path, "node_resources", ax=axes())
    lines = ax.lines[: len(labels)]
    assert len(labels) > 1
    for label, line in zip(labels, lines, strict=True):
        wanted = [(row["since_run_began"], 100 * row["share"]) for row in rows if row["label"] == label]
        assert np.asarray(line.get_xydata()) == pytest.approx(np.array(wanted))
    assert f"{len({row['node'] for row in rows})} of {rows[0]['of_nodes']} nodes" in note_of(ax)


@pytest.mark.parametrize(
    ("query", "pieces"),
    [("monitoring_losses", ("in_both", "only_in_logs", "only_in_monitoring")), ("cache_use", ("sent", "hits"))],
)
def test_parts_add_up(path: Path, query: str, pieces: tuple[str, ...]) -> None:
    rows = [row for row in queries.rows(path, query) if all(row[name] is not None for name in pieces)][:25]
    assert rows
    drawn: dict[float, float] = {}
    for place, begins, length in bars(plots.parts(path, query, ax=axes())):
        assert begins == pytest.approx(drawn.get(place, 0))
        drawn[place] = drawn.get(place, 0) + length
    assert [drawn[place] for place in sorted(drawn)] == pytest.approx(
        [sum(row[name] for name in pieces) for row in rows]
    )


def of(count: int) -> list[dict[str, Any]]:
    return [{"label": f"bar {i}", "share": i / 10 if i else None, "sent": i, "hits": i} for i in range(count)]


@pytest.mark.parametrize("kind", ["shares", "parts"])
def test_bars_without_room_are_told(kind: str) -> None:
    rows = of(41)
    ax = getattr(plots, kind)(rows, ax=axes())
    drawn = len({place for place, _, _ in bars(ax)})
    assert drawn < 40 and note_of(ax).endswith(f"; the first {drawn} of these are drawn")
    assert [text.get_text() for text in ax.get_yticklabels()] == [row["label"] for row in rows][kind == "shares" :][
        :drawn
    ]


def test_other_rows_make_no_parts() -> None:
    with pytest.raises(ValueError, match="sent, hits"):
        plots.parts([{"label": "x"}], ax=axes())
