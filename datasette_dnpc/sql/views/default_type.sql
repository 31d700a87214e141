/*
@title The root type to show when none is asked for
@description One row. The root type whose sequences hold most events; without any, the type with most spans.
@needs kept_root_type
@column id id of the span type in this database, NULL in an empty database
@column type its name
*/
select span_types.id, span_types.name as type
from (
    select coalesce(
        (select id from kept_root_type where rank = 1),
        (select type from span_totals group by type order by sum(spans) desc, type limit 1)
    ) as id
) as chosen
left join span_types on span_types.id = chosen.id
