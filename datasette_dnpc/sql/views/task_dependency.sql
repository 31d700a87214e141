/*
@title Which task waits for which
@description One row for each dependency of a Parsl task, from the log, or from monitoring where no log tells of the
    task; for each inner task of a join app, which only monitoring names; and for each dependency of a TaskVine task, by
    the files that it reads and the other writes.
@column kind depends: it can only start when the other has ended; joins: it started the other, and ends after it
@column run id of the run
@column task_type span type of both
@column task id of the span of the task that waits
@column task_key its key within the run
@column needs id of the span of the task that it waits for
@column needs_key its key within the run
*/
select
    iif(task_needs.joins, 'joins', 'depends') as kind,
    tasks.run,
    (select name from span_types where id = tasks.type) as task_type,
    tasks.id as task,
    tasks.key as task_key,
    task_needs.needs,
    (select key from spans where id = task_needs.needs) as needs_key
from task_needs
join spans as tasks on tasks.id = task_needs.task
union all
select
    'depends',
    tasks.run,
    span_types.name,
    tasks.id,
    tasks.key,
    needed.id,
    needed.key
from span_types
cross join spans as tasks on tasks.type = span_types.id
cross join json_each(tasks.attributes, '$.depends') as depends
cross join spans as needed
    on needed.run = tasks.run
    and needed.type = tasks.type
    -- The key of a task begins with that of its manager.
    and needed.key = substr(tasks.key, 1, instr(tasks.key, '/')) || depends.value
where span_types.name = 'taskvine.task'
