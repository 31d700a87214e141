/*
@title Time of each Parsl task in each layer
@description One row for each task. Its layers follow one another and add up to its whole duration. A layer begins with
    its first event after the last launch, and not before the layer ahead of it; a layer of which no log tells has 0
    seconds, and what is not known to be elsewhere is in_run. A task that was never launched is in_submit to its end.
@needs task_account
@column task id of the span of the task, as in task_account
@column task_uuid its surrogate key
@column run_id id of the run
@column key number of the task within the run, as text
@column app name of the app
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds: the sum of the following
@column in_submit seconds until the first try is launched: waits for dependencies are in here
@column in_retry seconds from the first launch to that of the last try, 0 for one try
@column in_queue seconds until the interchange or manager sends it to a worker, or its inputs
@column in_transfer seconds in which Work Queue or TaskVine sends its inputs
@column in_dispatch seconds until a worker has it (HTEX: from the interchange on; TaskVine: until the worker starts it)
@column in_run seconds until the worker has completed it, attempts that were put back included
@column in_return seconds until Parsl is done with it
*/
with marks (span_type, event_type, mark) as (
    values
        ('parsl.rundir.try', 'launched', 'launch'),
        ('parsl.monitoring.try', 'launched', 'launch'),
        ('workqueue.task', 'TRANSFER_INPUT', 'transfer'),
        ('taskvine.task', 'commit_start', 'transfer'),
        ('parsl.executor.htex.interchange.task', 'interchange_to_manager', 'dispatch'),
        ('taskvine.task', 'RUNNING', 'dispatch'),
        ('parsl.executor.htex.worker.task', 'worker_received_task', 'run'),
        ('workqueue.task', 'RUNNING', 'run'),
        ('taskvine.task', 'worker_start', 'run'),
        ('parsl.monitoring.try', 'running', 'run'),
        ('parsl.executor.htex.worker.task', 'worker_completed_task', 'return'),
        ('workqueue.task', 'WAITING_RETRIEVAL', 'return'),
        ('taskvine.task', 'WAITING_RETRIEVAL', 'return'),
        ('parsl.monitoring.try', 'running_ended', 'return')
),
known as materialized (
    select span_types.id as span_type, event_types.id as event_type, marks.mark
    from marks
    join span_types on span_types.name = marks.span_type
    join event_types on event_types.name = marks.event_type
),
-- Of tasks with several tries, what befell the earlier ones does not count.
tried_again as materialized (
    select descendants.root, max(events.time) as time
    from spans as tries
    join descendants on descendants.span = tries.id
    join events on events.span = tries.id
    where tries.type in (select id from span_types where name in ('parsl.rundir.try', 'parsl.monitoring.try'))
        and tries.key not like '%/0'
        and events.type = (select id from event_types where name = 'launched')
    group by descendants.root
),
reached as materialized (
    select
        descendants.root,
        min(iif(known.mark = 'launch', events.time, null)) as first_launched,
        max(iif(known.mark = 'launch', events.time, null)) as last_launched,
        min(iif(known.mark = 'transfer', events.time, null)) as transfer_begins,
        min(iif(known.mark = 'dispatch', events.time, null)) as dispatch_begins,
        min(iif(known.mark = 'run', events.time, null)) as run_begins,
        max(iif(known.mark = 'return', events.time, null)) as run_ends
    from known
    -- In this order, which reads only the spans that have such events.
    cross join spans on spans.type = known.span_type
    cross join events on events.span = spans.id and events.type = known.event_type
    cross join descendants on descendants.span = spans.id
    left join tried_again on tried_again.root = descendants.root
    where known.mark = 'launch' or tried_again.time is null or events.time >= tried_again.time
    group by descendants.root
),
-- Kept, so that the times of a task are worked out once and not wherever they are used.
accounts as materialized (
    select * from task_account
)
select
    task,
    task_uuid,
    run as run_id,
    key,
    app,
    began,
    ended,
    ended - began as duration,
    first_launch - began as in_submit,
    last_launch - first_launch as in_retry,
    sending - last_launch as in_queue,
    sent - sending as in_transfer,
    running - sent as in_dispatch,
    done - running as in_run,
    ended - done as in_return
from (
    select
        *,
        min(ended, max(last_launch, coalesce(transfer_begins, dispatch_begins, run_begins, last_launch))) as sending,
        min(
            ended,
            max(
                last_launch,
                coalesce(transfer_begins, last_launch),
                coalesce(dispatch_begins, run_begins, transfer_begins, last_launch)
            )
        ) as sent,
        min(
            ended,
            max(
                last_launch,
                coalesce(transfer_begins, last_launch),
                coalesce(dispatch_begins, last_launch),
                coalesce(run_begins, dispatch_begins, transfer_begins, last_launch)
            )
        ) as running,
        min(
            ended,
            max(
                last_launch,
                coalesce(transfer_begins, last_launch),
                coalesce(dispatch_begins, last_launch),
                coalesce(run_begins, last_launch),
                coalesce(run_ends, ended)
            )
        ) as done
    from (
        select
            accounts.*,
            coalesce(min(ended, max(began, first_launched)), ended) as first_launch,
            coalesce(min(ended, max(began, last_launched)), ended) as last_launch,
            transfer_begins,
            dispatch_begins,
            run_begins,
            run_ends
        from accounts
        left join reached on reached.root = accounts.task
    )
)
