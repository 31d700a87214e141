/*
@title Failures
@description How many tries failed, of which app and why, and what was lost to them: the time from a try's first event to
    its last. A try that failed with the task it depended on has cost nothing but its wait.
@param run key or name of a run; empty: all runs
@needs task_try
@column app name of the app
@column executor label of the executor, NULL if it never came to one
@column state failed: for good; fail_retryable: tried again; dep_fail: a task that it depends on failed
@column cause type of the exception, or what monitoring kept of it
@column tries how many failed so
@column of_tries tries of this app, failed or not
@column share per cent of them
@column seconds from first to last event, sum
@column mean_seconds the same, mean
@column example key of the task of one of them
@chart mark=bar x_column=tries x_type=quantitative y_column=app y_type=ordinal color_column=state
*/
with counted as (
    select *, count(*) over (partition by app) as of_tries
    from task_try
    where coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name))
)
select
    app,
    executor,
    state,
    cause,
    count(*) as tries,
    of_tries,
    100.0 * count(*) / of_tries as share,
    sum(ended - began) as seconds,
    avg(ended - began) as mean_seconds,
    min(task_key) as example
from counted
where failed
group by app, executor, state, cause
order by tries desc, app, state, cause
limit 900
