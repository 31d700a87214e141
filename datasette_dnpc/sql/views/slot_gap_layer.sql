/*
@title What the next task was doing while a slot had none
@description One row for each row of slot_gap. Its seconds are split by the layer that the task was in which then came
    into the slot, as in task_layer; they add up to its duration. A task of a manager of which Parsl's log does not tell
    is in_queue once the manager has it. in_retry, in_run and in_return are of tasks that were tried or started before.
@needs slot_gap
@column worker id of the worker's span
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that the worker was started in, NULL if not known
@column slot number of the slot of the worker, from 0: the first of those that never had a task
@column slots how many slots the row is of: 1, or all that never had a task
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
@column span_before id of the task, or attempt, that was there before, NULL if none
@column span_after id of the one that came next, NULL if none
@column task_after id of the span of the task of the one that came next, NULL if none
@column not_submitted seconds until the next task was submitted
@column in_submit seconds until its first try was launched: waits for dependencies are in here
@column in_retry seconds from its first launch to that of its last try
@column in_queue seconds until the interchange or manager sent it to a worker, or its inputs
@column in_transfer seconds in which its inputs were sent
@column in_dispatch seconds until the worker had it
@column in_run seconds in which an earlier attempt had begun
@column in_return seconds in which an earlier attempt was over
@column no_task seconds after which no other task came
@column layer the layer of most of its seconds: not submitted, submit, retry, queue, transfer, dispatch, run, return,
    no task
*/
with timed as (
    select
        slot_gap.*,
        iif(slot_gap.span_after is null, slot_gap.duration, 0.0) as no_task,
        -- How long after the gap began the task that came next was through with each layer.
        coalesce(task_times.began, spans.began) - slot_gap.began as submitted,
        coalesce(task_times.in_submit, 0.0) as submitting,
        coalesce(task_times.in_retry, 0.0) as retrying,
        -- Where Parsl's log does not tell of it, all the rest: more seconds than any gap has.
        coalesce(task_times.in_queue, slot_gap.ended) as queued,
        coalesce(task_times.in_transfer, 0.0) as sending,
        coalesce(task_times.in_dispatch, 0.0) as dispatching,
        coalesce(task_times.in_run, 0.0) as running
    from slot_gap
    left join spans on spans.id = slot_gap.task_after
    left join task_times on task_times.task = slot_gap.task_after
),
-- The same, but within the gap.
passed as materialized (
    select
        *,
        max(0.0, min(duration, submitted)) as p0,
        max(0.0, min(duration, submitted + submitting)) as p1,
        max(0.0, min(duration, submitted + submitting + retrying)) as p2,
        max(0.0, min(duration, submitted + submitting + retrying + queued)) as p3,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending)) as p4,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending + dispatching)) as p5,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending + dispatching + running)) as p6
    from timed
),
layered as (
    select
        *,
        coalesce(p0, duration - no_task) as not_submitted,
        coalesce(p1 - p0, 0.0) as in_submit,
        coalesce(p2 - p1, 0.0) as in_retry,
        coalesce(p3 - p2, 0.0) as in_queue,
        coalesce(p4 - p3, 0.0) as in_transfer,
        coalesce(p5 - p4, 0.0) as in_dispatch,
        coalesce(p6 - p5, 0.0) as in_run,
        coalesce(duration - p6, 0.0) as in_return
    from passed
)
select
    worker,
    run,
    executor,
    block,
    slot,
    slots,
    began,
    ended,
    duration,
    span_before,
    span_after,
    task_after,
    not_submitted,
    in_submit,
    in_retry,
    in_queue,
    in_transfer,
    in_dispatch,
    in_run,
    in_return,
    no_task,
    case max(
        not_submitted, in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return, no_task
    )
        when not_submitted then 'not submitted'
        when in_submit then 'submit'
        when in_retry then 'retry'
        when in_queue then 'queue'
        when in_transfer then 'transfer'
        when in_dispatch then 'dispatch'
        when in_run then 'run'
        when in_return then 'return'
        else 'no task'
    end as layer
from layered
