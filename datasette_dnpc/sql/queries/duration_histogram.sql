/*
@title Histogram of durations
@description How many spans of a type take how long, from first to last event. Bins are even up to the
    99th percentile; the slowest per cent is one last bin, so that it does not flatten the others.
    Spans with only one event, or none, have no duration and are left out.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations
@param run key or name of a run; empty: all runs
@param bins number of even bins, 2 to 500; empty: 40
@needs default_span_type
@column span_type span type
@column from_seconds least duration in the bin
@column to_seconds where the next bin begins; in the last bin, the longest duration
@column spans number of spans
@chart mark=bar x_column=from_seconds x_type=quantitative y_column=spans y_type=quantitative
*/
with recursive durations as materialized (
    select ended - began as duration
    from spans
    where type = (
            select id from span_types
            where name = coalesce(nullif(:span_type, ''), (select type from default_span_type))
        )
        and ended > began
        and (
            nullif(:run, '') is null
            or run in (select id from runs where :run in (key, name))
        )
),
bounds as materialized (
    select
        min(duration) as low,
        percentile(duration, 99) as high,
        max(duration) as top,
        min(max(cast(coalesce(nullif(:bins, ''), 40) as integer), 2), 500) as bins
    from durations
),
bin(number) as (
    select 0 from bounds where low is not null
    union all
    select number + 1 from bin, bounds where number < bins and high > low
),
counted as (
    select
        iif(high > low, min(cast((duration - low) / (high - low) * bins as integer), bins), 0) as number,
        count(*) as spans
    from durations, bounds
    group by 1
)
select
    coalesce(nullif(:span_type, ''), (select type from default_span_type)) as span_type,
    low + (high - low) * bin.number / bins as from_seconds,
    iif(bin.number = bins, top, low + (high - low) * (bin.number + 1) / bins) as to_seconds,
    coalesce(counted.spans, 0) as spans
from bin
join bounds
left join counted on counted.number = bin.number
order by bin.number
