/*
@title Spans of one superspan that overlap in time
@description Two rows for each two of them, so that either may be asked for. Each is compared with all others
    of its superspan: quick for one span (where span = 17) or one superspan with few spans, slow for many.
    How many of a kind overlap at each moment is quicker told by the view span_change.
@column superspan id of the span that both are part of
@column span id of the one
@column span_type its span type
@column other id of the other
@column other_type its span type
@column began when both had begun, seconds since 1970 UTC
@column ended when the first of them ended, seconds since 1970 UTC
@column duration seconds in which both were open
*/
select
    subspans.superspan,
    spans.id as span,
    span_types.name as span_type,
    others.id as other,
    (select name from span_types where id = others.type) as other_type,
    max(spans.began, others.began) as began,
    min(spans.ended, others.ended) as ended,
    min(spans.ended, others.ended) - max(spans.began, others.began) as duration
from subspans
join spans on spans.id = subspans.subspan
join span_types on span_types.id = spans.type
join subspans as siblings on siblings.superspan = subspans.superspan and siblings.subspan <> subspans.subspan
join spans as others on others.id = siblings.subspan
where spans.ended > others.began and others.ended > spans.began
