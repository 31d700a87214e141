/*
@title Span types
@topic The logs
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
    sum(span_totals.spans) as spans,
    count(distinct span_totals.run) as runs,
    iso_time(min(span_totals.began)) as first_time,
    iso_time(max(span_totals.ended)) as last_time
from span_totals
join span_types on span_types.id = span_totals.type
where nullif(:run, '') is null
    or span_totals.run in (select id from runs where :run in (key, name))
group by span_types.id
order by spans desc, span_type
