/*
@title The span
@description One span, with the run that it is of.
@param uuid surrogate key of the span
@column id id of the span in this database
@column uuid its surrogate key
@column span_type its span type
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column key the span's key within its run
@column began time of its first event, seconds since 1970 UTC
@column ended time of its last event, seconds since 1970 UTC
@column run_began time of the first event of the run, seconds since 1970 UTC
@column attributes JSON object of what is known about the span
@column note what the importer remarked
*/
select
    spans.id,
    spans.uuid,
    span_types.name as span_type,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    spans.began,
    spans.ended,
    (select min(began) from span_totals where span_totals.run = spans.run) as run_began,
    spans.attributes,
    spans.note
from spans
join span_types on span_types.id = spans.type
left join runs on runs.id = spans.run
where spans.uuid = :uuid
