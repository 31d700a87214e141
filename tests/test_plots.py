"""Plots, by themselves and as .png and .svg of Datasette."""

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
from datasette.app import Datasette
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from datasette_dnpc import plots
from datasette_dnpc.plots import over_time
from datasette_dnpc.plots.rows import table
from datasette_dnpc.queries import NoAnswer, Table
from datasette_dnpc.render import SHAPES, draw, shape
from datasette_dnpc.sql_files import queries

EVIL = "$\\foo$</text><script>alert(1)</script>_\x00\n"
DRAWN = [name for name, query in queries().items() if shape(list(query.columns))]


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def texts(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


def bars(ax: Axes) -> list[tuple[float, float, float]]:
    """Return x, width and height of each."""
    return [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches if isinstance(bar, Rectangle)]


def segments(ax: Axes) -> list[list[list[float]]]:
    [lines] = [one for one in ax.collections if isinstance(one, LineCollection)]
    return [segment.tolist() for segment in lines.get_segments()]


def test_timeline_draws_each_span_from_begin_to_end(ax: Axes) -> None:
    rows: list[dict[str, object]] = [
        {"began": 3.0, "ended": 5.0},
        {"began": 1.0, "ended": 2.0},
        {"began": None, "ended": 2.0},
        {"began": 1.0, "ended": "x"},
        {"began": 1.0, "ended": math.inf},
    ]
    assert plots.timeline(rows, ax=ax) is ax
    assert segments(ax) == [[[3, 1], [5, 1]], [[1, 0], [2, 0]]]
    note = "2 of 5 rows; left out 1 where began is NULL, 1 where ended is not a number"
    assert note in texts(ax) and "1 where ended is infinite" in texts(ax)


def test_first_of_many_rows_say_of_how_many(ax: Axes) -> None:
    rows: list[dict[str, object]] = [
        {"label": "a", "duration": 3.0, "of_rows": 1234},
        {"label": "b", "duration": None, "of_rows": 1234},
    ]
    plots.ranking(rows, ax=ax)
    assert "1 of 1,234 rows; left out 1 where duration is NULL" in texts(ax)


def test_timeline_of_durations_counts_from_the_first(ax: Axes) -> None:
    plots.timeline([{"began": 1.8e9, "duration": 2.0}, {"began": 1.8e9 + 1, "duration": 0}], ax=ax)
    assert segments(ax) == [[[0, 0], [2, 0]], [[1, 1], [1, 1]]]
    assert ax.get_xlabel() == "seconds since 2027-01-15T08:00:00.000000Z"


def test_states_are_stacked(ax: Axes) -> None:
    rows = [
        {"time": time, "state": state, "spans": spans}
        for time, state, spans in [
            (0, "a", 2),
            (1, "a", 1),
            (1, "b", 1),
            (2, "b", 2),
            (3, "b", None),
        ]
    ]
    plots.states(rows, ax=ax)
    tops = [area.get_datalim(ax.transData).ymax for area in ax.collections]
    assert tops == [2, 2]
    assert "4 of 5 rows; left out 1 where spans is NULL" in texts(ax)


def test_rare_states_are_one_area(ax: Axes) -> None:
    rows = [{"time": t, "state": f"s{i:02}", "spans": 100 - i} for i in range(30) for t in (0, 1)]
    plots.states(rows, ax=ax)
    box = ax.get_legend()
    assert box is not None
    texts = [text.get_text().strip() for text in box.get_texts()]
    assert texts[0] == "21 others" and len(texts) == over_time.MOST_STATES + 1
    assert ax.collections[-1].get_datalim(ax.transData).ymax == sum(range(71, 101))


def test_histogram_is_as_high_as_the_counts(ax: Axes) -> None:
    rows = [
        {"from_seconds": 0, "to_seconds": 1, "spans": 3},
        {"from_seconds": 1, "to_seconds": 2, "spans": 5},
        {"from_seconds": 2, "to_seconds": 100, "spans": 1},
    ]
    plots.histogram(rows, ax=ax)
    assert bars(ax) == [
        (0, 1, 3), (1, 1, 5), (2, 1, 1),
    ]  # fmt: skip
    assert "to 100 s" in texts(ax)


def test_events_have_a_line_for_each_state(ax: Axes) -> None:
    plots.events([{"time": 1, "state": "a"}, {"time": 2, "state": "b"}, {"time": 4, "state": "a"}], ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert ax.lines[0].get_ydata().tolist() == [0, 1, 0]  # type: ignore[union-attr]


def test_steps_begin_where_the_last_one_ended(ax: Axes) -> None:
    rows = [{"step": "a", "mean": 1, "cumulative": 1}, {"step": "b", "mean": 3, "cumulative": 4}]
    plots.steps(rows, ax=ax)
    assert [bar[:2] for bar in bars(ax)] == [(0, 1), (1, 3)]


def test_canned_query_by_name(synthetic_db: Path, ax: Axes) -> None:
    plots.durations(synthetic_db, "durations", {"run": "run-b"}, ax=ax)
    assert "40 rows, of 40 spans" in texts(ax)
    with closing(sqlite3.connect(synthetic_db)) as conn:
        plots.ranking(conn, "slowest_spans", ax=ax)
        plots.timeline(conn, "select began, ended from span_duration where run = :r", {"r": "run-b"})
    plt.close("all")


def test_mistyped_path_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="does not exist"):
        table(tmp_path / "nothing.sqlite3", "durations")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "columns"), SHAPES)
@pytest.mark.parametrize("count", [0, 1, 60])
def test_any_shape_of_any_text_is_drawn_the_same_twice(kind: str, columns: tuple[str, ...], count: int) -> None:
    names = {"state", "step", "label", "event_type", "type"}
    columns = (*columns, "run", "key")
    data = Table(
        columns,
        [[f"_{i}{EVIL}" if name in names | {"run", "key"} else float(i) for name in columns] for i in range(count)],
    )
    svg = draw(kind, data, EVIL, "svg")
    assert svg == draw(kind, data, EVIL, "svg")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert "svg" in tags and "script" not in tags and "a" not in tags
    assert draw(kind, data, EVIL, "png").startswith(b"\x89PNG")


@pytest.mark.asyncio
@pytest.mark.parametrize("name", DRAWN)
async def test_query_as_picture(synthetic_db: Path, name: str) -> None:
    datasette = Datasette([str(synthetic_db)])
    for extension, content_type in (("png", "image/png"), ("svg", "image/svg+xml")):
        response = await datasette.client.get(f"/dnpc/{name}.{extension}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(content_type)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
    assert f"/dnpc/{name}.png" in (await datasette.client.get(f"/dnpc/{name}")).text


def test_the_main_queries_are_drawn() -> None:
    assert {"durations", "duration_histogram", "states_over_time", "event_steps"} <= set(DRAWN)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/dnpc/import_report.png", {}),
        ("/dnpc/durations.svg", {"run": "none such"}),
        ("/dnpc.png", {"sql": "select 1 as a"}),
        ("/dnpc.png", {"sql": "select nonsense"}),
    ],
)
async def test_what_cannot_be_drawn_is_a_clear_400(synthetic_db: Path, path: str, params: dict[str, Any]) -> None:
    datasette = Datasette([str(synthetic_db)])
    response = await datasette.client.get(path, params=params, follow_redirects=True)
    assert response.status_code == 400
    assert "No plot for the columns" in response.text or "Nothing to draw" in response.text


@pytest.mark.asyncio
async def test_table_with_labels_as_picture(synthetic_db: Path) -> None:
    datasette = Datasette([str(synthetic_db)])
    response = await datasette.client.get("/dnpc/spans.png")
    assert response.status_code == 200 and response.content.startswith(b"\x89PNG")
