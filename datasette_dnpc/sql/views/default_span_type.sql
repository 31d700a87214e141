/*
@title The span type whose durations to show when none is asked for
@description One row. A root type if most of its spans have durations of their own, else the type with most spans
    that have, else any: of a task which only its log tells of, the one event is that it was submitted.
@needs kept_root_type
@column id id of the span type in this database, NULL in an empty database
@column type its name
*/
select span_types.id, span_types.name as type
from (
    select (
        select counted.type
        from (select type, count(*) as spans from spans group by type) as counted
        left join kept_root_type on kept_root_type.id = counted.type
        join span_types on span_types.id = counted.type
        order by
            -- A thousand spans tell.
            (
                select avg(ended > began) >= 0.5
                from (select began, ended from spans where type = counted.type limit 1000)
            ) is not true,
            kept_root_type.rank is null,
            kept_root_type.rank,
            counted.spans desc,
            span_types.name
        limit 1
    ) as id
) as chosen
left join span_types on span_types.id = chosen.id
