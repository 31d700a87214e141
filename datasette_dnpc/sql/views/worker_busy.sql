/*
@title Stays of tasks on a worker, and until when it was busy before each
@description As worker_slot_interval, in the order of their beginnings.
@column worker id of the worker's span
@column span id of the span of the task, or of the attempt
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column busy_until the latest end of those that began before, NULL for the first
@column span_before id of that which began last before it, NULL for the first
*/
select
    worker,
    span,
    began,
    ended,
    max(ended) over (of_worker rows between unbounded preceding and 1 preceding) as busy_until,
    lag(span) over of_worker as span_before
from stays
window of_worker as (partition by worker order by began, ended, span)
