"""Pattern files: mistakes in them, and whose run a log is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers import pattern_file, stall
from importers.formats import Added, load_formats
from importers.pattern_file import FormatError
from importers.reading import read_source
from importers.runs import read_run
from tests.imports import copied, dnpc, query, readable
from tests.own_formats import (
    MICRO,
    RUN_ID,
    TOML,
    WHOLE,
    changed,
    events_in,
    named,
    own,
    run_of,
    runs_and_logs,
    unmatched,
    write,
)
from tests.runs import DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runs_and_logs(tmp_path)


# Mistakes in pattern files

STEP_1 = 'span = ["myapp.step", "task", "step"]\nevent = "begins"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "myapp"', "", "name is missing"),
        ('name = "myapp"', "name = 7", "name must be text"),
        ('name = "myapp"', 'name = ""', "name must be text"),
        ('name = "myapp"', 'name = "my app"', "'my app' may hold letters"),
        ('name = "myapp"', 'name = "htex"', "the name 'htex' is taken (dnpc's own)"),
        ('name = "myapp"', 'name = "myapp"\nnmae = 1', "unknown key 'nmae'. Allowed are name, files, path,"),
        ('name = "myapp"', 'name = "myapp"\nfiles = ["*.log"]', "give either files"),
        ('name = "myapp"', 'name = "myapp"\nutc = "yes"', "utc must be true or false, not 'yes'"),
        ('name = "myapp"', 'name = "myapp"\nutc = true', "seconds since 1970 need none"),
        ('name = "myapp"', 'name = "myapp"\ntime_format = "%H:%M"', "does not say year, month, day"),
        ('name = "myapp"', 'name = "myapp"\ntime_format = "%Q"', "'%Q' is no format of strptime"),
        ('name = "myapp"', 'name = "myapp"\ntime_format = "%Y-%m-%d %H:%M:%S %Z"', "use %z"),
        ('name = "myapp"', 'name = "myapp"\ntime_format = "sec"', "Give seconds, milliseconds"),
        ('name = "myapp"', 'name = "myapp"\nroots = ["myapp.stop"]', "Known are myapp.step, parsl.rundir.task"),
        ('name = "myapp"', 'name = "myapp"\nroots = "myapp.step"', "roots must be a list of texts, not 'myapp.step'"),
        ('name = "myapp"', 'name = "myapp', "it is no TOML"),
        ("path = '", "path = '(", "path is no regular expression at position 0"),
        ("path = '", "path = '(?P<step>x)?", "pattern 1: 'step' is a group of regex, and one of path"),
        ("path = '", "path = '[[x]", "path: Possible nested set"),
        ("path = '", "run = 'x'\npath = '(?P<run>x)?", "path has a group run"),
        ("path = '", "run = 'x'\npath = '", None),
        (r"(?P<time>\d+\.\d+)", r"\d+", "time: it needs one named group, (?P<time>...)"),
        (r"(?P<time>\d+\.\d+)", r"(?P<time>\d+)(?P<x>x)", "time: it needs one named group"),
        (r"(?P<time>\d+\.\d+)", r"(?P<time>\d+", "time is no regular expression at position 1"),
        (r"time = '^(?P<time>\d+\.\d+) '", "time_format = 'iso'", "time_format needs time"),
        (r"time = '^(?P<time>\d+\.\d+) '", "utc = true", "utc needs time"),
        (r"'step=(?P<step>\d+) begins'", "'step=(?P<step'", "pattern 1: regex is no regular expression at position 9"),
        (r"'step=(?P<step>\d+) begins'", "''", "pattern 1: regex must be a regular expression as text"),
        (r"'step=(?P<step>\d+) begins'", "7", "pattern 1: regex must be a regular expression as text, not 7"),
        (r"'step=(?P<step>\d+) begins'", r"'(?P<step>\d{99999999999999})'", "pattern 1: regex"),
        (r"'step=(?P<step>\d+) begins'", "'é+(?P<step>x)'", "pattern 1: regex, at position 1: letters beyond ASCII"),
        (r"'step=(?P<step>\d+) begins'", "'[xé](?P<step>x)'", "and alternatives (?:...|...) in place of [...]"),
        (r"regex = 'step=(?P<step>\d+) begins'", "", "pattern 1: regex is missing"),
        (STEP_1, "", "pattern 1: span is missing"),
        (STEP_1, STEP_1.replace('"step"', '"stop"'), "is called 'stop', in regex or path. Known are app, step, task\n"),
        (STEP_1, STEP_1.replace("myapp.step", "my app"), "pattern 1: span: 'my app' is no span type"),
        (STEP_1, STEP_1.replace("myapp.step", "my/app"), "pattern 1: span: 'my/app' is no span type"),
        (STEP_1, 'span = "myapp.step"', "pattern 1: span must be a list: a span type, and the fields of its key"),
        (STEP_1, "span = []", "pattern 1: span must be a list"),
        (STEP_1, "span = [1]", "pattern 1: span must be a list"),
        (STEP_1, STEP_1 + '\nevnt = "x"', "pattern 1: unknown key 'evnt'. Allowed are regex, span, event,"),
        (STEP_1, STEP_1.replace('"begins"', "true"), "pattern 1: event must be text"),
        (STEP_1, STEP_1 + '\neach = "tasks"', "pattern 1: each: 'tasks' must be a group of regex"),
        (STEP_1, STEP_1 + '\neach = "task"', "pattern 1: each: 'task' must be a group of regex"),
        ('[["parsl.rundir.task", "task"]]', '["parsl.rundir.task", "task"]', "parents must be a list of lists"),
        ('[["parsl.rundir.task", "task"]]', "[[]]", "parents must be a list of lists"),
        ('[["parsl.rundir.task", "task"]]', "5", "parents must be a list of lists"),
        ('[["parsl.rundir.task", "task"]]', '[["parsl.rundir.task", "id"]]', "parents: no field is called 'id'"),
        ('[["parsl.rundir.task", "task"]]', '[["myapp.step", "task", "step"]]', "a myapp.step can't lie in itself"),
        ('attributes = ["residual"]', 'attributes = ["rest"]', "pattern 2: attributes: no field is called 'rest'"),
        ('event = "ends"\nattributes = ["residual"]', "", "pattern 2: it says nothing of its span"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_pattern_file(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    file = named(tmp_path, changed((old, new)))
    result = dnpc("import", DATA / "two-htex", "--pattern-file", file, "--db", tmp_path / "db")
    if said is None:
        assert result.exit_code == 0
        return
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {file}: ") and said in result.output
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("f.toml", "", "name is missing"),
        ("f.toml", 'name = "x"\nfiles = []\npatterns = []', "patterns must be a list with a pattern or more, not []"),
        ("f.toml", 'name = "x"\nfiles = ["*"]\npatterns = [1]', "pattern 1: it is no table of keys and values"),
        ("f.toml", 'name = "x"\nfiles = ["/var/*.log"]', "'/var/*.log' is no such end"),
        ("f.toml", 'name = "x"\nfiles = ["a/**/b"]', "'a/**/b' is no such end"),
        ("f.toml", 'name = "x"\nfiles = ["../b"]', "'../b' is no such end"),
        ("f.toml", 'name = "x"\nfiles = ["*.log"]', "patterns is missing: say what lines look like"),
        (
            "f.toml",
            'name = "x"\nfiles = ["*"]\npatterns = [{regex = "a", span = ["a", "b"], event = "c"}]',
            "no field is called 'b', in regex or path. There is none: name groups, (?P<task>...)",
        ),
        ("f.toml", "a = " + "[" * 5000, "it is no TOML"),
        ("f.yaml", "", "it is no table of keys and values"),
        ("f.yaml", "- a\n- b", "it is no table of keys and values. Keys are name, files,"),
        ("f.yaml", "a: [", "it is no YAML: while parsing"),
        ("f.yaml", "a: 2026-13-45", "it is no YAML"),
        ("f.yaml", "&a [*a]", "it is no table"),
        ("f.yaml", "name: &a [*a]", "name must be text"),
        ("f.yaml", "? [a]\n: b", "it is no YAML"),
        ("f.yaml", "1: 2", "unknown key '1'"),
        ("f.yaml", "[" * 5000, "it is no YAML"),
        ("f.yaml", "!!python/object/apply:os.system [echo]", "it is no YAML"),
        ("f.yaml", "name: '\\0'", "may hold letters"),
        ("f.json", "{}", "a pattern file is named *.toml, *.yaml or *.yml"),
    ],
    ids=lambda value: value[:25],
)
def test_what_is_no_pattern_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(FormatError) as raised:
        pattern_file.load(named(tmp_path, text, name))
    assert str(raised.value).startswith(f"{tmp_path / name}: ") and said in str(raised.value)


def test_bytes_that_are_no_pattern_file(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\0", b"\0" * 10):
        (tmp_path / "f.toml").write_bytes(content)
        (tmp_path / "f.yaml").write_bytes(content)
        for name in ("f.toml", "f.yaml"):
            with pytest.raises(FormatError, match="it is no"):
                pattern_file.load(tmp_path / name)
    with pytest.raises(FormatError, match="can not be read"):
        pattern_file.load(tmp_path / "none.toml")
    with pytest.raises(FormatError, match="can not be read"):
        load_formats(Added(modules=(tmp_path / "none.py",)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["name", "files", "path", "run", "time", "time_format", "utc", "roots", "patterns"]
PATTERN_KEYS = ["regex", "span", "event", "parents", "attributes", "each"]


@MICRO
@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        VALUES | st.lists(st.dictionaries(st.sampled_from(PATTERN_KEYS), VALUES), min_size=1, max_size=2),
    )
)
def test_whatever_a_pattern_file_holds(tmp_path: Path, told: dict[str, object]) -> None:
    import yaml

    file = named(tmp_path, yaml.safe_dump(told), "f.yaml")
    sound = {"name": "x", "files": ["*"], "patterns": [{"regex": "a", "span": ["a"], "event": "b"}]}
    for content in (told, sound | told):
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        try:
            found = pattern_file.load(file)
        except FormatError as error:
            assert str(error).startswith(str(file))
        else:
            assert content["name"] == found.NAME


# Whose a log is

FILES = changed(
    (r"path = 'task_logs/\d+/task_0*(?P<task>\d+)_(?P<app>\w+)\.stdout'", "files = ['my*.log']"),
    ('"task", "step"', '"step"'),
    ('"parsl.rundir.task", "task"', '"myapp.run"'),
    ('attributes = ["app"]', ""),
)


def runs_of(database: Path) -> list[tuple[object, ...]]:
    return query(
        database,
        """SELECT runs.key, count(*) FROM spans JOIN runs ON runs.id = run JOIN span_types ON span_types.id = type
           WHERE span_types.name = 'myapp.step' GROUP BY 1 ORDER BY 1""",
    )


def imported(folder: Path, text: str, database: str = "db") -> Path:
    path = folder / database
    result = dnpc("import", folder, "--pattern-file", named(folder, text), "--db", path)
    assert result.exit_code == 0, result.output
    return path


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 0])
def test_a_path_is_known_by_its_end(tmp_path: Path, parts: int) -> None:
    """By so many of its folders as the regular expression has, all of them for 0, and by whole names."""
    log = tmp_path.resolve() / "a" / "b" / "cc" / "my.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(WHOLE)
    place = re.escape("/".join(log.parts[1:][-parts:]))
    line = next(line for line in TOML.splitlines() if line.startswith("path ="))
    for regex, is_known in ((place, True), (place[1:], False), (f"x/{place}", False), (f"{place}x", False)):
        text = changed(
            (line, f"path = '{regex}'"),
            ('"task", "step"', '"step"'),
            ('parents = [["parsl.rundir.task", "task"]]', ""),
            ('attributes = ["app"]', ""),
        )
        found = pattern_file.load(named(tmp_path, text)).find(log)
        assert (found is not None) == is_known, regex


def named_runs(folder: Path, path: Path, *changes: tuple[str, str]) -> dict[str, str]:
    """Return the names that a log gives to runs."""
    formats = load_formats(Added((named(folder, changed(*changes)),), (), False))
    source = formats.importers["myapp"].find(path)
    assert source is not None
    return {
        run: name.replace(source.run.key[:8], "KEY")
        for run, name in read_source(source, formats=formats).batch.run_names.items()
    }


def test_a_log_alone_names_its_run_where_it_tells_of_it(tmp_path: Path) -> None:
    run_of(tmp_path)
    inside = write(tmp_path, "0000/task_0012_simulate.stdout", WHOLE)
    assert named_runs(tmp_path, inside) == {}
    place = "task_logs/0000/task_0012_simulate.stdout"
    alone = tmp_path / "alone" / place
    alone.parent.mkdir(parents=True)
    alone.write_bytes(WHOLE)
    assert list(named_runs(tmp_path, alone).values()) == ["myapp (KEY)"]
    # Of a run that is said, others may know the name.
    assert named_runs(tmp_path, alone, ('name = "myapp"', 'name = "myapp"\nrun = "a run"')) == {}
    alone.write_bytes(b"1795397707.25 nothing\n")
    assert named_runs(tmp_path, alone) == {}


@pytest.mark.parametrize("time", [r"^(?P<time>\d+\.\d+) ", r"^at (?P<time>\d+\.\d+): "])
def test_logs_alone_are_told_apart_by_their_first_record(tmp_path: Path, time: str) -> None:
    """What begins with the format's own time is one: the lines above it are the same in all of them."""
    prefix = "at {}: " if time.startswith("^at") else "{} "
    file = named(tmp_path, changed((r"'^(?P<time>\d+\.\d+) '", f"'{time}'")))
    found = pattern_file.load(file)
    keys = []
    for number, (begins, more) in enumerate([(1, ""), (1, "and more\n"), (2, "")]):
        log = tmp_path / str(number) / "task_logs/0000/task_0012_simulate.stdout"
        log.parent.mkdir(parents=True)
        log.write_text(f"# my app\n# of today\n{prefix.format(1795397700.5 + begins)}step=1 begins\n{more}")
        source = found.find(log)
        assert source is not None
        keys.append(source.run.key)
    assert keys[0] == keys[1] != keys[2]


def test_what_was_given_up_is_said_of_each_later_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "PATIENCE", 0.2)
    run_of(tmp_path)
    slow = r"'(?:[a-z]+)+ of step (?P<step>\d+)$'"
    formats = load_formats(Added((named(tmp_path, changed((r"'step=(?P<step>\d+) begins'", slow))),), (), False))
    importer = formats.importers["myapp"]
    ends = b"1795397707.5 step=1 ends\n"
    logs = [b"1795397707.3 " + b"a" * 60 + b" of step x\n" + ends, ends, ends]
    for number, log in enumerate(logs):
        path = write(tmp_path, f"0000/task_{number:04}_simulate.stdout", log)
        source = importer.find(path)
        assert source is not None
        batch = read_source(source, formats=formats).batch
        assert [name for _, _, name, _ in events_in(batch)] == ["ends"]
        ((reason, _), found) = next(iter(batch.unmatched.items()))
        if number:
            assert len(batch.unmatched) == 1
            assert reason == "a regular expression that took too long before is not used"
            assert found == (1, 0, source.name)
        else:
            assert "takes too long on this line" in reason


@pytest.mark.parametrize("place", ["000/my.log", "000/a/b/c/d/e/my.log", "001/x/my.log"])
def test_a_log_in_a_run_directory_at_any_depth_is_of_that_run(tmp_path: Path, place: str) -> None:
    runinfo = copied(DATA / "runinfo", tmp_path / "runinfo")
    (runinfo / place).parent.mkdir(parents=True, exist_ok=True)
    (runinfo / place).write_bytes(WHOLE)
    expected = read_run(runinfo / place[:3]).run_id
    assert expected is not None
    database = imported(tmp_path, FILES)
    assert runs_of(database) == [(expected, 1)]
    assert query(database, "SELECT path FROM sources WHERE importer = 'myapp'") == [(place,)]


def test_a_log_alone_is_a_run_of_its_own_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    head = b"# myapp 1.0\n"
    (tmp_path / "a/my1.log").write_bytes(head + WHOLE)
    (tmp_path / "a/my2.log").write_bytes(head + WHOLE.replace(b"25", b"75"))
    database = imported(tmp_path, FILES)
    runs = runs_of(database)
    assert [count for _, count in runs] == [1, 1]
    names = query(database, "SELECT name FROM runs ORDER BY key")
    assert names == [(f"myapp ({str(key)[:8]})",) for key, _ in runs]
    before = readable(database, "sources")
    # Grown, renamed and moved, they are the same.
    (tmp_path / "b").mkdir()
    for number in (1, 2):
        log = (tmp_path / f"a/my{number}.log").rename(tmp_path / f"b/my-{number}.log")
        log.write_bytes(log.read_bytes() + b"1795397709.5 step=1 ends\n")
    database = imported(tmp_path, FILES)
    assert runs_of(database) == runs
    assert len(own(database)) == 4 and set(before["event"]) < set(readable(database)["event"])
    assert query(database, "SELECT count(*) FROM sources") == [(2,)]


def test_copies_of_a_log_alone_count_once(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "my.log").write_bytes(WHOLE)
    assert [count for _, count in runs_of(imported(tmp_path, FILES))] == [1]


def test_a_constant_run(tmp_path: Path) -> None:
    """It counts in a run directory too."""
    copied(DATA / "runinfo", tmp_path / "runinfo")
    for number, place in enumerate((".", "runinfo/000"), start=1):
        (tmp_path / place / f"my{number}.log").write_bytes(WHOLE.replace(b"step=1", b"step=%d" % number))
    database = imported(tmp_path, FILES.replace("[[patterns]]", 'run = "nightly"\n[[patterns]]', 1))
    assert runs_of(database) == [("nightly", 2)]
    assert query(database, "SELECT count(*) FROM sources WHERE importer = 'myapp'") == [(2,)]


def test_a_run_in_the_path(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"my-{RUN_ID}-{number}.log").write_bytes(WHOLE.replace(b"step=1", b"step=%d" % number))
    (tmp_path / "my-other-1.log").write_bytes(WHOLE)
    text = FILES.replace("files = ['my*.log']", r"path = 'my-(?P<run>[\w-]+)-\d\.log'")
    assert runs_of(imported(tmp_path, text)) == [(RUN_ID, 2), ("other", 1)]


def test_a_run_in_the_lines(tmp_path: Path) -> None:
    """The spans of one log are of several runs, and join what these runs' own logs tell."""
    copied(DATA / "runinfo", tmp_path / "runinfo")
    ids = [read_run(tmp_path / f"runinfo/00{n}").run_id for n in range(2)]
    lines = [f"1795397707.{n} run={run} task=0 step={n} begins\n" for n, run in enumerate(ids, start=1)]
    (tmp_path / "my.log").write_text("".join([*lines, "1795397707.5 run= task=0 step=3 begins\n"]))
    text = FILES.replace('"step"]', '"task", "step"]').replace('"myapp.run"', '"parsl.rundir.task", "task"')
    text = text.replace("regex = '", r"regex = '^run=(?P<run>\S*) task=(?P<task>\d+) ")
    database = imported(tmp_path, text)
    assert runs_of(database) == sorted((run, 1) for run in ids)
    # The run itself may be a span that holds them.
    apart = imported(tmp_path, text.replace('["parsl.rundir.task", "task"]', '["myapp.run", "run"]'), "apart")
    holding = "SELECT runs.key, spans.key FROM spans JOIN runs ON runs.id = run JOIN span_types ON span_types.id = type"
    assert query(apart, f"{holding} WHERE span_types.name = 'myapp.run' ORDER BY 1") == sorted(
        (run, run) for run in ids
    )
    parents = query(
        database,
        """SELECT runs.key, json_extract(a.attributes, '$.app') IS NOT NULL FROM subspans
           JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan JOIN runs ON runs.id = a.run
           JOIN span_types ON span_types.id = b.type WHERE span_types.name = 'myapp.step' AND a.run = b.run""",
    )
    assert sorted(parents) == sorted((run, 1) for run in ids)
    assert [reason for reason, _ in unmatched(database)] == ["a field that the span's key needs is empty"]


def test_an_empty_field_of_the_path(tmp_path: Path) -> None:
    """It is no attribute, and makes no parent."""
    copied(DATA / "runinfo", tmp_path / "runinfo")
    text = changed(
        (r"_(?P<app>\w+)\.stdout", r"(?:_(?P<app>\w+))?\.stdout"), ('["parsl.rundir.task", "task"]', '["x", "app"]')
    )
    for name in ("task_0012.stdout", "task_0013_simulate.stdout"):
        write(tmp_path, f"0000/{name}", WHOLE)
    database = imported(tmp_path, text)
    attributes = query(database, "SELECT key, attributes FROM spans WHERE key IN ('12/1', '13/1') ORDER BY 1")
    assert attributes == [("12/1", None), ("13/1", '{"app": "simulate"}')]
    parents = query(
        database,
        """SELECT a.key, b.key FROM subspans JOIN spans a ON a.id = superspan JOIN spans b ON b.id = subspan
           JOIN span_types ON span_types.id = a.type WHERE span_types.name = 'x'""",
    )
    assert parents == [("simulate", "13/1")]
