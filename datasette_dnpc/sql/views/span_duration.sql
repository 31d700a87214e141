/*
@title Spans with their durations
@description One row for each span, by names instead of numbers.
@column id the span's id in this database
@column uuid surrogate key of the span
@column type span type
@column run key of the run, NULL if it belongs to none
@column key the span's key within its run, readable
@column began time of its first event, seconds since 1970 UTC, NULL if it has no event
@column ended time of its last event, seconds since 1970 UTC, NULL if it has no event
@column duration seconds from first to last event
@column attributes JSON object
@column note what the importer remarked
*/
select
    spans.id,
    spans.uuid,
    span_types.name as type,
    runs.key as run,
    spans.key,
    spans.began,
    spans.ended,
    spans.ended - spans.began as duration,
    spans.attributes,
    spans.note
from spans
join span_types on span_types.id = spans.type
left join runs on runs.id = spans.run
