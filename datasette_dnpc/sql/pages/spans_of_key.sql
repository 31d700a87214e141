/*
@title Spans of a key
@description The spans of any type that have this key in their run: at most 200, of the latest runs.
@param key key of a span within its run
@param run key or name of a run; empty: all, and what is of none
@column span_type span type
@column key the span's key within its run
@column uuid surrogate key of the span
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column began_iso time of its first event, ISO 8601 UTC
@column duration seconds from first to last event
*/
with wanted as (
    select id, key, name from runs where :run in ('', key, name)
    union all
    select null, null, null where :run = ''
)
select
    span_types.name as span_type,
    spans.key,
    spans.uuid,
    wanted.key as run,
    coalesce(wanted.name, wanted.key) as run_name,
    iso_time(spans.began) as began_iso,
    spans.ended - spans.began as duration
from wanted
cross join span_types
-- All three columns of the index are given.
cross join spans on spans.run is wanted.id and spans.type = span_types.id and spans.key = :key
order by wanted.id desc, span_types.name
limit 200
