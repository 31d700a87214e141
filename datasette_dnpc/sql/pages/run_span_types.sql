/*
@title Span types of a run
@description Those whose spans have durations first; of these the root types, the type with most events first.
@param run key of the run
@needs kept_root_type
@column name span type
@column spans spans of the run that have an event
*/
with counted as materialized (
    select type, with_events as spans, 2 * lasting >= with_events as have_durations
    from span_totals
    where run = (select id from runs where key = :run) and with_events > 0
)
select span_types.name, counted.spans
from counted
join span_types on span_types.id = counted.type
left join kept_root_type on kept_root_type.id = counted.type
order by not have_durations, kept_root_type.rank is null, kept_root_type.rank, counted.spans desc, span_types.name
