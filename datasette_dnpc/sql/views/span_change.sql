/*
@title Beginnings and ends of spans
@description Two rows for each span that has a first and a later last event: one more is open from its beginning, one
    less from its end. How many were open at each moment is a running sum over time of any choice of these rows:
    select time, sum(sum(change)) over (order by time) from span_change where span_type = '...' group by time
@column span id of the span in this database
@column span_type its span type
@column run id of its run, NULL if none
@column time seconds since 1970 UTC
@column change 1 where it begins, -1 where it ends
*/
select
    spans.id as span,
    span_types.name as span_type,
    spans.run,
    spans.began as time,
    1 as change
from spans
join span_types on span_types.id = spans.type
where spans.ended > spans.began
union all
select
    spans.id,
    span_types.name,
    spans.run,
    spans.ended,
    -1
from spans
join span_types on span_types.id = spans.type
where spans.ended > spans.began
