/*
@title Events of each root and of all below it
@description For the root types whose descendants are kept: the events of the root itself,
    of its subspans down to the lowest, and of their facets.
@column root id of the root span in this database
@column root_uuid surrogate key of the root span
@column root_type span type of the root
@column run id of the root's run, NULL if none
@column span id of the span which has the event
@column span_uuid surrogate key of that span
@column time seconds since 1970 UTC
@column state span_type/event_type: what the root is in from here on
*/
-- Names are looked up in the columns, so that a query which does not ask for them does not pay.
select
    descendants.root,
    roots.uuid as root_uuid,
    root_types.name as root_type,
    roots.run,
    descendants.span,
    (select uuid from spans where id = descendants.span) as span_uuid,
    events.time,
    (
        select span_types.name
        from spans
        join span_types on span_types.id = spans.type
        where spans.id = descendants.span
    ) || '/' || (select name from event_types where id = events.type) as state
from descendants
join spans as roots on roots.id = descendants.root
join span_types as root_types on root_types.id = roots.type
join events on events.span = descendants.span
