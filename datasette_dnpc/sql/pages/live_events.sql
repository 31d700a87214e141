/*
@title Events of the roots of any type, in order
@description The roots which come first by uuid, so a random sample and always the same; their
    descendants are found here and now: subspans downwards, facets either way.
@param root_type id of a span type
@param run key or name of a run; empty: all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param roots most roots to look at
@param events most events to return
@column root id of the root span
@column time seconds since 1970 UTC
@column state span_type/event_type
*/
with recursive
scope as (
    select name as type, 100000 as most from span_types where id = :root_type
),
-- part picked
,
below(root, span) as (
    select id, id
    from (
        select spans.id
        from picked
        cross join spans on spans.id = picked.id
        order by spans.uuid
        limit cast(:roots as integer)
    )
    union
    select below.root, subspans.subspan from below join subspans on subspans.superspan = below.span
    union
    select below.root, facets.right from below join facets on facets.left = below.span
    union
    select below.root, facets.left from below join facets on facets.right = below.span
)
select below.root, events.time, span_types.name || '/' || event_types.name as state
from below
cross join spans on spans.id = below.span
cross join span_types on span_types.id = spans.type
cross join events on events.span = below.span
join event_types on event_types.id = events.type
order by below.root, events.time, state
limit cast(:events as integer)
