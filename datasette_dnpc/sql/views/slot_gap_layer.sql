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
with gaps as (
    select *, 1 as stands_for from slot_gap
),
-- part layered_gaps
select
    worker, run, executor, block, slot, slots, began, ended, duration, span_before, span_after, task_after,
    not_submitted, in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return, no_task, layer
from layered_gaps
