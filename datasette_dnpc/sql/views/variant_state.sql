/*
@title Which states each variant of event sequences comes into
@description One row for each variant and each distinct state in it. Tells which roots have which events without a look
    at the events: the table sequences has the variant of each root.
@column variant id of the variant in this database
@column state span_type/event_type
@column span_type span type which has the event
@column event_type event type
@column position of the first such event in the sequence, 0 for the first
@column events how many such events the sequence has
*/
select
    variant,
    span_type || '/' || event_type as state,
    span_type,
    event_type,
    position,
    (
        select count(*)
        from steps as alike
        where alike.variant = steps.variant
            and alike.span_type = steps.span_type
            and alike.event_type = steps.event_type
    ) as events
from steps
where not exists (
    select 1
    from steps as earlier
    where earlier.variant = steps.variant
        and earlier.position < steps.position
        and earlier.span_type = steps.span_type
        and earlier.event_type = steps.event_type
)
