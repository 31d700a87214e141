/*
@title Events of the roots of a type
@topic The logs
@description What spans of a root type went through, with all below them: one row for each event, from which the plot states
    counts how many roots are in each state. Where there are more events than rows asked for, all those of some roots:
    a random sample, always the same.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param run key or name of a run; empty: the run with most spans in these states, over its time
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param weight name of an attribute, such as cores or memory: of the root, or else the largest below it; requested.memory
    is memory within requested; empty: each root weighs 1
@param rows most rows to return, or all; empty: 900
@param sample all: look at all roots; empty: at a random sample, always the same, where there are more than 100 000
@needs kept_root_type root_attribute run_began state_run
@about roots
@column root_type span type of the roots
@column run key of the run
@column run_name name of the run, or its key
@column root the root's key within its run
@column time seconds since 1970 UTC
@column since_run_began seconds from the first event of the run
@column state span_type/event_type
@column weight 1, or the attribute; NULL where neither the root nor anything below it has it
@column of_roots roots there are; those shown may be fewer
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and of_roots is multiplied by that
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=state y_type=ordinal
*/
with
-- part shown_run_of_states
,
wanted as materialized (
    select
        root_type,
        root_type_id,
        run,
        run_key,
        run_name,
        iif(
            :rows = 'all',
            1000000000,
            iif(cast(:rows as integer) between 1 and 1000000000, cast(:rows as integer), 900)
        ) as most
    from shown_run
),
began as materialized (
    select run_began.time from wanted join run_began on run_began.run = wanted.run
),
scope as (
    select root_type as type, iif(:rows = 'all' or :sample = 'all', 9e9, 100000) as most from wanted
),
-- part picked_of_runs asked_runs=wanted
,
numbered as (
    select
        sequences.root,
        spans.uuid,
        spans.key,
        -- A uuid is a hash: its order is random, and the same in every database.
        sum(variants.events) over (order by spans.uuid) - variants.events as events_before,
        variants.events,
        sum(picked.stands_for) over () as of_roots,
        picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    cross join sequences on sequences.root = picked.id
    cross join variants on variants.id = sequences.variant
),
roots as materialized (
    select
        root,
        key,
        iif(
            coalesce(:weight, '') = '',
            1,
            (
                select coalesce(max(value) filter (where own), max(value))
                from root_attribute
                where root_attribute.root = numbered.root and name = :weight
            )
        ) as weight,
        of_roots,
        stands_for
    from wanted
    join numbered
    -- At least one, though it may have more events than rows asked for.
    where events_before = 0 or events_before + events <= most
    -- Their events lie in the database in this order.
    order by root
),
named as materialized (
    select
        span_types.id as span_type,
        event_types.id as event_type,
        span_types.name || '/' || event_types.name as state
    from (
        select distinct steps.span_type, steps.event_type
        from wanted
        join variants on variants.root_type = wanted.root_type_id
        join steps on steps.variant = variants.id
    ) as found
    join span_types on span_types.name = found.span_type
    join event_types on event_types.name = found.event_type
)
select
    wanted.root_type,
    wanted.run_key as run,
    coalesce(wanted.run_name, wanted.run_key) as run_name,
    roots.key as root,
    events.time,
    events.time - began.time as since_run_began,
    named.state,
    roots.weight,
    roots.of_roots,
    roots.stands_for as one_in
from wanted
cross join began
cross join roots
cross join descendants on descendants.root = roots.root
cross join spans on spans.id = descendants.span
cross join events on events.span = spans.id
cross join named on named.span_type = spans.type and named.event_type = events.type
limit coalesce((select most from wanted), 0)
