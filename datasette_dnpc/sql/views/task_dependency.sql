/*
@title Which task waits for which
@description One row for each dependency of a Parsl task, from the log, or from monitoring where no log tells of the
    task; and of a TaskVine task, by the files that it reads and the other writes.
@column run id of the run
@column task_type span type of both
@column task id of the span of the task that waits
@column task_key its key within the run
@column needs id of the span of the task that it waits for
@column needs_key its key within the run
*/
select
    tasks.run,
    span_types.name as task_type,
    tasks.id as task,
    tasks.key as task_key,
    needed.id as needs,
    needed.key as needs_key
from span_types
cross join spans as tasks on tasks.type = span_types.id
cross join json_each(tasks.attributes, '$.depends') as depends
cross join spans as needed
    on needed.run = tasks.run
    and needed.type = tasks.type
    -- The key of a TaskVine task begins with that of its manager.
    and needed.key = iif(
        span_types.name = 'taskvine.task', substr(tasks.key, 1, instr(tasks.key, '/')), ''
    ) || depends.value
where span_types.name in ('parsl.rundir.task', 'parsl.monitoring.task', 'taskvine.task')
    and not (
        span_types.name = 'parsl.monitoring.task'
        and exists (
            select 1
            from spans as logged
            where logged.run = tasks.run
                and logged.type = (select id from span_types where name = 'parsl.rundir.task')
                and logged.key = tasks.key
        )
    )
