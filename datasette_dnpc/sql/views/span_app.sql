/*
@title The app and executor of each span below a task
@description One row for each span of a Parsl task: those below it, both accounts of it included. And one for each task
    of Work Queue or TaskVine that is in no task of Parsl, where the category stands for the app, and for each attempt at
    such tasks. Transfers are not in here: the view transfer has their tasks.
@column span id of the span in this database
@column run id of its task's run
@column app name of the app, or category; NULL if not known
@column executor label of the executor of the span's try; of the task itself that of its last try that came to one;
    NULL if not known
*/
select
    descendants.span,
    task_times.run,
    task_times.app,
    iif(
        task_times.tries = 1,
        task_times.executor,
        coalesce(
            (
                select coalesce(
                    json_extract(spans.attributes, '$.executor'),
                    -- The key of an executor's task is its label and number.
                    iif(span_types.name glob 'parsl.executor*', substr(spans.key, 1, instr(spans.key, '/') - 1), null)
                )
                from spans
                join span_types on span_types.id = spans.type
                where spans.id = descendants.span
            ),
            task_times.executor
        )
    ) as executor
from task_times
join descendants on descendants.root = task_times.task
union all
select
    tasks.id,
    tasks.run,
    json_extract(tasks.attributes, '$.category'),
    (
        select json_extract(managers.attributes, '$.executor')
        from spans as managers
        where managers.run = tasks.run
            and managers.type = (
                select id from span_types where name = replace(kinds.name, '.task', '.manager')
            )
            and managers.key = substr(tasks.key, 1, instr(tasks.key, '/') - 1)
    )
from span_types as kinds
cross join spans as tasks on tasks.type = kinds.id
where kinds.name in ('workqueue.task', 'taskvine.task')
    and not exists (
        select 1
        from descendants
        join task_times on task_times.task = descendants.root
        where descendants.span = tasks.id
    )
union all
select
    attempts.id,
    attempts.run,
    coalesce(task_times.app, json_extract(tasks.attributes, '$.category')),
    task_times.executor
from span_types as kinds
cross join spans as attempts on attempts.type = kinds.id
-- The attempts of task d41cd3d9/101 are d41cd3d9/101.0 and so on.
cross join spans as tasks
    on tasks.run = attempts.run
    and tasks.type = (select id from span_types where name = replace(kinds.name, '.attempt', '.task'))
    and tasks.key = substr(attempts.key, 1, instr(attempts.key, '.') - 1)
left join task_times on task_times.task = (
    select known.task
    from descendants
    cross join task_times as known on known.task = descendants.root
    where descendants.span = tasks.id
    limit 1
)
where kinds.name in ('workqueue.attempt', 'taskvine.attempt')
