/*
@title Examples of an event sequence
@topic One task
@description The roots of one variant in which a step took longest, or the whole sequence. Where a variant has more than
    10 000 roots, those of a step are looked for in a random sample of no more than so many, always the same.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param variant id of a variant, from event_sequences; empty: that of the root type, run, app and executor whose
    roots have most events together
@param position of the step, from event_steps; empty: the whole sequence
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param rows number of roots, at most 900; empty: 30
@param sample all: look at all roots of an app, executor or step; empty: at a random sample, always the same, where
    there are more than 100 000
@needs kept_root_type root_event run_began
@about roots
@column root_type span type of the roots
@column variant id of the variant in this database
@column step position, event type and span type of the event that ends the step; NULL for the whole sequence
@column run key of the run, NULL if none
@column run_name name of the run, or its key, NULL if none
@column key the root's key within its run
@column label rank and key, in an order that sorts as text
@column uuid surrogate key of the root
@column duration seconds of the step, or of the whole sequence
@column total seconds of the whole sequence
@column began_iso when the step begins, or the sequence, ISO 8601 UTC
@column since_run_began the same in seconds from the first event of the run
@column of_rows roots these are the slowest of
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and of_rows of the whole sequence is multiplied
    by that
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal
*/
with
-- part shown_root_type
,
-- part fitting_variants
,
-- Of a step, an app or executor they are looked at now. Else how many there are is kept, and the slowest are soon found.
scope as (
    select root_type as type, iif(:sample = 'all', 9e9, 100000) as most
    from fitting
    where coalesce(:app, '') || coalesce(:executor, '') || coalesce(:position, '') <> ''
    limit 1
),
-- part picked
,
counted as (
    select variant, sum(roots) as roots, 1 as one_in, 1 as is_kept
    from variant_totals
    where coalesce(:app, '') || coalesce(:executor, '') || coalesce(:position, '') = ''
        and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
    group by variant
    union all
    select sequences.variant, sum(picked.stands_for), max(picked.stands_for), 0
    from picked
    cross join sequences on sequences.root = picked.id
    group by sequences.variant
),
wanted as materialized (
    select
        fitting.id,
        fitting.root_type,
        counted.roots,
        counted.one_in,
        counted.is_kept,
        iif(coalesce(:position, '') = '', null, cast(:position as integer)) as position,
        -- Of the roots of a step, 1 in so many are looked at.
        iif(
            coalesce(:position, '') = '' or :sample = 'all',
            1,
            (counted.roots / counted.one_in - 1) / 10000 + 1
        ) as step_one_in
    from fitting
    join counted on counted.variant = fitting.id
    -- As in event_steps.
    order by counted.roots * fitting.events desc, fitting.id
    limit 1
),
roots as materialized (
    select *
    from (
        select sequences.root, sequences.began, sequences.ended, null as lot
        from wanted
        -- Through its index it would be slower.
        cross join sequences on +sequences.variant = wanted.id
        where wanted.is_kept and coalesce(:run, '') = ''
        union all
        select sequences.root, sequences.began, sequences.ended, null
        from wanted
        cross join runs on :run in (runs.key, runs.name)
        cross join spans
            on spans.run = runs.id and spans.type = (select id from span_types where name = wanted.root_type)
        cross join sequences on sequences.root = spans.id and sequences.variant = wanted.id
        where wanted.is_kept and coalesce(:run, '') <> ''
        union all
        select sequences.root, sequences.began, sequences.ended, iif(wanted.position is null, null, spans.uuid)
        from wanted
        cross join picked
        cross join sequences on sequences.root = picked.id and sequences.variant = wanted.id
        cross join spans on spans.id = picked.id
        where not wanted.is_kept
    )
    -- A uuid is a hash: its order is random, and the same in every database.
    order by lot, ended - began desc, root
    limit coalesce((select iif(position is null, 900, roots / one_in / step_one_in) from wanted), 0)
),
timed as (
    select
        root,
        row_number() over (partition by root order by time, state) - 1 as position,
        time,
        lag(time, 1, time) over (partition by root order by time, state) as time_before
    from root_event
    where root in (select root from roots) and exists (select 1 from wanted where position is not null)
),
measured as (
    select roots.root, roots.began, roots.ended - roots.began as duration, wanted.roots as of_rows
    from wanted
    join roots on wanted.position is null
    union all
    select timed.root, timed.time_before, timed.time - timed.time_before, count(*) over ()
    from wanted
    join timed on timed.position = wanted.position
),
slowest as (
    select measured.root, measured.began, measured.duration, measured.of_rows
    from measured
    join spans on spans.id = measured.root
    order by measured.duration desc, spans.uuid
    limit iif(cast(:rows as integer) between 1 and 900, cast(:rows as integer), 30)
)
select
    wanted.root_type,
    wanted.id as variant,
    (
        select printf('%03d: %s (%s)', steps.position, steps.event_type, steps.span_type)
        from steps
        where steps.variant = wanted.id and steps.position = wanted.position
    ) as step,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    printf('%03d: %s', row_number() over (order by slowest.duration desc, spans.uuid), spans.key) as label,
    spans.uuid,
    slowest.duration,
    sequences.ended - sequences.began as total,
    iso_time(slowest.began) as began_iso,
    round(slowest.began - run_began.time, 6) as since_run_began,
    slowest.of_rows,
    wanted.one_in * wanted.step_one_in as one_in
from wanted
join slowest
join sequences on sequences.root = slowest.root
join spans on spans.id = slowest.root
left join runs on runs.id = spans.run
left join run_began on run_began.run is spans.run
order by slowest.duration desc, spans.uuid
