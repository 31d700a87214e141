/*
@title Attributes in which some roots differ from the rest
@topic Durations
@description Compares the roots that start and take as long as asked for, from one state to another as in the query
    event_pairs, with all others: in the attributes of each root, of what is below it and of what that is part of, such as
    worker, host, block, executor or the size of a transfer. First comes what tells them apart best. Compared are 500
    roots of either side, where there are more: a random sample, always the same. A value of one root alone is left out,
    and so is each of more than 10 different numbers. Score: of the differences between a root of
    either side, drawn evenly, the share that this alone explains (the square of the correlation), from 0 to 1. Half a
    root with and half a root without a value are added to each side, so that few roots do not stand out by chance.
@param root_type a span type; empty: of those in the run the one whose sequences hold most events. One whose sequences are not kept has
    only states of its own
@param start_state span_type/event_type; empty: the one which most roots of several events begin with
@param end_state span_type/event_type; empty: the one which most roots of several events end with
@param start_which first or last: which of several start states of a root; empty: first
@param end_which first or last: which of several end states of a root; empty: last
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all roots, of an app or not
@param executor label of an executor; empty: all roots, of an executor or not
@param shortest least duration inside, seconds; empty: any, but if nothing is asked for, the slowest 5 % are inside
@param longest greatest duration inside, seconds; empty: any
@param from_start earliest start inside, seconds from the first event of the run; empty: any
@param to_start latest start inside, seconds from the first event of the run; empty: any
@param rows most rows to return, at most 900; empty: 30
@param sample all: look at all roots; a number: at a random sample, always the same, where there are more than that; empty: 50 000
@needs kept_root_type run_began
@about roots
@column root_type span type of the roots
@column label rank, attribute and value, in an order that sorts as text
@column attribute span type and name; a span type alone stands for the key of a span that several roots are part of;
    run, variant (of event sequences) and "number of" spans of a type are the root's own
@column value the value, NULL where numbers are compared
@column also what else exactly the same roots have, "attribute = value", with a semicolon between; NULL if nothing
@column score 0 to 1: how well it tells the sides apart
@column inside roots inside that have the value, or a number
@column outside roots outside that have it
@column inside_share per cent of the roots inside
@column outside_share per cent of the roots outside
@column lift the first share divided by the second, NULL if that is 0
@column inside_mean mean of the numbers inside; of several numbers of one root the largest counts
@column outside_mean the same outside
@column inside_p50 median of the numbers inside
@column outside_p50 the same outside
@column standardised_difference difference of the means, divided by the mean of the two standard deviations; NULL if those
    are 0
@column compared_inside roots inside that are compared
@column compared_outside roots outside that are compared
@column of_inside roots inside
@column of_outside roots outside
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and numbers of roots are multiplied by that
@chart mark=bar x_column=score x_type=quantitative y_column=label y_type=ordinal
*/
with recursive
-- part shown_root_type
,
-- part asked_type
,
-- part measured 100000=50000
,
slowest as materialized (
    select percentile(duration, 95) as duration
    from measured
    where coalesce(:shortest, '') || coalesce(:longest, '') || coalesce(:from_start, '') || coalesce(:to_start, '') = ''
),
sides as materialized (
    select
        measured.id,
        measured.stands_for,
        iif(slowest.duration is null, measured.inside, measured.duration >= slowest.duration) as inside
    from slowest
    join measured
),
-- A uuid is a hash: its order is random, and the same in every database.
compared as materialized (
    select id, inside
    from (
        select sides.id, sides.inside, row_number() over (partition by sides.inside order by spans.uuid) as number
        from sides
        cross join spans on spans.id = sides.id
    )
    where number <= 500
),
counts as materialized (
    select
        sum(inside * stands_for) as of_inside,
        sum((not inside) * stands_for) as of_outside,
        max(stands_for) as one_in,
        min(sum(inside), 500) as compared_inside,
        min(sum(not inside), 500) as compared_outside
    from sides
),
below_root as materialized (
    select compared.id as root, compared.inside, coalesce(descendants.span, compared.id) as span
    from compared
    left join descendants on descendants.root = compared.id
),
-- Of each root the spans below it, then all that these are part of. Of Work Queue, transfers are in no task, but their
-- keys begin with its.
around(root, inside, span, above) as (
    select root, inside, span, 0 from below_root
    union
    select below_root.root, below_root.inside, transfers.id, 0
    from below_root
    cross join spans as tasks on tasks.id = below_root.span
    cross join spans as transfers
        on transfers.run = tasks.run
        and transfers.type = (select id from span_types where name = 'workqueue.transfer')
        and transfers.key > tasks.key || '.' and transfers.key < tasks.key || '/'
    where tasks.type = (select id from span_types where name = 'workqueue.task')
    union
    select around.root, around.inside, subspans.superspan, 1
    from around
    cross join subspans on subspans.subspan = around.span
    union
    select around.root, around.inside, facets.right, around.above
    from around
    cross join facets on facets.left = around.span
    union
    select around.root, around.inside, facets.left, around.above
    from around
    cross join facets on facets.right = around.span
),
near as materialized (
    select root, inside, span, min(above) as above
    from around
    group by root, span
),
-- The key of what a root is part of is one more attribute. Of a run there is one span, and its name says all.
known as materialized (
    select
        spans.id as span,
        span_types.name || iif(attribute.key = ':key', '', replace(substr(attribute.fullkey, 2), '"', '')) as name,
        attribute.atom as value,
        attribute.type in ('integer', 'real') as is_number,
        attribute.key = ':key' as is_key
    from (select distinct span from near) as needed
    cross join spans on spans.id = needed.span
    cross join span_types on span_types.id = spans.type and span_types.name not glob '*.workflow'
    cross join json_tree(json_set(coalesce(spans.attributes, '{}'), '$.:key', spans.key)) as attribute
    where attribute.atom is not null and instr(attribute.fullkey, '[') = 0
),
fact as materialized (
    select near.root, near.inside, known.name, known.value, known.is_number, known.is_key
    from near
    cross join known on known.span = near.span and (near.above or not known.is_key)
    union
    select near.root, near.inside, 'number of ' || span_types.name, count(*), 1, 0
    from near
    cross join spans on spans.id = near.span
    cross join span_types on span_types.id = spans.type
    where not near.above
    group by near.root, span_types.name
    union
    select compared.id, compared.inside, own.key, own.value, 0, 0
    from compared
    cross join spans on spans.id = compared.id
    left join runs on runs.id = spans.run
    left join sequences on sequences.root = compared.id
    cross join json_each(json_object('run', coalesce(runs.name, runs.key), 'variant', sequences.variant)) as own
    where own.value is not null
),
valued as (
    select
        name,
        value,
        sum(inside) as inside,
        sum(not inside) as outside,
        -- What the same roots have has the same sum, but for a rare chance.
        sum(root) as roots,
        max(is_number) as is_number,
        max(is_key) as is_key,
        count(*) over (partition by name) as values_of_name
    from fact
    group by name, value
),
alike as (
    select
        name,
        value,
        inside,
        outside,
        row_number() over same as number,
        group_concat(name || ' = ' || substr(value, 1, 60), '; ') over (
            partition by inside, outside, roots
            order by values_of_name desc, is_key, name, value
            rows between 1 following and unbounded following
        ) as also
    from valued
    where inside + outside > 1 and (not is_number or values_of_name <= 10)
    -- The attribute of most values says most: the host before its number of cores, and before a key.
    window same as (partition by inside, outside, roots order by values_of_name desc, is_key, name, value)
),
largest as (
    select root, inside, name, max(value) as value
    from fact
    where is_number
    group by root, name
),
together as (
    select
        name,
        value,
        inside,
        outside,
        null as inside_mean,
        null as outside_mean,
        null as inside_p50,
        null as outside_p50,
        null as inside_deviation,
        null as outside_deviation,
        also
    from alike
    where number = 1
    union all
    select *
    from (
        select
            name,
            null,
            sum(inside),
            sum(not inside),
            avg(iif(inside, value, null)) as inside_mean,
            avg(iif(inside, null, value)) as outside_mean,
            median(iif(inside, value, null)),
            median(iif(inside, null, value)),
            stdev(iif(inside, value, null)) as inside_deviation,
            stdev(iif(inside, null, value)) as outside_deviation,
            null
        from largest
        group by name
        having min(value) < max(value)
    )
    where inside_deviation is not null and outside_deviation is not null
),
-- Else SQLite puts what is reckoned here in place of each of its names below, which takes longer than to look at the rows.
smoothed as materialized (
    select
        *,
        (inside + 0.5) / (compared_inside + 1) as p,
        (outside + 0.5) / (compared_outside + 1) as q
    from together
    join counts
),
scored as materialized (
    select
        *,
        iif(
            inside_mean is null,
            (p - q) * (p - q) / ((p + q) * (2 - p - q)),
            -- Only as far as both sides have such numbers.
            p * q * (inside_mean - outside_mean) * (inside_mean - outside_mean) / (
                (inside_mean - outside_mean) * (inside_mean - outside_mean)
                + 2 * (inside_deviation * inside_deviation + outside_deviation * outside_deviation)
            )
        ) as score
    from smoothed
    where compared_inside > 0 and compared_outside > 0
),
ranked as (
    select *, row_number() over (order by score desc, name, value) as rank
    from scored
    -- What all have, or nearly all have not, tells nothing.
    where iif(inside_mean is null, inside * compared_outside <> outside * compared_inside, inside_mean <> outside_mean)
)
select
    (select type from asked_type) as root_type,
    printf('%03d: %s', rank, name) || coalesce(' = ' || substr(value, 1, 60), '') as label,
    name as attribute,
    value,
    also,
    score,
    inside,
    outside,
    100.0 * inside / compared_inside as inside_share,
    100.0 * outside / compared_outside as outside_share,
    1.0 * inside * compared_outside / (nullif(outside, 0) * compared_inside) as lift,
    inside_mean,
    outside_mean,
    inside_p50,
    outside_p50,
    2 * (inside_mean - outside_mean) / nullif(inside_deviation + outside_deviation, 0) as standardised_difference,
    compared_inside,
    compared_outside,
    of_inside,
    of_outside,
    one_in
from ranked
order by rank
limit iif(cast(:rows as integer) between 1 and 900, cast(:rows as integer), 30)
