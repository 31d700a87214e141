-- Of each root that came into both states, when, and how long from one to the other. `inside` tells whether that lies in
-- the region asked for, which is everything if none is. SQLite reads each of these as often as others name it, so few do.
roots as materialized (
    select spans.id, spans.type, spans.run, sequences.variant
    from span_types
    cross join spans on spans.type = span_types.id
    left join sequences on sequences.root = spans.id
    where span_types.name = (select type from asked_type)
        and (coalesce(:run, '') = '' or spans.run in (select id from runs where :run in (key, name)))
        and (
            (coalesce(:app, '') = '' and coalesce(:executor, '') = '')
            or spans.id in (
                select span from span_app
                where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
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
-- thousand spans tell enough.
edges as (
    select
        is_end.value as is_end,
        json_extract(variants.sequence, iif(is_end.value, '$[#-1]', '$[0]')) as state,
        counted.roots,
        1 as kept
    from (select variant, count(*) as roots from roots group by variant) as counted
    join variants on variants.id = counted.variant
    join json_each('[0, 1]') as is_end
    union all
    select is_end.value, named.state, 1, 0
    from (
        select spans.id, spans.type, spans.began, spans.ended
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
        row_number() over (partition by is_end order by kept desc, sum(roots) desc, state) as number
    from edges
    group by is_end, kept, state
),
chosen as materialized (
    select
        coalesce(nullif(:start_state, ''), max(iif(number = 1 and not is_end, state, null))) as start_state,
        coalesce(nullif(:end_state, ''), max(iif(number = 1 and is_end, state, null))) as end_state,
        iif(:start_which = 'last', 'last', 'first') as start_which,
        iif(:end_which = 'first', 'first', 'last') as end_which,
        coalesce(max(kept), 0) as kept
    from common
),
sought as materialized (
    select
        named.span_type,
        named.event_type,
        chosen.kept,
        named.state = chosen.start_state as is_start,
        named.state = chosen.end_state as is_end
    from chosen
    cross join named on named.state in (chosen.start_state, chosen.end_state)
),
-- From the spans of the states' types to the roots above them: a fraction of the time that the other way takes.
came as (
    select
        coalesce(descendants.root, spans.id) as root,
        min(iif(is_start, events.time, null)) as first_start,
        max(iif(is_start, events.time, null)) as last_start,
        min(iif(is_end, events.time, null)) as first_end,
        max(iif(is_end, events.time, null)) as last_end
    from sought
    cross join spans on spans.type = sought.span_type
    cross join events on events.span = spans.id and events.type = sought.event_type
    left join descendants on descendants.span = spans.id and sought.kept
    group by 1
),
timed as (
    select
        root,
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
