"""The command ``dnpc``."""

from __future__ import annotations

import errno
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from importers.database import StoreError
from importers.formats import Added, load_formats
from importers.pattern_file import FormatError
from importers.pipeline import NothingToImport, Summary, import_paths
from importers.reading import EngineError, Reading
from importers.readonly import open_readonly
from importers.recognise import refusal, unreadable
from importers.report import drift_lines, plain, report_rows, summary_text
from importers.times import UnknownZone, clock_of_name


def _database_option(to_do: str) -> Callable[[Any], Any]:
    return click.option(
        "--db",
        "database",
        type=click.Path(dir_okay=False, path_type=Path),
        default="dnpc.sqlite3",
        show_default=True,
        help=f"The database to {to_do}.",
    )


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _ImporterOption(click.Option):
    """An option whose help lists the importers that are there without naming a file."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the two columns of the help."""
        self.help = f"Use this importer only: {', '.join(sorted(load_formats(Added()).importers))}, or one named here."
        return super().get_help_record(ctx)


class Incomplete(click.ClickException):
    """An import that is done, but lacks what files hold that could not be read. It ends with status 1."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(
            f"What could not be read, as said above, is not in {summary.database}: see to it and import again. "
            "All else is there"
        )
        self.summary = summary


class _Commands(click.Group):
    """The commands of this module, and those that answer: they are imported only when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, by kind."""
        from datasette_dnpc.commands import names

        return [*super().list_commands(ctx), *(name for kind in names().values() for name in kind)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None if there is none."""
        if found := super().get_command(ctx, cmd_name):
            return found
        from datasette_dnpc.commands import command

        return command(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Where its output can not be written, on a full disk, that is said."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # who reads has enough: click ends without a word
            what = error.filename or "The output can not be written"
            raise click.ClickException(plain(f"{what}: {error.strerror or error}")) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line a command, by kind."""
        from datasette_dnpc.commands import names, write_commands

        write_commands(self, ctx, formatter, {"Logs": super().list_commands(ctx), **names()})


@click.group(cls=_Commands)
@click.version_option(package_name="datasette-dnpc")
def main() -> None:
    """Where did the time go? Logs of Parsl workflows as spans and events in SQLite."""


@main.command("import", short_help="Import logs into a database.")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@_database_option("make or extend")
@click.option("--timezone", metavar="ZONE", help="Zone of local times in logs of runs that do not show it themselves, "
              "like America/Chicago or -06:00. Default: this machine's.")  # fmt: skip
@click.option("--pattern-file", "pattern_files", multiple=True, type=_FILE, metavar="FILE",
              help="A log format of your own, in TOML or YAML. Can be repeated.")  # fmt: skip
@click.option("--module", "modules", multiple=True, type=_FILE, metavar="FILE",
              help="A log format of your own, in Python. Can be repeated.")  # fmt: skip
@click.option("--importer", cls=_ImporterOption, metavar="NAME")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Read in this many processes. Default: one for each processor, up to 4.",
)
@click.option("--parsl", "parsl_config", type=_FILE, metavar="CONFIG.py",
              help="Have workers of Parsl read, by the Config named config that this Python file makes. They need "
              "dnpc, and the logs and the folder of the database under the same paths.")  # fmt: skip
@click.option("--follow-links", is_flag=True, help="Follow symbolic links that lead out of the folders given.")
@click.option("--quiet", is_flag=True, help="No progress bar, and no summary unless something went wrong.")
def import_(
    paths: tuple[Path, ...],
    database: Path,
    timezone: str | None,
    pattern_files: tuple[Path, ...],
    modules: tuple[Path, ...],
    importer: str | None,
    jobs: int | None,
    parsl_config: Path | None,
    follow_links: bool,
    quiet: bool,
) -> Summary:
    """Import logs: runinfo folders, run directories, or single log files."""
    try:
        clock = clock_of_name(timezone) if timezone else None
    except UnknownZone as error:
        raise click.BadParameter(str(error), param_hint="--timezone") from None
    try:
        formats = load_formats(Added(pattern_files, modules))
    except FormatError as error:
        raise click.ClickException(str(error)) from None
    for problem in formats.problems:
        click.echo(problem, err=True)
    if importer and importer not in formats.importers:
        known = ", ".join(sorted(formats.importers))
        raise click.BadParameter(f"{importer!r} is no importer. Known are {known}", param_hint="--importer")
    if parsl_config and jobs:
        raise click.UsageError("--jobs has this machine read, --parsl others: give one of them")
    try:
        with (
            _progress_bar(not quiet and sys.stderr.isatty()) as (started, progress),
            _reading(parsl_config, database) as reading,
        ):
            summary = import_paths(
                paths,
                database,
                clock=clock,
                importer=importer,
                formats=formats,
                jobs=jobs,
                follow_links=follow_links,
                reading=reading,
                started=started,
                progress=progress,
                finish=create_views,
            )
    except (NothingToImport, StoreError, FormatError, EngineError) as error:
        raise click.ClickException(plain(str(error))) from None
    _tell(summary, quiet)
    if summary.unread:
        raise Incomplete(summary)
    return summary


def _reading(parsl_config: Path | None, database: Path) -> AbstractContextManager[Reading | None]:
    """Give what reads in place of this process, None where nothing does."""
    if parsl_config is None:
        return nullcontext()
    from importers.on_parsl import OnParsl

    return OnParsl(parsl_config, database)


@contextmanager
def _progress_bar(show: bool) -> Iterator[tuple[Callable[[int], object], Callable[[int], object]]]:
    """Give what to call with the number of bytes to read, and what with the number of each piece read."""
    if not show:
        yield (lambda size: None), (lambda size: None)
        return
    with click.progressbar(length=1, label="Importing", file=sys.stderr) as bar:

        def started(size: int) -> None:
            bar.length = max(size, 1)

        yield started, bar.update


def create_views(conn: sqlite3.Connection) -> None:
    """Create the building-block views in a database: they are part of what an import leaves."""
    from datasette_dnpc.sql_files import create_views as create

    create(conn)


def _tell(summary: Summary, quiet: bool) -> None:
    wrong = not summary.understood or summary.failed or summary.unread or any(read.error for read in summary.read)
    if not quiet or wrong:
        with open_readonly(summary.database) as conn:
            click.echo(summary_text(conn, summary), err=quiet)
    if not summary.understood:
        raise click.ClickException(
            "Nothing in these files was understood: see the reasons above, or with: dnpc sources. "
            "If the format should be known, name its importer with --importer"
        )


@main.command(short_help="What was imported, joined, and not understood.")
@_database_option("read")
@click.option("--check", is_flag=True, help="List only the lines that look like events but match no pattern, "
              "and exit with status 1 if there are any: for a test after an upgrade of Parsl.")  # fmt: skip
def sources(database: Path, check: bool) -> None:
    """List what has been imported: sources, clocks, joins made and missing, what was not understood."""
    if not database.exists():
        raise click.ClickException(f"{database} does not exist. Make it with: dnpc import PATH --db {database}")
    try:
        with open_readonly(database) as conn:
            if why := refusal(conn, database):
                raise click.ClickException(why)
            drifted = drift_lines(conn) if check else []
            if check and not drifted:
                click.echo("No drift: every line that looks like an event is known.")
            else:
                click.echo("\n".join(drifted or report_rows(conn)))
    except sqlite3.Error as error:
        raise click.ClickException(unreadable(database, error)) from None
    if drifted:
        sys.exit(1)


@main.command(short_help="Show a database, or logs, in the browser.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]...")
@_database_option("make or extend")
@click.option("--timezone", metavar="ZONE", help="As of dnpc import.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on. Others than this machine "
              "can reach any but the default, and see all of the database.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8001, or a free one if that is taken.")
@click.option("--source-root", "source_roots", multiple=True, metavar="FOLDER",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder that was imported: the page of a span shows the lines of the logs in it. Can be repeated. "
              "Default: that of PATH. Not with --host of another address.")  # fmt: skip
@click.pass_context
def serve(
    context: click.Context,
    paths: tuple[Path, ...],
    database: Path,
    timezone: str | None,
    host: str,
    port: int | None,
    source_roots: tuple[Path, ...],
) -> None:
    """Show a database in the browser; logs that are given are imported before. Ctrl-C ends it."""
    from datasette_dnpc import queries, serve

    if source_roots and host not in serve.LOOPBACK:
        raise click.BadParameter(
            f"lines of logs are shown on this machine only, not on {host}", param_hint="--source-root"
        )
    try:
        port = serve.free_port(host, port)
        if paths:
            try:
                summary = context.invoke(import_, paths=paths, database=database, timezone=timezone)
            except Incomplete as error:
                error.show()
                summary = error.summary
            source_roots = (*source_roots, *_folders_of_runs(summary))
        with queries.open_dnpc(database):
            pass
    except (serve.CanNotServe, queries.NoAnswer) as error:
        raise click.ClickException(str(error)) from None
    roots = source_roots if host in serve.LOOPBACK else ()
    serve.serve(database, host, port, roots, lambda address: click.echo(f"\n  {address}\n\nCtrl-C ends it."))


@main.group()
def export() -> None:
    """Write a database for other programs."""


@export.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@_database_option("read")
def parquet(folder: Path, database: Path) -> None:
    """Write each table as a Parquet file into a new folder, which DuckDB and Spark query.

    Its views.sql makes the tables and views of the database in DuckDB.
    """
    from datasette_dnpc.export_parquet import CanNotExport
    from datasette_dnpc.export_parquet import export as export_parquet
    from datasette_dnpc.queries import NoAnswer

    try:
        rows = export_parquet(database, folder)
    except (CanNotExport, NoAnswer) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{folder} has {len(rows)} tables with {sum(rows.values()):,} rows, and views.sql for DuckDB.")


def _folders_of_runs(summary: Summary) -> list[Path]:
    """Return the folders which the paths of sources are relative to."""
    sources = [*(read.source for read in summary.read), *summary.unchanged]
    places = {source.path.parent.resolve() / source.path.name: source.name.split("/") for source in sources}
    folders = {
        path.parents[len(names) - 1] for path, names in places.items() if path.parts[-len(names) :] == tuple(names)
    }
    return sorted(folders)


if __name__ == "__main__":
    main()
