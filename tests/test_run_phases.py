"""The phases of a run against a plain sweep over its workers, stays and tasks; and what the page makes of them."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from datasette.app import Datasette

from datasette_dnpc import queries
from datasette_dnpc.meanings import PHASES
from datasette_dnpc.pages.verdict import LEAST_TOLD, MEANINGS, verdict
from datasette_dnpc.queries import select
from datasette_dnpc.sql_files import create_views
from datasette_dnpc.sql_files import queries as files
from importers import totals
from importers.schema import create_indexes, create_tables
from tests.imports import dnpc, import_logs, query
from tests.runs import DATA
from tests.test_site import address, get

Rows = list[dict[str, Any]]
Phases = dict[str, tuple[float, float, float]]
"""Phase to seconds, slots times seconds, and busy slots times seconds."""


class Stretch(NamedTuple):
    """A time in which so many slots are there, or a task is in one, or waits."""

    executor: str
    began: float
    ended: float
    number: int = 1

    def holds(self, time: float) -> bool:
        return self.began <= time < self.ended


class Run(NamedTuple):
    """What the phases depend on."""

    first: float
    last: float
    places: list[Stretch]
    stays: list[Stretch]
    waits: list[Stretch]
    slots_known: bool = True


def read(database: Path, run: str) -> Run | None:
    """Read a run without a query or a window function; None if nothing is known of it."""
    ((number, first, last),) = query(
        database,
        "SELECT runs.id, min(spans.began), max(spans.ended) FROM runs JOIN spans ON run = runs.id WHERE runs.key = ?",
        run,
    )
    workers = query(
        database,
        "SELECT worker, coalesce(executor, worker_type), began, ended, slots FROM worker_place WHERE run = ?",
        number,
    )
    times = {
        task: (began, submit, retry, queue + transfer + dispatch, run_seconds)
        for task, began, submit, retry, queue, transfer, dispatch, run_seconds in query(
            database,
            "SELECT task, began, in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run FROM task_times"
            " WHERE began IS NOT NULL",
        )
    }
    submitted: dict[int, float] = dict(query(database, "SELECT id, began FROM spans"))
    stays, waits = [], []
    for worker, executor, *_ in workers:
        for task, began, ended in query(database, "SELECT task, began, ended FROM stays WHERE worker = ?", worker):
            stays.append(Stretch(executor, began, ended))
            if task in times:
                ready = times[task][0] + times[task][1] + times[task][2]
                waits.append(Stretch(executor, ready, min(began, ready + times[task][3])))
            elif submitted.get(task) is not None:
                waits.append(Stretch(executor, submitted[task], began))
    if stays:
        return Run(first, last, [Stretch(*worker[1:]) for worker in workers], stays, waits)
    for task, (began, submit, retry, waited, run_seconds) in times.items():
        if run_seconds and query(database, "SELECT 1 FROM task_times WHERE task = ? AND run = ?", task, number):
            ready = began + submit + retry
            waits.append(Stretch("", ready, ready + waited))
            stays.append(Stretch("", ready + waited, ready + waited + run_seconds))
    return Run(first, last, [], stays, waits, False) if stays else None


def swept(run: Run) -> Phases:
    """Return the phases by looking at the middle of each stretch in which nothing changes."""
    edges = {run.first, run.last, *(time for one in run.places + run.stays + run.waits for time in one[1:3])}
    times = sorted(time for time in edges if run.first <= time <= run.last)
    phases: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for since, until in pairwise(times):
        middle = (since + until) / 2
        slots, busy, waiting = (count(middle, stretches) for stretches in (run.places, run.stays, run.waits))
        phase = phases[named(run, middle, slots, busy, waiting)]
        phase[0] += until - since
        phase[1] += (until - since) * sum(slots.values())
        phase[2] += (until - since) * sum(busy.values())
    return {name: (seconds, held, used) for name, (seconds, held, used) in phases.items()}


def count(time: float, stretches: Iterable[Stretch]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for one in stretches:
        if one.holds(time):
            found[one.executor] += one.number
    return found


def named(run: Run, time: float, slots: dict[str, int], busy: dict[str, int], waiting: dict[str, int]) -> str:
    if time >= max(stay.ended for stay in run.stays):
        return "7 after the last task"
    if run.slots_known and not sum(slots.values()):
        return "1 no worker"
    if time < min(stay.began for stay in run.stays):
        return "2 no task yet"
    if not run.slots_known and any(busy.values()):
        return "3 tasks ran"
    if run.slots_known and sum(busy.values()) >= sum(slots.values()):
        return "3 all slots busy"
    idle = [name for name in {*slots, *waiting} if slots.get(name, 0) > busy.get(name, 0) or not run.slots_known]
    if any(waiting.get(name) for name in idle):
        return "4 idle, tasks waited"
    return "6 tail" if time >= max(stay.began for stay in run.stays) else "5 idle, none waited"


def check(found: Rows, expected: Phases, slots_known: bool, within: float = 2e-5) -> None:
    """Compare; ends of waits are sums of floats, which may be off by a microsecond for each task."""
    told = {row["phase"]: row for row in found}
    assert list(told) == sorted(told)
    for phase in expected.keys() | told.keys():
        seconds, slots, busy = expected.get(phase, (0.0, 0.0, 0.0))
        row = told.get(phase, {"seconds": 0.0, "slots": 0.0, "busy": 0.0, "idle_slot_seconds": 0.0})
        assert row["seconds"] == pytest.approx(seconds, abs=within), phase
        if not slots_known:
            assert row["slots"] is row["idle_slot_seconds"] is None
        elif seconds > 1e-3:
            assert row["slots"] * row["seconds"] == pytest.approx(slots, rel=1e-3, abs=within), phase
            assert row["busy"] * row["seconds"] == pytest.approx(busy, rel=1e-3, abs=within), phase
            assert row["idle_slot_seconds"] == pytest.approx(slots - busy, rel=1e-3, abs=100 * within), phase


def adds_up(rows: Rows) -> bool:
    [makespan] = {row["makespan"] for row in rows}
    return (
        sum(row["seconds"] for row in rows) == pytest.approx(makespan, abs=1e-5)
        and sum(row["share"] for row in rows) == pytest.approx(100, abs=1e-6)
        and {row["phase"] for row in rows} <= PHASES.keys()
    )


def asked(database: Path, changes: dict[str, str], **params: str) -> Rows:
    """Return the rows of the query with some of its SQL changed."""
    sql = files()["run_phases"].sql
    for old, new in changes.items():
        assert old in sql
        sql = sql.replace(old, new)
    with closing(sqlite3.connect(database)) as conn:
        return select(conn, sql, {"run": "", "executor": "", "sample": "", **params}).dicts()


SOME = ["runinfo", "htex-chicago", "htex-crash", "two-htex", "workqueue", "taskvine"]


@pytest.mark.parametrize("folder", SOME)
def test_phases_of_real_runs(tmp_path: Path, folder: str) -> None:
    database = tmp_path / "real.sqlite3"
    import_logs(database, DATA / folder, finish=create_views)
    known = 0
    for run in queries.rows(database, "runs_overview"):
        expected = read(database, run["run"])
        found = queries.rows(database, "run_phases", run=run["run"])
        assert bool(found) == (expected is not None)
        if expected:
            check(found, swept(expected), expected.slots_known)
            assert adds_up(found) and found[0]["makespan"] == run["makespan"]
            known += 1
    assert known


@pytest.mark.parametrize("only", ["parsl.log", "monitoring.db"])
def test_run_of_which_no_worker_log_tells(tmp_path: Path, only: str) -> None:
    """Fewer phases, and nothing is said of slots."""
    database = tmp_path / "some.sqlite3"
    logs = sorted((DATA / "runinfo").rglob(only))
    assert logs and dnpc("import", *logs, "--db", database, "--timezone", "UTC", "--quiet").exit_code == 0
    for run in queries.rows(database, "runs_overview"):
        found = queries.rows(database, "run_phases", run=run["run"])
        expected = read(database, run["run"])
        assert expected and not expected.slots_known and adds_up(found)
        check(found, swept(expected), False)
        assert "3 tasks ran" in {row["phase"] for row in found}
        many = asked(database, {"20000 <": "1 <"}, run=run["run"])
        assert [row["phase"] for row in many][1:] == ["3 from the first task to the last", "7 after the last task"]
        assert adds_up(many) and [(row["slots"], row["moments"]) for row in many] == [(None, None)] * 3
        assert many[0] == found[0] and many[-1] == found[-1]


def test_run_of_which_nothing_tells(tmp_path: Path, empty_db: Path) -> None:
    assert queries.rows(empty_db, "run_phases") == []
    assert verdict([]) is None


def made(path: Path, lot: random.Random, executors: int = 2) -> Path:
    """Make a run of workers that come and go, of several executors, with tasks that wait for their slots, or do not."""
    with closing(sqlite3.connect(path)) as conn, conn:
        create_tables(conn)
        create_indexes(conn)
        conn.execute("INSERT INTO runs VALUES (1, 'r', 'a run', 0)")
        conn.executemany(
            "INSERT INTO span_types VALUES (?, ?)",
            [(1, "parsl.executor.htex.worker"), (2, "parsl.rundir.task"), (3, "workqueue.task"), (4, "x")],
        )
        number = 0

        def span(kind: int, began: float, ended: float, attributes: str = "{}") -> int:
            nonlocal number
            number += 1
            conn.execute(
                "INSERT INTO spans (id, uuid, type, run, key, began, ended, attributes)"
                " VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
                [number, f"u{number}", kind, str(number), began, ended, attributes],
            )
            return number

        zero = 1.8e9
        span(4, zero, zero + 100)
        for _ in range(lot.choice([1, 3, 8])):
            began = zero + lot.uniform(1, 60)
            ended = lot.uniform(began + 1, zero + 95)
            executor = f"e{lot.randrange(executors)}"
            worker = span(1, began, ended, f'{{"executor": "{executor}"}}')
            slots = lot.choice([1, 2, 4])
            conn.execute("INSERT INTO worker_slots VALUES (?, ?, ?, ?)", [worker, slots, began, ended])
            for slot in range(lot.choice([slots, max(slots - 1, 0)])):
                time = began
                while (time := time + lot.choice([0, lot.expovariate(0.5)])) < ended:
                    stay = min(time + lot.expovariate(0.3), ended)
                    task = add_task(conn, span, lot, executor, max(zero, time - lot.choice([0, 5, 30])), time, stay)
                    conn.execute(
                        "INSERT INTO stays (worker, slot, began, ended, span, task, ended_logged)"
                        " VALUES (?, ?, ?, ?, ?, ?, 1)",
                        [worker, slot, time, stay, task, task],
                    )
                    time = stay
        create_views(conn)
        totals.update(conn, [1])
    return path


def add_task(
    conn: sqlite3.Connection,
    span: Any,
    lot: random.Random,
    executor: str,
    submitted: float,
    began: float,
    ended: float,
) -> int:
    """Add a task of Parsl, with its time in layers, or one that only the manager knows."""
    parsl = lot.random() < 0.7
    task = span(2 if parsl else 3, submitted, ended)
    if parsl:
        ready = lot.uniform(submitted, began)
        layers = [ready - submitted, 0, (began - ready) / 2, 0, (began - ready) / 2, ended - began, 0]
        conn.execute(
            "INSERT INTO task_times (task, run, app, executor, tries, outcome, began, ended, in_submit, in_retry,"
            " in_queue, in_transfer, in_dispatch, in_run, in_return) VALUES (?, 1, 'a', ?, 1, 'done', ?, ?, ?, ?, ?,"
            " ?, ?, ?, ?)",
            [task, executor, submitted, ended, *layers],
        )
    return int(task)


@pytest.mark.parametrize("seed", range(12))
def test_phases_of_random_runs(tmp_path: Path, seed: int) -> None:
    database = made(tmp_path / "made.sqlite3", random.Random(seed))
    expected = read(database, "r")
    if expected is None:
        pytest.skip("no task came to a worker")
    found = queries.rows(database, "run_phases")
    assert adds_up(found)
    check(found, swept(expected), True)
    # Of one executor, what the others do is not looked at.
    for executor in {place.executor for place in expected.places}:
        places, stays, waits = (
            [one for one in stretches if one.executor == executor]
            for stretches in (expected.places, expected.stays, expected.waits)
        )
        if stays:
            only = queries.rows(database, "run_phases", executor=executor)
            assert adds_up(only)
            check(only, swept(Run(expected.first, expected.last, places, stays, waits)), True)


@pytest.mark.parametrize("seed", range(4))
def test_phases_at_moments_are_near_those_of_all_the_time(tmp_path: Path, seed: int) -> None:
    database = made(tmp_path / "made.sqlite3", random.Random(seed))
    exact = {row["phase"]: row for row in asked(database, {})}
    rows = asked(database, {"20000 <": "0 <", "min(900, 200000": "min(6000, 2000000"})
    assert adds_up(rows) and {row["moments"] for row in rows} == {6000}
    found = {row["phase"]: row for row in rows}
    for phase in exact.keys() | found.keys():
        if phase.startswith(("2", "7")) and phase in exact:
            assert found[phase]["seconds"] == pytest.approx(exact[phase]["seconds"], abs=1e-5)
        told, wanted = (rows.get(phase, {"share": 0.0})["share"] for rows in (found, exact))
        # A task that is overtaken in its slot is not seen to wait: of random runs that is a good deal.
        assert told == pytest.approx(wanted, abs=0.4 if phase[0] in "1367" else 15), phase
    assert asked(database, {"20000 <": "0 <"}, sample="all") == list(exact.values())
    few = asked(database, {"20000 <": "0 <", "min(900, 200000": "min(900, 20"})
    assert adds_up(few) and {row["moments"] for row in few} < set(range(1, 21))


def test_every_phase_has_colour_and_words() -> None:
    named = set(re.findall(r"then '(\d [^']+)'|else '(\d [^']+)'", files()["run_phases"].sql))
    assert {a or b for a, b in named} == PHASES.keys() == MEANINGS.keys()
    for meaning in MEANINGS.values():
        for link in meaning.links:
            assert not link.query or "run" in files()[link.query].params


def of_phases(**shares: float) -> Rows:
    names = {name[0]: name for name in PHASES if name not in ("3 tasks ran", "3 from the first task to the last")}
    return [
        {
            "phase": names[key[1]],
            "share": share,
            "seconds": share,
            "slots": 2.0,
            "busy": 1.0,
            "idle_slot_seconds": share,
            "moments": None,
        }
        for key, share in shares.items()
    ]


def test_sentence_tells_of_the_longest_first_and_not_of_the_short() -> None:
    told = verdict(of_phases(p1=20, p3=70, p4=LEAST_TOLD - 0.1, p7=4.9))
    assert told
    assert told.sentence == "For 70 % of the time all slots were busy; for 20 % there was no worker."
    assert [(piece.left, piece.share) for piece in told.pieces] == [(0, 20), (20, 70), (90, 4.9), (94.9, 4.9)]
    idle = verdict(of_phases(p4=90, p7=10))
    assert idle and idle.sentence == (
        "For 90 % of the time some slots (50 % of them in the mean) were idle though tasks waited for them;"
        " for 10 % no task was on a worker any more."
    )
    few = verdict([{**row, "slots": 1000.0, "busy": 999.9} for row in of_phases(p5=100)])
    assert few and few.sentence.startswith("For 100 % of the time some slots (< 1 % of them in the mean) were idle as")
    tiny = verdict(of_phases(p3=99.99, p6=0.01))
    assert tiny and [piece.share_text for piece in tiny.pieces] == ["100.0 %", "< 0.1 %"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phases") / "real.sqlite3"
    import_logs(path, DATA / "runinfo", finish=create_views)
    return path


def section(page: str) -> str:
    return page.partition('<section class="dnpc-verdict"')[2].partition("</section>")[0]


def with_workers(database: Path) -> Rows:
    return [run for run in queries.rows(database, "runs_overview") if run["workers"]]


def shown(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield text and links of each piece that a page shows."""
    for piece in re.findall(r"<li>(.*?)</li>", section(page), re.S):
        yield unescape(re.sub(r"<[^>]+>", "", piece)).strip(), list(map(unescape, re.findall(r'href="([^"]+)"', piece)))


@pytest.mark.asyncio
async def test_page_shows_the_phases_and_leads_on(database: Path) -> None:
    datasette = Datasette([str(database)])
    for run in with_workers(database):
        rows = queries.rows(database, "run_phases", run=run["run"])
        for part in ("", "layers", "workers", "blocks"):
            page = await get(datasette, address(database, "run", run["run"]) + (f"?part={part}" if part else ""))
            pieces = list(shown(page))
            assert len(pieces) == len(rows) > 2
        widths = [float(width) for width in re.findall(r'<rect x="[\d.]+" width="([\d.]+)"', section(page))]
        assert len(widths) == len(rows) and sum(widths) == pytest.approx(100, abs=0.01)
        for row, (text, links) in zip(rows, pieces, strict=True):
            assert MEANINGS[row["phase"]].clause.rpartition("{some}")[2] in text
            assert text.startswith(f"{row['share']:.1f} %" if row["share"] >= 0.05 else "< 0.1 %")
            assert len(links) == len(MEANINGS[row["phase"]].links) > 0
            for link in links:
                await get(datasette, link.partition("#")[0])


@pytest.mark.asyncio
async def test_page_says_where_only_moments_were_looked_at(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query_file = files()["run_phases"]
    many = type(query_file)(**{**vars(query_file), "sql": query_file.sql.replace("20000 <", "0 <")})
    monkeypatch.setitem(files(), "run_phases", many)
    [run, *_] = with_workers(database)
    page = await get(Datasette([str(database)]), address(database, "run", run["run"]))
    assert "at 900 moments, drawn by lot between the first task and the last" in page


@pytest.mark.asyncio
async def test_page_of_a_run_without_worker_logs(tmp_path: Path) -> None:
    database = tmp_path / "some.sqlite3"
    [log, *_] = sorted((DATA / "runinfo").rglob("parsl.log"))
    assert dnpc("import", log, "--db", database, "--quiet").exit_code == 0
    page = await get(Datasette([str(database)]), address(database, "run"))
    assert "No log tells of tasks on workers, so that it is not known which slots there were." in section(page)
    assert "slots busy" not in section(page) and any(
        text.partition(": ")[2].startswith("tasks ran") for text, _ in shown(page)
    )
