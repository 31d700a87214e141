/*
@title Time of the tasks in each layer
@topic The tasks
@description Where the tasks of each app spend their time, from submission to return. The layers of a task add up to
    its duration, and so do the totals here. Percentiles are those of some 3000 to 6000 tasks where an app has more. Tasks that
    were never launched, such as memoized ones, are in here too, with all their time before the launch: task_outcomes
    counts them.
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param run key or name of a run; empty: all runs
@about tasks
@column app name of the app
@column layer number and name of the layer: see the view task_layer
@column tasks tasks of the app
@column total seconds, sum
@column share per cent of the total duration of the app's tasks
@column mean seconds
@column p50 seconds, median
@column p95 seconds, 95th percentile
@column max seconds
@column of_rows number of such rows, shown or not: those of the 100 apps with the longest total are
@chart mark=bar x_column=total x_type=quantitative y_column=app y_type=nominal color_column=layer
*/
with apps as materialized (
    select
        *,
        -- Of an app of very many tasks 1 in so many, drawn by lot.
        iif(
            all_tasks <= 24000,
            1,
            (
                select min(8 << value)
                from json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]')
                where all_tasks / (8 << value) <= 6000
            )
        ) as one_in
    from (
        select
            coalesce(app, '') as app,
            sum(lasting) as tasks,
            sum(tasks) as all_tasks,
            sum(seconds) as duration,
            sum(in_submit) as submit, max(most_in_submit) as max_submit,
            sum(in_retry) as retry, max(most_in_retry) as max_retry,
            sum(in_queue) as queue, max(most_in_queue) as max_queue,
            sum(in_transfer) as sending, max(most_in_transfer) as max_transfer,
            sum(in_dispatch) as dispatch, max(most_in_dispatch) as max_dispatch,
            sum(in_run) as run, max(most_in_run) as max_run,
            sum(in_return) as back, max(most_in_return) as max_return,
            count(*) over () as of_apps
        from task_totals
        where lasting > 0
            and (coalesce(:app, '') = '' or app = :app)
            and (coalesce(:executor, '') = '' or executor = :executor)
            and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        group by coalesce(app, '')
        order by sum(seconds) desc, coalesce(app, '')
        limit 100
    )
),
layers as (
    select app, tasks, duration, of_apps, '1 submit' as layer, submit as total, max_submit as most from apps
    union all select app, tasks, duration, of_apps, '2 retry', retry, max_retry from apps
    union all select app, tasks, duration, of_apps, '3 queue', queue, max_queue from apps
    union all select app, tasks, duration, of_apps, '4 transfer', sending, max_transfer from apps
    union all select app, tasks, duration, of_apps, '5 dispatch', dispatch, max_dispatch from apps
    union all select app, tasks, duration, of_apps, '6 run', run, max_run from apps
    union all select app, tasks, duration, of_apps, '7 return', back, max_return from apps
),
taken as materialized (
    select
        coalesce(task_times.app, '') as app,
        in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return
    from (
        select task_times.task
        from task_times
        join apps on apps.app = coalesce(task_times.app, '') and apps.one_in = 1
        where apps.tasks <= 3000
            -- As good as drawn by lot, but always the same ones.
            or (((select cast(key as integer) from spans where id = task_times.task) * 2654435761 >> 12) & 65535)
                % ((apps.tasks + 2999) / 3000) = 0
        union all
        select task_times.task
        from (select min(one_in) as one_in from apps where one_in > 1) as least
        cross join span_types on span_types.name in ('parsl.rundir.task', 'parsl.monitoring.task')
        cross join span_totals on span_totals.type = span_types.id
        cross join drawn
            on drawn.type = span_types.id and drawn.run = span_totals.run and drawn.one_in >= least.one_in
        cross join task_times on task_times.task = drawn.span
        cross join apps on apps.app = coalesce(task_times.app, '') and apps.one_in > 1 and drawn.one_in >= apps.one_in
    ) as chosen
    cross join task_times on task_times.task = chosen.task
    where task_times.ended - task_times.began is not null
        and (coalesce(:executor, '') = '' or executor = :executor)
        and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
),
single as (
    select app, '1 submit' as layer, in_submit as seconds from taken
    union all select app, '2 retry', in_retry from taken
    union all select app, '3 queue', in_queue from taken
    union all select app, '4 transfer', in_transfer from taken
    union all select app, '5 dispatch', in_dispatch from taken
    union all select app, '6 run', in_run from taken
    union all select app, '7 return', in_return from taken
),
ranked as (
    select
        app,
        layer,
        seconds,
        row_number() over (partition by app, layer order by seconds) - 1 as rank,
        count(*) over (partition by app, layer) - 1 as last
    from single
),
-- Between the two nearest ranks, in proportion.
percentiles as materialized (
    select
        app,
        layer,
        sum(seconds * max(0, 1 - abs(rank - 0.5 * last))) as p50,
        sum(seconds * max(0, 1 - abs(rank - 0.95 * last))) as p95
    from ranked
    group by app, layer
)
select
    layers.app,
    layers.layer,
    layers.tasks,
    layers.total,
    round(100 * layers.total / nullif(layers.duration, 0), 2) as share,
    layers.total / layers.tasks as mean,
    percentiles.p50,
    percentiles.p95,
    layers.most as max,
    7 * layers.of_apps as of_rows
from layers
left join percentiles on percentiles.app = layers.app and percentiles.layer = layers.layer
order by layers.duration desc, layers.app, layers.layer
