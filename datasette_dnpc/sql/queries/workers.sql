/*
@title Workers
@description How long each worker lived, how much of that it was busy, and idle. The least busy stand first.
@param run key or name of a run; empty: all runs
@needs worker_lifetime
@column worker the worker's key within its run
@column worker_type its span type
@column run key of the run
@column executor label of the executor, NULL if not known
@column block block that it was started in, NULL if not known
@column began_iso ISO 8601 UTC
@column ended_iso ISO 8601 UTC
@column duration seconds
@column tasks tasks, or attempts, that were on it
@column busy seconds in which it had a task
@column idle seconds in which it had none
@column task_seconds sum of the seconds of its tasks: more than busy where several ran at once
@column utilisation busy as part of duration, 0 to 1
@chart mark=bar x_column=utilisation x_type=quantitative y_column=worker y_type=ordinal
*/
select
    worker_lifetime.worker_key as worker,
    worker_lifetime.worker_type,
    runs.key as run,
    worker_lifetime.executor,
    worker_lifetime.block,
    iso_time(worker_lifetime.began) as began_iso,
    iso_time(worker_lifetime.ended) as ended_iso,
    worker_lifetime.duration,
    worker_lifetime.tasks,
    worker_lifetime.busy,
    worker_lifetime.idle,
    worker_lifetime.task_seconds,
    worker_lifetime.utilisation
from worker_lifetime
left join runs on runs.id = worker_lifetime.run
where coalesce(:run, '') = '' or :run in (runs.key, runs.name)
order by worker_lifetime.utilisation, runs.key, worker_lifetime.worker_key
limit 900
