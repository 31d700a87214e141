/*
@title When which task was on which worker
@description One row for each stay of a task on a worker. HTEX: a worker has the task until it has finished all
    processing of it. Work Queue and TaskVine: from RUNNING to WAITING_RETRIEVAL, by the manager's clock, or each
    attempt of a task that was started more than once. What a library of TaskVine takes up is not in here.
@column worker id of the worker's span
@column worker_uuid its surrogate key
@column worker_type its span type
@column worker_key its key within the run
@column run id of the worker's run
@column span id of the span of the task, or of the attempt
@column span_uuid its surrogate key
@column span_key its key within the run
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC, NULL if no log tells of the end
@column duration seconds, NULL if no log tells of the end
*/
select
    stays.worker,
    workers.uuid as worker_uuid,
    worker_types.name as worker_type,
    workers.key as worker_key,
    workers.run,
    stays.span,
    spans.uuid as span_uuid,
    spans.key as span_key,
    stays.began,
    iif(stays.ended_logged, stays.ended, null) as ended,
    iif(stays.ended_logged, stays.ended - stays.began, null) as duration
from worker_slots
join spans as workers on workers.id = worker_slots.worker
join stays on stays.worker = worker_slots.worker
join span_types as worker_types on worker_types.id = workers.type
join spans on spans.id = stays.span
