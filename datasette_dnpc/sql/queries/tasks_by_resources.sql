/*
@title Tasks by resources
@topic The tasks
@description What each task, or try, asked for, was given and used; the hungriest for memory stand first, then for
    processor time. See the view task_resource for where the figures are from.
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all
@param executor label of an executor; empty: all
@param rows number of tasks, at most 900; empty: 300
@param sample all: look at all tasks; empty: at a random sample, always the same, where there are more than 100 000
@about resources
@column span_type span type: of the manager's task, or else of the try
@column run key of the run
@column key its key within the run
@column label rank and key, in an order that sorts as text
@column uuid its surrogate key
@column app name of the app, or category; NULL if not known
@column executor label of the executor, NULL if not known
@column requested_cores number; NULL: it did not ask for any
@column given_cores number
@column requested_memory MB of 2**20 bytes
@column given_memory MB of 2**20 bytes
@column used_memory MB of 2**20 bytes, the most at any time
@column memory_share used_memory as part of the given, or requested, memory: above 1 is too much; NULL if not known
@column requested_disk MB of 2**20 bytes
@column given_disk MB of 2**20 bytes
@column used_disk MB of 2**20 bytes, the most at any time
@column cpu_seconds seconds of processor time
@column seconds seconds in which they were used
@column cores_used cores that were busy on average: cpu_seconds by seconds
@column core_efficiency cores_used as part of the given cores, of one where none are known to be given
@column of_rows number of tasks and tries, shown or not
@column one_in 1: all tasks were looked at; else a sample of 1 in so many, and numbers of tasks are multiplied by that
@chart mark=bar x_column=used_memory x_type=quantitative y_column=label y_type=ordinal color_column=app
*/
with scope as (
    select value as type, iif(:sample = 'all', 9e9, 100000) as most
    from json_each('["workqueue.task", "taskvine.task", "parsl.monitoring.try"]')
),
-- part picked
,
-- part resources candidates=picked
,
ranked as (
    select
        resources.*,
        picked.stands_for,
        row_number() over (
            order by used_memory is null, used_memory desc, cpu_seconds is null, cpu_seconds desc, spans.uuid
        ) as rank,
        sum(picked.stands_for) over () as of_rows
    from resources
    join picked on picked.id = resources.span
    cross join spans on spans.id = resources.span
),
shown as materialized (
    select span as id
    from ranked
    where rank <= min(max(coalesce(nullif(cast(:rows as integer), 0), 300), 1), 900)
),
-- part owners candidates=shown owners=owners_shown
select
    ranked.span_type,
    runs.key as run,
    spans.key,
    printf('%03d: %s', ranked.rank, spans.key) || coalesce(', ' || runs.name, '') as label,
    spans.uuid,
    owner.app,
    owner.executor,
    requested_cores,
    given_cores,
    requested_memory,
    given_memory,
    used_memory,
    1.0 * used_memory / nullif(coalesce(given_memory, requested_memory), 0) as memory_share,
    requested_disk,
    given_disk,
    used_disk,
    cpu_seconds,
    seconds,
    1.0 * cpu_seconds / seconds as cores_used,
    1.0 * cpu_seconds / seconds / coalesce(nullif(given_cores, 0), 1) as core_efficiency,
    of_rows,
    ranked.stands_for as one_in
from ranked
join spans on spans.id = ranked.span
left join runs on runs.id = ranked.run
left join (
    select span, min(app) as app, min(executor) as executor from owners_shown group by span
) as owner on owner.span = ranked.span
where ranked.rank <= min(max(coalesce(nullif(cast(:rows as integer), 0), 300), 1), 900)
order by ranked.rank
