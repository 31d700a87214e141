/*
@title Changes of the number of spans in each state
@topic The run
@description How many roots of a type are in each state from every moment on at which that changes. The state of a root is
    the latest event of it or of anything below it, at one time the last by name; it stays in the state of its last event.
    Where they change more often than rows are asked for, they are those at some moments only, spread over
    the time, with the changes since the one before added up.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param run key or name of a run; empty: the run with most spans in these states, over its time
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param weight name of an attribute, such as cores or memory, to add up instead of counting roots: of the root, or else
    the largest below it; requested.memory is memory within requested; empty: each root counts 1
@param start_event a state, or an event type: roots count from their first such event on; empty: from their first
@param cut_event a state, or an event type: roots no longer count from their first such event after that on; empty: they
    do to the end
@param from_seconds since the run began: what changed before is one change at this time; empty: all from the beginning
@param to_seconds since the run began; empty: all to the end
@param hide states or event types not to show, with commas between; % stands for any text; empty: none
@param rows most rows to return, or all; empty: 900
@param sample all: look at all roots; empty: at a random sample, always the same, where they have more than 200 000 events
@needs kept_root_type root_attribute run_began state_run
@about roots
@column root_type span type of the roots
@column run key of the run
@column run_name name of the run, or its key
@column time seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column state span_type/event_type
@column change roots, or weight, more in this state than before, or fewer if below 0
@column spans roots, or weight, in this state from this time on
@column of_moments at how many moments anything changes; NULL where so many events are looked at that they are put at even
    times first: more than 100 000, and at most 1000 rows asked for
@column without_weight roots left out because neither they nor anything below them has the attribute
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and numbers of roots are multiplied by that
@chart mark=line x_column=since_run_began x_type=quantitative y_column=spans y_type=quantitative color_column=state
*/
with
-- part shown_run_of_states shown_run=wanted
,
known as materialized (
    select
        wanted.*,
        (select time from run_began where run_began.run = wanted.run) as run_start,
        sum(variants.events * variant_totals.roots) as events,
        -- Of so many roots the events are soon read.
        200000.0 * sum(variant_totals.roots) / sum(variants.events * variant_totals.roots) as most_roots
    from wanted
    join variants on variants.root_type = wanted.root_type_id
    join variant_totals on variant_totals.variant = variants.id and variant_totals.run = wanted.run
    group by wanted.run
),
asked as materialized (
    select
        *,
        iif(
            :rows = 'all',
            1000000000,
            iif(cast(:rows as integer) between 1 and 1000000000, cast(:rows as integer), 900)
        ) as most,
        run_start + cast(nullif(:from_seconds, '') as real) as from_time,
        run_start + cast(nullif(:to_seconds, '') as real) as to_time,
        events > 100000
            and coalesce(:app, '') || coalesce(:executor, '') || coalesce(:weight, '') || coalesce(:start_event, '')
                || coalesce(:cut_event, '') || coalesce(:from_seconds, '') || coalesce(:to_seconds, '')
                || coalesce(:sample, '') || coalesce(:rows, '') = ''
            as plain
    from known
),
-- States have numbers in the order of their names: two events at one time are in that order.
named as materialized (
    select
        row_number() over (order by span_type || '/' || event_type) as number,
        span_type || '/' || event_type as state,
        (select id from span_types where name = span_type) as span_type,
        (select id from event_types where name = event_type) as event_type,
        coalesce(:start_event, '') in (span_type || '/' || event_type, event_type) as starts,
        coalesce(:cut_event, '') in (span_type || '/' || event_type, event_type) as cuts
    from (
        select distinct steps.span_type, steps.event_type
        from asked
        join variants on variants.root_type = asked.root_type_id
        join steps on steps.variant = variants.id
    )
),
hidden as materialized (
    select distinct number
    from named
    join json_each('[' || replace(json_quote(coalesce(:hide, '')), ',', '","') || ']') as pattern
    where trim(pattern.value) <> ''
        and (state like trim(pattern.value) or state like '%/' || trim(pattern.value))
),
scope as (
    select root_type as type, iif(:rows = 'all' or :sample = 'all', 9e9, most_roots) as most
    from asked
    where not plain
),
-- part picked_of_runs asked_runs=asked
,
roots as materialized (
    select
        picked.id as root,
        picked.stands_for,
        iif(
            coalesce(:weight, '') = '',
            1,
            (
                select coalesce(max(value) filter (where own), max(value))
                from root_attribute
                where root_attribute.root = picked.id and name = :weight
            )
        ) * picked.stands_for as weight
    from picked
),
below as (
    select roots.root, roots.weight, events.time, named.number, named.starts, named.cuts
    from roots
    cross join descendants on descendants.root = roots.root
    cross join spans on spans.id = descendants.span
    cross join events on events.span = spans.id
    cross join named on named.span_type = spans.type and named.event_type = events.type
    where roots.weight is not null
),
starts as materialized (
    select root, min(time) as time
    from below
    where coalesce(:start_event, '') <> '' and starts
    group by root
),
cuts as materialized (
    select below.root, min(below.time) as time
    from below
    left join starts on starts.root = below.root
    where coalesce(:cut_event, '') <> '' and below.cuts and below.time >= coalesce(starts.time, below.time)
    group by below.root
),
intervals as (
    select
        below.number,
        below.weight,
        below.time as began,
        coalesce(
            lead(below.time) over (partition by below.root order by below.time, below.number),
            cuts.time
        ) as ended
    from below
    left join starts on starts.root = below.root
    left join cuts on cuts.root = below.root
    where (coalesce(:start_event, '') = '' or below.time >= starts.time)
        and (cuts.time is null or below.time < cuts.time)
),
-- What happened before the window counts at its beginning; what lasted no time never counts.
within as materialized (
    select
        intervals.number,
        intervals.weight,
        max(began, coalesce(from_time, began)) as began,
        iif(ended > to_time, null, ended) as ended
    from intervals
    join asked
    where (ended is null or ended > max(began, coalesce(from_time, began)))
        and (to_time is null or max(began, coalesce(from_time, began)) <= to_time)
),
kept as (
    select
        state_counts.time,
        named.number,
        state_counts.spans - lag(state_counts.spans, 1, 0) over (
            partition by state_counts.state order by state_counts.time
        ) as change
    from asked
    join state_counts on state_counts.root_type = asked.root_type_id and state_counts.run = asked.run
    join named on named.state = state_counts.state
    where asked.plain
),
-- So many that they are counted at even times: 1000 steps from the first.
even as materialized (
    select first, (last - first) / 1000 as step
    from asked
    join (select count(*) as intervals, min(began) as first, max(coalesce(ended, began)) as last from within)
    where asked.plain or most <= 1000 and intervals > 100000 and last > first
),
placed as (
    select
        number,
        weight,
        began,
        ended,
        first,
        step,
        cast((began - first) / step as integer) as place,
        cast((ended - first) / step as integer) as end_place
    from even
    join within
),
-- The first of these times that is not before: a division may be off by one, a comparison is not.
evened as (
    select
        number,
        weight,
        first + step * (
            place - 1 + (first + step * (place - 1) < began) + (first + step * place < began)
                + (first + step * (place + 1) < began)
        ) as began,
        first + step * (
            end_place - 1 + (first + step * (end_place - 1) < ended) + (first + step * end_place < ended)
                + (first + step * (end_place + 1) < ended)
        ) as ended
    from placed
    -- Most of them lie between two of the times: what does, in the very least, is not looked at any more.
    where end_place is not place
),
counted as materialized (
    select number, weight, began, ended from within where not exists (select 1 from even)
    union all
    select number, weight, began, ended from evened where began is not ended
),
changes as materialized (
    select time, number, sum(change) as change
    from (
        select iif(sign = 1, began, ended) as time, number, sign * weight as change
        from counted
        -- SQLite prepares an expression, and all that is in it, anew for each mention: one here saves half of that.
        cross join (select 1 as sign union all select -1)
        where sign = 1 or ended is not null
        union all
        select time, number, change from kept
    )
    where number not in (select number from hidden)
    group by time, number
    having sum(change) <> 0
),
ranged as materialized (
    select
        *,
        min(time) over () as first,
        max(time) over () as last,
        count(*) over () as changes,
        max(moment) over () as moments
    from (select *, dense_rank() over (order by time) as moment from changes)
),
-- The most parts of the time with which there are no more rows than asked for.
parts (number) as (
    values (1000), (500), (250), (125), (60), (30), (15), (8), (4), (2), (1)
),
parted as materialized (
    select max(parts.number) as parts
    from asked
    cross join parts
    where asked.most >= (
        select count(*)
        from (
            select 1
            from (
                select number, change, cast((time - first) / (last - first) * parts.number as integer) as part
                from ranged
                where changes > asked.most and last > first
            )
            group by number, part
            having sum(change) <> 0
        )
    )
),
groups as (
    select
        ranged.*,
        case
            when ranged.changes <= asked.most or ranged.last = ranged.first then ranged.time
            else cast((ranged.time - ranged.first) / (ranged.last - ranged.first) * coalesce(parted.parts, 1) as integer)
        end as part
    from asked
    join parted
    join ranged
),
summed as (
    select
        max(max(time)) over (partition by part) as time,
        number,
        sum(change) as change,
        moments
    from groups
    group by part, number
)
select
    asked.root_type,
    asked.run_key as run,
    coalesce(asked.run_name, asked.run_key) as run_name,
    summed.time,
    iso_time(summed.time) as iso_time,
    round(summed.time - asked.run_start, 6) as since_run_began,
    named.state,
    summed.change,
    sum(summed.change) over (partition by summed.number order by summed.time) as spans,
    iif(exists (select 1 from even), null, summed.moments) as of_moments,
    looked_at.without_weight,
    looked_at.one_in
from asked
join (
    select coalesce(sum(iif(weight is null, stands_for, 0)), 0) as without_weight, coalesce(max(stands_for), 1) as one_in
    from roots
) as looked_at
join summed
join named using (number)
where summed.change <> 0
order by summed.time, summed.number
limit coalesce((select most from asked), 0)
