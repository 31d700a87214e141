/*
@title Stays of tasks on a worker, and until when it was busy before each
@description As worker_interval, in the order of their beginnings. Where no log tells of an end, it is when the worker
    started anew, or else the last that is known of the worker: what ran then ended no later, as far as is known.
@needs worker_interval
@column worker id of the worker's span
@column run id of the worker's run
@column span id of the span of the task, or of the attempt
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column busy_until the latest end of those that began before, NULL for the first
@column span_before id of that which began last before it, NULL for the first
@column first_sign the first that is known of the worker
@column last_sign the last that is known of the worker
*/
with stays as materialized (
    select worker, run, span, began, ended from worker_interval
),
signs as materialized (
    select
        stays.worker,
        min(min(stays.began), coalesce(workers.began, min(stays.began))) as first_sign,
        max(max(coalesce(stays.ended, stays.began)), coalesce(workers.ended, max(stays.began))) as last_sign
    from stays
    join spans as workers on workers.id = stays.worker
    group by stays.worker
),
closed as (
    select
        stays.worker,
        stays.run,
        stays.span,
        stays.began,
        coalesce(
            stays.ended,
            (
                select min(events.time)
                from events
                where events.span = stays.worker
                    and events.time > stays.began
                    and events.type in (select id from event_types where name in ('started', 'CONNECTION'))
            ),
            signs.last_sign
        ) as ended,
        signs.first_sign,
        signs.last_sign
    from stays
    join signs on signs.worker = stays.worker
)
select
    worker,
    run,
    span,
    began,
    ended,
    max(ended) over (of_worker rows between unbounded preceding and 1 preceding) as busy_until,
    lag(span) over of_worker as span_before,
    first_sign,
    last_sign
from closed
window of_worker as (partition by worker order by began, ended, span)
