/*
@title Spans open at the same time
@topic The run
@description How many spans of a type are open over the time of a run: exactly, step by step, where there are no more
    steps than rows asked for; else the mean and the most in each of that many equal parts of the time, of a sample in at most 120. A span that
    lasts no time is never open.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations, of those
    that the run has
@param start_event an event type, the first of which opens a span; empty: its first event, of whatever type
@param end_event an event type, the last of which closes a span; empty: its last event, of whatever type
@param run key or name of a run; empty: the run with most spans of the type
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param rows most rows to return; empty: 900
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 200 000
@needs duration_type run_began span_event_time
@column span_type span type
@column start_event event type, NULL if it is the first event of each span
@column end_event event type, NULL if it is the last event of each span
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column time when the step or part begins, seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column seconds how long the step or part lasts
@column mean_open spans open, mean over its time
@column max_open most spans open at once in it
@column is_exact 1 for steps, in which the number does not change; 0 for equal parts of the time
@column of_steps number of steps
@column of_spans spans that are counted
@column without spans of the type that are not: without both events, or lasting no time, or ending before they begin
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=line x_column=since_run_began x_type=quantitative y_column=mean_open y_type=quantitative
*/
with recursive
-- part shown_span_type
,
wanted as materialized (
    select span_totals.type, span_types.name as span_type, span_totals.run
    from span_types
    join span_totals on span_totals.type = span_types.id
    where span_types.name = (select type from shown_span_type)
        and (coalesce(:run, '') = '' or span_totals.run in (select id from runs where :run in (key, name)))
    order by span_totals.spans desc, (select key from runs where id = span_totals.run)
    limit 1
),
scope as (
    select span_type as type, iif(:sample = 'all', 9e9, 200000) as most from wanted
),
-- part picked_of_runs asked_runs=wanted
,
timed as materialized (
    select
        picked.stands_for,
        iif(
            coalesce(:start_event, '') = '',
            spans.began,
            (select first from span_event_time where span = spans.id and event_type = :start_event)
        ) as opened,
        iif(
            coalesce(:end_event, '') = '',
            spans.ended,
            (select last from span_event_time where span = spans.id and event_type = :end_event)
        ) as closed
    from picked
    cross join spans on spans.id = picked.id
),
changes as materialized (
    select time, sum(change) as change
    from (
        select opened as time, stands_for as change from timed where closed > opened
        union all
        select closed, -stands_for from timed where closed > opened
    )
    group by time
),
extent as materialized (
    select
        min(time) as first,
        max(time) as last,
        count(*) - 1 as of_steps,
        max(stands_for) as one_in,
        -- In many short parts a sample has few changes each.
        iif(
            max(stands_for) > 1,
            min(max(coalesce(nullif(cast(:rows as integer), 0), 120), 1), 120),
            max(coalesce(nullif(cast(:rows as integer), 0), 900), 1)
        ) as most
    from changes
    cross join (select max(stands_for) as stands_for from timed)
),
part(number, first) as (
    select 1, first from extent where of_steps > most
    union all
    select number + 1, extent.first + (extent.last - extent.first) * number / most from part, extent where number < most
),
-- Where a part begins nothing changes, but a step ends and the next begins.
numbered as (
    select
        time,
        sum(change) over in_time as open,
        iif(of_steps > most, max(number) over in_time, row_number() over in_time) as number,
        lead(time) over in_time as until
    from (
        select time, sum(change) as change, max(number) as number
        from (
            select time, change, null as number from changes
            union all
            select first, 0, number from part
        )
        group by time
    )
    join extent
    window in_time as (order by time)
),
counted as (
    select
        min(time) as time,
        sum(until - time) as seconds,
        sum(open * (until - time)) / sum(until - time) as mean_open,
        max(open) as max_open
    from numbered
    where until > time
    group by number
)
select
    wanted.span_type,
    nullif(:start_event, '') as start_event,
    nullif(:end_event, '') as end_event,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    counted.time,
    iso_time(counted.time) as iso_time,
    round(counted.time - run_began.time, 6) as since_run_began,
    counted.seconds,
    counted.mean_open,
    counted.max_open,
    extent.of_steps <= extent.most and extent.one_in = 1 as is_exact,
    extent.of_steps,
    (select coalesce(sum(stands_for), 0) from timed where closed > opened) as of_spans,
    (select coalesce(sum(stands_for), 0) from timed where (closed > opened) is not true) as without,
    extent.one_in
from counted
join wanted
join extent
left join runs on runs.id = wanted.run
left join run_began on run_began.run is wanted.run
order by counted.time
