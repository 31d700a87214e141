-- Of each root that came into both states, when, and how long from one to the other. `inside` tells whether that lies in
-- the region asked for, which is everything if none is. SQLite reads each of these as often as others name it, so few do.
scope as (
    select type, iif(:sample = 'all', 9e9, coalesce(nullif(cast(:sample as integer), 0), 100000)) as most
    from asked_type
),
-- part picked
,
roots as materialized (
    select spans.id, spans.type, spans.run, sequences.variant, picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    left join sequences on sequences.root = spans.id
),
named as materialized (
    select
        span_types.id as span_type,
        event_types.id as event_type,
        span_types.name || '/' || event_types.name as state
    from span_types
    join event_types
),
-- What roots begin and end with: as their sequences tell where such are kept, else their own events do, of which a
-- thousand spans tell enough. Those of one event, tasks that never started, begin and end with the same, and so count
-- only where there are no others.
edges as (
    select
        is_end.value as is_end,
        json_extract(variants.sequence, iif(is_end.value, '$[#-1]', '$[0]')) as state,
        counted.roots,
        variants.events > 1 as several,
        1 as kept,
        counted.one_in
    from (
        select variant, sum(stands_for) as roots, max(stands_for) as one_in from roots group by variant
    ) as counted
    join variants on variants.id = counted.variant
    join json_each('[0, 1]') as is_end
    union all
    select is_end.value, named.state, 1, own.ended > own.began, 0, own.one_in
    from (
        select roots.stands_for as one_in, spans.id, spans.type, spans.began, spans.ended
        from roots
        cross join spans on spans.id = roots.id
        where roots.variant is null and spans.began is not null
        order by roots.id
        limit 1000
    ) as own
    join json_each('[0, 1]') as is_end
    cross join events on events.span = own.id and events.time = iif(is_end.value, own.ended, own.began)
    join named on named.span_type = own.type and named.event_type = events.type
),
common as (
    select
        is_end,
        state,
        kept,
        max(one_in) as one_in,
        row_number() over (partition by is_end order by kept desc, several desc, sum(roots) desc, state) as number
    from edges
    group by is_end, kept, several, state
),
chosen as materialized (
    select
        coalesce(nullif(:start_state, ''), max(iif(number = 1 and not is_end, state, null))) as start_state,
        coalesce(nullif(:end_state, ''), max(iif(number = 1 and is_end, state, null))) as end_state,
        iif(:start_which = 'last', 'last', 'first') as start_which,
        iif(:end_which = 'first', 'first', 'last') as end_which,
        coalesce(max(kept), 0) as kept,
        coalesce(max(one_in), 1) as one_in
    from common
),
sought as materialized (
    select
        named.span_type,
        named.event_type,
        chosen.kept,
        chosen.one_in,
        named.state = chosen.start_state as is_start,
        named.state = chosen.end_state as is_end
    from chosen
    cross join named on named.state in (chosen.start_state, chosen.end_state)
),
-- From the spans of the states' types to the roots above them: a fraction of the time that the other way takes, where all
-- roots are looked at.
found as (
    select coalesce(descendants.root, spans.id) as root, sought.is_start, sought.is_end, events.time, 1 as stands_for
    from sought
    cross join spans on spans.type = sought.span_type
    cross join events on events.span = spans.id and events.type = sought.event_type
    left join descendants on descendants.span = spans.id and sought.kept
    where sought.one_in = 1
    union all
    select roots.id, sought.is_start, sought.is_end, events.time, roots.stands_for
    from roots
    left join descendants on descendants.root = roots.id and roots.variant is not null
    cross join spans on spans.id = coalesce(descendants.span, roots.id)
    cross join events on events.span = spans.id
    cross join sought on sought.span_type = spans.type and sought.event_type = events.type
    where roots.stands_for > 1
),
came as (
    select
        root,
        max(stands_for) as stands_for,
        min(iif(is_start, time, null)) as first_start,
        max(iif(is_start, time, null)) as last_start,
        min(iif(is_end, time, null)) as first_end,
        max(iif(is_end, time, null)) as last_end
    from found
    group by 1
),
timed as (
    select
        root,
        stands_for,
        iif(:start_which = 'last', last_start, first_start) as began,
        iif(:end_which = 'first', first_end, last_end) as ended
    from came
),
run_zero as materialized (
    select run, time from run_began
),
measured as materialized (
    select
        spans.id,
        spans.run,
        timed.stands_for,
        timed.began,
        timed.began - run_zero.time as since_run_began,
        timed.ended - timed.began as duration,
        -- Answers have microseconds, so what is asked for may be half of one off.
        (coalesce(:shortest, '') = '' or timed.ended - timed.began > cast(:shortest as real) - 5e-7)
        and (coalesce(:longest, '') = '' or timed.ended - timed.began < cast(:longest as real) + 5e-7)
        and (coalesce(:from_start, '') = '' or timed.began - run_zero.time > cast(:from_start as real) - 5e-7)
        and (coalesce(:to_start, '') = '' or timed.began - run_zero.time < cast(:to_start as real) + 5e-7) as inside
    from timed
    cross join spans on spans.id = timed.root
    left join run_zero on run_zero.run is spans.run
    where timed.ended - timed.began is not null
        -- A join would scan all roots for each.
        and timed.root in (select id from roots)
)
