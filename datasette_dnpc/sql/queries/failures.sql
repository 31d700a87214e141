/*
@title Failures
@description How many tries failed, of which app and why, and what was lost to them: the time from a try's first event to
    its last, and the core-time. That is the seconds on a worker, as far as its log, the manager's or monitoring tells,
    else from launch to end, times the cores that Work Queue or TaskVine gave to it; elsewhere a slot counts as one core.
    A try that failed with the task it depended on has cost nothing but its wait.
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@needs task_try
@column app name of the app
@column executor label of the executor, NULL if it never came to one
@column state failed: for good; fail_retryable: tried again; dep_fail: a task that it depends on failed
@column cause type of the exception, or what monitoring kept of it
@column tries how many failed so
@column of_tries tries of this app, failed or not, in the run and executor asked for
@column share per cent of them
@column seconds from first to last event, sum
@column mean_seconds the same, mean
@column core_seconds core-time lost: seconds on a worker times cores, sum
@column example key of the task of one of them
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=tries x_type=quantitative y_column=app y_type=ordinal color_column=state
*/
with counted as (
    select span, failed, count(*) over (partition by app) as of_tries
    from task_try
    where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
),
-- The rest of their columns is worked out for those that failed only.
lost as materialized (
    select span, of_tries from counted where failed
)
select
    task_try.app,
    task_try.executor,
    task_try.state,
    task_try.cause,
    count(*) as tries,
    lost.of_tries,
    100.0 * count(*) / lost.of_tries as share,
    sum(task_try.ended - task_try.began) as seconds,
    avg(task_try.ended - task_try.began) as mean_seconds,
    total(task_try.run_seconds * task_try.cores) as core_seconds,
    min(task_try.task_key) as example,
    count(*) over () as of_rows
from lost
cross join task_try on task_try.span = lost.span
group by task_try.app, task_try.executor, task_try.state, task_try.cause
order by count(*) desc, task_try.app, task_try.state, task_try.cause
limit 900
