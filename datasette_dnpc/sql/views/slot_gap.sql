/*
@title Times in which a slot of a worker had no task
@description One row for each: before its first task, between two, and after its last. The slots that never had a task
    are one row for each worker. Together with the stays of tasks they make slots times lifetime.
@needs worker_place
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
@column task_after id of the span of the Parsl task of the one that came next, or of the manager's task where no log
    tells of Parsl's, NULL if none
*/
with places as materialized (
    select worker, run, executor, block, slots, began, ended from worker_place
),
looked_at as (
    select 1 as one_in
),
-- part gaps
select
    worker, run, executor, block, slot, slots, began, ended, duration, span_before, span_after, task_after
from gaps
