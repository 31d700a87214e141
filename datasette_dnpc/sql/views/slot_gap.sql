/*
@title Times in which a slot of a worker had no task
@description One row for each: before its first task, between two, and after its last. The slots that never had a task
    are one row for each worker. Together with the stays of tasks they make slots times lifetime.
@needs worker_place
@column worker id of the worker's span
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that the worker was started in, NULL if not known
@column slot number of the slot of the worker, from 0: the first of those that never had a task
@column slots how many slots the row is of: 1, or all that never had a task
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
@column span_before id of the task, or attempt, that was there before, NULL if none
@column span_after id of the one that came next, NULL if none
@column task_after id of the span of the Parsl task of the one that came next, or of the manager's task where no log
    tells of Parsl's, NULL if none
*/
with places as materialized (
    select worker, run, executor, block, slots, began, ended from worker_place
)
select
    stay.worker,
    places.run,
    places.executor,
    places.block,
    stay.slot,
    1 as slots,
    coalesce(stay.free_from, places.began) as began,
    stay.began as ended,
    stay.began - coalesce(stay.free_from, places.began) as duration,
    stay.span_before,
    stay.span as span_after,
    stay.task as task_after
from (
    select
        worker,
        slot,
        began,
        span,
        task,
        lag(ended) over of_slot as free_from,
        lag(span) over of_slot as span_before
    from stays
    window of_slot as (partition by worker, slot order by began, ended, span)
) as stay
cross join places on places.worker = stay.worker
where stay.began > coalesce(stay.free_from, places.began)
union all
select
    last.worker,
    places.run,
    places.executor,
    places.block,
    last.slot,
    1,
    last.ended,
    places.ended,
    places.ended - last.ended,
    last.span,
    null,
    null
-- Where there is one max, the other columns are those of its row.
from (select worker, slot, max(ended) as ended, span from stays group by worker, slot) as last
cross join places on places.worker = last.worker
where places.ended > last.ended
union all
select
    places.worker,
    places.run,
    places.executor,
    places.block,
    used.slots,
    places.slots - used.slots,
    places.began,
    places.ended,
    places.ended - places.began,
    null,
    null,
    null
from (
    select places.worker, coalesce((select max(slot) + 1 from stays where stays.worker = places.worker), 0) as slots
    from places
) as used
cross join places on places.worker = used.worker
where places.slots > used.slots and places.ended > places.began
