/*
@title How the durations of each step of a variant are spread
@description Roots of a variant counted by how long each step took: into bins of one width, or of one ratio. Over a random
    sample of the roots, always the same.
@param variant id of a variant
@param run key or name of a run; empty: all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param roots most roots to look at
@param steps last step to look at
@param log 1 for a logarithmic scale, else 0
@param low seconds: where the first bin begins; above 0 on a logarithmic scale
@param high seconds: where the last bin ends
@param bins number of bins
@needs kept_root_type root_event
@column position of the step: 1 for that from the first event to the second
@column spans roots that are counted
@column counts JSON object: roots in each bin that has any, by its number from 0; -1 for those that take no time, which a
    logarithmic scale has no place for
*/
with
scope as (
    -- Of a variant that most roots have, there are enough among fewer roots.
    select span_types.name as type, iif(2 * variants.spans > kept_root_type.roots, 30000, 100000) as most
    from variants
    join span_types on span_types.id = variants.root_type
    join kept_root_type on kept_root_type.id = variants.root_type
    where variants.id = :variant
),
-- part picked
,
sampled as materialized (
    select sequences.root
    from picked
    cross join sequences on sequences.root = picked.id and sequences.variant = :variant
    cross join spans on spans.id = picked.id
    -- A uuid is a hash: its order is random, and the same in every database.
    order by spans.uuid
    limit cast(:roots as integer)
),
timed as (
    select
        row_number() over by_root - 1 as position,
        time - lag(time, 1, time) over by_root as seconds
    from root_event
    where root in (select root from sampled)
    window by_root as (partition by root order by time, state)
),
placed as (
    select
        position,
        iif(:log, ln(seconds / :low) / ln(:high / :low), (seconds - :low) / (:high - :low)) as place,
        seconds
    from timed
    where position between 1 and cast(:steps as integer)
),
counted as (
    select
        position,
        -- The axis may be made of figures of other roots than these.
        iif(:log and seconds <= 0, -1, min(max(cast(:bins * place as integer), 0), :bins - 1)) as bin,
        count(*) as spans
    from placed
    group by 1, 2
)
select position, sum(spans) as spans, json_group_object(cast(bin as text), spans) as counts
from counted
group by position
order by position
