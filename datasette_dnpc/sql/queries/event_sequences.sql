/*
@title Event sequences
@description The distinct sequences of events that spans of a root type go through, with all below them. Common ones first.
@param root_type a root type; empty: the one whose sequences hold most events, of those that the run has
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@needs kept_root_type span_app
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
counted as (
    select
        sequences.variant,
        count(*) as spans,
        avg(sequences.ended - sequences.began) as mean_duration,
        min(sequences.root) as example
    from variants
    join sequences on sequences.variant = variants.id
    join spans on spans.id = sequences.root
    where variants.root_type in (select id from wanted)
        and (
            nullif(:run, '') is null
            or spans.run in (select id from runs where :run in (key, name))
        )
        and (
            coalesce(:app, '') = '' and coalesce(:executor, '') = ''
            or sequences.root in (
                select span
                from span_app
                where (coalesce(:app, '') = '' or app = :app)
                    and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
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
    trim(replace(json(variants.sequence), '","', ' → '), '["]') as steps
from counted
join variants on variants.id = counted.variant
join span_types on span_types.id = variants.root_type
join spans on spans.id = counted.example
order by counted.spans desc, counted.variant
limit 200
