/*
@title Slowest spans
@description The spans of a type which took longest from first to last event.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations, of those
    that the run has
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param rows number of spans, at most 900; empty: 30
@needs duration_type span_app
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
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal
*/
with
-- part shown_span_type
,
slowest as (
    select
        id, type, run, key, uuid, began, ended - began as duration, attributes,
        row_number() over (order by ended - began desc, uuid) as rank,
        count(*) over () as of_rows
    from spans
    where type = (
            select id from span_types
            where name = (select type from shown_span_type)
        )
        and ended > began
        and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (
            (coalesce(:app, '') = '' and coalesce(:executor, '') = '')
            or id in (
                select span from span_app
                where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
    order by ended - began desc, uuid
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 30), 1), 900)
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
    slowest.of_rows
from slowest
join span_types on span_types.id = slowest.type
left join runs on runs.id = slowest.run
order by slowest.rank
