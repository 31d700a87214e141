/*
@title From each event to the next within its span
@description One row for each event; events at one time are in the order of their types' ids.
@column span the span's id in this database
@column span_uuid surrogate key of the span
@column span_type span type
@column time time of the event, seconds since 1970 UTC
@column event_type event type
@column next_time time of the next event, NULL for the last
@column next_event_type its event type, NULL for the last
@column duration seconds to the next event, NULL for the last
@column note what the importer remarked on the event
*/
-- Looking up the next event by the primary key takes a third of the time of a window function,
-- and a mere count of the rows, as Datasette makes for its pages, need not do it at all.
select
    events.span,
    spans.uuid as span_uuid,
    span_types.name as span_type,
    events.time,
    (select name from event_types where id = events.type) as event_type,
    (
        select later.time
        from events as later
        where later.span = events.span
            and (later.time, later.type, later.n) > (events.time, events.type, events.n)
        order by later.time, later.type, later.n
        limit 1
    ) as next_time,
    (
        select event_types.name
        from events as later
        join event_types on event_types.id = later.type
        where later.span = events.span
            and (later.time, later.type, later.n) > (events.time, events.type, events.n)
        order by later.time, later.type, later.n
        limit 1
    ) as next_event_type,
    (
        select later.time - events.time
        from events as later
        where later.span = events.span
            and (later.time, later.type, later.n) > (events.time, events.type, events.n)
        order by later.time, later.type, later.n
        limit 1
    ) as duration,
    events.note
from events
join spans on spans.id = events.span
join span_types on span_types.id = spans.type
