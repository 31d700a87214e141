/*
@title When which task was on which worker
@description One row for each stay of a task on a worker. HTEX: a worker has the task until it has finished all
    processing of it. Work Queue and TaskVine: from RUNNING to WAITING_RETRIEVAL, by the manager's clock, or each attempt
    of a task that was started more than once. What a library of TaskVine takes up is not in here.
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
with kinds (worker_type, task_type, starts, ends) as (
    values
        (
            'parsl.executor.htex.worker', 'parsl.executor.htex.worker.task',
            'worker_received_task', 'worker_all_finished_task'
        ),
        ('workqueue.worker', 'workqueue.task', 'RUNNING', 'WAITING_RETRIEVAL'),
        ('workqueue.worker', 'workqueue.attempt', 'started', 'ended'),
        ('taskvine.worker', 'taskvine.task', 'RUNNING', 'WAITING_RETRIEVAL'),
        ('taskvine.worker', 'taskvine.attempt', 'started', 'ended')
)
select
    worker, worker_uuid, worker_type, worker_key, run, span, span_uuid, span_key, began, ended,
    ended - began as duration
from (
    select
        workers.id as worker,
        workers.uuid as worker_uuid,
        kinds.worker_type,
        workers.key as worker_key,
        workers.run,
        tasks.id as span,
        tasks.uuid as span_uuid,
        tasks.key as span_key,
        (
            select min(events.time)
            from events
            where events.span = tasks.id and events.type = (select id from event_types where name = kinds.starts)
        ) as began,
        (
            select max(events.time)
            from events
            where events.span = tasks.id and events.type = (select id from event_types where name = kinds.ends)
        ) as ended
    from kinds
    -- In this order: a worker of Work Queue has many more transfers below it than tasks.
    cross join span_types as task_types on task_types.name = kinds.task_type
    cross join span_types as worker_types on worker_types.name = kinds.worker_type
    cross join spans as tasks on tasks.type = task_types.id
    cross join subspans on subspans.subspan = tasks.id
    cross join spans as workers on workers.id = subspans.superspan and workers.type = worker_types.id
    -- A task that was started more than once has an attempt with '.0' after its key.
    where not exists (
        select 1
        from spans as attempts
        where kinds.starts = 'RUNNING'
            and attempts.run = tasks.run
            and attempts.type = (select id from span_types where name = replace(kinds.task_type, '.task', '.attempt'))
            and attempts.key = tasks.key || '.0'
    )
)
where began is not null
