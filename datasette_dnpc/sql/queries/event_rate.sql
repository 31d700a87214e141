/*
@title Events per second
@topic The run
@description How many events of each state there are in each of a number of equal parts of a run's time, from the first
    to the last event of the spans asked for. Each event is counted once. Where states times parts are more than 900
    rows, states beyond the most frequent are counted together.
@param span_type a span type; empty: all
@param state span_type/event_type, or an event type; empty: all
@param run key or name of a run; empty: the run with most spans
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param buckets number of equal parts, at most 900; empty: 100
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 400 000 in
    all
@needs run_began
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column time when the part begins, seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column seconds how long the part lasts
@column state span_type/event_type, or 'other' for all states beyond the most frequent
@column events events in the part; one at the end of the last part counts in that
@column per_second events per second; NULL if all are at one time
@column of_events events in all parts
@column of_states number of different states
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=line x_column=since_run_began x_type=quantitative y_column=per_second y_type=quantitative color_column=state
*/
with recursive typed as materialized (
    select id, name from span_types where coalesce(:span_type, '') in ('', name)
),
wanted as materialized (
    select run
    from span_totals
    where type in (select id from typed)
        and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
    group by run
    order by sum(spans) desc, (select key from runs where id = run)
    limit 1
),
asked as materialized (
    select span_types.id as span_type, event_types.id as event_type
    from span_types
    cross join event_types
    where coalesce(:state, '') <> ''
        and :state in (event_types.name, span_types.name || '/' || event_types.name)
),
scope as (
    select typed.name as type, counted.most
    from typed
    cross join (
        -- Of many in all, some of each type.
        select iif(:sample = 'all', 9e9, iif(sum(span_totals.spans) <= 400000, 400000, 20000)) as most
        from wanted
        cross join span_totals on span_totals.run is wanted.run and span_totals.type in (select id from typed)
    ) as counted
),
-- part picked_of_runs asked_runs=wanted
,
chosen as (
    select spans.id, spans.type, spans.began, spans.ended, picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    where spans.began is not null
),
extent as materialized (
    select
        first,
        last - first as seconds,
        iif(last > first, min(max(coalesce(nullif(cast(:buckets as integer), 0), 100), 1), 900), 1) as parts
    from (select min(began) as first, max(ended) as last from chosen)
),
-- Part, span type and event type in one number, which is sorted twice as fast as the three.
counted as materialized (
    select
        number / 1000000000000 as part,
        number / 1000000 % 1000000 as span_type,
        number % 1000000 as event_type,
        events,
        one_in
    from (
        select
            min(cast((events.time - first) * per_second as integer), parts - 1) * 1000000000000
                + chosen.type * 1000000 + events.type as number,
            sum(stands_for) as events,
            max(stands_for) as one_in
        from (select first, parts, parts / iif(seconds > 0, seconds, 1.0) as per_second from extent)
        cross join chosen
        cross join events on events.span = chosen.id
        where coalesce(:state, '') = '' or (chosen.type, events.type) in (select span_type, event_type from asked)
        group by 1
    )
),
ranked as materialized (
    select
        counted.span_type,
        counted.event_type,
        span_types.name || '/' || event_types.name as state,
        row_number() over (order by sum(events) desc, span_types.name, event_types.name) as rank,
        count(*) over () as of_states
    from counted
    join span_types on span_types.id = counted.span_type
    join event_types on event_types.id = counted.event_type
    group by counted.span_type, counted.event_type
),
named as materialized (
    select
        span_type,
        event_type,
        iif(of_states * parts <= 900 or rank < 900 / parts, state, 'other') as state
    from ranked
    join extent
),
part(number) as (
    select 0 from extent where first is not null
    union all
    select number + 1 from part, extent where number + 1 < parts
),
summed as materialized (
    select counted.part, named.state, sum(counted.events) as events
    from counted
    join named on named.span_type = counted.span_type and named.event_type = counted.event_type
    group by counted.part, named.state
)
select
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    extent.first + part.number * extent.seconds / extent.parts as time,
    iso_time(extent.first + part.number * extent.seconds / extent.parts) as iso_time,
    round(extent.first + part.number * extent.seconds / extent.parts - run_began.time, 6) as since_run_began,
    extent.seconds / extent.parts as seconds,
    states.state,
    coalesce(summed.events, 0) as events,
    coalesce(summed.events, 0) / nullif(extent.seconds / extent.parts, 0) as per_second,
    (select sum(events) from counted) as of_events,
    (select count(*) from ranked) as of_states,
    (select max(one_in) from counted) as one_in
from part
join extent
join wanted
join (select distinct state from named) as states
left join summed on summed.part = part.number and summed.state = states.state
left join runs on runs.id = wanted.run
left join run_began on run_began.run is wanted.run
order by part.number, states.state
