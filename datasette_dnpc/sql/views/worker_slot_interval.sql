/*
@title When which task was in which slot of a worker
@description One row for each stay of a task on a worker, in the lowest slot that was free when it began: so many slots
    are in use as the worker had tasks at once. Where no log tells of the end, it is when the worker started anew, for
    HTEX also when its next task came, or else the last that is known of the worker.
@needs worker_place
@column worker id of the worker's span
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that the worker was started in, NULL if not known
@column slot number of the slot of the worker, from 0
@column span id of the span of the task, or of the attempt
@column task id of the span of the Parsl task that it belongs to, or of the manager's task where no log tells of Parsl's
@column app name of that task's app, or its category; NULL if not known
@column outcome how the Parsl task ended: done, failed, unfinished ...; NULL if no log tells of it
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
@column ended_logged 1 if a log tells of the end, else 0
*/
select
    stays.worker,
    worker_place.run,
    worker_place.executor,
    worker_place.block,
    stays.slot,
    stays.span,
    stays.task,
    stays.app,
    task_times.outcome,
    stays.began,
    stays.ended,
    stays.ended - stays.began as duration,
    stays.ended_logged
from worker_place
join stays on stays.worker = worker_place.worker
left join task_times on task_times.task = stays.task
