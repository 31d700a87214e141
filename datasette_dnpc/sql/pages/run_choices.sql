/*
@title What the charts of a run can be of
@description Root types whose spans are counted by state in the run, the type with most events first; apps or
    categories, and executors, those of most tasks first: at most 200 of each. Categories are those
    of a random sample, always the same, where there are more than 100 000 tasks.
@param run key of the run
@needs kept_root_type state_run
@column kind root type, app or executor
@column name what to ask for
@column tasks roots, or tasks
*/
with wanted as materialized (
    select id, key from runs where key = :run
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
    select 'root type' as kind, state_run.root_type as name, kept_root_type.roots as tasks
    from wanted
    join state_run on state_run.run = wanted.id
    join kept_root_type on kept_root_type.id = state_run.root_type_id
    order by kept_root_type.rank
)
union all
select *
from (select 'app', app, sum(tasks) from tasks where app is not null group by app order by 3 desc, app limit 200)
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
