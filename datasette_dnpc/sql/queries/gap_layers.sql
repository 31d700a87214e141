/*
@title What the slots of workers waited for
@description All the time of the slots of each executor's workers: busy with tasks, or idle, by the layer that the task
    was in which came next. Until it is submitted, nothing could run; in submit it waits for others, in queue and
    dispatch for the executor. The rows of an executor add up to slots times lifetime.
@param run key or name of a run; empty: all runs
@param executor label of an executor; empty: all
@needs slot_gap_layer worker_place
@column run key of the run
@column executor label of the executor, or the type of its workers where that is not known
@column layer number and name: busy; not submitted yet; layers of the task as in task_layer; no task came any more
@column slot_seconds seconds, sum over the slots
@column share per cent of the slots' time
@column slots how many slots the executor's workers have
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=slot_seconds x_type=quantitative y_column=executor y_type=nominal color_column=layer
*/
with chosen as materialized (
    select
        worker,
        run,
        coalesce(executor, worker_type) as executor,
        slots,
        slots * (ended - began) as slot_seconds,
        (select sum(stays.ended - stays.began) from stays where stays.worker = worker_place.worker) as busy
    from worker_place
    where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (coalesce(:executor, '') = '' or executor = :executor)
),
executors as materialized (
    select
        run,
        executor,
        sum(slots) as slots,
        sum(slot_seconds) as slot_seconds,
        sum(busy) as busy
    from chosen
    group by run, executor
),
idle as materialized (
    select
        chosen.run,
        chosen.executor,
        sum(slot_gap_layer.slots * slot_gap_layer.not_submitted) as not_submitted,
        sum(slot_gap_layer.slots * slot_gap_layer.in_submit) as in_submit,
        sum(slot_gap_layer.slots * slot_gap_layer.in_retry) as in_retry,
        sum(slot_gap_layer.slots * slot_gap_layer.in_queue) as in_queue,
        sum(slot_gap_layer.slots * slot_gap_layer.in_transfer) as in_transfer,
        sum(slot_gap_layer.slots * slot_gap_layer.in_dispatch) as in_dispatch,
        sum(slot_gap_layer.slots * slot_gap_layer.in_run) as in_run,
        sum(slot_gap_layer.slots * slot_gap_layer.in_return) as in_return,
        sum(slot_gap_layer.slots * slot_gap_layer.no_task) as no_task
    from slot_gap_layer
    join chosen on chosen.worker = slot_gap_layer.worker
    group by chosen.run, chosen.executor
),
layers as (
    select run, executor, 'busy' as layer, busy as seconds from executors
    union all select run, executor, '0 not submitted', not_submitted from idle
    union all select run, executor, '1 submit', in_submit from idle
    union all select run, executor, '2 retry', in_retry from idle
    union all select run, executor, '3 queue', in_queue from idle
    union all select run, executor, '4 transfer', in_transfer from idle
    union all select run, executor, '5 dispatch', in_dispatch from idle
    union all select run, executor, '6 run', in_run from idle
    union all select run, executor, '7 return', in_return from idle
    union all select run, executor, '8 no task', no_task from idle
)
select
    runs.key as run,
    executors.executor,
    layers.layer,
    layers.seconds as slot_seconds,
    round(100 * layers.seconds / nullif(executors.slot_seconds, 0), 3) as share,
    executors.slots,
    count(*) over () as of_rows
from executors
join layers on layers.run is executors.run and layers.executor = executors.executor
left join runs on runs.id = executors.run
where layers.seconds > 0
order by executors.slot_seconds desc, runs.key, executors.executor, layers.layer = 'busy' desc, layers.layer
limit 900
