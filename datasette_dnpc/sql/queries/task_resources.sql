/*
@title Resources of apps: requested against used
@topic The tasks
@description For each app and resource what its tasks, or tries, asked for and were given, and what they used. What was
    used is known only where something measured it: see the view task_resource.
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all
@param executor label of an executor; empty: all
@param sample all: look at all tasks; empty: at a random sample, always the same, where there are more than 100 000
@about resources
@column app name of the app, or category; NULL if not known
@column executor label of the executor, NULL if not known
@column resource cores, memory or disk
@column unit cores; MB of 2**20 bytes
@column label app, executor and resource
@column tasks tasks, and tries, of the app
@column requesting tasks that asked for some of it. A resource of which nothing is known has no row
@column requested median of what they asked for
@column given median of what was given; NULL if nothing is known to be
@column measured tasks of which it is known what they used
@column p50 used, median; of cores: those busy on average in the time of a task
@column p95 used, 95th percentile
@column max used, most
@column share used by given, median over the tasks; by requested where it is not known what was given, and a task that
    has neither counts as given one core
@column cpu_seconds seconds of processor time of all tasks, for cores, else NULL
@column core_seconds given cores by the seconds of all tasks that were measured, for cores, else NULL
@column efficiency cpu_seconds as part of core_seconds
@column of_rows number of such rows, shown or not: 900 are
@column one_in 1: all tasks were looked at; else a sample of 1 in so many, and numbers of tasks are multiplied by that
@chart mark=bar x_column=share x_type=quantitative y_column=label y_type=ordinal color_column=resource
*/
with scope as (
    select value as type, iif(:sample = 'all', 9e9, 100000) as most
    from json_each('["workqueue.task", "taskvine.task", "parsl.monitoring.try"]')
),
-- part picked
,
-- part resources candidates=picked
,
tasks as materialized (
    select
        resources.*,
        picked.stands_for,
        (select app from owners where owners.span = resources.span) as app,
        (select executor from owners where owners.span = resources.span) as executor,
        coalesce(given_cores, requested_cores) as cores
    from resources
    join picked on picked.id = resources.span
),
amounts(app, executor, resource, unit, requested, given, used, held, cpu_seconds, core_seconds, stands_for) as (
    select
        app, executor, 'cores', 'cores', requested_cores, given_cores, 1.0 * cpu_seconds / seconds,
        coalesce(nullif(cores, 0), 1), iif(seconds is null, null, cpu_seconds),
        iif(cpu_seconds is null, null, coalesce(nullif(cores, 0), 1) * seconds), stands_for
    from tasks
    union all
    select
        app, executor, 'memory', 'MB', requested_memory, given_memory, used_memory,
        nullif(coalesce(given_memory, requested_memory), 0), null, null, stands_for
    from tasks
    union all
    select
        app, executor, 'disk', 'MB', requested_disk, given_disk, used_disk,
        nullif(coalesce(given_disk, requested_disk), 0), null, null, stands_for
    from tasks
)
select
    app,
    executor,
    resource,
    unit,
    coalesce(app, '?') || coalesce(' on ' || executor, '') || ', ' || resource as label,
    sum(stands_for) as tasks,
    sum(stands_for * (nullif(requested, 0) is not null)) as requesting,
    median(nullif(requested, 0)) as requested,
    median(given) as given,
    sum(stands_for * (used is not null)) as measured,
    median(used) as p50,
    percentile(used, 95) as p95,
    max(used) as max,
    median(1.0 * used / held) as share,
    sum(cpu_seconds * stands_for) as cpu_seconds,
    sum(core_seconds * stands_for) as core_seconds,
    sum(cpu_seconds) / sum(core_seconds) as efficiency,
    count(*) over () as of_rows,
    max(stands_for) as one_in
from amounts
group by app, executor, resource, unit
having count(nullif(requested, 0)) + count(given) + count(used) > 0
order by app, executor, resource
limit 900
