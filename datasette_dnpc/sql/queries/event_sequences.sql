/*
@title Event sequences
@topic One task
@description The distinct sequences of events that spans of a root type go through, with all below them. Common ones first.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param sample all: look at all roots of an app or executor; empty: at a random sample, always the same, where there are
    more than 100 000
@needs kept_root_type
@about roots
@column root_type span type of the roots
@column variant id of the sequence in this database, for the query event_steps
@column label rank and variant, in an order that sorts as text
@column spans roots with this sequence
@column share per cent of the roots of this type, run, app and executor
@column of_variants number of variants, shown or not: the 200 most common are
@column events events in the sequence
@column mean_duration seconds from its first to its last event, mean
@column example_uuid surrogate key of a root with this sequence
@column steps span_type/event_type of each event, in order of time
@column one_in 1: all roots of an app or executor were looked at; else a sample of 1 in so many, and numbers of roots of
    an app or executor are multiplied by that
@chart mark=bar x_column=spans x_type=quantitative y_column=label y_type=ordinal
*/
with
-- part shown_root_type
,
wanted as (
    select id
    from span_types
    where name = (select type from shown_root_type)
),
-- Of an app or executor they are counted now, else how many there are is kept.
scope as (
    select type, iif(:sample = 'all', 9e9, 100000) as most
    from shown_root_type
    where coalesce(:app, '') || coalesce(:executor, '') <> ''
),
-- part picked
,
counted as (
    select
        variant_totals.variant,
        sum(variant_totals.roots) as spans,
        sum(variant_totals.seconds) / sum(variant_totals.roots) as mean_duration,
        min(variant_totals.example) as example,
        1 as one_in
    from wanted
    cross join variants on variants.root_type = wanted.id
    cross join variant_totals on variant_totals.variant = variants.id
    where coalesce(:app, '') || coalesce(:executor, '') = ''
        and (coalesce(:run, '') = '' or variant_totals.run in (select id from runs where :run in (key, name)))
    group by variant_totals.variant
    union all
    select
        sequences.variant,
        sum(picked.stands_for),
        avg(sequences.ended - sequences.began),
        min(sequences.root),
        max(picked.stands_for)
    from picked
    cross join sequences on sequences.root = picked.id
    group by sequences.variant
)
select
    span_types.name as root_type,
    counted.variant,
    printf(
        '%03d: variant %d', row_number() over (order by counted.spans desc, counted.variant), counted.variant
    ) as label,
    counted.spans,
    100.0 * counted.spans / sum(counted.spans) over () as share,
    count(*) over () as of_variants,
    variants.events,
    counted.mean_duration,
    spans.uuid as example_uuid,
    trim(replace(json(variants.sequence), '","', ' → '), '["]') as steps,
    counted.one_in
from counted
join variants on variants.id = counted.variant
join span_types on span_types.id = variants.root_type
join spans on spans.id = counted.example
order by counted.spans desc, counted.variant
limit 200
