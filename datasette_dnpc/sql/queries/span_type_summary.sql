/*
@title Span types
@description Which kinds of spans the database holds, how many of each, and when.
@param run key or name of a run; empty: all runs
@column span_type span type
@column spans number of spans
@column runs number of runs which have such spans
@column first_time time of their first event, ISO 8601 UTC
@column last_time time of their last event, ISO 8601 UTC
@chart mark=bar x_column=spans x_type=quantitative y_column=span_type y_type=ordinal
*/
select
    span_types.name as span_type,
    count(*) as spans,
    count(distinct spans.run) as runs,
    iso_time(min(spans.began)) as first_time,
    iso_time(max(spans.ended)) as last_time
from spans
join span_types on span_types.id = spans.type
where nullif(:run, '') is null
    or spans.run in (select id from runs where :run in (key, name))
group by span_types.id
order by spans desc, span_type
