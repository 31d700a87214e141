/*
@title Span types, first those whose durations tell most
@description One row for each span type that has spans. First come root types of which most spans have durations of
    their own, then other such types, then the rest: of a task which only its log tells of, the one event is that it was
    submitted. The first is the default of the queries, or the first of those that a run has, where one is asked for.
@needs kept_root_type
@column id id of the span type in this database
@column type its name
@column place 1 for the first
*/
select
    counted.type as id,
    span_types.name as type,
    row_number() over (
        order by
            2 * counted.lasting < counted.with_events or counted.with_events = 0,
            kept_root_type.rank is null,
            kept_root_type.rank,
            counted.spans desc,
            span_types.name
    ) as place
from (
    select type, sum(spans) as spans, sum(with_events) as with_events, sum(lasting) as lasting
    from span_totals
    group by type
) as counted
join span_types on span_types.id = counted.type
left join kept_root_type on kept_root_type.id = counted.type
