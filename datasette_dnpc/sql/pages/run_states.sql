/*
@title States over time of several runs
@description For each run, how many of its tasks are in each state at 30 or so times: of the root type whose sequences
    hold most events, of those that the run has. The states are the most frequent of these runs, the others are
    counted together. All times and states: states_over_time.
@param runs JSON list of keys of runs
@param states how many states to tell apart
@needs kept_root_type
@column run key of the run
@column root_type span type of the roots
@column time seconds since 1970 UTC
@column state span_type/event_type, or 'other'
@column spans roots which are in this state at this time
*/
with wanted as materialized (
    select id, key from runs where key in (select value from json_each(:runs))
),
-- Which root types a run has, without reading all its counts.
typed as materialized (
    select
        wanted.id as run,
        wanted.key,
        kept_root_type.id as root_type,
        kept_root_type.type,
        row_number() over (partition by wanted.id order by kept_root_type.rank) as place
    from wanted
    join kept_root_type
    where exists (
        select 1 from state_counts
        where state_counts.root_type = kept_root_type.id and state_counts.run = wanted.id
    )
),
counted as materialized (
    select
        typed.run,
        typed.key,
        typed.type,
        state_counts.time,
        state_counts.state,
        state_counts.spans,
        dense_rank() over (partition by typed.run order by state_counts.time desc) - 1 as number
    from typed
    cross join state_counts on state_counts.root_type = typed.root_type and state_counts.run = typed.run
    where typed.place = 1
),
-- A run of many tasks does not hide what states the others are in.
frequent as (
    select state
    from (
        select run, state, 1.0 * sum(spans) / sum(sum(spans)) over (partition by run) as share
        from counted
        group by run, state
    )
    group by state
    order by sum(share) desc, state
    limit :states
)
select
    key as run,
    type as root_type,
    time,
    iif(state in (select state from frequent), state, 'other') as state,
    sum(spans) as spans
from counted
where number % 4 = 0
group by key, time, 4
order by key, time, 4
