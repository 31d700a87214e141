/*
@title Times between tasks, in which a worker had none
@description One row for each: from the end of one stretch of tasks on a worker to the next task there. Of workers that
    run several tasks at once, only when all were over.
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
    worker,
    run,
    busy_until as began,
    began as ended,
    began - busy_until as duration,
    span_before,
    span as span_after
from worker_busy
where began > busy_until
