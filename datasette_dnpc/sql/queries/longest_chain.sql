/*
@title Longest chain
@topic The tasks
@description The chain of tasks, each of which needs the one before it, that ran longest in all. No number of workers
    makes the run shorter than that. Only the time on a worker counts, in the last try of each task; where no log tells
    of it, that from launch to end. A join app needs its inner tasks; its own body runs before them, so the longer of
    the two counts. Of a long chain the last 900 tasks.
@param task number of the task that the chain ends with; empty: that of the longest chain
@param run key or name of a run; empty: the one with the longest chain
@needs task_account
@about tasks
@column position 1 for the first task of the chain
@column run key of the run
@column run_name name of the run, or its key
@column task number of the task within the run
@column label position and task, in an order that sorts as text
@column app name of the app
@column executor label of the executor, NULL if not known
@column outcome done, memoized, failed, dependency failed or unfinished: see the view task_account
@column began_iso when it was submitted, ISO 8601 UTC
@column ended_iso when Parsl was done with it, ISO 8601 UTC
@column seconds what it adds to the chain: its time on a worker, 0 for a join app whose inner tasks took longer
@column total seconds of the chain up to here
@column of_tasks number of tasks in the chain, shown or not
@column makespan seconds from the first submission of a task of the run to the last end of one
@chart mark=bar x_column=seconds x_type=quantitative y_column=label y_type=ordinal
*/
with recursive chain as (
    select task, 0 as step
    from (
        select task
        from task_times
        where (coalesce(:task, '') = '' or cast(:task as text) = (select key from spans where id = task_times.task))
            and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        order by coalesce(chain_seconds, in_run) desc, run, task
        limit 1
    )
    union all
    select task_times.chain_needs, step + 1
    from chain
    join task_times on task_times.task = chain.task
    where task_times.chain_needs is not null
),
lasted as materialized (
    select max(ended) - min(began) as makespan
    from task_times
    where run = (select task_times.run from chain join task_times on task_times.task = chain.task limit 1)
),
added as (
    select
        row_number() over (order by chain.step desc) as position,
        count(*) over () as of_tasks,
        task_times.*,
        coalesce(task_times.chain_seconds, task_times.in_run, 0) as total,
        coalesce(task_times.chain_seconds, task_times.in_run, 0)
            - coalesce(needed.chain_seconds, needed.in_run, 0) as seconds
    from chain
    join task_times on task_times.task = chain.task
    left join task_times as needed on needed.task = task_times.chain_needs
)
select
    added.position,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    task_account.key as task,
    printf('%05d: task %s', added.position, task_account.key) as label,
    added.app,
    added.executor,
    added.outcome,
    iso_time(added.began) as began_iso,
    iso_time(added.ended) as ended_iso,
    added.seconds,
    added.total,
    added.of_tasks,
    lasted.makespan
from lasted
cross join added
join task_account on task_account.task = added.task
join runs on runs.id = added.run
where added.position > added.of_tasks - 900
order by added.position
