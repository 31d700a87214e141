/*
@title What the charts of a run can be of
@description Root types whose spans are counted by state in the run, the type with most events first; apps or
    categories, and executors, those of most tasks first: at most 200 of each.
@param run key of the run
@needs kept_root_type state_run
@column kind root type, app or executor
@column name what to ask for
@column tasks roots, or tasks
*/
with wanted as materialized (
    select id, key from runs where key = :run
),
tasks as materialized (
    select task_times.app, task_times.executor
    from wanted
    join task_times on task_times.run = wanted.id
    union all
    select json_extract(spans.attributes, '$.category'), null
    from wanted
    cross join span_types on span_types.name in ('workqueue.task', 'taskvine.task')
    cross join spans on spans.run = wanted.id and spans.type = span_types.id
    where not exists (select 1 from task_times where task_times.run = wanted.id)
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
from (select 'app', app, count(*) from tasks where app is not null group by app order by 3 desc, app limit 200)
union all
select *
from (
    select 'executor', executor, count(*)
    from tasks
    where executor is not null
    group by executor
    order by 3 desc, executor
    limit 200
)
