/*
@title Duration percentiles
@description How long spans of each type take, from their first to their last event; of each app, executor or run where
    that is asked for. Spans with only one event, or none, have no duration and are left out.
@param span_type a span type; empty: all
@param by app, executor or run: a row for each of them; empty: a row for each span type
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@needs span_app
@column span_type span type
@column group the app, executor or run, NULL for spans of none, or where there are no groups
@column label span type and group in one text
@column spans spans that have a duration
@column mean seconds
@column p50 seconds, median
@column p95 seconds, 95th percentile
@column p99 seconds, 99th percentile
@column max seconds
@column total seconds, over all these spans
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=p95 x_type=quantitative y_column=label y_type=ordinal
*/
with grouped as materialized (
    select span, iif(:by = 'app', app, executor) as name
    from span_app
    where :by in ('app', 'executor')
),
measured as (
    select
        spans.type,
        iif(:by = 'run', (select coalesce(name, key) from runs where id = spans.run), grouped.name) as "group",
        count(*) as spans,
        avg(spans.ended - spans.began) as mean,
        percentiles(spans.ended - spans.began, 50, 95, 99) as percentiles,
        max(spans.ended - spans.began) as max,
        sum(spans.ended - spans.began) as total
    from spans
    left join grouped on grouped.span = spans.id
    where spans.ended > spans.began
        and (coalesce(:span_type, '') = '' or spans.type = (select id from span_types where name = :span_type))
        and (coalesce(:run, '') = '' or spans.run in (select id from runs where :run in (key, name)))
        and (
            (coalesce(:app, '') = '' and coalesce(:executor, '') = '')
            or spans.id in (
                select span from span_app
                where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
    group by 1, 2
)
select
    span_types.name as span_type,
    measured."group",
    span_types.name || coalesce(', ' || measured."group", '') as label,
    measured.spans,
    measured.mean,
    json_extract(measured.percentiles, '$[0]') as p50,
    json_extract(measured.percentiles, '$[1]') as p95,
    json_extract(measured.percentiles, '$[2]') as p99,
    measured.max,
    measured.total,
    count(*) over () as of_rows
from measured
join span_types on span_types.id = measured.type
order by span_types.name, measured."group"
limit 900
