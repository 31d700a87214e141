/*
@title Workers
@topic Workers
@description How long each worker lived, how much of that it was busy, and idle. A slot is a place for one task: HTEX
    workers have one, a worker of Work Queue or TaskVine may run several tasks at once. Those whose slots
    had no task for most seconds, all together, come first.
@param run key or name of a run; empty: all runs
@param executor label of an executor; empty: all
@needs worker_lifetime
@about workers
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
@column slots how many tasks it has place for at once
@column task_seconds sum of the seconds of its tasks: more than busy where several ran at once
@column utilisation busy as part of duration, 0 to 1
@column slot_utilisation task_seconds as part of slots times duration, 0 to 1
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=slot_utilisation x_type=quantitative y_column=worker y_type=ordinal
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
    worker_lifetime.slots,
    worker_lifetime.task_seconds,
    worker_lifetime.utilisation,
    worker_lifetime.slot_utilisation,
    count(*) over () as of_rows
from worker_lifetime
left join runs on runs.id = worker_lifetime.run
where (coalesce(:run, '') = '' or :run in (runs.key, runs.name))
    and (coalesce(:executor, '') = '' or worker_lifetime.executor = :executor)
order by
    worker_lifetime.slots * worker_lifetime.duration - worker_lifetime.task_seconds desc,
    runs.key,
    worker_lifetime.worker_key
limit 900
