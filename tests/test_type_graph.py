"""The graph of span types as a drawing, and the places of its boxes."""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from click.testing import CliRunner, Result
from datasette.app import Datasette
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from datasette_dnpc import plots, queries, render
from datasette_dnpc.plots.layers import Link, layout
from datasette_dnpc.plots.type_graph import MOST_INCHES, size
from datasette_dnpc.queries import Table
from importers.cli import main

COLUMNS = ("kind", "left_type", "right_type", "pairs")

NAMES = [f"n{number}" for number in range(9)]

links = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), unique=True, max_size=20).map(
    lambda pairs: [pair for pair in pairs if pair[0] != pair[1]]
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def related(*rows: tuple[str, str, str, int]) -> Table:
    return Table(COLUMNS, rows)


def drawn(ax: Axes) -> dict[str, tuple[FancyBboxPatch, list[str]]]:
    """Return span type to its box and the lines of text in it."""
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    found = {}
    for box in boxes:
        middle = (box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2)
        [text] = [one for one in ax.texts if np.allclose(one.get_position(), middle)]
        lines = text.get_text().split("\n")
        count = next((place for place, line in enumerate(lines) if " span" in line or " itself" in line), len(lines))
        found["".join(lines[:count])] = (box, lines[count:])
    return found


def arrows(ax: Axes) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], bool]]:
    """Return the begin, the end and whether it is dashed, of each line."""
    lines = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    ends = []
    for line in lines:
        path = line._path_original  # type: ignore[attr-defined]
        ends.append((path.vertices[0], path.vertices[-1], line.get_linestyle() == "--"))
    return ends


def numbers(ax: Axes) -> list[str]:
    return sorted(one.get_text() for one in ax.texts if one.get_text().replace(",", "").isdigit())


def edges_of(path: Path) -> dict[tuple[str, str, str], int]:
    """Return (kind, left type, right type) to the number of pairs, counted one by one."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    with closing(sqlite3.connect(path)) as conn:
        type_of = dict(conn.execute("SELECT spans.id, name FROM spans JOIN span_types ON span_types.id = type"))
        for table, left, right in (("subspans", "superspan", "subspan"), ("facets", "left", "right")):
            for a, b in conn.execute(f"SELECT {left}, {right} FROM {table}"):
                found[table.removesuffix("s"), type_of[a], type_of[b]] += 1
    return found


def test_every_type_and_relation_is_drawn_with_its_count(synthetic_db: Path, ax: Axes) -> None:
    types = queries.rows(synthetic_db, "span_type_summary")
    plots.type_graph(synthetic_db, "span_type_relations", ax=ax, types=types)
    with closing(sqlite3.connect(synthetic_db)) as conn:
        counts = dict(
            conn.execute("SELECT name, count(*) FROM spans JOIN span_types ON span_types.id = type GROUP BY 1")
        )
    boxes = drawn(ax)
    assert {name: lines for name, (_, lines) in boxes.items()} == {
        name: [f"{count:,} span{'s' * (count != 1)}"] for name, count in counts.items()
    }
    wanted = edges_of(synthetic_db)
    assert numbers(ax) == sorted(f"{pairs:,}" for pairs in wanted.values())
    assert len(arrows(ax)) == len(wanted)
    assert sum(dashed for _, _, dashed in arrows(ax)) == sum(kind == "facet" for kind, _, _ in wanted)
    assert f"{len(wanted)} rows, {len(counts)} span types" in [text.get_text() for text in ax.texts]


def test_arrows_go_from_a_type_to_its_parts(ax: Axes) -> None:
    rows = [("subspan", "a", "b", 3), ("subspan", "b", "c", 4), ("subspan", "a", "c", 5), ("facet", "b", "d", 6)]
    plots.type_graph(related(*rows), ax=ax)
    boxes = {name: box for name, (box, _) in drawn(ax).items()}
    assert boxes["a"].get_x() < boxes["b"].get_x() < boxes["c"].get_x()
    for (kind, left, right, _), (begin, end, dashed) in zip(rows, arrows(ax), strict=True):
        assert dashed == (kind == "facet")
        if not dashed:
            assert begin[0] == pytest.approx(boxes[left].get_x() + boxes[left].get_width())
            assert end[0] == pytest.approx(boxes[right].get_x())
            assert 0 < end[1] - boxes[right].get_y() < boxes[right].get_height()


def test_arrow_back_in_a_circle_points_back(ax: Axes) -> None:
    plots.type_graph(related(("subspan", "a", "b", 1), ("subspan", "b", "a", 2), ("subspan", "c", "c", 7)), ax=ax)
    boxes = drawn(ax)
    (_, forth, _), (_, back, _) = arrows(ax)
    assert forth[0] == pytest.approx(boxes["b"][0].get_x())
    assert back[0] == pytest.approx(boxes["a"][0].get_x() + boxes["a"][0].get_width())
    assert boxes["c"][1] == ["part of itself: 7"]


def test_relation_without_a_count_is_left_out_and_said(ax: Axes) -> None:
    rows: list[Sequence[Any]] = [("subspan", "a", "b", None), ("subspan", "a", "c", 1)]
    plots.type_graph(Table(COLUMNS, rows), ax=ax)
    assert len(arrows(ax)) == 1
    assert "1 of 2 rows; left out 1 where pairs is NULL, 3 span types" in [text.get_text() for text in ax.texts]


def overlapping(boxes: Sequence[Bbox]) -> list[tuple[Bbox, Bbox]]:
    return [(one, other) for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]


def forty_types() -> Table:
    """Return relations of forty types with long names, some in circles, some tied."""
    names = [f"component{n % 7}.{'a_rather_long_' if n % 3 == 0 else ''}layer.type{n}" for n in range(40)]
    rows = [("subspan", names[max(0, n - 1 - n * 5 % 7)], names[n], 10 ** (n % 6)) for n in range(1, 34)]
    rows += [("subspan", names[12], names[2], 5), ("subspan", names[20], names[1], 6)]
    rows += [("facet", names[n], names[n + 1], 99) for n in (3, 4, 15, 30, 34, 36, 38)]
    return Table(COLUMNS, list({row[:3]: row for row in rows}.values()))


def test_forty_types_do_not_overlap_and_their_names_are_in_their_boxes() -> None:
    data = forty_types()
    figure = Figure(figsize=size(data), layout="constrained")
    ax = plots.type_graph(data, ax=figure.add_subplot())
    figure.draw_without_rendering()
    boxes = drawn(ax)
    assert len(boxes) == 40
    extents = {name: box.get_window_extent() for name, (box, _) in boxes.items()}
    assert overlapping(list(extents.values())) == []
    shown = {text.get_text().replace("\n", ""): text.get_window_extent() for text in ax.texts}
    for name, box in extents.items():
        text = shown[name]
        assert box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1
    counts = [one.get_window_extent() for one in ax.texts if is_count(one)]
    # Numbers hide each other nowhere.
    assert len(counts) == len(data.rows) and overlapping(counts) == []


def is_count(text: Text) -> bool:
    return text.get_text().replace(",", "").isdigit()


def test_hundreds_of_types_make_no_endless_picture() -> None:
    data = related(*(("subspan", f"t{n // 2}", f"t{n}", n) for n in range(1, 400)))
    width, height = size(data)
    assert max(width, height) <= MOST_INCHES + 1e-6
    data = related(*(("subspan", f"t{n}", f"t{n + 1}", n) for n in range(100)))
    assert size(data)[0] == pytest.approx(MOST_INCHES)
    assert render.draw("type_graph", data, "x", "svg").startswith(b"<?xml")


def test_new_axes_have_the_size_that_the_drawing_wants() -> None:
    data = forty_types()
    figure = plots.type_graph(data).figure
    assert isinstance(figure, Figure) and figure.get_size_inches().tolist() == pytest.approx(size(data))
    plt.close("all")


@pytest.mark.asyncio
async def test_relations_are_drawn_by_command_and_datasette_alike(synthetic_db: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.svg"
    assert run("plot", "span-type-relations", file, "--db", synthetic_db).output == ""
    response = await Datasette([str(synthetic_db)]).client.get("/dnpc/span_type_relations.svg")
    assert response.status_code == 200 and response.content == file.read_bytes()


def test_graph_is_written_as_its_file_is_called(synthetic_db: Path, tmp_path: Path) -> None:
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "dot": b"digraph", "mmd": b"flowchart", "txt": b"parsl."}
    for ending, begin in begins.items():
        file = tmp_path / f"graph.{ending.upper()}"
        assert run("graph", "--db", synthetic_db, "-o", file).output == ""
        assert file.read_bytes().startswith(begin)
    assert (tmp_path / "graph.DOT").read_text() == run("graph", "--db", synthetic_db, "--format", "dot").stdout
    chosen = tmp_path / "any"
    assert run("graph", "--db", synthetic_db, "--format", "svg", "--output", chosen).exit_code == 0
    assert chosen.read_bytes() == (tmp_path / "graph.SVG").read_bytes()


def test_drawn_graph_tells_what_it_lacks(synthetic_db: Path, empty_db: Path, tmp_path: Path) -> None:
    cases: list[tuple[list[str | Path], int, str]] = [
        (["--db", synthetic_db, "--format", "png"], 2, "--output FILE"),
        (["--db", empty_db, "-o", tmp_path / "x.png"], 1, "Nothing to draw"),
        (["--db", synthetic_db, "-o", tmp_path / "none" / "x.png"], 1, "can not be written"),
        (["--db", synthetic_db, "-o", tmp_path / "none" / "x.dot"], 1, "can not be written"),
    ]
    for arguments, status, told in cases:
        result = run("graph", *arguments)
        assert (result.exit_code, told in result.output) == (status, True), result.output
    assert list(tmp_path.iterdir()) == []


def test_relations_tell_how_many_spans_there_are(synthetic_db: Path) -> None:
    with closing(sqlite3.connect(synthetic_db)) as conn:
        spans = conn.execute(
            "SELECT span_types.name, runs.name FROM spans"
            " JOIN span_types ON span_types.id = type JOIN runs ON runs.id = run"
        ).fetchall()
    for run_name in ("", "demo.py 001"):
        for row in queries.rows(synthetic_db, "span_type_relations", run=run_name):
            for side in ("left", "right"):
                wanted = [name for name, of_run in spans if name == row[f"{side}_type"] and run_name in ("", of_run)]
                assert row[f"{side}_spans"] == len(wanted)


def circular(pairs: Sequence[Link], ties: Sequence[Link]) -> bool:
    """Tell whether links go round in a circle, tied boxes being one."""
    group = {name: {name} for name in NAMES}
    for left, right in ties:
        joined = group[left] | group[right]
        for name in joined:
            group[name] = joined
    left_over = {frozenset(one) for one in group.values()}
    edges = {(frozenset(group[a]), frozenset(group[b])) for a, b in pairs}
    if any(a == b for a, b in edges):
        return True
    while free := [one for one in left_over if not any(b == one and a in left_over for a, b in edges)]:
        left_over -= set(free)
    return bool(left_over)


@settings(max_examples=150, deadline=None)
@given(links, links.map(lambda pairs: pairs[:4]))
def test_places_of_any_graph(pairs: list[Link], ties: list[Link]) -> None:
    sizes = {name: 0.3 + 0.1 * (place % 3) for place, name in enumerate(NAMES)}
    found = layout(sizes, pairs, ties, gap=0.35)
    assert found == layout(sizes, pairs, ties, gap=0.35)
    assert set(found.column) == set(NAMES)
    if not circular(pairs, ties):
        assert all(found.column[left] < found.column[right] for left, right in pairs)
    by_column: dict[int, list[tuple[float, float, str]]] = defaultdict(list)
    for item, height in found.height.items():
        column = found.column[item[0]] if len(item) == 1 else int(item[2])
        by_column[column].append((height, sizes[item[0]] if len(item) == 1 else 0.0, item[0] if len(item) == 1 else ""))
    for items in by_column.values():
        ordered = sorted(items)
        # Neither a box nor a line that passes touches a box.
        for (upper, above, _), (lower, below, _) in itertools.pairwise(ordered):
            assert lower - upper >= (above + below) / 2 + 0.35 - 1e-6
    for left, right in ties:
        assert found.column[left] == found.column[right]
    for link, way in found.ways.items():
        ends = {way[0][0], way[-1][0]}
        assert ends == set(link)
        columns = [found.column[item[0]] if len(item) == 1 else int(item[2]) for item in way]
        assert columns == list(range(columns[0], columns[-1] + 1))
    assert found.ways.keys() == {(a, b) for a, b in pairs if found.column[a] != found.column[b]}


def test_lines_cross_no_more_than_they_must() -> None:
    sizes = dict.fromkeys("abcxyz", 0.3)
    found = layout(sizes, [("a", "z"), ("b", "y"), ("c", "x")], [])
    left = sorted("abc", key=lambda name: found.height[(name,)])
    right = sorted("xyz", key=lambda name: found.height[(name,)])
    assert [{"a": "z", "b": "y", "c": "x"}[name] for name in left] == right


def test_tied_boxes_are_next_to_each_other() -> None:
    sizes = dict.fromkeys("rabcde", 0.3)
    found = layout(sizes, [("r", name) for name in "abcde"], [("a", "e"), ("b", "d")])
    order = "".join(sorted("abcde", key=lambda name: found.height[(name,)]))
    assert any(pair in order for pair in ("ae", "ea")) and any(pair in order for pair in ("bd", "db"))


def test_box_is_right_of_all_that_it_is_part_of() -> None:
    found = layout(dict.fromkeys("apqrx", 0.3), [("a", "p"), ("a", "q"), ("p", "x"), ("q", "r"), ("r", "x")], [])
    assert [found.column[name] for name in "apqrx"] == [0, 1, 1, 2, 3]
