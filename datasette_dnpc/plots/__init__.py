"""Plots of rows: the same code serves notebooks and the .png and .svg of Datasette.

    from datasette_dnpc import plots
    plots.durations("dnpc.sqlite3", "durations", {"span_type": "parsl.monitoring.try"})
    plots.timeline(conn, "select began, ended, type from span_duration where run = 'x'")

Each takes rows, or a database and SQL (see ``rows.table``), and optionally Axes to draw
into. It returns the Axes and neither shows nor saves. Times are seconds. Each plot
says how many rows it drew, and how many it left out and why.
"""

from datasette_dnpc.plots.activity import concurrency, rate
from datasette_dnpc.plots.distributions import boxes, cumulative, density, durations, histogram, scatter
from datasette_dnpc.plots.over_time import events, states, stream
from datasette_dnpc.plots.resources import levels, parts, shares
from datasette_dnpc.plots.spans import ranking, steps, timeline, waterfall
from datasette_dnpc.plots.state_counts import state_steps
from datasette_dnpc.plots.tasks import chain, stacked
from datasette_dnpc.plots.type_graph import type_graph
from datasette_dnpc.plots.workers import gantt, utilisation

__all__ = [
    "boxes",
    "chain",
    "concurrency",
    "cumulative",
    "density",
    "durations",
    "events",
    "gantt",
    "histogram",
    "levels",
    "parts",
    "ranking",
    "rate",
    "scatter",
    "shares",
    "stacked",
    "state_steps",
    "states",
    "steps",
    "stream",
    "timeline",
    "type_graph",
    "utilisation",
    "waterfall",
]
