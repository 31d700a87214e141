/*
@title Workers, and how much of their time they were busy
@description One row for each worker. It lives from the first to the last that is known of it or its tasks. It is busy
    while it has any task, and idle otherwise; busy and idle add up to its duration. The seconds of its tasks and those
    in which its slots were idle add up to its slots times its duration.
@needs worker_place
@column worker id of the worker's span
@column worker_uuid its surrogate key
@column worker_type its span type
@column worker_key its key within the run
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that it was started in, NULL if not known
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
@column first_task when its first task began, seconds since 1970 UTC, NULL if it had none
@column last_task when the last of its tasks was over, seconds since 1970 UTC, NULL if it had none
@column tasks tasks, or attempts, that were on it
@column busy seconds in which it had a task
@column idle seconds in which it had none
@column slots how many tasks it has place for at once
@column task_seconds sum of the seconds of its tasks: more than busy where several ran at once
@column utilisation busy as part of duration: 0 to 1; NULL if it lived no time
@column slot_utilisation task_seconds as part of slots times duration: 0 to 1; NULL if it lived no time
*/
select
    worker_place.worker,
    worker_place.worker_uuid,
    worker_place.worker_type,
    worker_place.worker_key,
    worker_place.run,
    worker_place.executor,
    worker_place.block,
    worker_place.began,
    worker_place.ended,
    worker_place.ended - worker_place.began as duration,
    worker_totals.first_task,
    worker_totals.last_task,
    coalesce(worker_totals.tasks, 0) as tasks,
    coalesce(worker_totals.busy, 0.0) as busy,
    worker_place.ended - worker_place.began - coalesce(worker_totals.busy, 0.0) as idle,
    worker_place.slots,
    coalesce(worker_totals.task_seconds, 0.0) as task_seconds,
    coalesce(worker_totals.busy, 0.0) / nullif(worker_place.ended - worker_place.began, 0) as utilisation,
    coalesce(worker_totals.task_seconds, 0.0)
        / nullif(worker_place.slots * (worker_place.ended - worker_place.began), 0) as slot_utilisation
from worker_place
left join worker_totals on worker_totals.worker = worker_place.worker
