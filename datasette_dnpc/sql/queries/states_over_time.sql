/*
@title Spans in each state over time
@topic The run
@description How many roots of a type are in each state. The state of a root is the latest event of it or of anything
    below it; it stays in the state of its last event. States beyond the most frequent are counted together. Times are
    120, even from the first event to the last, or fewer where there are many states. Within a part of the time in which
    there is too much to count again, they are those of these moments that lie in it. All moments: state_changes.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param run key or name of a run; empty: the run with most spans in these states, over its time
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param states how many states to tell apart, the most frequent first; empty: 11
@param from_seconds seconds from the first event of the run; empty: the first event
@param to_seconds seconds from the first event of the run; empty: the last event
@param sample all: look at all roots of an app, executor or part of the time; empty: at a random sample, always the
    same, where there are more than 100 000
@needs kept_root_type run_began state_run
@about roots
@column root_type span type of the roots
@column run key of the run
@column run_name name of the run, or its key
@column time seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column state span_type/event_type, or 'other' for all states beyond the most frequent
@column state_label the same with the event type first
@column spans roots which are in this state at this time
@column one_in 1: all roots of an app, executor or part of the time were looked at; else a sample of 1 in so many, and
    numbers of roots of an app, executor or part of the time are multiplied by that
@chart mark=line x_column=since_run_began x_type=quantitative y_column=spans y_type=quantitative
    color_column=state_label
*/
with recursive
-- part shown_run_of_states
,
wanted as materialized (
    select
        root_type,
        root_type_id,
        run,
        run_key,
        run_name,
        coalesce(:app, '') || coalesce(:executor, '') <> '' as filtered,
        coalesce(:from_seconds, '') || coalesce(:to_seconds, '') <> '' as clipped
    from shown_run
),
began as materialized (
    select run_began.time from wanted join run_began on run_began.run = wanted.run
),
clip as materialized (
    select
        coalesce(began.time + cast(nullif(:from_seconds, '') as real), -9e999) as first,
        coalesce(began.time + cast(nullif(:to_seconds, '') as real), 9e999) as last
    from began
),
-- Where only roots of some app or executor are asked for, or some of the time, they are counted here and now. States
-- have numbers in the order of their names: two events at one time are in that order.
named as materialized (
    select
        row_number() over (order by span_type || '/' || event_type) as number,
        span_type || '/' || event_type as state,
        (select id from span_types where name = span_type) as span_type,
        (select id from event_types where name = event_type) as event_type
    from (
        select distinct steps.span_type, steps.event_type
        from wanted
        join variants on variants.root_type = wanted.root_type_id and (wanted.filtered or wanted.clipped)
        join steps on steps.variant = variants.id
    )
),
scope as (
    select
        wanted.root_type as type,
        -- Of an app or executor all events are read, of a part of the time those in it.
        case
            when :sample = 'all' then 9e9
            when wanted.filtered
                then 200000.0 * sum(variant_totals.roots) / sum(variants.events * variant_totals.roots)
            else 100000
        end as most
    from wanted
    join variants on variants.root_type = wanted.root_type_id
    join variant_totals on variant_totals.variant = variants.id and variant_totals.run = wanted.run
    where wanted.filtered or wanted.clipped
    group by wanted.run
),
-- part picked_of_runs asked_runs=wanted
,
roots as materialized (
    select
        sequences.root,
        sequences.variant,
        sequences.began,
        sequences.ended,
        variants.events,
        picked.stands_for
    from picked
    cross join sequences on sequences.root = picked.id
    cross join variants on variants.id = sequences.variant
),
-- Of a part of the time with very many events, the counts that are kept do.
source as materialized (
    select
        coalesce(max(roots.stands_for), 1) as one_in,
        wanted.filtered
        or wanted.clipped and (
            coalesce(sum(iif(roots.ended >= clip.first and roots.began <= clip.last, roots.events, 0)), 0) <= 200000
        ) as live
    from wanted
    join clip
    left join roots
),
grid as materialized (
    select first, last, (last - first) / 119 as step, source.one_in
    from source
    join (
        select max(min(roots.began), clip.first) as first, min(max(roots.ended), clip.last) as last
        from clip
        join roots
    )
    where source.live and last > first
),
intervals as (
    select
        named.number,
        events.time as began,
        lead(events.time) over (partition by roots.root order by events.time, named.number) as ended
    from grid
    cross join roots on roots.began <= grid.last and roots.ended >= grid.first
    cross join descendants on descendants.root = roots.root
    cross join spans on spans.id = descendants.span
    cross join events on events.span = spans.id
    cross join named on named.span_type = spans.type and named.event_type = events.type
),
placed as (
    select
        number,
        began,
        iif(ended <= last, ended, null) as ended,
        cast((began - first) / step as integer) as place,
        iif(ended <= last, cast((ended - first) / step as integer), null) as end_place
    from grid
    join intervals
    where began <= last and (ended is null or ended > first)
),
-- Most of them lie between two times. For the others, a division may be off by one, a comparison is not.
counted_from as materialized (
    select
        number,
        place - 1 + (first + step * (place - 1) < began) + (first + step * place < began)
            + (first + step * (place + 1) < began) as place,
        end_place - 1 + (first + step * (end_place - 1) < ended) + (first + step * end_place < ended)
            + (first + step * (end_place + 1) < ended) as end_place
    from grid
    join placed
    where end_place is not place or began <= first + step * place
),
changes as (
    -- SQLite prepares an expression, and all that is in it, anew for each mention: one here saves half of that.
    select number, iif(sign = 1, place, end_place) as place, sum(sign) as change
    from counted_from
    cross join (select 1 as sign union all select -1)
    where sign = 1 or end_place is not null
    group by 1, 2
    union all
    -- What was over before the first of the times is in the last state of its sequence.
    select named.number, 0, over.roots
    from (
        select roots.variant, count(*) as roots
        from grid
        join roots on roots.ended < grid.first
        group by roots.variant
    ) as over
    join variants on variants.id = over.variant
    join named on named.state = json_extract(variants.sequence, '$[#-1]')
),
places (place) as (
    select 0
    union all
    select place + 1 from places where place < 119
),
of_run as materialized (
    select state_counts.time, state_counts.state, state_counts.spans
    from wanted
    join clip
    join state_counts on state_counts.root_type = wanted.root_type_id and state_counts.run = wanted.run
    where not (select live from source)
        and state_counts.time <= clip.last
        -- With the one before, which holds at the beginning.
        and state_counts.time >= coalesce(
            (
                select max(earlier.time)
                from state_counts as earlier
                where earlier.root_type = wanted.root_type_id
                    and earlier.run = wanted.run
                    and earlier.time <= clip.first
            ),
            clip.first
        )
    union all
    select
        grid.first + grid.step * places.place,
        named.state,
        grid.one_in * sum(coalesce(changed.change, 0)) over (partition by named.number order by places.place)
    from grid
    join places
    join named
    left join (
        select number, max(0, min(place, 119)) as place, sum(change) as change from changes group by 1, 2
    ) as changed on changed.number = named.number and changed.place = places.place
),
counted as materialized (
    select
        time,
        iif(
            dense_rank() over (order by of_state desc, state)
                <= min(max(coalesce(nullif(cast(:states as integer), 0), 11), 1), 100),
            state,
            'other'
        ) as shown_state,
        spans
    from (select *, sum(spans) over (partition by state) as of_state from of_run)
),
summed as materialized (
    select time, shown_state as state, sum(spans) as spans
    from counted
    group by 1, 2
),
states as (
    select distinct state from summed
),
times as (
    -- Counted from the last, so that the end of the run is there.
    select time, row_number() over (order by time desc) - 1 as number, count(*) over () as of_times
    from (select distinct time from summed)
),
-- Fewer times rather than fewer states, so that no more than 900 rows come out, with the first in any case.
shown as materialized (
    select times.time
    from (select count(*) as number from states) as of_states
    cross join times
    where times.number = times.of_times - 1
        or times.number % ((times.of_times * of_states.number - 1) / (900 - of_states.number) + 1) = 0
)
select
    wanted.root_type,
    wanted.run_key as run,
    coalesce(wanted.run_name, wanted.run_key) as run_name,
    shown.time,
    iso_time(shown.time) as iso_time,
    round(shown.time - began.time, 6) as since_run_began,
    states.state,
    -- What remains after the last slash, then what is before it.
    iif(
        states.state = 'other',
        'other',
        replace(states.state, rtrim(states.state, replace(states.state, '/', '')), '')
            || ' (' || rtrim(rtrim(states.state, replace(states.state, '/', '')), '/') || ')'
    ) as state_label,
    coalesce(summed.spans, 0) as spans,
    (select iif(live, one_in, 1) from source) as one_in
from wanted
join began
join shown
join states
left join summed on summed.time = shown.time and summed.state = states.state
order by shown.time, states.state
