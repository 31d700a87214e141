"""The analyses: one ``.sql`` file each, which begins with a comment that says what it is.

    /*
    @title Slowest spans
    @topic Durations
    @description The spans which took longest.
    @param span_type a span type; default: all
    @column duration seconds from first to last event
    @chart mark=bar x_column=duration x_type=quantitative y_column=key y_type=ordinal
    @needs span_duration
    @about tasks
    @none No span has a duration.
    */
    select ...

A tag's text may go on over the following lines. Queries have a topic, one of ``TOPICS``. ``@about`` names what a log
has to tell of for a query to have rows, of ``no_rows.KINDS``; ``@none`` says what it means if there are none even so.
The SQL after the comment is what is published. In it, a line ``-- part NAME`` stands for the text of
``sql/parts/NAME.sql``: common table expressions that several queries share, and that can be no view because they have
parameters. Views are kept in the database and so use built-in SQL only: they work in any SQLite client. Queries may use
``sql_functions`` too.

Parameters are text, and each may be empty. Where one is a number, ``coalesce(nullif(cast(:rows as integer), 0), 30)``
takes 0 and what is no number as empty; ``min(max(..., 1), 900)`` around it keeps it in range.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from urllib.parse import quote

FOLDER = Path(__file__).parent / "sql"

_MANY = ("param", "column", "chart", "needs", "about")
_ONE = ("title", "description")
_AT_MOST_ONE = ("topic", "none")

TOPICS = ("The run", "The tasks", "One task", "Durations", "Workers", "The logs", "Others")
"""Headings under which queries are listed, in this order; the last is of those that name none."""


class SqlFileError(Exception):
    """A ``.sql`` file whose header cannot be read; the message names the file."""


@dataclass(frozen=True)
class SqlFile:
    """One view or query."""

    name: str
    """The file's name without ``.sql``: what it is called in the database or in Datasette."""
    title: str
    description: str
    sql: str
    """Without the header."""
    params: dict[str, str]
    """Parameter to what it means and what it is when empty."""
    columns: dict[str, str]
    """Column of the result to what it means, with its unit."""
    chart: dict[str, str]
    """Settings of datasette-vega, such as mark, x_column, x_type."""
    needs: tuple[str, ...]
    """Names of the views it reads."""
    topic: str = TOPICS[-1]
    """What it is about: one of ``TOPICS``."""
    about: tuple[str, ...] = ()
    """What a log has to tell of for it to have rows: of ``no_rows.KINDS``."""
    none: str = ""
    """What no rows mean, where a log does; empty if that says nothing of the logs."""

    @property
    def fragment(self) -> str | None:
        """The part of a URL after ``#`` which has datasette-vega draw the chart on opening."""
        if not self.chart:
            return None
        return "&".join(f"g.{key}={quote(value, safe='')}" for key, value in self.chart.items())


def parse(name: str, text: str) -> SqlFile:
    """Read the text of one ``.sql`` file."""
    header, end, body = text.removeprefix("/*").partition("*/")
    if not text.startswith("/*") or not end:
        raise SqlFileError(f"{name}.sql: does not begin with a /* */ comment of tags")
    tags: list[list[str]] = []
    for line in filter(None, map(str.strip, header.splitlines())):
        if line.startswith("@"):
            tag, _, value = line[1:].partition(" ")
            if tag not in _ONE + _AT_MOST_ONE + _MANY:
                raise SqlFileError(f"{name}.sql: unknown tag @{tag}")
            tags.append([tag, value.strip()])
        elif tags:
            tags[-1][1] += f" {line}"
        else:
            raise SqlFileError(f"{name}.sql: text before the first tag: {line!r}")
    single = {tag: _only(name, tag, tags) for tag in _ONE}
    sql = body.strip().removesuffix(";")
    if not sql:
        raise SqlFileError(f"{name}.sql: no SQL after the header")
    many = {tag: [value for found, value in tags if found == tag] for tag in _MANY}
    return SqlFile(
        name=name,
        title=single["title"],
        description=single["description"],
        sql=sql,
        params=_pairs(name, "param", many["param"]),
        columns=_pairs(name, "column", many["column"]),
        chart=_settings(name, " ".join(many["chart"])),
        needs=tuple(" ".join(many["needs"]).split()),
        topic=_topic(name, tags),
        about=tuple(" ".join(many["about"]).split()),
        none=_at_most_one(name, "none", tags),
    )


def _topic(name: str, tags: list[list[str]]) -> str:
    topic = _at_most_one(name, "topic", tags) or TOPICS[-1]
    if topic not in TOPICS:
        raise SqlFileError(f"{name}.sql: @topic is none of {', '.join(TOPICS)}: {topic!r}")
    return topic


def _only(name: str, tag: str, tags: list[list[str]]) -> str:
    values = [value for found, value in tags if found == tag]
    if len(values) != 1 or not values[0]:
        raise SqlFileError(f"{name}.sql: wants one @{tag} with a text, has {len(values)}")
    return values[0]


def _at_most_one(name: str, tag: str, tags: list[list[str]]) -> str:
    return _only(name, tag, tags) if any(found == tag for found, _ in tags) else ""


def _pairs(name: str, tag: str, values: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        key, _, meaning = value.partition(" ")
        if not key or not meaning or key in pairs:
            raise SqlFileError(f"{name}.sql: @{tag} wants a name, once, and its meaning: {value!r}")
        pairs[key] = meaning.strip()
    return pairs


def _settings(name: str, text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals:
            raise SqlFileError(f"{name}.sql: @chart wants key=value, has {word!r}")
        settings[key] = value
    return settings


def load(folder: Path) -> dict[str, SqlFile]:
    """Read every ``.sql`` file of a folder, in order of name."""
    files = sorted(folder.glob("*.sql"))
    return {file.stem: parse(file.stem, _with_parts(file)) for file in files}


def _with_parts(file: Path) -> str:
    """Return the text of a file, with each part that it names in its place: ``-- part NAME``.

    A part that is used under other names says so behind that: ``-- part NAME old=new``.
    """

    def part(line: re.Match[str]) -> str:
        path = FOLDER / "parts" / f"{line[1]}.sql"
        if not path.is_file():
            raise SqlFileError(f"{file.name}: there is no part {line[1]}")
        text = _with_parts(path)
        for words in line[2].split():
            old, _, new = words.partition("=")
            text = re.sub(rf"\b{old}\b", new, text)
        return text.rstrip()

    return re.sub(r"^-- part (\w+)((?: \w+=\w+)*)$", part, file.read_text(encoding="utf-8"), flags=re.M)


@cache
def queries() -> dict[str, SqlFile]:
    """Return the canned queries by name."""
    return load(FOLDER / "queries")


def by_topic() -> dict[str, list[SqlFile]]:
    """Return the canned queries of each topic that has any, in order of name."""
    found: dict[str, list[SqlFile]] = {topic: [] for topic in TOPICS}
    for query in queries().values():
        found[query.topic].append(query)
    return {topic: files for topic, files in found.items() if files}


@cache
def views() -> dict[str, SqlFile]:
    """Return the views by name, each after those that it needs."""
    return in_order(load(FOLDER / "views"))


@cache
def page_sql() -> dict[str, SqlFile]:
    """Return the SQL that only pages need, by name."""
    return load(FOLDER / "pages")


def in_order(files: dict[str, SqlFile]) -> dict[str, SqlFile]:
    """Order views so that each comes after the views that it needs."""
    for file in files.values():
        for missing in set(file.needs) - set(files):
            raise SqlFileError(f"{file.name}.sql: @needs {missing}, which is no view here")
    try:
        names: Iterable[str] = TopologicalSorter({name: file.needs for name, file in files.items()}).static_order()
        return {name: files[name] for name in names}
    except CycleError as error:
        raise SqlFileError(f"views need each other: {' -> '.join(error.args[1])}") from error


def create_views(conn: sqlite3.Connection) -> None:
    """Make every view in a dnpc database, inside the caller's transaction; again, where one is not as it is here.

    Where all are, nothing changes, so that a Datasette that serves the database need not read its tables anew.
    """
    wanted = {name: f'CREATE VIEW "{name}" AS\n{view.sql}' for name, view in views().items()}
    there = dict(conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    if wanted.items() <= there.items():
        return
    for name in reversed(wanted):
        conn.execute(f'DROP VIEW IF EXISTS "{name}"')
    for sql in wanted.values():
        conn.execute(sql)
