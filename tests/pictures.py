"""Draws the pictures that the READMEs show, from two of the real runs: ``python -m tests.pictures``.

It needs the real runs beside the repository (see ``tests.runs.shared_runs``), and Chromium for those of pages.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.imports import dnpc
from tests.runs import shared_runs

FOLDER = Path(__file__).parent / "pictures"

RUNS = ("parsl-2026-htex-json-threads", "parsl-2026-workqueue")
"""Folders below that of the real runs."""

HTEX, WORK_QUEUE = "run_htex.py 000 (2cf25028)", "run_all.py 000 (5dbb8841)"
"""Names of the runs that are drawn."""

PLOTS: dict[str, tuple[str, ...]] = {
    "layers": ("task-layers", "--run", HTEX),
    "states": ("states-over-time", "--run", WORK_QUEUE),
    "slots": ("worker-gantt", "--run", HTEX),
    "waterfall": ("waterfall", "--run", WORK_QUEUE),
    "durations": ("durations", "--run", HTEX, "--span-type", "parsl.rundir.try"),
    "density": ("durations", "--run", HTEX, "--span-type", "parsl.rundir.try", "--as", "density"),
    "cumulative": ("durations", "--span-type", "parsl.rundir.try", "--as", "cumulative"),
    "histogram": ("duration-histogram", "--run", HTEX, "--span-type", "parsl.rundir.try"),
    "endings": ("duration-boxes", "--span-type", "parsl.monitoring.try"),
    "steps": ("event-steps",),
    "utilisation": ("utilisation", "--run", HTEX),
    "gaps": ("gap-layers",),
}
"""Name of a picture to what ``dnpc plot`` is asked for."""

PAGES: dict[str, tuple[str, str]] = {
    "page-runs": ("", "Page **Runs**"),
    "page-run": ("/run/{htex}", "Page **Run**"),
    "page-sequences": ("/sequences?run={htex}", "Page **Event sequences**"),
    "page-span": ("/span/{task}", "Page **Span**"),
    "page-distributions": ("/distributions?run={htex}", "Page **Distributions**"),
    "page-import": ("/import", "Page **Import report**"),
}
"""Name of a picture to what follows the address of the page of runs, and what the page is."""

NAMES = ("types", *PLOTS, *PAGES)


def draw(database: Path) -> None:
    """Draw the plots, each by the command that the README names."""
    dnpc("graph", "-o", FOLDER / "types.png", "--db", database)
    for name, (query, *options) in PLOTS.items():
        result = dnpc("plot", query, FOLDER / f"{name}.png", *options, "--db", database)
        if result.exit_code:
            raise SystemExit(f"{name}: {result.output}")


def photograph(database: Path) -> None:
    """Take pictures of the pages in a window of 1200 by 900."""
    from playwright.sync_api import sync_playwright

    from datasette_dnpc import queries
    from tests.test_browser import ARGUMENTS, chromium

    [htex] = [row["run"] for row in queries.rows(database, "runs_overview", run=HTEX)]
    [task, *_] = [row["uuid"] for row in queries.rows(database, "tasks", run=htex, rows=1)]
    command = [sys.executable, "-m", "importers.cli", "serve", "--db", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            assert server.stdout
            address = next(word for line in server.stdout for word in line.split() if word.startswith("http"))
            browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            for name, (rest, _) in PAGES.items():
                page.goto(address.rstrip("/") + rest.format(htex=htex, task=task))
                page.screenshot(path=FOLDER / f"{name}.png")
            browser.close()
        finally:
            server.terminate()


def main() -> None:
    """Make the database and every picture."""
    shared = shared_runs()
    if shared is None:
        raise SystemExit("the real runs are not here; DNPC_SHARED_DATA can name their folder")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "dnpc.sqlite3"
        dnpc("import", *(shared / run for run in RUNS), "--db", database, "--timezone", "UTC")
        draw(database)
        photograph(database)


if __name__ == "__main__":
    main()
