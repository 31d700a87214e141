/*
@title States to choose from
@description Those that roots of a type come into, in the order in which they do; of a type whose sequences are not kept,
    the events of a thousand spans.
@param root_type a span type; empty: of those in the run the one whose sequences hold most events
@param run key or name of a run; empty: all runs
@needs kept_root_type variant_state
@column root_type span type
@column state span_type/event_type
@column kept 1 if sequences of this type are kept
*/
with
-- part shown_root_type
,
-- part asked_type
,
wanted as materialized (
    select id, name
    from span_types
    where name = (select type from asked_type)
),
kept as materialized (
    select variant_state.state, avg(variant_state.position) as position
    from wanted
    join variants on variants.root_type = wanted.id
    join variant_state on variant_state.variant = variants.id
    group by variant_state.state
),
own as (
    select wanted.name || '/' || event_types.name as state, avg(events.time - some.began) as position
    from wanted
    join (
        select id, began from spans where type = (select id from wanted) order by id limit 1000
    ) as some
    join events on events.span = some.id
    join event_types on event_types.id = events.type
    where not exists (select 1 from kept)
    group by event_types.name
)
select wanted.name as root_type, found.state, found.kept
from wanted
join (
    select state, position, 1 as kept from kept
    union all
    select state, position, 0 from own
) as found
order by found.position, found.state
limit 900
