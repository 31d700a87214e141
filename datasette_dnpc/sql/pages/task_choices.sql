/*
@title Apps and executors to choose from
@description Apps or categories, and executors, of tasks: those of most tasks first, at most 200 of each.
    Categories are those of a random sample, always the same, where there are more than 100 000 tasks.
@param run key or name of a run; empty: all
@column kind app or executor
@column name what to ask for
@column tasks number of tasks
*/
with wanted as materialized (
    select id from runs where :run in ('', key, name)
),
scope as (
    select value as type, 100000 as most from json_each('["workqueue.task", "taskvine.task"]')
),
-- Runs that Parsl's logs tell of nothing.
asked_runs as materialized (
    select id as run from wanted where not exists (select 1 from task_totals where task_totals.run = wanted.id)
),
-- part candidates
,
tasks(app, executor, tasks) as materialized (
    select app, executor, tasks from task_totals where run in (select id from wanted)
    union all
    select json_extract(spans.attributes, '$.category'), null, sum(candidates.stands_for)
    from candidates
    cross join spans on spans.id = candidates.id
    group by 1
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
