/*
@title States of some variants
@description What roots go through, in order.
@param variants JSON list of ids of variants
@column variant id of the variant
@column states JSON list of span_type/event_type
*/
select id as variant, sequence as states
from variants
where id in (select value from json_each(:variants))
