/*
@title Steps of an event sequence
@description How long each step of one variant takes, over all its roots: from the event before to this one.
@param root_type a root type; empty: the one whose sequences hold most events
@param variant id of a variant, from event_sequences; empty: the most common one of the root type
@needs default_type
@column root_type span type of the roots
@column variant id of the variant in this database
@column position 0 for the first event, whose step is 0 seconds
@column step position, event type and span type: in an order that sorts as text
@column span_type span type which has the event
@column event_type event type
@column mean seconds, mean
@column min seconds, least
@column p50 seconds, median
@column p95 seconds, 95th percentile
@column max seconds, most
@column cumulative seconds from the first event, mean
@chart mark=bar x_column=mean x_type=quantitative y_column=step y_type=ordinal
*/
with wanted as (
    select variants.id, span_types.name as root_type
    from variants
    join span_types on span_types.id = variants.root_type
    where iif(
        nullif(:variant, '') is null,
        span_types.name = coalesce(nullif(:root_type, ''), (select type from default_type)),
        variants.id = cast(:variant as integer) and coalesce(:root_type, '') in ('', span_types.name)
    )
    order by variants.spans desc, variants.id
    limit 1
)
select
    wanted.root_type,
    steps.variant,
    steps.position,
    printf('%03d: %s (%s)', steps.position, steps.event_type, steps.span_type) as step,
    steps.span_type,
    steps.event_type,
    steps.mean,
    steps.min,
    steps.p50,
    steps.p95,
    steps.max,
    steps.cumulative
from wanted
join steps on steps.variant = wanted.id
order by steps.position
limit 900
