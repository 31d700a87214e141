"""The .sql files by themselves: every query and view of the folder, unasked."""

import json
import re
import sqlite3
import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasette_dnpc import sql_files
from datasette_dnpc.sql_files import SqlFileError, create_views, in_order, parse, queries, views
from datasette_dnpc.sql_functions import register
from tests import synthetic

MARKS = {"bar", "line", "circle"}
TYPES = {"quantitative", "temporal", "ordinal", "nominal"}
TASK = synthetic.TASK

every_query = pytest.mark.parametrize("name", list(queries()))
every_view = pytest.mark.parametrize("name", list(views()))


@pytest.fixture
def conn(synthetic_db: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(synthetic_db)) as conn:
        register(conn)
        conn.row_factory = sqlite3.Row
        yield conn


@pytest.fixture
def empty(empty_db: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(empty_db)) as conn:
        register(conn)
        yield conn


def run(conn: sqlite3.Connection, name: str, **params: object) -> list[dict[str, Any]]:
    query = queries()[name]
    values = {**dict.fromkeys(query.params, ""), **params}
    return [dict(row) for row in conn.execute(query.sql, values)]


@every_query
def test_query_answers_without_parameters(conn: sqlite3.Connection, name: str) -> None:
    query = queries()[name]
    cursor = conn.execute(query.sql, dict.fromkeys(query.params, ""))
    assert [column[0] for column in cursor.description] == list(query.columns)
    assert 0 < len(cursor.fetchall()) < 1000
    # An unbound parameter is NULL in other clients, and means the same.
    as_null = conn.execute(query.sql, dict.fromkeys(query.params)).fetchall()
    assert as_null == conn.execute(query.sql, dict.fromkeys(query.params, "")).fetchall()


@every_query
def test_query_answers_on_an_empty_database(empty: sqlite3.Connection, name: str) -> None:
    query = queries()[name]
    cursor = empty.execute(query.sql, dict.fromkeys(query.params, ""))
    assert [column[0] for column in cursor.description] == list(query.columns)
    assert cursor.fetchall() == []


@every_query
def test_query_of_what_is_not_there_is_empty(conn: sqlite3.Connection, name: str) -> None:
    for param in set(queries()[name].params) & {"run", "span_type", "root_type", "source"}:
        assert run(conn, name, **{param: "no such thing"}) == []


@every_query
def test_query_of_bad_numbers_does_not_fail(conn: sqlite3.Connection, name: str) -> None:
    for param in set(queries()[name].params) & {"rows", "bins", "variant"}:
        for value in ("nonsense", "-5", "0", "99999999999999999999"):
            assert len(run(conn, name, **{param: value})) < 1000


@every_query
def test_run_limits_to_that_run(conn: sqlite3.Connection, name: str) -> None:
    if "run" in queries()[name].params:
        by_key, by_name = run(conn, name, run="run-b"), run(conn, name, run="demo.py 001")
        assert by_key and by_key == by_name
        assert {row["run"] for row in by_key if "run" in row} <= {"run-b"}


@every_query
def test_params_and_needs_are_those_of_the_sql(name: str) -> None:
    query = queries()[name]
    sql = re.sub(r"--.*|'[^']*'", "", query.sql)
    assert set(re.findall(r":(\w+)", sql)) == set(query.params)
    assert set(query.needs) == {view for view in views() if re.search(rf"\b{view}\b", sql)}


@every_query
def test_chart_names_columns(name: str) -> None:
    query = queries()[name]
    if query.chart:
        assert query.chart["mark"] in MARKS
        assert {query.chart["x_type"], query.chart["y_type"]} <= TYPES
        names = {value for key, value in query.chart.items() if key.endswith("_column")}
        assert names <= set(query.columns)


LIMIT = re.compile(r"\nlimit (\d+)$")
"""At the end of a query: the most rows that it answers with, whatever is asked for."""


@pytest.mark.parametrize("name", [name for name, query in queries().items() if LIMIT.search(query.sql.rstrip())])
def test_query_says_where_it_ends(conn: sqlite3.Connection, name: str) -> None:
    """No row is left out in silence: the header names the limit, and a column counts what there is."""
    query = queries()[name]
    sql = query.sql.rstrip()
    found = LIMIT.search(sql)
    assert found and re.search(rf"\b{found[1]}\b", " ".join([query.description, *query.columns.values()]))
    if "of_rows" in query.columns:
        empty = dict.fromkeys(query.params, "")
        total = len(conn.execute(LIMIT.sub("", sql), empty).fetchall())
        cut = conn.execute(LIMIT.sub("\nlimit 1", sql), empty).fetchall()
        assert [row["of_rows"] for row in cut] == [total] * min(total, 1)


def test_no_query_hides_a_table_or_view(conn: sqlite3.Connection) -> None:
    """Datasette serves both at /database/name."""
    names = {row["name"] for row in conn.execute("SELECT name FROM sqlite_master")}
    assert not names & set(queries())


@every_view
def test_view_works_in_plain_sqlite(synthetic_db: Path, name: str) -> None:
    with closing(sqlite3.connect(synthetic_db)) as plain:
        cursor = plain.execute(f"SELECT * FROM {name}")
        assert [column[0] for column in cursor.description] == list(views()[name].columns)
        assert cursor.fetchone() is not None
    sql = re.sub(r"--.*|'[^']*'", "", views()[name].sql)
    others = set(views()) - {name}
    assert set(views()[name].needs) == {view for view in others if re.search(rf"\b{view}\b", sql)}


def test_views_are_made_again(synthetic_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        create_views(conn)
        create_views(conn)
        assert conn.execute("SELECT count(*) FROM span_duration").fetchone()[0] > 0


def test_percentiles_are_those_of_the_spans(conn: sqlite3.Connection) -> None:
    durations = [
        row["duration"] for row in conn.execute("SELECT duration FROM span_duration WHERE type = ?", (synthetic.TRY,))
    ]
    [row] = run(conn, "duration_percentiles", span_type=synthetic.TRY)
    assert row["spans"] == len(durations) == 275
    found = [row[name] for name in ("mean", "p50", "p95", "p99", "max", "total")]
    percentiles = np.percentile(durations, [50, 95, 99]).tolist()
    expected = [statistics.fmean(durations), *percentiles, max(durations), sum(durations)]
    assert found == pytest.approx(expected)


def test_histogram_counts_every_span_once(conn: sqlite3.Connection) -> None:
    rows = run(conn, "duration_histogram", span_type=synthetic.TRY, bins="10")
    assert len(rows) == 11
    assert sum(row["spans"] for row in rows) == 275
    for before, after in pairwise(rows):
        assert before["to_seconds"] == pytest.approx(after["from_seconds"])
    durations = [row[0] for row in conn.execute("SELECT duration FROM span_duration WHERE type = ?", (synthetic.TRY,))]
    first = rows[0]
    inside = [one for one in durations if first["from_seconds"] <= one < first["to_seconds"]]
    assert first["spans"] == len(inside)
    assert rows[-1]["to_seconds"] == max(durations)


def test_histogram_of_equal_durations_is_one_bin(conn: sqlite3.Connection) -> None:
    manager = "parsl.executor.htex.manager"
    assert run(conn, "duration_histogram", span_type=manager) == []  # of one event each
    conn.execute(
        "UPDATE spans SET began = 1, ended = 3 WHERE type = (SELECT id FROM span_types WHERE name = ?)", [manager]
    )
    [row] = run(conn, "duration_histogram", span_type=manager)
    assert (row["from_seconds"], row["to_seconds"], row["spans"]) == (2, 2, 4)


def test_durations_are_between_the_events_asked_for(conn: sqlite3.Connection) -> None:
    rows = run(conn, "durations", span_type=synthetic.TRY, start_event="launched", end_event="exec_done")
    assert len(rows) == rows[0]["of_spans"] == 240
    times: dict[str, dict[str, float]] = {}
    for row in conn.execute("SELECT span_uuid, type, time FROM event"):
        times.setdefault(row["span_uuid"], {})[row["type"]] = row["time"]
    for row in rows:
        expected = times[row["uuid"]]["exec_done"] - times[row["uuid"]]["launched"]
        assert row["duration"] == pytest.approx(expected, abs=1e-6)
    second_run = next(row for row in rows if row["run"] == "run-b")
    [run_began] = conn.execute("SELECT min(began) FROM spans WHERE run = 2").fetchone()
    assert second_run["since_run_began"] == pytest.approx(synthetic.START + 7200.02 - run_began, abs=1e-6)


def test_durations_default_to_first_and_last_event(conn: sqlite3.Connection) -> None:
    [row, *_] = run(conn, "durations", rows="1")
    assert (row["span_type"], row["start_event"], row["end_event"]) == (TASK, "invoked", "returned")


def test_fewer_durations_are_a_sample_of_all_runs(conn: sqlite3.Connection) -> None:
    rows = run(conn, "durations", rows="60")
    assert len(rows) == 60 and rows[0]["of_spans"] == 240
    assert {row["run"] for row in rows} == {"run-a", "run-b"}
    assert rows == sorted(rows, key=lambda row: row["began"])


def test_slowest_spans_are_the_slowest(conn: sqlite3.Connection) -> None:
    found = [row["duration"] for row in run(conn, "slowest_spans", rows="5")]
    sql = "SELECT duration FROM span_duration WHERE type = ? AND duration IS NOT NULL"
    assert found == sorted((row[0] for row in conn.execute(sql, (TASK,))), reverse=True)[:5]


def test_event_sequences_are_those_kept(conn: sqlite3.Connection) -> None:
    rows = run(conn, "event_sequences")
    assert [(row["spans"], row["share"]) for row in rows] == [(205, 100 * 205 / 240), (35, 100 * 35 / 240)]
    sequence = conn.execute("SELECT sequence FROM variants WHERE id = ?", (rows[0]["variant"],)).fetchone()[0]
    assert rows[0]["steps"].split(" → ") == json.loads(sequence)
    assert sum(row["spans"] for row in run(conn, "event_sequences", run="run-b")) == 40


def test_event_steps_add_up(conn: sqlite3.Connection) -> None:
    rows = run(conn, "event_steps")
    assert rows[-1]["cumulative"] == pytest.approx(run(conn, "event_sequences")[0]["mean_duration"])
    second = run(conn, "event_sequences")[1]
    other = run(conn, "event_steps", variant=second["variant"])
    assert len(other) == second["events"] == 19


def kept_counts(conn: sqlite3.Connection) -> dict[tuple[float, str], int]:
    rows = conn.execute(
        "SELECT time, state, state_counts.spans FROM state_counts"
        " JOIN span_types ON span_types.id = root_type WHERE run = 1 AND name = ?",
        (TASK,),
    )
    return {(time, state): spans for time, state, spans in rows}


def test_states_over_time_has_every_state_at_every_time(conn: sqlite3.Connection) -> None:
    rows = run(conn, "states_over_time", states="100")
    kept = kept_counts(conn)
    assert {row["state"] for row in rows} == {state for _, state in kept}
    assert len(rows) == len({row["time"] for row in rows}) * len({row["state"] for row in rows}) <= 900
    assert {(row["time"], row["state"]): row["spans"] for row in rows if row["spans"]} == {
        key: spans for key, spans in kept.items() if spans and key[0] in {row["time"] for row in rows}
    }


def test_states_over_time_counts_the_less_frequent_together(conn: sqlite3.Connection) -> None:
    rows = run(conn, "states_over_time", states="2")
    kept = kept_counts(conn)
    totals = Counter[str]()
    for (_, state), spans in kept.items():
        totals[state] += spans
    frequent = {state for state, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:2]}
    assert {row["state"] for row in rows} == frequent | {"other"}
    for row in rows:
        others = [spans for (time, state), spans in kept.items() if time == row["time"] and state not in frequent]
        assert row["spans"] == (sum(others) if row["state"] == "other" else kept.get((row["time"], row["state"]), 0))


def test_event_steps_of_a_span(conn: sqlite3.Connection) -> None:
    rows = conn.execute(
        "SELECT event_type, next_event_type, duration, next_time - time AS gap FROM event_step"
        " WHERE span_type = ? ORDER BY span, time LIMIT 3",
        (synthetic.TRY,),
    ).fetchall()
    assert [tuple(row)[:2] for row in rows] == [
        ("pending", "launched"), ("launched", "exec_done"), ("exec_done", None),
    ]  # fmt: skip
    assert rows[0]["duration"] == rows[0]["gap"] == pytest.approx(0.01)
    assert rows[2]["duration"] is None


def test_state_intervals_fill_each_root_from_first_to_last_event(conn: sqlite3.Connection) -> None:
    sums = dict(conn.execute("SELECT root, sum(duration) FROM state_interval GROUP BY root").fetchall())
    wanted = dict(conn.execute("SELECT root, ended - began FROM sequences").fetchall())
    assert sums == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1", "does not begin"),
        ("/* @title a", "does not begin"),
        ("/*\n@title a\n*/ select 1", "wants one @description"),
        ("/*\n@title a\n@title b\n@description c\n*/ select 1", "wants one @title"),
        ("/*\n@nonsense a\n*/ select 1", "unknown tag @nonsense"),
        ("/*\nfree\n@title a\n*/ select 1", "before the first tag"),
        ("/*\n@title a\n@description b\n@column c\n*/ select 1", "@column wants"),
        ("/*\n@title a\n@description b\n@column c d\n@column c e\n*/ select 1", "@column wants"),
        ("/*\n@title a\n@description b\n@chart bar\n*/ select 1", "@chart wants"),
        ("/*\n@title a\n@description b\n*/", "no SQL"),
    ],
)
def test_header_error_names_file_and_fault(text: str, message: str) -> None:
    with pytest.raises(SqlFileError, match=rf"^some\.sql: .*{message}"):
        parse("some", text)


def test_header_text_goes_on_over_lines() -> None:
    file = parse(
        "x",
        "/*\n@title A\n  title\n@description b\n@chart mark=bar\n x_column=a&b\n*/\nselect 1;\n",
    )
    assert (file.title, file.sql) == ("A title", "select 1")
    assert file.fragment == "g.mark=bar&g.x_column=a%26b"


def test_views_that_need_each_other_are_an_error() -> None:
    def view(name: str, needs: str) -> sql_files.SqlFile:
        return parse(name, f"/*\n@title t\n@description d\n@needs {needs}\n*/ select 1")

    with pytest.raises(SqlFileError, match="need each other"):
        in_order({"a": view("a", "b"), "b": view("b", "a")})
    with pytest.raises(SqlFileError, match="@needs c"):
        in_order({"a": view("a", "c")})
