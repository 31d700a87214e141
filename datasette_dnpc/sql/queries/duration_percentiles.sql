/*
@title Duration percentiles
@topic Durations
@description How long spans of each type take, from their first to their last event; of each app, executor or run where
    that is asked for. Spans with only one event, or none, have no duration and are left out.
@param span_type a span type; empty: all
@param by app, executor or run: a row for each of them; empty: a row for each span type
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 300 000 of a
    type
@needs
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
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=bar x_column=p95 x_type=quantitative y_column=label y_type=ordinal
*/
with
scope as (
    select
        name as type,
        -- Where there are many spans in all, fewer of each type.
        (
            select iif(:sample = 'all', 9e9, iif(sum(spans) > 500000, 30000, 300000))
            from span_totals
            where (coalesce(:span_type, '') = '' or type = span_types.id)
                and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        ) as most
    from span_types
    where coalesce(:span_type, '') in ('', name)
),
-- part picked
,
measured as (
    select
        spans.type,
        case :by
            when 'run' then (select coalesce(name, key) from runs where id = spans.run)
            when 'app' then (select app from owners where owners.span = spans.id)
            when 'executor' then (select executor from owners where owners.span = spans.id)
        end as "group",
        sum(picked.stands_for) as spans,
        avg(spans.ended - spans.began) as mean,
        percentiles(spans.ended - spans.began, 50, 95, 99) as percentiles,
        max(spans.ended - spans.began) as max,
        sum((spans.ended - spans.began) * picked.stands_for) as total,
        max(picked.stands_for) as one_in
    from picked
    cross join spans on spans.id = picked.id
    where spans.ended > spans.began
    group by 1, 2
),
-- Of all spans, these are kept.
known as materialized (
    select
        type,
        iif(:by = 'run', (select coalesce(name, key) from runs where id = run), null) as "group",
        sum(lasting) as spans,
        max(longest) as max,
        sum(seconds) as total
    from span_totals
    where coalesce(:app, '') || coalesce(:executor, '') = '' and coalesce(:by, '') not in ('app', 'executor')
        and lasting > 0
        and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
    group by 1, 2
)
select
    span_types.name as span_type,
    measured."group",
    span_types.name || coalesce(', ' || measured."group", '') as label,
    coalesce(known.spans, measured.spans) as spans,
    coalesce(known.total / known.spans, measured.mean) as mean,
    json_extract(measured.percentiles, '$[0]') as p50,
    json_extract(measured.percentiles, '$[1]') as p95,
    json_extract(measured.percentiles, '$[2]') as p99,
    coalesce(known.max, measured.max) as max,
    coalesce(known.total, measured.total) as total,
    count(*) over () as of_rows,
    measured.one_in
from measured
join span_types on span_types.id = measured.type
left join known on known.type = measured.type and known."group" is measured."group"
order by span_types.name, measured."group"
limit 900
