/*
@title What the slots of workers waited for
@topic Workers
@description All the time of the slots of each executor's workers: busy with tasks, or idle, by the layer that the task
    was in which came next. Until it is submitted, nothing could run; in submit it waits for others, in queue and
    dispatch for the executor. The rows of an executor add up to slots times lifetime.
@param run key or name of a run; empty: all runs
@param executor label of an executor; empty: all
@param sample all: look at all gaps between tasks; empty: at a random sample, always the same, where there are more than
    150 000
@needs worker_place
@about workers
@column run key of the run
@column executor label of the executor, or the type of its workers where that is not known
@column layer number and name: busy; not submitted yet; layers of the task as in task_layer; no task came any more
@column slot_seconds seconds, sum over the slots
@column share per cent of the slots' time
@column slots how many slots the executor's workers have
@column of_rows number of such rows, shown or not: 900 are
@column one_in 1: all gaps between tasks were looked at; else a sample of 1 in so many, which tells how the idle time is
    shared among the layers
@chart mark=bar x_column=slot_seconds x_type=quantitative y_column=executor y_type=nominal color_column=layer
*/
with chosen as materialized (
    select
        worker_place.worker,
        worker_place.run,
        worker_place.executor,
        worker_place.block,
        worker_place.began,
        worker_place.ended,
        coalesce(worker_place.executor, worker_place.worker_type) as label,
        worker_place.slots,
        worker_place.slots * (worker_place.ended - worker_place.began) as slot_seconds,
        worker_totals.task_seconds as busy,
        worker_totals.tasks
    from worker_place
    left join worker_totals on worker_totals.worker = worker_place.worker
    where (coalesce(:run, '') = '' or worker_place.run in (select id from runs where :run in (key, name)))
        and (coalesce(:executor, '') = '' or worker_place.executor = :executor)
),
executors as materialized (
    select
        run,
        label as executor,
        sum(slots) as slots,
        sum(slot_seconds) as slot_seconds,
        sum(busy) as busy
    from chosen
    group by run, label
),
looked_at as materialized (
    select iif(:sample = 'all' or total(tasks) <= 150000, 1, (sum(tasks) + 24999) / 25000) as one_in
    from chosen
),
-- part gaps places=chosen
,
-- part layered_gaps
,
estimated as materialized (
    select
        chosen.run,
        chosen.label as executor,
        sum(gap.stands_for * gap.slots * gap.not_submitted) as not_submitted,
        sum(gap.stands_for * gap.slots * gap.in_submit) as in_submit,
        sum(gap.stands_for * gap.slots * gap.in_retry) as in_retry,
        sum(gap.stands_for * gap.slots * gap.in_queue) as in_queue,
        sum(gap.stands_for * gap.slots * gap.in_transfer) as in_transfer,
        sum(gap.stands_for * gap.slots * gap.in_dispatch) as in_dispatch,
        sum(gap.stands_for * gap.slots * gap.in_run) as in_run,
        sum(gap.stands_for * gap.slots * gap.in_return) as in_return,
        sum(gap.slots * gap.no_task) as no_task,
        sum(gap.stands_for * gap.slots * (gap.duration - gap.no_task)) as seconds
    from layered_gaps as gap
    join chosen on chosen.worker = gap.worker
    group by chosen.run, chosen.label
),
-- How long slots were idle in all is known, and how long after their last task: of a sample only the shares count.
idle as materialized (
    select
        estimated.*,
        iif(
            looked_at.one_in = 1,
            1,
            (executors.slot_seconds - coalesce(executors.busy, 0) - estimated.no_task) / nullif(estimated.seconds, 0)
        ) as scale
    from looked_at
    join estimated
    join executors on executors.run is estimated.run and executors.executor = estimated.executor
),
layers as (
    select run, executor, 'busy' as layer, busy as seconds from executors
    union all select run, executor, '0 not submitted', not_submitted * scale from idle
    union all select run, executor, '1 submit', in_submit * scale from idle
    union all select run, executor, '2 retry', in_retry * scale from idle
    union all select run, executor, '3 queue', in_queue * scale from idle
    union all select run, executor, '4 transfer', in_transfer * scale from idle
    union all select run, executor, '5 dispatch', in_dispatch * scale from idle
    union all select run, executor, '6 run', in_run * scale from idle
    union all select run, executor, '7 return', in_return * scale from idle
    union all select run, executor, '8 no task', no_task from idle
)
select
    runs.key as run,
    executors.executor,
    layers.layer,
    layers.seconds as slot_seconds,
    round(100 * layers.seconds / nullif(executors.slot_seconds, 0), 3) as share,
    executors.slots,
    count(*) over () as of_rows,
    (select one_in from looked_at) as one_in
from executors
join layers on layers.run is executors.run and layers.executor = executors.executor
left join runs on runs.id = executors.run
where layers.seconds > 0
order by executors.slot_seconds desc, runs.key, executors.executor, layers.layer = 'busy' desc, layers.layer
limit 900
