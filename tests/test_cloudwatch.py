"""Results of CloudWatch queries. None is at hand, so these are made in the documented shape."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from datasette_dnpc.sql_files import queries
from importers import cloudwatch
from importers.formats import FORMATS
from importers.keys import surrogate_key
from importers.reading import ReadSource, read_source
from importers.rows import Batch
from importers.sources import Source, find_sources
from tests.imports import copied, differences, dnpc, every_row, import_logs, opened, query, readable
from tests.runs import DATA

Row = list[dict[str, Any]]

STEPS = ["received task", "sent task to endpoint", "result \N{RIGHTWARDS ARROW} stored"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "dnpc.sqlite3"


def task_id(number: int) -> str:
    return str(UUID(int=number, version=4))


def log_of(task: int, step: int, **more: Any) -> dict[str, Any]:
    return {
        "asctime": f"2022-08-03 09:{task:02}:{step:02},123",
        "name": f"funcx_{'web' if step == 0 else 'forwarder'}",
        "levelname": "INFO",
        "message": STEPS[step],
        "task_id": task_id(task),
        "user_id": 7,
        "task_group_id": task_id(1000),
    } | more


def row_of(timestamp: Any, log: Any, **fields: Any) -> Row:
    text = log if isinstance(log, str) else json.dumps(log)
    message = {"log": text, "stream": "stderr", "kubernetes": {"pod": "a"}}
    values = {"@timestamp": timestamp, "@message": json.dumps(message)} | fields
    return [{"field": name, "value": value} for name, value in values.items()]


def row(task: int, step: int, **more: Any) -> Row:
    """Return a row whose time tells the task and the step; its pointer differs from query to query."""
    return row_of(f"2022-08-03 09:{task:02}:{step:02}.250", log_of(task, step, **more), **{"@ptr": f"p{task}/{step}"})


def result(rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"results": rows, "statistics": {"recordsMatched": 3.0}, "status": "Complete"} | more


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def events(database: Path) -> Counter[tuple[Any, ...]]:
    return Counter(
        query(
            database,
            """SELECT span.type, key, event.time, event.type FROM event JOIN spans ON spans.uuid = span_uuid
               JOIN span ON span.uuid = span_uuid""",
        )
    )


def expected(*tasks_and_steps: tuple[int, int]) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for task, step in tasks_and_steps:
        at = datetime(2022, 8, 3, 9, task, step, 250_000, tzinfo=timezone.utc).timestamp()
        name = "funcx_web" if step == 0 else "funcx_forwarder"
        found["cloudwatch.task", task_id(task), at, f"{name}--{STEPS[step]}"] += 1
    return found


def records(database: Path) -> list[Any]:
    return [json.loads(text) for (text,) in query(database, "SELECT record FROM records ORDER BY source, offset")]


def unmatched(database: Path) -> dict[str, int]:
    return dict(query(database, "SELECT reason, sum(count) FROM unmatched GROUP BY reason"))


def source_of(path: Path) -> Source | None:
    return next(iter(find_sources([path], FORMATS.values(), [], Counter())), None)


def read(path: Path) -> ReadSource:
    source = source_of(path)
    assert source and source.importer == "cloudwatch"
    return read_source(source)


ALL = [(task, step) for task in range(4) for step in range(3)]


@pytest.mark.parametrize("name", ["aws.json", "q-1-2-full.json", "q-1659518790-1659518890-partial.json", "mine.json"])
@pytest.mark.parametrize("indent", [None, 2])
def test_tasks_and_their_events(tmp_path: Path, database: Path, name: str, indent: int | None) -> None:
    path = written(tmp_path / name, json.dumps(result([row(*which) for which in ALL]), indent=indent))
    import_logs(database, path)
    assert events(database) == expected(*ALL)
    assert query(database, "SELECT name, key FROM runs") == [("CloudWatch", surrogate_key("cloudwatch"))]
    assert query(database, "SELECT importer, path, records, sources.events, unmatched FROM sources") == [
        ("cloudwatch", name, len(ALL), len(ALL), 0)
    ]
    assert query(database, "SELECT DISTINCT attributes FROM spans") == [
        (json.dumps({"task_group_id": task_id(1000), "user_id": 7}),)
    ]
    # The sequences of events are kept.
    assert query(database, "SELECT spans FROM variants") == [(4,)]
    # It is the same wherever it lies.
    moved = tmp_path / "elsewhere" / "aws.json"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    before = every_row(database)
    assert len(import_logs(database, moved).unchanged) == 1
    assert every_row(database) == before


def test_rows_are_kept_whole_and_taken_apart(tmp_path: Path, database: Path) -> None:
    rows = [row(0, 0, extra={"a": [1, 2.5, None]}), row(0, 0), row_of("2022-08-03 09:26:39.123", "plain text")]
    import_logs(database, written(tmp_path / "aws.json", result(rows)))
    assert records(database) == [
        {
            "@timestamp": "2022-08-03 09:00:00.250",
            "@message": {
                "log": log_of(0, 0, extra={"a": [1, 2.5, None]}),
                "stream": "stderr",
                "kubernetes": {"pod": "a"},
            },
            "@ptr": "p0/0",
        },
        {
            "@timestamp": "2022-08-03 09:00:00.250",
            "@message": {"log": log_of(0, 0), "stream": "stderr", "kubernetes": {"pod": "a"}},
            "@ptr": "p0/0",
        },
        {
            "@timestamp": "2022-08-03 09:26:39.123",
            "@message": {"log": "plain text", "stream": "stderr", "kubernetes": {"pod": "a"}},
        },
    ]
    found = query(database, """SELECT json_extract(record, '$."@message".log.extra.a[1]') FROM records""")
    assert found == [(2.5,), (None,), (None,)]


MESSAGES: list[Any] = [
    None, "", "text", "{", "[1", "5", "null", '"text"', "[1, 2]", "{}", '{"log": null}', '{"log": 5}', '{"log": "{"}',
    '{"log": "[1]"}', '{"log": ["task_id"]}', '{"other": 1}', 5, True, 1.5, '{"log": "{\\"task_id\\": \\"\\"}"}',
    '{"log": "{\\"task_id\\": null}"}', '{"log": "{\\"message\\": \\"a\\"}"}',
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
def test_rows_without_a_task_are_kept(tmp_path: Path, database: Path, message: Any) -> None:
    odd = [{"field": "@timestamp", "value": "2022-08-03 09:26:39.123"}, {"field": "@message", "value": message}]
    path = written(tmp_path / "aws.json", result([row(1, 1), odd, [odd[0]], row(1, 2)]))
    import_logs(database, path)
    assert events(database) == expected((1, 1), (1, 2))
    assert unmatched(database) == {}

    def content(text: Any) -> Any:
        try:
            opened = json.loads(text) if isinstance(text, str) else text
        except ValueError:
            return text
        if not isinstance(opened, list | dict):
            return text
        return {k: content(v) if k == "log" else v for k, v in opened.items()} if isinstance(opened, dict) else opened

    assert records(database)[1:3] == [
        {"@timestamp": "2022-08-03 09:26:39.123", "@message": content(message)},
        {"@timestamp": "2022-08-03 09:26:39.123"},
    ]


def test_a_log_that_is_not_text_but_an_object(tmp_path: Path, database: Path) -> None:
    message = json.dumps({"log": log_of(1, 1)})
    odd = [{"field": "@timestamp", "value": "2022-08-03T09:01:01.250Z"}, {"field": "@message", "value": message}]
    import_logs(database, written(tmp_path / "aws.json", result([odd, odd])))
    assert events(database) == expected((1, 1))


def test_rows_that_repeat_a_log_text_count_once(tmp_path: Path, database: Path) -> None:
    rows = [row(1, 0), row(1, 0), row(1, 0, thread=2), row(2, 0)]
    import_logs(database, written(tmp_path / "aws.json", result(rows)))
    # Two records that differ are two events, though they are alike in time and type.
    assert events(database) == expected((1, 0), (1, 0), (2, 0))
    assert len(records(database)) == 4


# Several files


def overlapping(tmp_path: Path) -> tuple[Path, Path]:
    """Write two files that share rows: one of them twice in the first, with different texts."""
    rows = [row(*which) for which in ALL]
    twice = row(1, 1, thread=2)
    first = written(tmp_path / "q-1-2-full.json", result([*rows[:8], twice]))
    second = written(tmp_path / "q-2-3-full.json", result([*rows[3:], row(9, 0)]))
    return first, second


def test_overlapping_files_in_either_order(tmp_path: Path) -> None:
    first, second = overlapping(tmp_path)
    found = {}
    for name, order in {
        "ab": [first, second],
        "ba": [second, first],
        "together": [tmp_path],
        "aba": [first, second, first],
    }.items():
        database = tmp_path / f"{name}.sqlite3"
        for path in order:
            import_logs(database, path)
        assert events(database) == expected(*ALL, (1, 1), (9, 0))
        assert len(records(database)) == 9 + 10
        found[name] = readable(database)
    for name in ("ba", "together", "aba"):
        assert differences(found[name], found["ab"]) == {}


def test_a_directory_of_results_beside_a_run(tmp_path: Path, database: Path) -> None:
    folder = copied(DATA / "two-htex", tmp_path / "r")
    intact = tmp_path / "intact.sqlite3"
    import_logs(intact, folder)
    written(folder / "aws.json", result([row(*which) for which in ALL]))
    written(folder / "000" / "other.json", {"results": [], "message": "at@message"})
    import_logs(database, folder)
    ours, theirs = readable(database)["span"], readable(intact)["span"]
    assert set(theirs) < set(ours) and len(ours) == len(theirs) + 4
    assert query(database, "SELECT count(*) FROM sources WHERE importer = 'cloudwatch'") == [(1,)]


def test_a_client_holds_the_tasks_that_it_submitted(tmp_path: Path) -> None:
    """The client's log, of a run of its own, may come before or after."""
    prefix = "1659517199.{:06} 2022-08-03 10:59:59,716 MainProcess-221120 MainThread-1403 synthetic_client:57 f INFO: "
    messages = [text for number, task in {3000: 2, 3001: 3, 3002: 77}.items()
                for text in (f"FUNC {number} submit", f"FUNCBIND {number} {task_id(task)}")]  # fmt: skip
    messages.append("FUNC 3003 submit")
    lines = "".join(prefix.format(i) + text + "\n" for i, text in enumerate(messages))
    client = written(tmp_path / "client" / "synthetic.log", lines)
    aws = written(tmp_path / "aws" / "aws.json", result([row(*which) for which in ALL]))
    found = []
    for number, order in enumerate(([client, aws], [aws, client])):
        database = tmp_path / f"{number}.sqlite3"
        for path in order:
            import_logs(database, path)
        held = query(
            database,
            """SELECT a.key, b.key, s.type FROM subspans JOIN spans a ON a.id = superspan
               JOIN spans b ON b.id = subspan JOIN span s ON s.uuid = a.uuid""",
        )
        assert sorted(held) == [(str(3000 + n), task_id(2 + n), "synthetic.task.submit") for n in range(2)]
        # Of three that were bound, one is not in CloudWatch; what others submitted lacks nothing.
        joins = query(
            database,
            """SELECT name, made, missing FROM joins JOIN span_types ON span_types.id = left_type ORDER BY name""",
        )
        assert joins == [("cloudwatch.task", 2, 0), ("synthetic.task.submit", 2, 1)]
        sequence = [f"cloudwatch.task/{'funcx_web' if n == 0 else 'funcx_forwarder'}--{STEPS[n]}" for n in range(3)]
        ((longest,),) = query(
            database,
            """SELECT sequence FROM variants JOIN span_types ON span_types.id = root_type
               WHERE name = 'synthetic.task.submit' ORDER BY events DESC LIMIT 1""",
        )
        assert json.loads(longest) == ["synthetic.task.submit/submit", *sequence]
        found.append(readable(database))
    assert differences(*found) == {}


# Results that are not as they should be


@pytest.mark.parametrize("status", ["Running", "Failed", None, 5, [[[]]], "x" * 10_000])
def test_a_query_that_was_not_complete(tmp_path: Path, database: Path, status: Any) -> None:
    import_logs(database, written(tmp_path / "aws.json", result([row(1, 1)], status=status)))
    assert events(database) == expected((1, 1))
    assert unmatched(database) == {"the query was not complete: there may be more": 1}


def test_a_query_without_a_status(tmp_path: Path, database: Path) -> None:
    import_logs(database, written(tmp_path / "aws.json", {"results": [row(1, 1)]}))
    assert events(database) == expected((1, 1))
    assert unmatched(database) == {"the query was not complete: there may be more": 1}


def test_a_query_that_has_as_many_rows_as_there_can_be(tmp_path: Path, database: Path) -> None:
    rows = [row_of("2022-08-03 09:01:01.250", log_of(1, 1, number=i)) for i in range(10_000)]
    import_logs(database, written(tmp_path / "aws.json", result(rows[:-1])))
    assert unmatched(database) == {}
    import_logs(database, written(tmp_path / "aws.json", result(rows)))
    assert unmatched(database) == {"as many rows as a query gives at most: there may be more": 1}
    assert events(database).total() == 10_000


BAD_ROWS: list[Any] = [
    None, 5, "text", {}, [], [None], [5], [[]], [{}], [{"field": "@timestamp"}, {"value": "x"}],
    [{"field": 5, "value": "a"}],
    [{"field": "@message", "value": {}}], [{"field": "@message", "value": ["a"]}],
    {"field": "@message", "value": "a"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ROWS, ids=repr)
def test_a_row_of_another_form_loses_no_other(tmp_path: Path, database: Path, bad: Any) -> None:
    import_logs(database, written(tmp_path / "aws.json", result([row(1, 1), bad, row(1, 2)])))
    assert events(database) == expected((1, 1), (1, 2))
    assert query(database, "SELECT reason, count, offset FROM unmatched") == [("a row in an unknown form", 1, 1)]


BAD_TIMES = [
    None, "", "yesterday", "2022-13-01 00:00:00", "1950-01-01 00:00:00", "9999-12-31 00:00:00", 5, "1659518799",
    "2022-08-03 09:26:39.123+02:00",
]  # fmt: skip
BAD_LOGS: list[dict[str, Any]] = [
    {"task_id": 5}, {"task_id": ["a"]}, {"task_id": "t" * 501}, {"name": None}, {"name": 5}, {"message": None},
    {"message": {"a": 1}},
]  # fmt: skip


@pytest.mark.parametrize("bad", [*[row_of(at, log_of(3, 0)) for at in BAD_TIMES], *[row(3, 0, **x) for x in BAD_LOGS]],
                         ids=[*map(repr, BAD_TIMES), *[repr(x)[:30] for x in BAD_LOGS]])  # fmt: skip
def test_a_record_of_a_task_that_is_no_event(tmp_path: Path, database: Path, bad: Row) -> None:
    import_logs(database, written(tmp_path / "aws.json", result([row(1, 1), bad, row(1, 2)])))
    assert events(database) == expected((1, 1), (1, 2))
    assert query(database, "SELECT reason, count, offset FROM unmatched") == [
        ("a record of a task without a time, name or message", 1, 1)
    ]
    assert len(records(database)) == 3


DEEP = 100_000
ODD_LOGS: dict[str, str] = {
    "NaN": '{"task_id": "a", "name": "n", "message": "m", "x": NaN}',
    "infinity": '{"task_id": "a", "name": "n", "message": "m", "x": [Infinity, -Infinity]}',
    "large": '{"task_id": "a", "name": "n", "message": "m", "x": 1e999}',
    "long": '{"task_id": "a", "name": "n", "message": "m", "x": ' + "9" * 10_000 + "}",
    "deep": '{"task_id": "a", "name": "n", "message": "m", "x": ' + "[" * 97 + "]" * 97 + "}",
    "surrogate": '{"task_id": "a", "name": "\\ud800", "message": "m\\udfff", "\\ud800": 1}',
    "zero": '{"task_id": "a\\u0000b", "name": "n\\u0000", "message": "m\\u0000", "\\u0000": "\\u0000"}',
    "long texts": '{"task_id": "a", "name": "' + "n" * 5000 + '", "message": "' + "m" * 1_000_000 + '"}',
    "twice": '{"task_id": "a", "name": "n", "message": "m", "name": "k"}',
    "space": ' \n{"task_id": "a", "name": "n", "message": "m"}\n',
    "markup": '{"task_id": "<script>", "name": "\'; DROP TABLE spans; --", "message": "\\u001b[2J"}',
}


@pytest.mark.parametrize("kind", list(ODD_LOGS))
def test_values_of_all_kinds(tmp_path: Path, database: Path, kind: str) -> None:
    path = written(tmp_path / "aws.json", result([row(1, 1), row_of("2022-08-03 09:26:39.1", ODD_LOGS[kind])]))
    assert dnpc("import", path, "--db", database).exit_code == 0
    assert events(database).total() == 2
    # SQLite reads every record.
    assert query(database, "SELECT sum(json_valid(record)) FROM records") == [(2,)]
    assert query(database, """SELECT count(json_extract(record, '$."@message".log.task_id')) FROM records""") == [(2,)]
    assert query(database, "SELECT max(length(name)) <= 500 FROM event_types") == [(1,)]
    assert dnpc("sources", "--db", database).exit_code == 0


@pytest.mark.parametrize("depth", [99, 101, 900, 1500, DEEP])
def test_text_that_is_too_deep_stays_text(tmp_path: Path, database: Path, depth: int) -> None:
    log = '{"task_id": "a", "name": "n", "message": "m", "x": ' + "[" * depth + "]" * depth + "}"
    path = written(tmp_path / "aws.json", result([row(1, 1), row_of("2022-08-03 09:26:39.1", log), row(1, 2)]))
    assert dnpc("import", path, "--db", database).exit_code == 0
    is_read = depth + 1 <= cloudwatch.DEEPEST
    assert events(database).total() == 2 + is_read
    kept = records(database)[1]["@message"]["log"]
    assert kept == (json.loads(log) if is_read else log)
    assert query(database, "SELECT sum(json_valid(record)) FROM records") == [(3,)]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "5", '"text"', "{}", '{"results": 5}', '{"results": {}}',
     '{"results": null, "x": "@message"}', "text", "\0" * 100,
     "[" * DEEP, '{"a":' * DEEP, '{"results": "@message"}', "9" * 10_000, "NaN"],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_files_that_are_no_result(tmp_path: Path, database: Path, content: str) -> None:
    result = dnpc("import", written(tmp_path / "aws.json", content), "--db", database)
    assert result.exit_code == 1 and "Nothing in these files was understood" in result.output
    assert query(database, "SELECT count(*) FROM runs JOIN spans ON run = runs.id") == [(0,)]
    # By another name it is not taken, unless it looks like a result.
    assert (cloudwatch.find(written(tmp_path / "other.json", content)) is None) == ("@message" not in content)


def test_what_such_a_file_holds_is_not_shown(tmp_path: Path, database: Path) -> None:
    """A file of this name may be anything."""
    result = dnpc("import", written(tmp_path / "aws.json", {"aws_secret": "hidden"}), "--db", database)
    assert "hidden" not in result.output
    assert query(database, "SELECT count(*) FROM unmatched WHERE text LIKE '%hidden%'") == [(0,)]


def test_bytes_that_are_no_text(tmp_path: Path, database: Path) -> None:
    content = json.dumps(result([row(1, 1), row(1, 2)])).encode().replace(b"stderr", b"std\xff\xfe")
    (tmp_path / "aws.json").write_bytes(b"\xef\xbb\xbf" + content)
    import_logs(database, tmp_path / "aws.json")
    assert events(database) == expected((1, 1), (1, 2))
    assert unmatched(database) == {}


def test_a_row_deeper_than_json_is_read_loses_none_before_it(tmp_path: Path, database: Path) -> None:
    rows = ", ".join([json.dumps(row(1, 1)), "[" * DEEP + "]" * DEEP, json.dumps(row(1, 2))])
    import_logs(database, written(tmp_path / "aws.json", f'{{"results": [{rows}], "status": "Complete"}}'))
    assert events(database) >= expected((1, 1))
    assert sum(unmatched(database).values()) == 1


@pytest.mark.parametrize("indent", [None, 1])
def test_a_result_cut_at_every_byte(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "aws.json"
    rows = [row(1, 0), row(1, 1), row(2, 0)]
    whole = json.dumps(result(rows), indent=indent)
    # A row is whole with the bracket that ends it, before which nothing is as deep.
    ends = [i + 1 for i, c in enumerate(whole) if c == "]" and whole[:i].count("[") - whole[:i].count("]") == 2]
    assert len(ends) == 3
    for size in range(len(whole)):
        path.write_text(whole[:size])
        batch = read(path).batch
        complete = sum(end <= size for end in ends)
        assert (batch.records, len(batch.raw_records), len(batch.event_times)) == (complete,) * 3
        assert batch.unmatched
    path.write_text(whole)
    batch = read(path).batch
    assert batch.records == 3 and not batch.unmatched


# Records in SQL


@pytest.fixture
def many(tmp_path: Path) -> Path:
    database = tmp_path / "many.sqlite3"
    rows = [row(task, step) for task in range(50) for step in range(3)]
    written(tmp_path / "q-1-2-full.json", result([*rows, row_of("2022-08-03 09:26:39.123", {"name": "n"}),
                                                   row_of("2022-08-03 09:26:39.123", "no JSON")]))  # fmt: skip
    written(tmp_path / "q-2-3-full.json", result([row(1, 0, asctime="later"), *rows[:30]]))
    assert dnpc("import", tmp_path, "--db", database).exit_code == 0
    return database


def asked(database: Path, **params: Any) -> list[tuple[Any, ...]]:
    with opened(database) as conn:
        return conn.execute(queries()["cloudwatch_records"].sql, {"task": "", "text": ""} | params).fetchall()


def test_query_for_a_task(many: Path) -> None:
    found = asked(many, task=task_id(3))
    assert [row[:5] for row in found] == [
        (f"2022-08-03 09:03:{step:02}.250", task_id(3), log_of(3, step)["name"], STEPS[step], "q-1-2-full.json")
        for step in range(3)
    ]
    assert [json.loads(row[5])["@message"]["log"] for row in found] == [log_of(3, step) for step in range(3)]
    # The same record of two files comes once, another at the same time by itself.
    assert [row[4] for row in asked(many, task=task_id(1))] == [
        "q-1-2-full.json",
        "q-2-3-full.json",
        "q-1-2-full.json",
        "q-1-2-full.json",
    ]
    assert asked(many, task="none") == asked(many, task=task_id(3), text="no such text") == []


def test_query_for_a_text(many: Path) -> None:
    assert {row[3] for row in asked(many, text="endpoint")} == {STEPS[1]}
    assert len(asked(many, text="endpoint")) == 50
    assert {row[2] for row in asked(many, text="funcx_web")} == {"funcx_web"}
    assert [row[2] for row in asked(many, text="n")].count("n") == 1
    assert len(asked(many, task=task_id(3), text="funcx_forwarder")) == 2


def test_query_without_parameters_is_of_all_tasks(many: Path) -> None:
    found = asked(many)
    assert len(found) == 151
    assert [row[0] for row in found] == sorted(row[0] for row in found)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("""SELECT record FROM records WHERE json_extract(record, '$."@message".log.task_id') = 'a'""", "records_task"),
        (
            """SELECT record FROM records WHERE json_extract(record, '$."@message".log.name') = 'a'
               AND json_extract(record, '$."@message".log.message') = 'b'""",
            "records_event",
        ),
    ],
)
def test_indexes_serve_json_functions(many: Path, sql: str, index: str) -> None:
    (plan,) = query(many, f"EXPLAIN QUERY PLAN {sql}")
    assert f"SEARCH records USING INDEX {index}" in plan[3]


def test_the_query_searches_by_indexes_only(many: Path) -> None:
    with opened(many) as conn:
        plan = conn.execute(
            "EXPLAIN QUERY PLAN " + queries()["cloudwatch_records"].sql, {"task": "", "text": ""}
        ).fetchall()
    steps = [step[3] for step in plan if "records" in step[3]]
    assert len(steps) == 4
    assert all(step.startswith("SEARCH records USING") for step in steps)
    assert sum("records_task" in step for step in steps) == 2
    assert sum("records_event" in step for step in steps) == 1
    assert sum("PRIMARY KEY" in step for step in steps) == 1


def test_a_batch_of_no_rows_makes_no_run(tmp_path: Path, database: Path) -> None:
    path = written(tmp_path / "aws.json", result([]))
    assert dnpc("import", path, "--db", database).exit_code == 1
    batch = read(path).batch
    assert isinstance(batch, Batch) and not batch.run_names
