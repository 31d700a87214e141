/*
@title Longest gaps between tasks on a worker
@description When a worker had no task though it had one before and one after.
@param run key or name of a run; empty: all runs
@param rows number of gaps, at most 900; empty: 30
@needs worker_gap
@column worker the worker's key within its run
@column run key of the run
@column label rank and worker, in an order that sorts as text
@column began_iso end of the task before, ISO 8601 UTC
@column duration seconds
@column task_before key of the span of the task, or attempt, before
@column task_after key of the span of the one after
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal
*/
with longest as (
    select *, row_number() over (order by duration desc, began, worker) as rank
    from worker_gap
    where coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name))
    order by duration desc, began, worker
    limit min(max(cast(coalesce(nullif(:rows, ''), 30) as integer), 1), 900)
)
select
    workers.key as worker,
    runs.key as run,
    printf('%03d: %s', longest.rank, workers.key) as label,
    iso_time(longest.began) as began_iso,
    longest.duration,
    earlier.key as task_before,
    later.key as task_after
from longest
join spans as workers on workers.id = longest.worker
join spans as earlier on earlier.id = longest.span_before
join spans as later on later.id = longest.span_after
left join runs on runs.id = longest.run
order by longest.rank
