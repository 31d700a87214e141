/*
@title When each root came into each state, first and last
@description For the root types whose descendants are kept: one row for each root and each state that it comes into,
    through an event of its own or of anything below it. The time between two events of different components is
    a join of two of these rows by root.
@needs variant_state
@column root id of the root span in this database
@column root_uuid its surrogate key
@column root_type its span type
@column run id of its run, NULL if none
@column state span_type/event_type
@column first time of the first such event, seconds since 1970 UTC
@column last time of the last such event, seconds since 1970 UTC
@column events how many there are
*/
-- The states of a root are those of its variant, so its events are read for their times only.
select
    sequences.root,
    roots.uuid as root_uuid,
    (select name from span_types where id = roots.type) as root_type,
    roots.run,
    variant_state.state,
    (
        select min(events.time)
        from descendants
        cross join spans as below on below.id = descendants.span
        cross join events on events.span = below.id
        where descendants.root = sequences.root
            and below.type = (select id from span_types where name = variant_state.span_type)
            and events.type = (select id from event_types where name = variant_state.event_type)
    ) as first,
    (
        select max(events.time)
        from descendants
        cross join spans as below on below.id = descendants.span
        cross join events on events.span = below.id
        where descendants.root = sequences.root
            and below.type = (select id from span_types where name = variant_state.span_type)
            and events.type = (select id from event_types where name = variant_state.event_type)
    ) as last,
    variant_state.events
from variant_state
join sequences on sequences.variant = variant_state.variant
join spans as roots on roots.id = sequences.root
