/*
@title When each span had each type of event, first and last
@description One row for each span and each type of event that it has. The time from one event to another within a span
    is a join of two of these rows by span.
@column span id of the span in this database
@column span_uuid its surrogate key
@column span_type its span type
@column run id of its run, NULL if none
@column event_type event type
@column first time of its first event of this type, seconds since 1970 UTC
@column last time of its last event of this type, seconds since 1970 UTC
@column events how many it has
*/
-- From the first event of each type look for the others: what groups all events would do so for each question.
select
    events.span,
    spans.uuid as span_uuid,
    span_types.name as span_type,
    spans.run,
    event_types.name as event_type,
    events.time as first,
    (select max(time) from events as alike where alike.span = events.span and alike.type = events.type) as last,
    (select count(*) from events as alike where alike.span = events.span and alike.type = events.type) as events
from events
join spans on spans.id = events.span
join span_types on span_types.id = spans.type
join event_types on event_types.id = events.type
where not exists (
    select 1
    from events as earlier
    where earlier.span = events.span
        and earlier.type = events.type
        and (earlier.time, earlier.n) < (events.time, events.n)
)
