/*
@title Parsl tasks
@description One row for each task, though both its run's log and monitoring may tell of it. It lasts from the first
    event of the task to the last one of the task or of its tries, in either account.
@column task id of the span: of the log's account, or of monitoring's where there is no other
@column task_uuid its surrogate key
@column monitoring id of monitoring's account, NULL if none
@column run id of the run
@column key number of the task within the run, as text
@column app name of the app
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
*/
select task, task_uuid, monitoring, run, key, app, began, ended, ended - began as duration
from (
    select
        tasks.id as task,
        tasks.uuid as task_uuid,
        others.id as monitoring,
        tasks.run,
        tasks.key,
        coalesce(json_extract(tasks.attributes, '$.app'), json_extract(others.attributes, '$.app')) as app,
        min(coalesce(tasks.began, others.began), coalesce(others.began, tasks.began)) as began,
        -- No time is below 0.
        nullif(
            max(
                coalesce(tasks.ended, -1),
                coalesce(others.ended, -1),
                coalesce(
                    (
                        select max(spans.ended)
                        from subspans
                        join spans on spans.id = subspans.subspan
                        where subspans.superspan in (tasks.id, others.id)
                            and spans.type in (
                                select id from span_types where name in ('parsl.rundir.try', 'parsl.monitoring.try')
                            )
                    ),
                    -1
                )
            ),
            -1
        ) as ended
    from spans as tasks
    left join spans as others
        on tasks.type = (select id from span_types where name = 'parsl.rundir.task')
        and others.run = tasks.run
        and others.type = (select id from span_types where name = 'parsl.monitoring.task')
        and others.key = tasks.key
    where tasks.type in (
            select id from span_types where name in ('parsl.rundir.task', 'parsl.monitoring.task')
        )
        -- Of the two accounts of a task, the log's stands for it.
        and not (
            tasks.type is (select id from span_types where name = 'parsl.monitoring.task')
            and exists (
                select 1
                from spans as logged
                where logged.run = tasks.run
                    and logged.type = (select id from span_types where name = 'parsl.rundir.task')
                    and logged.key = tasks.key
            )
        )
)
