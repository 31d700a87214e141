"""The commands that answer: every query of the folder, unasked; pictures; the graph of span types."""

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datasette.app import Datasette

from datasette_dnpc import graph, output, render, sql_files
from datasette_dnpc import queries as answers
from datasette_dnpc.commands import ALIASES, command_name
from datasette_dnpc.queries import Table
from datasette_dnpc.render import shape
from datasette_dnpc.sql_files import TOPICS, queries
from importers.cli import main
from tests.imports import on_a_terminal
from tests.managers import LOGS, WORK_QUEUE, run_folder
from tests.runs import DATA
from tests.synthetic import RUNDIR_TASK, TASK, TRY

EVIL = '\x1b[31mred\x07\x9b2J\u202e\nnext,"quoted"\x7f'
"""Colours, rings, clears the screen, turns the direction of writing, breaks the line."""

every_query = pytest.mark.parametrize("name", list(queries()))

PARAMS = {"run": "demo.py 001", "rows": "7", "bins": "5", "span_type": TRY, "root_type": TASK, "states": "3",
          "text": "funcx", "source": "monitoring"}  # fmt: skip
"""Values that choose some of the rows of the made-up runs."""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def asked(name: str, database: Path, **params: str) -> list[dict[str, Any]]:
    """Return the rows that a command prints as JSON."""
    options = [word for key, value in params.items() for word in (f"--{command_name(key)}", value)]
    result = run(command_name(name), "--db", database, "--format", "json", *options)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def in_a_width(width: int, *arguments: str | Path) -> str:
    """Run ``dnpc`` on a pseudo terminal of that width, and return what it showed."""
    return on_a_terminal(*arguments, COLUMNS=str(width)).replace("\r\n", "\n")


@pytest.fixture
def evil_db(synthetic_db: Path, tmp_path: Path) -> Path:
    """A database with texts made for terminals, bytes that are no UTF-8, an infinite duration and NULLs."""
    path = tmp_path / "evil.sqlite3"
    shutil.copy(synthetic_db, path)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE spans SET key = ? WHERE id = (SELECT min(id) FROM spans)", [EVIL])
        conn.execute("UPDATE span_types SET name = name || ? WHERE name = ?", [EVIL, TRY])
        conn.execute("UPDATE spans SET ended = 9e999 WHERE key = '5/0'")
        conn.execute("UPDATE spans SET key = CAST(x'61ff62' AS TEXT), run = NULL WHERE key = '7/0'")
    return path


@pytest.fixture(scope="session")
def sample_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sample logs, in a database of the same name as the made-up one."""
    path = tmp_path_factory.mktemp("samples") / "dnpc.sqlite3"
    assert run("import", DATA, "--db", path, "--quiet", "--jobs", "1").exit_code == 0
    return path


@pytest.fixture
def answering_db(synthetic_db: Path, sample_db: Path, name: str) -> Path:
    """The made-up database or the samples, whichever answers the query with rows."""
    (found, *_) = [path for path in (synthetic_db, sample_db) if answers.rows(path, name)]
    return found


@every_query
@pytest.mark.parametrize("params", [{}, PARAMS], ids=["bare", "chosen"])
@pytest.mark.asyncio
async def test_command_datasette_and_sql_agree(answering_db: Path, name: str, params: dict[str, str]) -> None:
    chosen = {key: value for key, value in params.items() if key in queries()[name].params}
    client = Datasette([str(answering_db)]).client
    served = await client.get(f"/dnpc/{name}.json", params={"_shape": "array", **chosen})
    wanted = served.json()
    assert asked(name, answering_db, **chosen) == wanted
    assert wanted or chosen
    assert answers.rows(answering_db, name, **chosen) == wanted
    table = await client.get(f"/dnpc/{name}.csv", params=chosen)
    options = [word for key, value in chosen.items() for word in (f"--{command_name(key)}", value)]
    printed = run(command_name(name), "--db", answering_db, "--format", "csv", *options).stdout
    assert list(csv.reader(io.StringIO(printed))) == list(csv.reader(io.StringIO(table.text)))


DEFAULTS = {"duration_type", "kept_root_type", "state_run"}
"""Views by which queries choose a type where none is asked for."""


@pytest.fixture(scope="session")
def mixed_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Parsl with monitoring, one without, and the log of a Work Queue manager of which no other log tells."""
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copy(run_folder(WORK_QUEUE, whole=False) / LOGS[WORK_QUEUE], folder / "transaction_log")
    for path in (DATA / "htex-chicago", DATA / "two-htex", folder / "transaction_log"):
        assert run("import", path, "--db", folder / "dnpc.sqlite3", "--quiet", "--jobs", "1").exit_code == 0
    return folder / "dnpc.sqlite3"


@pytest.mark.parametrize("name", [name for name, query in queries().items() if DEFAULTS & set(query.needs)])
def test_every_run_is_answered_though_others_have_other_types(mixed_db: Path, name: str) -> None:
    with closing(sqlite3.connect(mixed_db)) as conn:
        runs = [key for (key,) in conn.execute("SELECT key FROM runs")]
    assert len(runs) == 3
    for key in runs:
        rows = answers.rows(mixed_db, name, run=key)
        assert rows and {row["run"] for row in rows if "run" in row} <= {key}


@every_query
def test_table_has_every_row_and_value(answering_db: Path, name: str) -> None:
    wanted = answers.rows(answering_db, name)
    lines = run(command_name(name), "--db", answering_db).stdout.splitlines()
    assert lines[0].split() == list(queries()[name].columns)
    assert len(lines) == 1 + len(wanted)
    for line, row in zip(lines[1:], wanted, strict=True):
        for value in row.values():
            if isinstance(value, str):
                assert value in line
            elif isinstance(value, int):
                assert str(value) in line.split()


@pytest.mark.parametrize("name", [name for name, query in queries().items() if shape(list(query.columns))])
@pytest.mark.parametrize("extension", ["png", "svg"])
@pytest.mark.asyncio
async def test_picture_is_the_one_that_datasette_serves(
    answering_db: Path, tmp_path: Path, name: str, extension: str
) -> None:
    served = await Datasette([str(answering_db)]).client.get(f"/dnpc/{name}.{extension}")
    file = tmp_path / f"drawn.{extension.upper()}"
    result = run("plot", command_name(name), file, "--db", answering_db)
    assert result.exit_code == 0 and result.output == ""
    magic = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml"}[extension]
    assert file.read_bytes().startswith(magic)
    assert file.read_bytes() == served.content


def test_title_says_what_is_drawn(synthetic_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []

    def draw(kind: str, data: Table, title: str, extension: str, truncated: bool) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr(render, "draw", draw)
    chosen = ["--span-type", TRY, "--run", "run-b", "--start-event", "launched", "--end-event", "exec_done"]
    assert run("plot", "durations", tmp_path / "x.svg", "--db", synthetic_db, *chosen).exit_code == 0
    assert titles == [f"{queries()['durations'].title}, {TRY}, launched, exec_done, demo.py 001"]


@every_query
def test_help_tells_what_the_header_tells(name: str) -> None:
    query = queries()[name]
    text = " ".join(run(command_name(name), "--help").output.split())
    assert f"{query.title}. " in text
    assert " ".join(query.description.split()[:5]) in text
    for param, meaning in query.params.items():
        assert f"--{command_name(param)} TEXT" in text
        assert " ".join(meaning.split()[1:4]) in text
    for column in query.columns:
        assert f" {column} " in text


def test_help_lists_every_command_by_kind() -> None:
    text = run("--help").output
    logs, rest = text.split(f"{TOPICS[0]}:")
    wanted, pictures = f"{TOPICS[0]}:{rest}".split("Pictures:")
    assert "import" in logs and "sources" in logs
    expected = []
    for topic in TOPICS:
        found = [query for query in queries().values() if query.topic == topic]
        expected += [f"{topic}:"] * bool(found) + [f"{command_name(query.name)} {query.title}" for query in found]
    assert [" ".join(line.split()) for line in wanted.splitlines() if line.strip()] == expected
    assert "graph" in pictures and "plot" in pictures
    drawn = run("plot", "--help").output
    for name, query in queries().items():
        assert (f"  {command_name(name)} " in drawn) == (shape(list(query.columns)) is not None)


def test_no_query_is_hidden_by_another_command_or_option() -> None:
    for name, query in queries().items():
        assert command_name(name) not in {"import", "sources", "plot", "graph", "serve"}
        assert not {"db", "database", "format", "help", "file"} & query.params.keys()
    assert len(set(map(command_name, queries()))) == len(queries())


def test_file_name_of_a_query_is_its_command_too(synthetic_db: Path, tmp_path: Path) -> None:
    dashed, other = (run(name, "--db", synthetic_db, "--rows", "2") for name in ("slowest-spans", "slowest_spans"))
    assert dashed.exit_code == 0 and dashed.output == other.output
    assert run("plot", "slowest_spans", tmp_path / "x.png", "--db", synthetic_db).exit_code == 0
    assert run("slowest-span").exit_code == 2


@pytest.mark.parametrize(("short", "query"), ALIASES.items())
def test_short_names_of_what_the_first_dnpc_listed(synthetic_db: Path, short: str, query: str) -> None:
    whole = run(command_name(query), "--db", synthetic_db, "--format", "csv")
    assert run(short, "--db", synthetic_db, "--format", "csv").output == whole.output
    assert len(whole.output.splitlines()) > 1


def test_new_query_file_is_a_command(synthetic_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(sql_files.FOLDER, tmp_path / "sql")
    (tmp_path / "sql/queries/my_types.sql").write_text(
        "/*\n@title Mine\n@description Types whose names begin so.\n@param begins_with a text; empty: all\n"
        "@column name span type\n*/\nselect name from span_types where name like :begins_with || '%' order by name"
    )
    monkeypatch.setattr(sql_files, "FOLDER", tmp_path / "sql")
    sql_files.queries.cache_clear()
    try:
        assert "my-types" in run("--help").output
        with closing(sqlite3.connect(synthetic_db)) as conn:
            wanted = [name for (name,) in conn.execute("SELECT name FROM span_types ORDER BY name")]
        assert [row["name"] for row in asked("my_types", synthetic_db)] == wanted
        monitoring = [name for name in wanted if name.startswith("parsl.monitoring")]
        found = asked("my_types", synthetic_db, begins_with="parsl.monitoring")
        assert [row["name"] for row in found] == monitoring != wanted
    finally:
        sql_files.queries.cache_clear()


@every_query
def test_empty_database(empty_db: Path, name: str) -> None:
    assert asked(name, empty_db) == []
    result = run(command_name(name), "--db", empty_db, "--format", "csv")
    assert result.stdout == ",".join(queries()[name].columns) + "\n"
    assert result.stderr == "No rows. No run is in this database. Put one into it with: dnpc import PATH --db FILE\n"
    assert run(command_name(name), "--db", empty_db).stdout.split() == list(queries()[name].columns)


def test_nothing_to_draw(empty_db: Path, synthetic_db: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    cases: list[tuple[list[str | Path], int, str]] = [
        (["durations", file, "--db", empty_db], 1, "no rows"),
        (["import-report", file, "--db", synthetic_db], 1, "can not be drawn. What can be: "),
        (["none-such", file], 2, "No such command"),
        (["durations", tmp_path / "x.pdf", "--db", synthetic_db], 2, "ends in none of .png, .svg"),
        (["durations", tmp_path / "none" / "x.png", "--db", synthetic_db], 1, "can not be written"),
    ]
    for arguments, status, told in cases:
        result = run("plot", *arguments)
        assert (result.exit_code, told in result.output) == (status, True), result.output
    assert list(tmp_path.iterdir()) == []


def spoilt(path: Path, statement: str) -> Path:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(statement)
    return path


@pytest.mark.parametrize("arguments", [["slowest-spans"], ["graph"], ["plot", "durations", "x.png"]], ids=" ".join)
def test_bad_databases(other_db: Path, synthetic_db: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "cut").write_bytes(synthetic_db.read_bytes()[:20_000])
    for name in ("later", "older"):
        shutil.copy(synthetic_db, tmp_path / name)
    for path, told in [
        (tmp_path / "missing\x1b[2J", "does not exist. Make it with: dnpc import PATH"),
        (tmp_path / "text", "is no dnpc database"),
        (tmp_path / "nothing", "is no dnpc database"),
        (tmp_path / "cut", "malformed"),
        (other_db, "is no dnpc database: it has no table"),
        (spoilt(tmp_path / "later", "PRAGMA user_version = 1000"), "made by another version of dnpc (schema 1000"),
        (spoilt(tmp_path / "older", "DROP VIEW span_duration"), "older dnpc: it has no view span_duration"),
    ]:
        result = run(*arguments, "--db", path)
        assert result.exit_code == 1 and result.stdout == ""
        assert told in result.stderr and result.stderr.startswith("Error: ") and "\x1b" not in result.stderr
    assert not (tmp_path / "missing\x1b[2J").exists()
    assert run("slowest-spans", "--db", tmp_path).exit_code == 2


def test_path_in_a_message_does_no_harm_on_a_terminal(tmp_path: Path) -> None:
    shown = in_a_width(80, "slowest-spans", "--db", tmp_path / "\x1b[2J\x07")
    assert "does not exist" in shown and all(line.isprintable() for line in shown.split("\n"))


def test_import_brings_an_older_database_up_to_date(synthetic_db: Path, tmp_path: Path) -> None:
    """The message about missing views says so."""
    shutil.copy(synthetic_db, tmp_path / "older")
    spoilt(tmp_path / "older", "DROP VIEW span_duration")
    assert run("import", DATA / "two-htex", "--db", tmp_path / "older", "--quiet").exit_code == 0
    assert run("slowest-spans", "--db", tmp_path / "older").exit_code == 0


def test_database_is_only_read(synthetic_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "dnpc.sqlite3"
    shutil.copy(synthetic_db, path)
    path.chmod(0o444)
    for name in queries():
        asked(name, path)
    assert [file.name for file in tmp_path.iterdir()] == ["dnpc.sqlite3"]
    assert path.read_bytes() == synthetic_db.read_bytes()


def test_parameter_is_no_sql_and_may_be_any_bytes(synthetic_db: Path) -> None:
    assert asked("slowest_spans", synthetic_db, span_type="' OR 1 = 1 --") == []
    done = subprocess.run(
        [sys.executable, "-m", "importers.cli", "slowest-spans", "--db", str(synthetic_db), b"--run", b"\xff\x1b"],
        capture_output=True,
    )
    assert done.returncode == 0 and done.stderr.startswith(b"No rows. There is no run '") and done.stderr.isascii()


@pytest.mark.parametrize("name", ["slowest-spans", "span-type-summary", "span-type-relations", "states-over-time"])
def test_hostile_text_in_every_format(evil_db: Path, name: str) -> None:
    wanted = answers.rows(evil_db, name.replace("-", "_"))
    shown = run(name, "--db", evil_db).stdout
    assert len(shown.splitlines()) == 1 + len(wanted)
    assert all(line.isprintable() for line in shown.splitlines())
    printed = asked(name, evil_db)
    assert [list(row.values()) for row in printed] == [
        [None if value == float("inf") else value for value in row.values()] for row in wanted
    ]
    table = csv.reader(io.StringIO(run(name, "--db", evil_db, "--format", "csv").stdout, newline=""))
    next(table)
    assert [dict(zip(wanted[0], row, strict=True)) for row in table] == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in wanted
    ]


def test_hostile_text_is_there_as_it_is(evil_db: Path) -> None:
    name = TRY + EVIL
    assert name in [row["span_type"] for row in asked("span_type_summary", evil_db)]
    rows = asked("slowest_spans", evil_db, span_type=name, rows="900")
    assert "a\N{REPLACEMENT CHARACTER}b" in [row["key"] for row in rows]
    assert [row["duration"] for row in rows if row["key"] == "5/0"] == [None, None]
    assert None in [row["run"] for row in rows]


@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_terminal_shows_no_control_characters(evil_db: Path, format: str) -> None:
    shown = in_a_width(300, "span-type-summary", "--db", evil_db, "--format", format)
    assert "red" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
    # With the line break that the CSV has in a value.
    rows = len(answers.rows(evil_db, "span_type_summary"))
    assert len(shown.splitlines()) == {"table": rows + 1, "csv": rows + 2, "json": rows + 2}[format]


def test_long_text_is_cut_on_a_terminal_only(synthetic_db: Path) -> None:
    arguments = ("span-type-relations", "--db", synthetic_db)
    shown = in_a_width(80, *arguments).splitlines()
    assert max(map(len, shown)) <= 80 and any("…" in line for line in shown)
    whole = run(*arguments).stdout
    assert "…" not in whole and max(map(len, whole.splitlines())) > 80
    assert in_a_width(500, *arguments) == whole


def test_table_of_all_kinds_of_values() -> None:
    rows = [
        ("a", 1, 0.5, None, b"text", 1e-9),
        ("bb\tb", 100, 1795397698.766988, 2.0, b"\xff\x00", 1e300),
        (None, -3, 0.1 + 0.2, 1.25, "", float("-inf")),
    ]
    text = output.as_table(Table(("t", "n", "x", "nulls", "bytes", "far"), rows))
    assert text.splitlines() == [
        "t       n                  x  nulls  bytes     far",
        "a       1           0.500000         text    1e-09",
        "bb�b  100  1795397698.766988   2.00  /wA=   1e+300",
        "       -3           0.300000   1.25           -inf",
    ]


def test_json_of_all_kinds_of_values() -> None:
    rows = [(b"text", b"\xff", float("inf"), 0.1 + 0.2, 2**63 - 1, None, "é\x1b")]
    text = output.as_json(Table(tuple("abcdefg"), rows))
    blob = {"$base64": True, "encoded": "/w=="}
    assert json.loads(text) == [
        {"a": "text", "b": blob, "c": None, "d": 0.30000000000000004, "e": 2**63 - 1, "f": None, "g": "é\x1b"}
    ]
    assert output.as_json(Table(("a",), [])) == "[\n]\n"


@pytest.mark.parametrize("width", [1, 20, 30, 41, 60, 100, 1000])
def test_width_of_tables(width: int) -> None:
    """Wide letters count twice, accents that combine not at all; numbers and what fits are whole."""
    rows = [("short", "x" * 30, "任务" * 10, 1234567890123), ("e\u0301" * 5, "y", "z" * 20, 5)]
    lines = output.as_table(Table(("a", "b", "c", "n"), rows), width).splitlines()
    widths = {output.shown_width(line) for line in lines}
    # Three columns of text of at least eight, the first of which needs but five.
    least = 5 + 2 * output.LEAST_WIDTH + 13 + 3 * 2
    assert max(widths) <= max(width, least)
    assert len(widths) == 1
    assert "1234567890123" in lines[1] and lines[1].startswith("short")
    assert ("…" in "".join(lines)) == (width < 5 + 30 + 40 + 13 + 3 * 2)


def relations(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return answers.rows(path, "span_type_summary"), answers.rows(path, "span_type_relations")


def edges(path: Path) -> Counter[tuple[str, str, str]]:
    """Count pairs of spans by kind and types, one by one."""
    found: Counter[tuple[str, str, str]] = Counter()
    with closing(sqlite3.connect(path)) as conn:
        types = dict(conn.execute("SELECT id, name FROM span_types"))
        spans = {span: types[number] for span, number in conn.execute("SELECT id, type FROM spans")}
        for left, right in conn.execute("SELECT superspan, subspan FROM subspans"):
            found["subspan", spans[left], spans[right]] += 1
        for left, right in conn.execute('SELECT "left", "right" FROM facets'):
            found["facet", spans[left], spans[right]] += 1
    return found


def test_dot_and_mermaid_have_every_type_and_relation(synthetic_db: Path) -> None:
    wanted = edges(synthetic_db)
    with closing(sqlite3.connect(synthetic_db)) as conn:
        types = dict(conn.execute("SELECT name, count(*) FROM spans JOIN span_types t ON t.id = type GROUP BY name"))
    dot, mermaid = (run("graph", "--db", synthetic_db, "--format", f).stdout for f in ("dot", "mermaid"))
    names = {"dot": dict(re.findall(r'^  (n\d+) \[label="(.*) \(', dot, re.M))}
    names["mermaid"] = dict(re.findall(r'^  (n\d+)\["(.*) \(', mermaid, re.M))
    counts = re.findall(r'^  n\d+ \[label="(.*) \((\d+)\)"\];$', dot, re.M)
    assert dict(counts) == {name: str(count) for name, count in types.items()}
    assert re.findall(r'^  n\d+\["(.*) \((\d+)\)"\]$', mermaid, re.M) == counts
    found = Counter(
        {
            ("facet" if "dashed" in look else "subspan", names["dot"][left], names["dot"][right]): int(pairs)
            for left, right, pairs, look in re.findall(r'^  (n\d+) -> (n\d+) \[label="(\d+)"(.*)\];$', dot, re.M)
        }
    )
    assert found == wanted
    found = Counter(
        {
            ("facet" if line == "-.-" else "subspan", names["mermaid"][left], names["mermaid"][right]): int(pairs)
            for left, line, pairs, right in re.findall(r"^  (n\d+) (-->|-\.-)\|(\d+)\| (n\d+)$", mermaid, re.M)
        }
    )
    assert found == wanted
    assert dot.startswith("digraph dnpc {\n") and dot.endswith("}\n") and mermaid.startswith("flowchart TD\n")
    assert len(mermaid.splitlines()) == 1 + len(types) + len(wanted) == len(dot.splitlines()) - 2


def test_graph_as_text(synthetic_db: Path) -> None:
    wanted = edges(synthetic_db)
    lines = run("graph", "--db", synthetic_db).stdout.splitlines()
    assert lines[lines.index("parsl.monitoring.workflow (2)") + 1] == f"  {TASK} (240), 240 pairs"
    assert f"    = {RUNDIR_TASK}, {wanted['facet', TASK, RUNDIR_TASK]} pairs" in lines
    tries = wanted["subspan", TASK, TRY]
    assert f"    {TRY} ({tries}), {tries} pairs" in lines
    # Below its try and below its manager.
    assert len([line for line in lines if "worker.task" in line]) == 2
    assert "parsl.monitoring.node (2)" in lines


def test_graph_of_one_run(synthetic_db: Path) -> None:
    assert f"{TASK} (40)" in run("graph", "--run", "demo.py 001", "--db", synthetic_db, "--format", "dot").stdout
    assert run("graph", "--run", "none such", "--db", synthetic_db).stdout == ""


def related(*pairs: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [{"kind": kind, "left_type": left, "right_type": right, "pairs": 1} for kind, left, right in pairs]


def test_graph_text_of_types_in_circles_and_deep_ones_ends() -> None:
    circle = related(("subspan", "a", "b"), ("subspan", "b", "a"), ("subspan", "c", "c"), ("facet", "a", "a"))
    assert graph.text([], circle).splitlines() == [
        "c",
        "  c, 1 pair, as above",
        "a",
        "  = a, 1 pair",
        "  b, 1 pair",
        "    a, 1 pair, as above",
    ]
    deep = graph.text([], related(*(("subspan", str(n), str(n + 1)) for n in range(3000))))
    assert len(deep.splitlines()) == 3001


def test_names_in_graphs_can_not_break_out() -> None:
    name = 'a"] --> b\\" <b>&amp;`#;|\n' + EVIL
    rows = related(("subspan", name, "plain"))
    dot, mermaid, text = (graph.FORMATS[f]([], rows) for f in ("dot", "mermaid", "text"))
    assert [len(made.splitlines()) for made in (dot, mermaid, text)] == [6, 4, 2]
    assert all(line.isprintable() for made in (dot, mermaid, text) for line in made.splitlines())
    (label,) = re.findall(r'^  n0 \[label="((?:[^"\\]|\\.)*)"\];$', dot, re.M)
    unescaped = re.sub(r"\\(.)", r"\1", label).replace("&amp;", "&")
    (other,) = re.findall(r'^  n0\["([^"]*)"\]$', mermaid, re.M)
    assert not set('<>&`|\\"[]') & set(other)
    unnumbered = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), other)
    assert unescaped == unnumbered == output.printable(name)


def test_rows_in_scripts(synthetic_db: Path) -> None:
    rows = answers.rows(str(synthetic_db), "slowest_spans", span_type=TRY, rows=3)
    assert len(rows) == 3 and {row["span_type"] for row in rows} == {TRY}
    with closing(sqlite3.connect(synthetic_db)) as conn:
        assert answers.rows(conn, "slowest_spans", span_type=TRY, rows=3) == rows
        longest = conn.execute(
            "SELECT max(ended - began) FROM spans JOIN span_types ON span_types.id = type WHERE name = ?", [TRY]
        ).fetchone()[0]
        assert rows[0]["duration"] == longest
    with pytest.raises(
        ValueError, match="slowest_spans has no parameter typ; it has span_type, run, app, executor, rows"
    ):
        answers.rows(synthetic_db, "slowest_spans", typ=TRY)
    with pytest.raises(ValueError, match=r"'slowest' is no query\. There are: "):
        answers.rows(synthetic_db, "slowest")
    with pytest.raises(sqlite3.Error):
        answers.rows(synthetic_db.parent / "none", "slowest_spans")
    assert not (synthetic_db.parent / "none").exists()


def test_sqlite_utils_database(synthetic_db: Path) -> None:
    import sqlite_utils

    database = sqlite_utils.Database(str(synthetic_db))
    assert answers.rows(database, "span_type_summary") == answers.rows(synthetic_db, "span_type_summary")
    database.close()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["slowest-spans"], ["graph"], ["plot", "--help"]])
def test_commands_need_neither_datasette_nor_matplotlib(synthetic_db: Path, arguments: list[str]) -> None:
    """They must start at once."""
    database = ["--db", str(synthetic_db)] if "--" not in arguments[-1] else []
    code = (
        "import json, sys; from importers.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments, *database], capture_output=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert not {"datasette", "matplotlib", "numpy"} & loaded
    assert ("datasette_dnpc.commands" in loaded) == (arguments != ["--version"])


def test_pipe_that_is_closed_early_is_no_traceback(synthetic_db: Path) -> None:
    command = f"{sys.executable} -m importers.cli states-over-time --db {synthetic_db} --format json | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout == '[\n{"root_t' and "Traceback" not in done.stderr
