/*
@title Times between tasks, in which a worker had none
@description One row for each: from the end of one stretch of tasks on a worker to the next task there. Of workers that
    run several tasks at once, only when all were over: slot_gap has those of each slot.
@needs worker_busy
@column worker id of the worker's span
@column run id of the worker's run
@column began seconds since 1970 UTC: the end of the tasks before
@column ended seconds since 1970 UTC: the beginning of the next task
@column duration seconds
@column span_before id of the task, or attempt, that began last before
@column span_after id of the task, or attempt, that began next
*/
select
    worker_busy.worker,
    workers.run,
    worker_busy.busy_until as began,
    worker_busy.began as ended,
    worker_busy.began - worker_busy.busy_until as duration,
    worker_busy.span_before,
    worker_busy.span as span_after
from worker_busy
join spans as workers on workers.id = worker_busy.worker
where worker_busy.began > worker_busy.busy_until
