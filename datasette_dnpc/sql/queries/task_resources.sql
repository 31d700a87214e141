/*
@title Resources of apps: requested against used
@description For each app and resource what its tasks, or tries, asked for and were given, and what they used. What was
    used is known only where something measured it: see the view task_resource.
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all
@param executor label of an executor; empty: all
@needs span_app task_resource
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
@chart mark=bar x_column=share x_type=quantitative y_column=label y_type=ordinal color_column=resource
*/
with owners as materialized (
    select span, min(app) as app, min(executor) as executor
    from span_app
    where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
    group by span
),
tasks as materialized (
    select
        task_resource.*,
        owners.app,
        owners.executor,
        coalesce(given_cores, requested_cores) as cores
    from task_resource
    left join owners on owners.span = task_resource.span
    where (coalesce(:run, '') = '' or task_resource.run in (select id from runs where :run in (key, name)))
        and ((coalesce(:app, '') = '' and coalesce(:executor, '') = '') or owners.span is not null)
),
amounts(app, executor, resource, unit, requested, given, used, held, cpu_seconds, core_seconds) as (
    select
        app, executor, 'cores', 'cores', requested_cores, given_cores, 1.0 * cpu_seconds / seconds,
        coalesce(nullif(cores, 0), 1), iif(seconds is null, null, cpu_seconds),
        iif(cpu_seconds is null, null, coalesce(nullif(cores, 0), 1) * seconds)
    from tasks
    union all
    select
        app, executor, 'memory', 'MB', requested_memory, given_memory, used_memory,
        nullif(coalesce(given_memory, requested_memory), 0), null, null
    from tasks
    union all
    select
        app, executor, 'disk', 'MB', requested_disk, given_disk, used_disk,
        nullif(coalesce(given_disk, requested_disk), 0), null, null
    from tasks
)
select
    app,
    executor,
    resource,
    unit,
    coalesce(app, '?') || coalesce(' on ' || executor, '') || ', ' || resource as label,
    count(*) as tasks,
    count(nullif(requested, 0)) as requesting,
    median(nullif(requested, 0)) as requested,
    median(given) as given,
    count(used) as measured,
    median(used) as p50,
    percentile(used, 95) as p95,
    max(used) as max,
    median(1.0 * used / held) as share,
    sum(cpu_seconds) as cpu_seconds,
    sum(core_seconds) as core_seconds,
    sum(cpu_seconds) / sum(core_seconds) as efficiency,
    count(*) over () as of_rows
from amounts
group by app, executor, resource, unit
having count(nullif(requested, 0)) + count(given) + count(used) > 0
order by app, executor, resource
limit 900
