/*
@title The span type whose durations to show when none is asked for
@description One row: the first of the view duration_type.
@needs duration_type
@column id id of the span type in this database, NULL in an empty database
@column type its name
*/
select chosen.id, span_types.name as type
from (select (select id from duration_type order by place limit 1) as id) as chosen
left join span_types on span_types.id = chosen.id
