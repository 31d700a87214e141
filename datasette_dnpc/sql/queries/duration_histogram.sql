/*
@title Histogram of durations
@topic Durations
@description How many spans of a type take how long: from first to last event, or from the first start event to the last
    end event that are asked for. Bins are even up to the 99th percentile; the slowest per cent is one last bin, so that
    it does not flatten the others. Left out are spans without these events, and those all of whose events are at one
    time, unless the two events are named.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations, of those
    that the run has
@param start_event an event type; empty: the first event of each span, of whatever type
@param end_event an event type; empty: the last event of each span, of whatever type
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param bins number of even bins, 2 to 500; empty: 40
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 300 000
@needs duration_type span_event_time
@column span_type span type
@column start_event event type, NULL if it is the first event of each span
@column end_event event type, NULL if it is the last event of each span
@column from_seconds least duration in the bin; below 0 where clocks disagree
@column to_seconds where the next bin begins; in the last bin, the longest duration
@column spans number of spans
@column mean seconds, mean of all spans, the same in each row
@column p50 seconds, their median
@column p95 seconds, their 95th percentile
@column max seconds, the longest
@column of_spans number of spans in all bins
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=bar x_column=from_seconds x_type=quantitative y_column=spans y_type=quantitative
*/
with recursive
-- part shown_span_type
,
scope as (
    select type, iif(:sample = 'all', 9e9, 300000) as most from shown_span_type
),
-- part picked
,
timed as (
    select
        picked.stands_for,
        spans.began,
        spans.ended,
        iif(
            coalesce(:start_event, '') = '',
            spans.began,
            (select first from span_event_time where span = spans.id and event_type = :start_event)
        ) as start_time,
        iif(
            coalesce(:end_event, '') = '',
            spans.ended,
            (select last from span_event_time where span = spans.id and event_type = :end_event)
        ) as end_time
    from picked
    cross join spans on spans.id = picked.id
),
durations as materialized (
    select end_time - start_time as duration, stands_for
    from timed
    where end_time - start_time is not null
        and (ended > began or (coalesce(:start_event, '') <> '' and coalesce(:end_event, '') <> ''))
),
figures as materialized (
    select
        sum(stands_for) as of_spans,
        max(stands_for) as one_in,
        min(duration) as low,
        max(duration) as top,
        avg(duration) as mean,
        percentiles(duration, 50, 95, 99) as percentiles,
        min(max(coalesce(nullif(cast(:bins as integer), 0), 40), 2), 500) as bins
    from durations
),
bounds as materialized (
    select *, json_extract(percentiles, '$[2]') as high from figures
),
bin(number) as (
    select 0 from bounds where low is not null
    union all
    select number + 1 from bin, bounds where number < bins and high > low
),
counted as (
    select
        iif(high > low, min(cast((duration - low) / (high - low) * bins as integer), bins), 0) as number,
        sum(stands_for) as spans
    from durations, bounds
    group by 1
)
select
    (select type from shown_span_type) as span_type,
    nullif(:start_event, '') as start_event,
    nullif(:end_event, '') as end_event,
    low + (high - low) * bin.number / bins as from_seconds,
    iif(bin.number = bins, top, low + (high - low) * (bin.number + 1) / bins) as to_seconds,
    coalesce(counted.spans, 0) as spans,
    mean,
    json_extract(percentiles, '$[0]') as p50,
    json_extract(percentiles, '$[1]') as p95,
    top as max,
    of_spans,
    one_in
from bin
join bounds
left join counted on counted.number = bin.number
order by bin.number
