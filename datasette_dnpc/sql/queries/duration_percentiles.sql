/*
@title Duration percentiles
@description How long spans of each type take, from their first to their last event. Spans with only one event, or
    none, have no duration and are left out.
@param span_type a span type; empty: all
@param run key or name of a run; empty: all runs
@column span_type span type
@column spans spans that have a duration
@column mean seconds
@column p50 seconds, median
@column p95 seconds, 95th percentile
@column p99 seconds, 99th percentile
@column max seconds
@column total seconds, over all these spans
@chart mark=bar x_column=p95 x_type=quantitative y_column=span_type y_type=ordinal
*/
with measured as (
    select
        spans.type,
        count(*) as spans,
        avg(spans.ended - spans.began) as mean,
        percentiles(spans.ended - spans.began, 50, 95, 99) as percentiles,
        max(spans.ended - spans.began) as max,
        sum(spans.ended - spans.began) as total
    from spans
    where spans.ended > spans.began
        and (
            nullif(:span_type, '') is null
            or spans.type = (select id from span_types where name = :span_type)
        )
        and (
            nullif(:run, '') is null
            or spans.run in (select id from runs where :run in (key, name))
        )
    group by spans.type
)
select
    span_types.name as span_type,
    measured.spans,
    measured.mean,
    json_extract(measured.percentiles, '$[0]') as p50,
    json_extract(measured.percentiles, '$[1]') as p95,
    json_extract(measured.percentiles, '$[2]') as p99,
    measured.max,
    measured.total
from measured
join span_types on span_types.id = measured.type
order by span_types.name
limit 900
