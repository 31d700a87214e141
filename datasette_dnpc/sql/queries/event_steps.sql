/*
@title Steps of an event sequence
@topic One task
@description How long each step of one variant takes, over its roots: from the event before to this one. Figures over all
    roots are kept; where these are more than 2000, and of several runs, p50 and p95 are right to 1 per cent or a
    microsecond. Those of a run, an app or an executor are computed now: over 2000 roots where there are more, a
    random sample, always the same. Of a longer sequence the first 900 steps.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param variant id of a variant, from event_sequences; empty: that of the root type, run, app and executor whose
    roots have most events together
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param sample all: look at all roots of the run, app or executor; empty: at a random sample, always the same, where
    there are more than 100 000
@needs kept_root_type root_event
@about roots
@column root_type span type of the roots
@column variant id of the variant in this database
@column position 0 for the first event, whose step is 0 seconds
@column step position, event type and span type: in an order that sorts as text
@column span_type span type which has the event
@column event_type event type
@column mean seconds, mean
@column min seconds, least
@column p50 seconds, median
@column p95 seconds, 95th percentile
@column max seconds, most
@column cumulative seconds from the first event, mean
@column roots roots that the figures are over
@column of_roots roots there are
@column one_in 1: of_roots is exact; else roots were drawn by lot, 1 in so many, and of_roots is multiplied by that
@chart mark=bar x_column=mean x_type=quantitative y_column=step y_type=ordinal
*/
with
-- part shown_root_type
,
asked as materialized (
    select coalesce(:run, '') || coalesce(:app, '') || coalesce(:executor, '') <> '' as filtered
),
-- part fitting_variants
,
-- Where only some roots are asked for, these; else only how many there are is known.
scope as (
    select fitting.root_type as type, iif(:sample = 'all', 9e9, 100000) as most
    from asked
    join fitting on asked.filtered
    limit 1
),
-- part picked
,
roots as materialized (
    select sequences.variant, sequences.root, spans.uuid, picked.stands_for
    from picked
    cross join sequences on sequences.root = picked.id
    cross join spans on spans.id = picked.id
    where sequences.variant in (select id from fitting)
),
wanted as materialized (
    select fitting.id, fitting.root_type, fitting.spans, counted.roots, coalesce(counted.one_in, 1) as one_in
    from asked
    join fitting
    left join (select variant, sum(stands_for) as roots, max(stands_for) as one_in from roots group by variant) as counted on counted.variant = fitting.id
    where counted.roots is not null or not asked.filtered
    -- That with most events tells most: tasks of which only one event is known may be the most common.
    order by coalesce(counted.roots, fitting.spans) * fitting.events desc, fitting.id
    limit 1
),
sampled as materialized (
    -- A uuid is a hash: its order is random, and the same in every database.
    select roots.root
    from wanted
    join roots on roots.variant = wanted.id and (wanted.roots < wanted.spans or wanted.one_in > 1)
    order by roots.uuid
    limit 2000
),
timed as (
    select
        row_number() over (partition by root order by time, state) - 1 as position,
        time - lag(time, 1, time) over (partition by root order by time, state) as seconds
    from root_event
    where root in (select root from sampled)
),
figures as (
    select
        position,
        avg(seconds) as mean,
        min(seconds) as min,
        percentiles(seconds, 50, 95) as percentiles,
        max(seconds) as max,
        count(*) as roots
    from timed
    group by position
)
select
    wanted.root_type,
    steps.variant,
    steps.position,
    printf('%03d: %s (%s)', steps.position, steps.event_type, steps.span_type) as step,
    steps.span_type,
    steps.event_type,
    coalesce(figures.mean, steps.mean) as mean,
    coalesce(figures.min, steps.min) as min,
    coalesce(json_extract(figures.percentiles, '$[0]'), steps.p50) as p50,
    coalesce(json_extract(figures.percentiles, '$[1]'), steps.p95) as p95,
    coalesce(figures.max, steps.max) as max,
    coalesce(sum(figures.mean) over (order by steps.position), steps.cumulative) as cumulative,
    coalesce(figures.roots, wanted.spans) as roots,
    coalesce(wanted.roots, wanted.spans) as of_roots,
    wanted.one_in
from wanted
join steps on steps.variant = wanted.id
left join figures on figures.position = steps.position
order by steps.position
limit 900
