/*
@title Apps and executors to choose from
@description Apps or categories, and executors, of tasks: those of most tasks first, at most 200 of each.
@param run key or name of a run; empty: all
@column kind app or executor
@column name what to ask for
@column tasks number of tasks
*/
with wanted as materialized (
    select id from runs where :run in ('', key, name)
),
tasks as materialized (
    select task_times.app, task_times.executor, count(*) as tasks
    from task_times
    where task_times.run in (select id from wanted)
    group by task_times.app, task_times.executor
    union all
    select json_extract(spans.attributes, '$.category') as app, null, count(*)
    from wanted
    cross join span_types on span_types.name in ('workqueue.task', 'taskvine.task')
    cross join spans on spans.run = wanted.id and spans.type = span_types.id
    where not exists (select 1 from task_times where task_times.run = wanted.id)
    group by app
)
select *
from (
    select 'app' as kind, app as name, sum(tasks) as tasks
    from tasks
    where app is not null
    group by app
    order by 3 desc, app
    limit 200
)
union all
select *
from (
    select 'executor', executor, sum(tasks)
    from tasks
    where executor is not null
    group by executor
    order by 3 desc, executor
    limit 200
)
