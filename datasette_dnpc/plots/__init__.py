"""Plots of rows: the same code serves notebooks and the .png and .svg of Datasette.

    from datasette_dnpc import plots
    plots.durations("dnpc.sqlite3", "durations", {"span_type": "parsl.monitoring.try"})
    plots.timeline(conn, "select began, ended, type from span_duration where run = 'x'")

Each takes rows, or a database and SQL (see ``rows.table``), and optionally Axes to draw
into. It returns the Axes and neither shows nor saves. Times are seconds. Each plot
says how many rows it drew, and how many it left out and why.
"""

from datasette_dnpc.plots.distributions import durations, histogram
from datasette_dnpc.plots.over_time import events, states
from datasette_dnpc.plots.spans import ranking, steps, timeline

__all__ = ["durations", "events", "histogram", "ranking", "states", "steps", "timeline"]
