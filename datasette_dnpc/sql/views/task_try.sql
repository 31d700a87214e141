/*
@title Tries of tasks
@description One row for each try of a Parsl task, as its log tells of it, or where there is no log, as monitoring does.
@column span id of the try's span in this database
@column run id of the run
@column task_key key of the task within its run
@column try number of the try in its task, from 0
@column app name of the app, NULL if not known
@column executor label of the executor, NULL if it never came to one
@column began time of its first event, seconds since 1970 UTC
@column ended time of its last event, seconds since 1970 UTC
@column state how it ended: exec_done, memo_done, failed, fail_retryable, dep_fail; NULL if no log says so
@column failed 1 if it failed, or could not start because a task that it depends on failed; else 0
@column cause type of the exception, or what monitoring kept of it; NULL if it did not fail, or no log says so
@column run_seconds seconds on a worker, as far as its log, that of the manager or monitoring tells; else from launch to
    end; NULL if it was never launched
@column cores those that Work Queue or TaskVine gave to it; else 1, as for the one slot of an HTEX worker
*/
-- What is worked out in the columns costs only the queries that ask for it.
select
    try.id as span,
    try.run,
    substr(try.key, 1, instr(try.key, '/') - 1) as task_key,
    cast(substr(try.key, instr(try.key, '/') + 1) as integer) as try,
    json_extract(task.attributes, '$.app') as app,
    coalesce(json_extract(try.attributes, '$.executor'), json_extract(other.attributes, '$.executor')) as executor,
    try.began,
    try.ended,
    final.name as state,
    coalesce(final.name in ('failed', 'fail_retryable', 'dep_fail'), 0) as failed,
    coalesce(
        json_extract(try.attributes, '$.exception'),
        json_extract(try.attributes, '$.failure'),
        json_extract(other.attributes, '$.failure')
    ) as cause,
    coalesce(
        (
            -- A worker that was lost has run it to the end of the try.
            select
                coalesce(
                    max(iif(
                        event_types.name in ('worker_completed_task', 'WAITING_RETRIEVAL', 'running_ended'),
                        events.time, null
                    )),
                    try.ended
                )
                - min(iif(
                    event_types.name in ('worker_received_task', 'RUNNING', 'running'), events.time, null
                ))
            from (
                select try.id as span
                union all
                select other.id where other.id is not null
                union all
                select id
                from spans
                where run = try.run
                    and type = (select id from span_types where name = 'parsl.executor.htex.worker.task')
                    and key = json_extract(try.attributes, '$.executor') || '/'
                        || json_extract(try.attributes, '$.executor_task')
                union all
                select managed.subspan
                from subspans as given
                join subspans as managed on managed.superspan = given.subspan
                join spans on spans.id = managed.subspan
                where given.superspan = try.id
                    and spans.type in (
                        select id from span_types where name in ('workqueue.task', 'taskvine.task')
                    )
            ) as accounts
            cross join events on events.span = accounts.span
            cross join event_types on event_types.id = events.type
        ),
        try.ended - (
            select min(events.time)
            from events
            join event_types on event_types.id = events.type
            where events.span = try.id and event_types.name in ('launched', 'launched_on_executor')
        )
    ) as run_seconds,
    coalesce(
        (
            select json_extract(spans.attributes, '$.cores')
            from subspans as given
            join subspans as managed on managed.superspan = given.subspan
            join spans on spans.id = managed.subspan
            where given.superspan = try.id
                and spans.type in (select id from span_types where name in ('workqueue.task', 'taskvine.task'))
            limit 1
        ),
        1
    ) as cores
from span_types as try_type
cross join spans as try on try.type = try_type.id
left join facets as account on account.right = try.id and try_type.name = 'parsl.rundir.try'
left join spans as other on other.id = account.left
left join spans as task
    on task.run = try.run
    and task.type = (select id from span_types where name = replace(try_type.name, '.try', '.task'))
    and task.key = substr(try.key, 1, instr(try.key, '/') - 1)
left join event_types as final on final.id = (
    select events.type from events
    where events.span = try.id
        and events.type in (
            select id from event_types
            where name in ('exec_done', 'memo_done', 'failed', 'fail_retryable', 'dep_fail')
        )
    order by events.time desc
    limit 1
)
where try_type.name = 'parsl.rundir.try'
    or (
        try_type.name = 'parsl.monitoring.try'
        and not exists (select 1 from facets where facets.left = try.id)
    )
