/*
@title What the span is part of
@description All that the span is part of, the nearest first, and the other accounts of that.
@param uuid surrogate key of the span
@needs ancestor
@column depth number of levels up to it
@column span_type its span type
@column key its key within its run
@column uuid its surrogate key
@column began_iso its first event, ISO 8601 UTC
@column duration seconds from its first to its last event
@column note how the nearest join is known, where no log says so
@column of_ancestors number of them, shown or not: the first 100 are
*/
select
    ancestor.depth,
    ancestor.ancestor_type as span_type,
    spans.key,
    spans.uuid,
    iso_time(spans.began) as began_iso,
    spans.ended - spans.began as duration,
    (select note from subspans where superspan = ancestor.ancestor and subspan = ancestor.span) as note,
    count(*) over () as of_ancestors
from ancestor
join spans on spans.id = ancestor.ancestor
where ancestor.span_uuid = :uuid and ancestor.depth > 0
order by ancestor.depth, ancestor.ancestor_type, spans.key
limit 100
