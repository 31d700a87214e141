/*
@title Root types to choose from
@description All span types that have spans; those whose sequences are kept first.
@needs kept_root_type
@column id id of the span type in this database
@column name span type
@column kept 1 if its sequences are kept
*/
select span_types.id, span_types.name, kept_root_type.id is not null as kept
from span_types
left join kept_root_type on kept_root_type.id = span_types.id
where exists (select 1 from span_totals where span_totals.type = span_types.id)
order by kept_root_type.rank is null, kept_root_type.rank, span_types.name
