/*
@title Longest gaps between tasks in a slot of a worker
@topic Workers
@description When a slot had no task though it had one before and one after, and what the next one was doing meanwhile:
    until it is submitted, nothing could run; in submit it waits for others, in queue and dispatch for the executor.
@param run key or name of a run; empty: all runs
@param app name of the app, or category, of the task that came next; empty: all
@param executor label of an executor; empty: all
@param rows number of gaps, at most 900; empty: 30
@needs worker_place
@about stays
@none No slot was without a task between two others.
@column worker the worker's key within its run
@column slot number of its slot, from 0
@column run key of the run
@column executor label of the executor, NULL if not known
@column label rank and worker, in an order that sorts as text
@column began_iso end of the task before, ISO 8601 UTC
@column duration seconds
@column layer where the next task was for most of that time: not submitted, or a layer as in task_layer
@column seconds_by_layer JSON object: seconds in each layer, those of 0 left out; they add up to the duration
@column task_before key of the span of the task, or attempt, before
@column task_after key of the span of the one after
@column of_rows number of such gaps, shown or not; NULL where workers had more than 150 000 tasks
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal color_column=layer
*/
with places as materialized (
    select worker_place.worker, worker_place.run, worker_place.executor, worker_place.block, worker_place.began
    from worker_place
    where (coalesce(:run, '') = '' or worker_place.run in (select id from runs where :run in (key, name)))
        and (coalesce(:executor, '') = '' or worker_place.executor = :executor)
),
-- Which they are is found without what is told of them. What has no stay before it comes last.
between_tasks as materialized (
    select
        stays.began - (
-- part stay_before what=ended later=stays
        ) as gap,
        stays.*
    from places
    cross join stays on stays.worker = places.worker
    where coalesce(:app, '') = '' or stays.app = :app
    order by gap desc, stays.began, stays.worker, stays.slot
    limit iif(
        (select total(tasks) from worker_totals where worker in (select worker from places)) > 150000,
        min(max(coalesce(nullif(cast(:rows as integer), 0), 30), 1), 900),
        -1
    )
),
chosen as materialized (
    select *, (select count(*) from between_tasks where gap > 0) as of_rows
    from between_tasks
    where gap > 0
    order by gap desc, began, worker, slot
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 30), 1), 900)
),
gaps as (
    select
        chosen.worker,
        places.run,
        places.executor,
        places.block,
        chosen.slot,
        1 as slots,
        (
-- part stay_before what=ended later=chosen
        ) as began,
        chosen.began as ended,
        chosen.gap as duration,
        (
-- part stay_before what=span later=chosen
        ) as span_before,
        chosen.span as span_after,
        chosen.task as task_after,
        1 as stands_for,
        chosen.of_rows
    from chosen
    join places on places.worker = chosen.worker
),
-- part layered_gaps
,
longest as (
    select
        layered_gaps.*,
        iif(
            (select total(tasks) from worker_totals where worker in (select worker from places)) > 150000,
            null,
            (select of_rows from chosen limit 1)
        ) as of_rows,
        row_number() over (order by duration desc, began, worker, slot) as rank
    from layered_gaps
)
select
    workers.key as worker,
    longest.slot,
    runs.key as run,
    longest.executor,
    printf('%03d: %s', longest.rank, workers.key) as label,
    iso_time(longest.began) as began_iso,
    longest.duration,
    longest.layer,
    -- Of values that are NULL, nothing is kept.
    json_patch('{}', json_object(
        'not submitted', nullif(round(not_submitted, 6), 0),
        'submit', nullif(round(in_submit, 6), 0),
        'retry', nullif(round(in_retry, 6), 0),
        'queue', nullif(round(in_queue, 6), 0),
        'transfer', nullif(round(in_transfer, 6), 0),
        'dispatch', nullif(round(in_dispatch, 6), 0),
        'run', nullif(round(in_run, 6), 0),
        'return', nullif(round(in_return, 6), 0)
    )) as seconds_by_layer,
    earlier.key as task_before,
    later.key as task_after,
    longest.of_rows
from longest
join spans as workers on workers.id = longest.worker
join spans as earlier on earlier.id = longest.span_before
join spans as later on later.id = longest.span_after
left join runs on runs.id = longest.run
order by longest.rank
