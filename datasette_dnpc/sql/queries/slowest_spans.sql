/*
@title Slowest spans
@topic Durations
@description The spans of a type which took longest from first to last event.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations, of those
    that the run has
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param rows number of spans, at most 900; empty: 30
@param sample all: look at all spans of an app or executor; empty: at a random sample, always the same, where there are
    more than 300 000
@needs duration_type
@column span_type span type
@column run key of the run, NULL if none
@column key the span's key within its run
@column label rank and key, in an order that sorts as text
@column uuid surrogate key of the span
@column duration seconds from first to last event
@column duration_text the same for people
@column began time of the first event, seconds since 1970 UTC
@column began_iso the same as ISO 8601 UTC
@column attributes JSON object of what is known about the span
@column of_rows number of spans that have a duration, shown or not
@column one_in 1: all spans of an app or executor were looked at; else a sample of 1 in so many, and numbers of spans of
    an app or executor are multiplied by that
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal
*/
with
-- part shown_span_type
,
-- Which they are is found without their other columns. Of an app or executor they are looked at one by one.
wanted as (
    select id, coalesce(:app, '') || coalesce(:executor, '') <> '' as filtered
    from span_types
    where name = (select type from shown_span_type)
),
scope as (
    select type, iif(:sample = 'all', 9e9, 300000) as most from shown_span_type where (select filtered from wanted)
),
-- part picked
,
longest as materialized (
    select *
    from (
        select spans.id, spans.ended - spans.began as duration, spans.uuid, 1 as stands_for, null as of_rows
        from wanted
        cross join spans on spans.type = wanted.id
        where not wanted.filtered and coalesce(:run, '') = '' and spans.ended > spans.began
        union all
        select spans.id, spans.ended - spans.began, spans.uuid, 1, null
        from wanted
        cross join runs on :run in (runs.key, runs.name)
        cross join spans on spans.run = runs.id and spans.type = wanted.id
        where not wanted.filtered and coalesce(:run, '') <> '' and spans.ended > spans.began
        union all
        select spans.id, spans.ended - spans.began, spans.uuid, picked.stands_for, sum(picked.stands_for) over ()
        from picked
        cross join spans on spans.id = picked.id
        -- For a condition on spans alone SQLite may read all of them first, to make a filter of their ids.
        where picked.stands_for = 0 or spans.ended > spans.began
    )
    order by duration desc, uuid
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 30), 1), 900)
),
slowest as (
    select
        spans.*,
        longest.duration,
        longest.stands_for,
        row_number() over (order by longest.duration desc, spans.uuid) as rank,
        coalesce(
            longest.of_rows,
            (
                select sum(lasting)
                from span_totals
                where type = (select id from wanted)
                    and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
            )
        ) as of_rows
    from longest
    cross join spans on spans.id = longest.id
)
select
    span_types.name as span_type,
    runs.key as run,
    slowest.key,
    printf('%03d: %s', slowest.rank, slowest.key) || coalesce(', ' || runs.name, '') as label,
    slowest.uuid,
    slowest.duration,
    duration_text(slowest.duration) as duration_text,
    slowest.began,
    iso_time(slowest.began) as began_iso,
    slowest.attributes,
    slowest.of_rows,
    slowest.stands_for as one_in
from slowest
join span_types on span_types.id = slowest.type
left join runs on runs.id = slowest.run
order by slowest.rank
