/*
@title Histogram of times between two events
@topic Durations
@description How many roots take how long from one state to another, as in the query event_pairs. Bins
    are even, or each is the same multiple of the one before: so where all durations are above 0 and the longest is over
    100 times the lower quartile, or on request.
@param root_type a span type; empty: of those in the run the one whose sequences hold most events. One whose sequences are not kept has
    only states of its own
@param start_state span_type/event_type; empty: the one which most roots of several events begin with
@param end_state span_type/event_type; empty: the one which most roots of several events end with
@param start_which first or last: which of several start states of a root; empty: first
@param end_which first or last: which of several end states of a root; empty: last
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all roots, of an app or not
@param executor label of an executor; empty: all roots, of an executor or not
@param shortest least duration inside the region, seconds; empty: any
@param longest greatest duration inside the region, seconds; empty: any
@param from_start earliest start inside the region, seconds from the first event of the run; empty: any
@param to_start latest start inside the region, seconds from the first event of the run; empty: any
@param scale even or log: how bins grow, where log leaves out what is not above 0; empty: as said above
@param bins number of bins, 2 to 500; empty: 50
@param sample all: look at all roots; a number: at a random sample, always the same, where there are more than that; empty: 100 000
@needs kept_root_type run_began
@about roots
@column root_type span type of the roots
@column start_state span_type/event_type
@column end_state span_type/event_type
@column scale even or log
@column from_seconds least duration in the bin; below 0 if the end came first, or clocks disagree
@column to_seconds where the next bin begins; in the last bin, the longest duration
@column spans number of roots
@column inside those of them inside the region: all, if none is asked for
@column mean seconds, mean of all roots, the same in each row
@column p50 seconds, their median
@column p95 seconds, their 95th percentile
@column max seconds, the longest
@column first_start seconds from the first event of the run to the earliest start
@column last_start the same to the latest start
@column of_inside number of roots inside the region
@column of_spans number of roots that came into both states; those that log leaves out are in no bin
@column without number of roots that lack one of the two states, or both
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and numbers of roots are multiplied by that
@chart mark=bar x_column=from_seconds x_type=quantitative y_column=spans y_type=quantitative
*/
with recursive
-- part shown_root_type
,
-- part asked_type
,
-- part measured
,
figures as materialized (
    select
        sum(stands_for) as of_spans,
        sum(inside * stands_for) as of_inside,
        min(duration) as least,
        min(iif(duration > 0, duration, null)) as least_positive,
        max(duration) as most,
        avg(duration) as mean,
        min(since_run_began) as first_start,
        max(since_run_began) as last_start,
        percentiles(duration, 25, 50, 95) as percentiles,
        min(max(coalesce(nullif(cast(:bins as integer), 0), 50), 2), 500) as bins
    from measured
),
scaled as materialized (
    select
        *,
        least_positive is not null
        and iif(
            :scale in ('even', 'log'),
            :scale = 'log',
            least > 0 and most > 100 * json_extract(percentiles, '$[0]')
        ) as is_log
    from figures
),
-- On a logarithmic scale all is reckoned with logarithms.
bounds as materialized (
    select
        *,
        iif(is_log, ln(least_positive), least) as low,
        iif(is_log, ln(most), most) as high
    from scaled
),
bin(number) as (
    select 0 from bounds where of_spans > 0
    union all
    select number + 1 from bin, bounds where number < bins - 1 and high > low
),
counted as (
    select
        iif(
            high > low,
            min(max(cast((iif(is_log, ln(duration), duration) - low) / (high - low) * bins as integer), 0), bins - 1),
            0
        ) as number,
        sum(stands_for) as spans,
        sum(inside * stands_for) as inside
    from bounds
    cross join measured
    where duration > 0 or not is_log
    group by 1
),
edges_of as (
    select
        number,
        low + (high - low) * number / bins as begins,
        low + (high - low) * (number + 1) / bins as ends
    from bounds
    join bin
)
select
    (select type from asked_type) as root_type,
    chosen.start_state,
    chosen.end_state,
    iif(is_log, 'log', 'even') as scale,
    -- Rounding must leave neither end outside.
    iif(edges_of.number = 0, iif(is_log, least_positive, least), iif(is_log, exp(begins), begins)) as from_seconds,
    iif(edges_of.number = bins - 1 or high = low, most, iif(is_log, exp(ends), ends)) as to_seconds,
    coalesce(counted.spans, 0) as spans,
    coalesce(counted.inside, 0) as inside,
    mean,
    json_extract(percentiles, '$[1]') as p50,
    json_extract(percentiles, '$[2]') as p95,
    most as max,
    first_start,
    last_start,
    of_inside,
    of_spans,
    (select sum(stands_for) from roots) - of_spans as without,
    (select one_in from lot) as one_in
from chosen
join bounds
join edges_of
left join counted on counted.number = edges_of.number
order by edges_of.number
