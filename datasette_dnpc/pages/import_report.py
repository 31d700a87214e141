"""The page of the import report: ``/-/dnpc/DATABASE/import``."""

from __future__ import annotations

from datasette_dnpc.pages.frame import Context, Page, Visit


async def _context(visit: Visit) -> Context:
    run = visit.argument("run")
    runs = await visit.read("runs", run=run)
    context: Context = {"run": run, "runs": runs, "run_names": {one["key"]: one["name"] for one in runs}}
    # The page shows what was read before Datasette's time limit, if one query takes longer.
    with visit.within_limit():
        context["unmatched"] = await visit.ask("unmatched_report", run=run)
        context["sources"] = await visit.ask("import_report", run=run)
        context["joins"] = await visit.ask("join_report", run=run)
        context["remarks"] = await visit.read("join_remarks", run=run)
    return context


PAGE = Page("import", "Import report", "import", "dnpc_import.html", _context, run=True)
