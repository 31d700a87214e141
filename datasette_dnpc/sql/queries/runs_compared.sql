/*
@title Two runs compared
@topic The run
@description Where the Parsl tasks of each app spend their time in one run and in another: the mean of each layer in both,
    and by how much it is longer in the other. What makes most seconds of difference over all tasks stands first.
@param run key or name of the one run; empty: of those that have an app in common with the other, the latest
@param other key or name of the other run; empty: the latest that is not the one
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@needs run_began
@column run key of the one run
@column run_name its name, or its key
@column other key of the other run
@column other_name its name, or its key
@column app name of the app, NULL if not known
@column layer number and name of the layer: see the view task_layer
@column label rank, app and layer, in an order that sorts as text
@column tasks tasks of the app in the one run
@column other_tasks the same in the other
@column mean seconds in the layer in the one run, mean over the app's tasks; NULL if there is none
@column other_mean the same in the other
@column difference seconds by which the mean is longer in the other run, below 0 if it is shorter; NULL if one has none
@column ratio other_mean by mean, NULL if that is 0
@column seconds of all tasks of the app in the layer in the one run
@column other_seconds the same in the other
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=difference x_type=quantitative y_column=label y_type=ordinal color_column=layer
*/
with candidates as materialized (
    select runs.id, runs.key, coalesce(runs.name, runs.key) as name, run_began.time as began
    from runs
    join run_began on run_began.run = runs.id
    where runs.id in (select run from task_totals where lasting > 0)
),
second as materialized (
    select *
    from candidates
    where :other in (key, name) or (coalesce(:other, '') = '' and coalesce(:run, '') not in (key, name))
    order by began desc, key
    limit 1
),
first as materialized (
    select candidates.*
    from second
    cross join candidates
    where candidates.id <> second.id and (coalesce(:run, '') = '' or :run in (candidates.key, candidates.name))
    order by
        candidates.id in (
            select run from task_totals where app in (select app from task_totals where run = (select id from second))
        ) desc,
        candidates.began desc,
        candidates.key
    limit 1
),
apps as materialized (
    select
        task_totals.run <> first.id as is_other,
        task_totals.app,
        sum(lasting) as tasks,
        sum(in_submit) as submit,
        sum(in_retry) as retry,
        sum(in_queue) as queue,
        sum(in_transfer) as sending,
        sum(in_dispatch) as dispatch,
        sum(in_run) as running,
        sum(in_return) as back
    from first
    cross join second
    cross join task_totals on task_totals.run in (first.id, second.id)
    where lasting > 0
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
    group by is_other, task_totals.app
),
layers as (
    select is_other, app, tasks, '1 submit' as layer, submit as seconds from apps
    union all select is_other, app, tasks, '2 retry', retry from apps
    union all select is_other, app, tasks, '3 queue', queue from apps
    union all select is_other, app, tasks, '4 transfer', sending from apps
    union all select is_other, app, tasks, '5 dispatch', dispatch from apps
    union all select is_other, app, tasks, '6 run', running from apps
    union all select is_other, app, tasks, '7 return', back from apps
),
compared as (
    select
        app,
        layer,
        total(iif(is_other, null, tasks)) as tasks,
        total(iif(is_other, tasks, null)) as other_tasks,
        total(iif(is_other, null, seconds)) as seconds,
        total(iif(is_other, seconds, null)) as other_seconds
    from layers
    group by app, layer
),
ranked as (
    select
        *,
        seconds / nullif(tasks, 0) as mean,
        other_seconds / nullif(other_tasks, 0) as other_mean,
        row_number() over (order by abs(other_seconds - seconds) desc, app, layer) as rank,
        count(*) over () as of_rows
    from compared
)
select
    first.key as run,
    first.name as run_name,
    second.key as other,
    second.name as other_name,
    ranked.app,
    ranked.layer,
    printf('%03d: %s, %s', ranked.rank, coalesce(ranked.app, 'app not known'), substr(ranked.layer, 3)) as label,
    cast(ranked.tasks as integer) as tasks,
    cast(ranked.other_tasks as integer) as other_tasks,
    ranked.mean,
    ranked.other_mean,
    ranked.other_mean - ranked.mean as difference,
    ranked.other_mean / nullif(ranked.mean, 0) as ratio,
    ranked.seconds,
    ranked.other_seconds,
    ranked.of_rows
from ranked
cross join first
cross join second
order by ranked.rank
limit 900
