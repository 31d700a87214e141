/*
@title Events of the roots of one variant in one run, in order
@description The roots which come first by uuid, so a random sample and always the same.
@param variant id of a variant
@param run id of a run
@param roots most roots to look at
@param events most events to return
@needs root_event
@column root id of the root span
@column time seconds since 1970 UTC
@column state span_type/event_type
*/
select root, time, state
from root_event
where root in (
    select sequences.root
    from sequences
    join spans on spans.id = sequences.root
    where sequences.variant = :variant and spans.run = :run
    order by spans.uuid
    limit :roots
)
order by root, time, state
limit :events
