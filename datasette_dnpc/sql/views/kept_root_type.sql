/*
@title Root types whose event sequences are kept
@description The first by rank is the default of the queries: the type whose sequences hold most
    events, so that a task comes before its tries.
@column id id of the span type in this database
@column type span type
@column roots spans of this type that have a sequence
@column variants distinct sequences
@column events events in all sequences
@column rank 1 for the type whose sequences hold most events
*/
select
    span_types.id,
    span_types.name as type,
    sum(variants.spans) as roots,
    count(*) as variants,
    sum(variants.spans * variants.events) as events,
    row_number() over (
        order by sum(variants.spans * variants.events) desc, sum(variants.spans) desc, span_types.name
    ) as rank
from variants
join span_types on span_types.id = variants.root_type
group by span_types.id
