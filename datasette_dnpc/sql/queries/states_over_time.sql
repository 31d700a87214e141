/*
@title Spans in each state over time
@description How many roots of a type are in each state. The state of a root is the latest event of it or of anything
    below it; it stays in the state of its last event. States beyond the most frequent are counted together.
@param root_type a root type; empty: the one whose sequences hold most events
@param run key or name of a run; empty: the run with most spans in these states, over its time
@param states how many states to tell apart, the most frequent first; empty: 11
@needs default_type run_began
@column root_type span type of the roots
@column run key of the run
@column time seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column state span_type/event_type, or 'other' for all states beyond the most frequent
@column state_label the same with the event type first
@column spans roots which are in this state at this time
@chart mark=line x_column=since_run_began x_type=quantitative y_column=spans y_type=quantitative
    color_column=state_label
*/
with wanted as materialized (
    select state_counts.root_type, state_counts.run
    from state_counts
    left join runs on runs.id = state_counts.run
    where state_counts.root_type = (
            select id from span_types
            where name = coalesce(nullif(:root_type, ''), (select type from default_type))
        )
        and (nullif(:run, '') is null or :run in (runs.key, runs.name))
    group by state_counts.root_type, state_counts.run
    order by sum(state_counts.spans) desc, state_counts.run
    limit 1
),
of_run as materialized (
    select state_counts.time, state_counts.state, state_counts.spans
    from wanted
    join state_counts using (root_type, run)
),
frequent as (
    select state
    from of_run
    group by state
    order by sum(spans) desc, state
    limit min(max(cast(coalesce(nullif(:states, ''), 11) as integer), 1), 100)
),
counted as materialized (
    select
        time,
        iif(state in (select state from frequent), state, 'other') as state,
        sum(spans) as spans
    from of_run
    group by 1, 2
),
states as (
    select distinct state from counted
),
times as (
    -- Counted from the last, so that the end of the run is there.
    select time, row_number() over (order by time desc) - 1 as number, count(*) over () as of_times
    from (select distinct time from counted)
),
-- Fewer times rather than fewer states, so that no more than 900 rows come out.
shown as materialized (
    select time
    from times
    where number % ((of_times * (select count(*) from states) - 1) / 900 + 1) = 0
)
select
    span_types.name as root_type,
    runs.key as run,
    shown.time,
    iso_time(shown.time) as iso_time,
    round(shown.time - run_began.time, 6) as since_run_began,
    states.state,
    -- What remains after the last slash, then what is before it.
    iif(
        states.state = 'other',
        'other',
        replace(states.state, rtrim(states.state, replace(states.state, '/', '')), '')
            || ' (' || rtrim(rtrim(states.state, replace(states.state, '/', '')), '/') || ')'
    ) as state_label,
    coalesce(counted.spans, 0) as spans
from wanted
join shown
join states
join span_types on span_types.id = wanted.root_type
left join runs on runs.id = wanted.run
left join run_began on run_began.run = wanted.run
left join counted on counted.time = shown.time and counted.state = states.state
order by shown.time, states.state
