/*
@title States of some variants
@description What roots go through, in order.
@param variants JSON list of ids of variants
@column variant id of the variant
@column states JSON list of span_type/event_type
@column runs number of runs whose roots go through it
*/
select
    id as variant,
    sequence as states,
    (select count(*) from variant_totals where variant = variants.id) as runs
from variants
where id in (select value from json_each(:variants))
