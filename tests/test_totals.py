"""What is kept so that questions about millions of spans need not read them all, and samples of these."""

import dataclasses
import random
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasette.app import Datasette

from datasette_dnpc import queries, sql_files
from datasette_dnpc.queries import Table
from datasette_dnpc.render import picture
from importers import totals
from importers.keys import surrogate_key
from importers.schema import create_indexes, create_tables
from tests import synthetic
from tests.raw_rows import imported, select
from tests.runs import DATA

Rows = list[dict[str, Any]]

SAMPLED = [name for name, query in sql_files.queries().items() if "one_in" in query.columns]
every_sampled = pytest.mark.parametrize("name", SAMPLED)


@pytest.fixture(scope="module")
def runs_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sample logs in one database: runs of HTEX, Work Queue and TaskVine, with monitoring."""
    return imported(tmp_path_factory.mktemp("runs") / "dnpc.sqlite3", DATA)


@pytest.fixture(params=["synthetic", "runs"])
def database(request: pytest.FixtureRequest, synthetic_db: Path) -> Path:
    """A made-up database, and one of real logs."""
    return synthetic_db if request.param == "synthetic" else Path(request.getfixturevalue("runs_db"))


def test_totals_of_spans(database: Path) -> None:
    spans = defaultdict(list)
    for row in select(database, "SELECT run, type, began, ended FROM spans"):
        spans[row["run"], row["type"]].append((row["began"], row["ended"]))
    kept = select(database, "SELECT * FROM span_totals")
    assert len(kept) == len(spans) > 1
    for row in kept:
        times = spans[row["run"], row["type"]]
        known = [time for time in times if time[0] is not None]
        lasting = [ended - began for began, ended in known if ended > began]
        assert (row["spans"], row["with_events"], row["lasting"]) == (len(times), len(known), len(lasting))
        assert (row["seconds"], row["longest"]) == (pytest.approx(sum(lasting)), max(lasting, default=None))
        assert row["began"] == min((began for began, _ in known), default=None)
        assert row["ended"] == max((ended for _, ended in known), default=None)


def test_totals_of_variants(database: Path) -> None:
    sql = "SELECT variant, run, root, sequences.ended - sequences.began AS s FROM sequences JOIN spans ON id = root"
    roots = defaultdict(list)
    for row in select(database, sql):
        roots[row["variant"], row["run"]].append((row["root"], row["s"]))
    kept = {(row["variant"], row["run"]): row for row in select(database, "SELECT * FROM variant_totals")}
    assert kept.keys() == roots.keys() != set()
    for key, row in kept.items():
        assert (row["roots"], row["example"]) == (len(roots[key]), min(roots[key])[0])
        assert row["seconds"] == pytest.approx(sum(seconds for _, seconds in roots[key]))
        assert row["longest"] == max(seconds for _, seconds in roots[key]) == dict(roots[key])[row["slowest"]]


def test_totals_of_tasks(database: Path) -> None:
    tasks = defaultdict(list)
    for row in select(database, "SELECT task_times.*, key FROM task_times JOIN spans ON spans.id = task"):
        tasks[row["run"], row["app"], row["executor"], row["outcome"]].append(row)
    kept = select(database, "SELECT * FROM task_totals")
    assert len(kept) == len(tasks) > 1
    for row in kept:
        group = tasks[row["run"], row["app"], row["executor"], row["outcome"]]
        lasting = [one["ended"] - one["began"] for one in group if None not in (one["began"], one["ended"])]
        assert (row["tasks"], row["lasting"], row["seconds"]) == (len(group), len(lasting), pytest.approx(sum(lasting)))
        assert row["tries"] == sum(one["tries"] for one in group)
        assert row["retries"] == sum(one["tries"] - 1 for one in group if one["tries"])
        assert row["example"] == min(int(one["key"]) for one in group)
        for layer in (name for name in row if name.startswith("in_")):
            values = [one[layer] for one in group if one[layer] is not None]
            assert row[layer] == (pytest.approx(sum(values)) if values else None)
            assert row[f"most_{layer}"] == max(values, default=None)


def test_totals_of_workers(database: Path) -> None:
    stays = defaultdict(list)
    for row in select(database, "SELECT worker, began, ended FROM stays"):
        stays[row["worker"]].append((row["began"], row["ended"]))
    kept = {row["worker"]: row for row in select(database, "SELECT * FROM worker_totals")}
    assert kept.keys() == stays.keys() != set()
    for worker, times in stays.items():
        row, busy, until = kept[worker], 0.0, -np.inf
        for began, ended in sorted(times):
            busy, until = busy + max(0.0, ended - max(began, until)), max(until, ended)
        assert (row["tasks"], row["busy"]) == (len(times), pytest.approx(busy, abs=1e-6))
        assert row["task_seconds"] == pytest.approx(sum(ended - began for began, ended in times), abs=1e-6)
        assert (row["first_task"], row["last_task"]) == (min(times)[0], max(ended for _, ended in times))


def test_spans_are_drawn_by_their_keys(database: Path) -> None:
    expected = set()
    for row in select(database, "SELECT id, uuid, type, coalesce(run, 0) AS run FROM spans"):
        share = int(row["uuid"].replace("-", "")[:8], 16) / 2**32
        fits = [one_in for one_in in (8 << n for n in range(15)) if share < 1 / one_in]
        expected |= {(row["type"], row["run"], max(fits), row["id"])} if fits else set()
    assert {tuple(row.values()) for row in select(database, "SELECT * FROM drawn")} == expected != set()


def test_sizes_of_samples() -> None:
    """Of many keys, the sample of 1 in so many has about so many."""
    with closing(sqlite3.connect(":memory:")) as conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs (id, key) VALUES (1, 'r')")
        conn.execute("INSERT INTO span_types VALUES (1, 't')")
        keys = ((surrogate_key("t", "r", str(n)), str(n)) for n in range(40_000))
        conn.executemany("INSERT INTO spans (uuid, type, run, key) VALUES (?, 1, 1, ?)", keys)
        totals.update(conn, [1])
        for one_in in (8, 16, 64, 512):
            (size,) = conn.execute("SELECT count(*) FROM drawn WHERE one_in >= ?", [one_in]).fetchone()
            assert abs(size - 40_000 / one_in) < 5 * (40_000 / one_in) ** 0.5


TABLES = ("span_totals", "variant_totals", "task_totals", "worker_totals", "drawn")


def kept_of(conn: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(conn.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


def test_update_of_one_run_leaves_the_others(runs_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(runs_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        before = kept_of(conn)
        assert all(before.values())
        runs = [run for (run,) in conn.execute("SELECT id FROM runs ORDER BY id")]
        for touched in ([], runs[:1], runs):
            totals.update(conn, touched)
            assert kept_of(conn) == before
        conn.execute("UPDATE spans SET ended = ended + 1 WHERE run IN (?, ?)", runs[:2])
        totals.update(conn, runs[:1])
        changed = {row[0] for row in set(kept_of(conn)["span_totals"]) ^ set(before["span_totals"])}
        assert changed == {runs[0]}


def test_totals_of_a_run_that_is_gone_are_dropped(synthetic_db: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(synthetic_db.read_bytes())
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DELETE FROM stays WHERE worker IN (SELECT id FROM spans WHERE run = 2)")
        conn.execute("DELETE FROM runs WHERE id = 2")
        totals.update(conn, [])
        assert {run for table in TABLES if table != "worker_totals" for (run,) in runs_in(conn, table)} == {1}
        sql = "SELECT DISTINCT run FROM worker_totals JOIN spans ON spans.id = worker"
        assert conn.execute(sql).fetchall() == [(1,)]


def runs_in(conn: sqlite3.Connection, table: str) -> list[tuple[int]]:
    return conn.execute(f"SELECT DISTINCT run FROM {table}").fetchall()


OF_GAPS = {
    "gap_layers": [("<= 150000", "<= 0"), ("(sum(tasks) + 24999) / 25000", "sum(tasks) * 0 + 4")],
    "worker_gantt": [("<= 100000", "<= 0"), ("(sum(shown.stays) + 39999) / 40000", "sum(shown.stays) * 0 + 4")],
}
"""What in the SQL of queries of the times of slots tells how many are looked at, and what makes it 1 in 4."""


def sampling(name: str) -> sql_files.SqlFile:
    """Return a query that looks at 1 span in 8, of however few, unless it is to look at all."""
    query = sql_files.queries()[name]
    changes = OF_GAPS.get(name, SAMPLING)
    sql = query.sql
    for old, new in changes:
        assert old in sql
        sql = sql.replace(old, new)
    return dataclasses.replace(query, sql=sql)


SAMPLING = [("spans <= most,", "most > 8e9,"), ("8.0 * spans / (8 << value) <= most", "value = 0")]


def ask(database: Path, query: sql_files.SqlFile, **params: object) -> Rows:
    with closing(sqlite3.connect(database)) as conn:
        return queries.select(conn, query.sql, dict.fromkeys(query.params, "") | params).dicts()


@every_sampled
def test_all_is_looked_at_where_there_is_little(database: Path, name: str) -> None:
    rows = queries.rows(database, name)
    assert rows == queries.rows(database, name, sample="all")
    assert {row["one_in"] for row in rows} <= {1}


OF_APP = {"event_sequences", "event_steps", "sequence_examples", "slowest_spans", "states_over_time", "state_changes"}
"""Queries that look at spans only where some are asked for: else what is kept tells."""


@pytest.fixture(scope="module")
def many_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of 900 and 180 tasks."""
    return synthetic.build(tmp_path_factory.mktemp("many") / "dnpc.sqlite3", tasks=900)


@every_sampled
def test_sample_is_said_and_always_the_same(many_db: Path, busy_db: Path, name: str) -> None:
    database = busy_db if name in OF_GAPS else many_db
    # With rows so few that all stays are short.
    asked = {"rows": "50"} if name == "worker_gantt" else {"app": "app"} if name in OF_APP else {}
    found, all_of_them = (ask(database, sampling(name), **asked, sample=sample) for sample in ("", "all"))
    assert all_of_them == queries.rows(database, name, **asked)
    assert found == ask(database, sampling(name), **asked)
    assert {row["one_in"] for row in all_of_them} <= {1}
    # Failures are few, and found in another way.
    one_in = 4 if name in OF_GAPS else 1 if name == "failures" else 8
    assert max((row["one_in"] for row in found), default=one_in if not all_of_them else 0) == one_in


@pytest.mark.parametrize("name", ["event_pairs", "pair_histogram", "attribute_ranking"])
@pytest.mark.parametrize(("sample", "one_in"), [("900", 1), ("899", 16), ("450", 16), ("449", 32), ("0", 1), ("x", 1)])
def test_a_number_says_of_how_many_a_sample_is_taken(many_db: Path, name: str, sample: str, one_in: int) -> None:
    rows = queries.rows(many_db, name, root_type=synthetic.TASK, run="run-a", sample=sample)
    assert {row["one_in"] for row in rows} == {one_in}


SPANS = {
    "duration_histogram": {"of_spans", "spans"},
    "duration_boxes": {"of_spans", "spans"},
    "durations": {"of_spans"},
    "gantt": {"of_spans"},
    "concurrency": {"of_spans", "without", "mean_open", "max_open"},
    "event_rate": {"events", "of_events", "per_second"},
}
ROOTS = {
    "event_pairs": {"of_spans", "without"},
    "pair_histogram": {"of_spans", "of_inside", "spans", "inside", "without"},
    "root_events": {"of_roots"},
    "state_changes": {"change", "spans"},
    "states_over_time": {"spans"},
    "event_sequences": {"spans"},
    "event_steps": {"of_roots"},
}
"""Query to the columns that count spans, and are multiplied."""


@pytest.mark.parametrize(
    ("name", "app"), [(name, app) for name in [*SPANS, *ROOTS] for app in ("", "app") if app or name not in OF_APP]
)
def test_sample_tells_what_all_would_if_there_were_no_others(
    many_db: Path, tmp_path: Path, name: str, app: str
) -> None:
    """The answer of a sample is that of a database without the spans that are not drawn, with numbers multiplied."""
    only_drawn = tmp_path / "drawn.sqlite3"
    only_drawn.write_bytes(many_db.read_bytes())
    with closing(sqlite3.connect(only_drawn)) as conn, conn:
        conn.execute("CREATE TEMP TABLE other AS SELECT id FROM spans WHERE type = (SELECT id FROM span_types WHERE"
                     " name = ?) AND id NOT IN (SELECT span FROM drawn)", [synthetic.TASK])  # fmt: skip
        for table, column in (("sequences", "root"), ("descendants", "root"), ("events", "span"), ("spans", "id")):
            conn.execute(f"DELETE FROM {table} WHERE {column} IN other")
        totals.update(conn, [1, 2])
    kind = {"span_type": synthetic.TASK} if name in SPANS else {"root_type": synthetic.TASK}
    # In parts of the time as long as a sample's are at most.
    asked = {**kind, "run": "run-a", "app": app} | ({"rows": "120"} if name in ("concurrency", "root_events") else {})
    found = ask(many_db, sampling(name), **asked)
    expected = ask(only_drawn, sql_files.queries()[name], **asked, sample="all")
    for row in expected:
        row |= {column: row[column] * 8 for column in (SPANS | ROOTS)[name]} | {"one_in": 8}
    assert len(found) == len(expected) > 0
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other | {"is_exact": 0} if "is_exact" in other else other)


def test_estimates_are_near(tmp_path: Path) -> None:
    """Of 20 000 spans, 2500 are looked at: that their median is far off has less than a chance in a million."""
    lot = random.Random(1)
    path = tmp_path / "dnpc.sqlite3"
    with closing(sqlite3.connect(path)) as conn, conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs (id, key) VALUES (1, 'r')")
        conn.execute("INSERT INTO span_types VALUES (1, 't')")
        durations = [lot.expovariate(1) for _ in range(20_000)]
        conn.executemany(
            "INSERT INTO spans (uuid, type, run, key, began, ended) VALUES (?, 1, 1, ?, ?, ?)",
            [(surrogate_key("t", "r", str(n)), str(n), n, n + s) for n, s in enumerate(durations)],
        )
        sql_files.create_views(conn)
        totals.update(conn, [1])
    [row] = ask(path, sampling("duration_percentiles"))
    # What is kept is exact.
    assert (row["spans"], row["one_in"]) == (20_000, 8)
    assert (row["total"], row["mean"]) == (pytest.approx(sum(durations)), pytest.approx(np.mean(durations)))
    assert row["max"] == pytest.approx(max(durations))
    for percent in (50, 95, 99):
        # A rank is as far off as a draw without replacement has it: 5 standard deviations.
        off = 5 * (percent * (100 - percent) / 2500 * 7 / 8) ** 0.5
        low, high = np.percentile(durations, [percent - off, min(percent + off, 100)])
        assert low <= row[f"p{percent}"] <= high
    bins = ask(path, sampling("duration_histogram"))
    counted = sum(bin["spans"] for bin in bins)
    assert counted == bins[0]["of_spans"] and abs(counted - 20_000) < 5 * 8 * (20_000 / 8 * 7 / 8) ** 0.5


@pytest.fixture(scope="module")
def busy_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight workers of two slots each, with 200 tasks of half a second or so in each slot."""
    lot = random.Random(2)
    path = tmp_path_factory.mktemp("busy") / "dnpc.sqlite3"
    synthetic.build_empty(path)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("INSERT INTO runs (id, key) VALUES (1, 'r')")
        conn.executemany("INSERT INTO span_types VALUES (?, ?)", [(1, "workqueue.worker"), (2, "workqueue.task")])
        for worker in range(1, 9):
            spans, stays, times = [(worker, f"w{worker}", 1, f"m/{worker}")], [], []
            for slot in (0, 1):
                time = lot.random()
                for n in range(200):
                    ended = time + lot.choice([0.2, 0.5, 0.9])
                    span = worker * 1000 + slot * 200 + n
                    spans.append((span, f"t{span}", 2, f"m/{span}"))
                    stays.append((worker, slot, time, ended, span, span, "work", 1))
                    times += [time, ended]
                    time = ended + lot.expovariate(5)
            conn.executemany("INSERT INTO spans (id, uuid, type, run, key) VALUES (?, ?, ?, 1, ?)", spans)
            conn.executemany("INSERT INTO stays VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stays)
            conn.execute("INSERT INTO worker_slots VALUES (?, 2, ?, ?)", [worker, min(times) - 1, max(times) + 1])
        totals.update(conn, [1])
    return path


def test_gaps_of_a_sample_add_up_to_all_idle_time(busy_db: Path) -> None:
    found, all_of_them = (ask(busy_db, sampling("gap_layers"), sample=sample) for sample in ("", "all"))
    assert all_of_them == queries.rows(busy_db, "gap_layers")
    for rows in (found, all_of_them):
        assert sum(row["share"] for row in rows) == pytest.approx(100, abs=0.01)
    for layer in ("busy", "8 no task"):
        [one], [other] = (
            [row["slot_seconds"] for row in rows if row["layer"] == layer] for rows in (found, all_of_them)
        )
        assert one == pytest.approx(other) and one > 0


def test_slots_of_a_sample_are_busy_as_long(busy_db: Path) -> None:
    found, all_of_them = (ask(busy_db, sampling("worker_gantt"), rows=50, sample=sample) for sample in ("", "all"))
    assert all_of_them == queries.rows(busy_db, "worker_gantt", rows=50)
    assert {row["of_stays"] for row in (*found, *all_of_them)} == {3200}
    assert {row["lane"] for row in found} == {row["lane"] for row in all_of_them}
    assert {row["one_in"] for row in found} == {4} != {row["one_in"] for row in all_of_them}
    assert abs(sum(row["stays"] for row in found) - 3200) < 5 * 4 * (3200 / 4 * 3 / 4) ** 0.5
    assert all(row["busy"] <= row["duration"] + 1e-6 for row in found)


@pytest.mark.parametrize("by", ["executor", "worker"])
def test_busy_slots_of_many_stays_are_those_of_few(busy_db: Path, by: str) -> None:
    """Looked up part by part, where there are many, or added up from beginnings and ends, they are the same."""
    query = sql_files.queries()["utilisation"]
    assert query.sql.count("> 100000") == 1
    looked_up = dataclasses.replace(query, sql=query.sql.replace("> 100000", "> 0"))
    for bins in ("1", "7", "50"):
        found, expected = ask(busy_db, looked_up, by=by, bins=bins), ask(busy_db, query, by=by, bins=bins)
        assert [row["busy"] for row in found] == pytest.approx([row["busy"] for row in expected], abs=1e-6)
        assert [row["time"] for row in found] == [row["time"] for row in expected]
        seconds = select(busy_db, "SELECT sum(ended - began) AS seconds FROM stays")[0]["seconds"]
        assert sum(row["busy"] * row["seconds"] for row in found) == pytest.approx(seconds)


def test_longest_gaps_of_many_stays_are_those_of_few(busy_db: Path) -> None:
    query = sql_files.queries()["worker_gaps"]
    assert query.sql.count("> 150000") == 2
    many = ask(busy_db, dataclasses.replace(query, sql=query.sql.replace("> 150000", "> 0")))
    few = ask(busy_db, query)
    assert {row.pop("of_rows") for row in many} == {None} != {row.pop("of_rows") for row in few}
    assert many == few != []


def test_plot_says_that_it_is_of_a_sample(many_db: Path) -> None:
    rows = ask(many_db, sampling("duration_histogram"))
    data = Table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    assert data.one_in == 8
    assert b"a sample: 1 in 8" in picture(data, "Durations", "svg")
    assert (
        Table(("one_in",), []).one_in == Table(("x",), [(5,)]).one_in == Table(("one_in",), [(1,), (None,)]).one_in == 1
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("page", "names"),
    [("distributions", ["pair_histogram"]), ("sequences?app=app", ["event_sequences", "event_steps"])],
)
async def test_page_says_what_it_took_a_sample_of(
    many_db: Path, monkeypatch: pytest.MonkeyPatch, page: str, names: list[str]
) -> None:
    for name in names:
        monkeypatch.setitem(sql_files.queries(), name, sampling(name))
    client = Datasette([str(many_db)]).client
    text = (await client.get(f"/-/dnpc/dnpc/{page}")).text
    [said] = re.findall(r'<p class="dnpc-note" id="samples">(.*?)</p>', text, re.DOTALL)
    assert all(f"{sql_files.queries()[name].title}, 1 in 8" in said for name in names) and "sample=all" in said
    monkeypatch.undo()
    assert 'id="samples"' not in (await client.get(f"/-/dnpc/dnpc/{page}")).text


def test_few_failures_are_found_among_many_tries(tmp_path: Path) -> None:
    """Where tries are too many to look at, the few that failed are found by what their tasks went through."""
    path = imported(tmp_path / "dnpc.sqlite3", DATA)
    query = sql_files.queries()["failures"]
    exact = ask(path, query)
    assert exact and {row["one_in"] for row in exact} == {1}
    for run in ("", *sorted({row["key"] for row in select(path, "SELECT key FROM runs")})):
        assert ask(path, sampling("failures"), run=run) == ask(path, query, run=run)
    # Of as many as are looked at one by one, there is a sample again.
    sampled = dataclasses.replace(query, sql=sampling("failures").sql.replace("<= 50000", "<= 0"))
    assert {row["one_in"] for row in ask(path, sampled)} <= {8}
