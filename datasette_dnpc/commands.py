"""The commands that answer: one for each canned query, made from its header; and pictures and the graph of types.

``importers.cli`` asks for them by name, so that what they need is imported only then.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from datasette_dnpc.output import FORMATS, as_table, printable
from datasette_dnpc.plot_options import of_plots
from datasette_dnpc.queries import NoAnswer, Table, open_dnpc, select
from datasette_dnpc.sql_files import SqlFile, by_topic, queries

EXTENSIONS = ("png", "svg")
"""Of the pictures that can be written."""


ALIASES = {"span-types": "span_type_summary", "sequences": "event_sequences"}
"""Short name of a command to its query: what the first dnpc listed."""


def names() -> dict[str, list[str]]:
    """Return heading to the names of the commands below it, as ``dnpc --help`` lists them."""
    others = {"Pictures": ["graph", "plot"], "Speed": ["plan"]}
    return {topic: [command_name(query.name) for query in found] for topic, found in by_topic().items()} | others


def command(name: str) -> click.Command | None:
    """Return the command of that name, None if there is none. A query's file name does as well."""
    if name in _OTHERS:
        return _OTHERS[name]
    query = queries().get(file_name(name))
    return _query_command(query) if query else None


def command_name(query: str) -> str:
    """Return what the command of a query is called: ``slowest_spans`` is ``slowest-spans``."""
    return query.replace("_", "-")


def file_name(name: str) -> str:
    """Return what the query of a command is called."""
    return ALIASES.get(name, name.replace("-", "_"))


def write_commands(
    group: click.Group, context: click.Context, formatter: click.HelpFormatter, kinds: dict[str, list[str]]
) -> None:
    """Write one line a command below the heading of its kind."""
    widest = max(len(name) for names in kinds.values() for name in names)
    for heading, names in kinds.items():
        rows = []
        for name in names:
            found = group.get_command(context, name)
            if found and not found.hidden:
                rows.append((name.ljust(widest), found.get_short_help_str(formatter.width - widest - 6)))
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


class _Answer(click.Command):
    """A command whose help ends with the columns of its query."""

    def __init__(self, query: SqlFile, **settings: Any) -> None:
        super().__init__(
            command_name(query.name),
            help=f"{query.title}. {query.description}",
            short_help=query.title,
            **settings,
        )
        self.query = query

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the columns of the result, with their units."""
        with formatter.section("Columns"):
            formatter.write_dl(list(self.query.columns.items()))


def _database_option() -> click.Option:
    return click.Option(
        ["--db", "database"],
        type=click.Path(dir_okay=False, path_type=Path),
        default="dnpc.sqlite3",
        show_default=True,
        help="The database to read.",
    )


def _query_options(query: SqlFile) -> list[click.Parameter]:
    """Return an option for each parameter. Its value goes into the SQL as the text that it is, as from an address."""
    return _text_options(query.params)


def _text_options(meanings: Mapping[str, str]) -> list[click.Parameter]:
    return [
        click.Option([f"--{command_name(name)}", name], default="", metavar="TEXT", help=_sentence(meaning))
        for name, meaning in meanings.items()
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _query_command(query: SqlFile) -> click.Command:
    def answer(database: Path, format: str, **params: str) -> None:
        data = _ask(database, query, params)
        _write(FORMATS[format](data) if format != "table" else as_table(data, _terminal_width()))
        if not data.rows:
            click.echo(_nothing("No rows.", database, query, params), err=True)

    format_option = click.Option(
        ["--format"],
        type=click.Choice(list(FORMATS)),
        default="table",
        show_default=True,
        help="Table for people; CSV and JSON have full values.",
    )
    options = [*_query_options(query), _database_option(), format_option]
    return _Answer(query, callback=answer, params=options)


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection; what can not be answered ends the command with a message and status 1."""
    try:
        with open_dnpc(database) as conn:
            yield conn
    except NoAnswer as error:
        raise click.ClickException(printable(str(error))) from None


def _ask(database: Path, query: SqlFile, params: Mapping[str, str]) -> Table:
    from datasette_dnpc.known_names import whole_run

    # Bytes that are no UTF-8 come from a shell as surrogates, which SQLite does not take.
    values = {name: value.encode("utf-8", "replace").decode() for name, value in params.items()}
    with _opened(database) as conn:
        # What the names of runs show of their keys is enough.
        values |= {name: whole_run(conn, values[name]) for name in ("run", "other") if name in values}
        return select(conn, query.name, values)


def _nothing(found: str, database: Path, query: SqlFile, params: Mapping[str, str]) -> str:
    """Say that a query has no rows, and why, where that can be told."""
    from datasette_dnpc.no_rows import why

    with _opened(database) as conn:
        return f"{found} {why(conn, query, params)}".rstrip()


def _terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _write(text: str) -> None:
    """Write to standard output: to a terminal without what could harm it, else unchanged in UTF-8."""
    if sys.stdout.isatty():
        text = printable(text, keep="\n")
    # As bytes: click would take colours out of text.
    click.echo(text.encode("utf-8", "replace"), nl=False)


class _Plots(click.Group):
    """One command for each query whose columns make a plot."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the queries that can be drawn."""
        return [command_name(name) for name, query in queries().items() if _is_drawn(query)]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write which plots there are, and the columns that they need."""
        from datasette_dnpc.render import MORE_SHAPES, SHAPES

        with formatter.section("Plots for --as, and the columns that each needs"):
            formatter.write_dl([(name, ", ".join(needed)) for name, needed in SHAPES + MORE_SHAPES])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that draws a query.

        Raises ClickException for a query that can't be drawn.
        """
        from datasette_dnpc.render import shapes

        query = queries().get(file_name(cmd_name))
        if query and not shapes(list(query.columns)):
            raise click.ClickException(
                f"{cmd_name} can not be drawn. What can be: {', '.join(self.list_commands(ctx))}"
            )
        return _plot_command(query) if query else None


def _is_drawn(query: SqlFile) -> bool:
    from datasette_dnpc.render import shape

    return shape(list(query.columns)) is not None


def _plot_command(query: SqlFile) -> click.Command:
    from datasette_dnpc.render import shape, shapes

    columns = list(query.columns)
    # Where a query and its plots have a parameter of one name, it is the query's: what it leaves out is not drawn.
    own = {name: option for name, option in of_plots(shapes(columns)).items() if name not in query.params}

    def plot(database: Path, file: Path, kind: str, **params: str) -> None:
        options = {name: params.pop(name) for name in own}
        extension = file.suffix.lower().removeprefix(".")
        if extension not in EXTENSIONS:
            raise click.BadParameter(f"{file} ends in none of .{', .'.join(EXTENSIONS)}", param_hint="FILE")
        data = _ask(database, query, params)
        if not data.rows:
            raise click.ClickException(_nothing("Nothing to draw: the query has no rows.", database, query, params))
        from datasette_dnpc.render import NoPicture, picture

        try:
            _write_file(file, picture(data, query.title, extension, kind=kind, options=options))
        except NoPicture as error:
            raise click.ClickException(printable(str(error))) from None

    path = click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
    usual = shape(columns)
    # To click, a default that is None is one.
    which: dict[str, Any] = {"default": usual, "show_default": True} if usual else {"required": True}
    kind = click.Option(
        ["--as", "kind"], type=click.Choice(shapes(columns)), help="Which plot to draw of these columns.", **which
    )
    drawing = _text_options({name: option.meaning for name, option in own.items()})
    return _Answer(query, callback=plot, params=[path, *_query_options(query), kind, *drawing, _database_option()])


def _write_file(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{file} can not be written: {error.strerror}") from None


def _graph(database: Path, format: str | None, file: Path | None, run: str) -> None:
    if format is None and (format := _GRAPH_ENDINGS.get(file.suffix.lower() if file else "")) is None:
        raise click.UsageError(
            f"{file} ends in none of {', '.join(filter(None, _GRAPH_ENDINGS))}: say what with --format"
        )
    types, relations = (
        _ask(database, queries()[name], {"run": run, **more})
        for name, more in (("span_type_summary", {}), ("span_type_relations", {"sample": "all"}))
    )
    asked = queries()["span_type_summary"], {"run": run}
    nothing = "" if types.rows else _nothing("There are no spans.", database, *asked)
    if format in EXTENSIONS:
        if file is None:
            raise click.UsageError(f"A picture goes into a file: --format {format} --output FILE")
        from datasette_dnpc.render import draw

        if nothing:
            raise click.ClickException(f"Nothing to draw. {nothing}")
        _write_file(file, draw("type_graph", relations, "Span types", format, types=types))
        return
    from datasette_dnpc.graph import FORMATS

    text = FORMATS[format](types.dicts(), relations.dicts())
    if file is None:
        _write(text)
    else:
        _write_file(file, text.encode("utf-8", "replace"))
    if nothing:
        click.echo(nothing, err=True)


def _plan(database: Path, sql: str, where: str) -> None:
    from datasette_dnpc.plans import plan, scans

    asked = file_name(sql) if file_name(sql) in queries() else sql
    if where:
        asked = f"SELECT * FROM {asked} WHERE {where}"
    with _opened(database) as conn:
        try:
            _write("".join(f"{line}\n" for line in plan(conn, asked)))
            read = sorted(scans(conn, asked))
        except sqlite3.Error as error:
            why = f"SQLite can not plan this: {error}"
            if len(asked.split()) < 2:
                why = f"There is no query or view {asked!r}. dnpc --help lists the queries; a SELECT will do, too"
            raise click.ClickException(printable(why)) from None
    click.echo(f"Reads as a whole: {', '.join(read)}." if read else "Reads no large table as a whole.")


_GRAPH_ENDINGS = {
    "": "text",
    ".txt": "text",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".png": "png",
    ".svg": "svg",
}
"""End of a file's name to the format of a graph."""


_OTHERS: dict[str, click.Command] = {
    "plot": _Plots(
        "plot",
        help="Draw the answer of a query into a .png or .svg file: dnpc plot durations durations.png",
        short_help="The answer of a query as .png or .svg",
    ),
    "graph": click.Command(
        "graph",
        help="How the span types hang together: which contain which others, with the number of pairs, and which "
        "tell of the same things. As a tree, drawn (svg, png), or for Graphviz (dot) or Mermaid.",
        short_help="Graph of span types: text, drawn, Graphviz or Mermaid",
        callback=_graph,
        params=[
            click.Option(["--run"], default="", metavar="TEXT", help="Key or name of a run; empty: all runs."),
            _database_option(),
            click.Option(
                ["--format"],
                type=click.Choice(["text", "dot", "mermaid", *EXTENSIONS]),
                help="Default: by the end of the file's name; text on standard output.",
            ),
            click.Option(
                ["-o", "--output", "file"],
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="File to write; default: standard output.",
            ),
        ],
    ),
    "plan": click.Command(
        "plan",
        help="What SQLite does for a query, a view or a SELECT, step by step, without doing it; and which of the "
        "tables that grow with the events it reads as a whole: dnpc plan root_event --where 'root = 17'",
        short_help="What SQLite does for a query, a view or a SELECT",
        callback=_plan,
        params=[
            click.Argument(["sql"], metavar="NAME|SELECT"),
            click.Option(["--where"], default="", metavar="CONDITION", help="Of the rows of a view; default: all."),
            _database_option(),
        ],
    ),
}
"""Commands that are no query's own."""
