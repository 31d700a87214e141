/*
@title Facets of the span
@description The span, and the other accounts of the same thing, with what each knows.
@param uuid surrogate key of the span
@column uuid surrogate key of the span
@column span_type its span type
@column run key of the run, NULL if none
@column key its key within its run
@column began time of its first event, seconds since 1970 UTC
@column ended time of its last event, seconds since 1970 UTC
@column events number of events
@column attributes JSON object of what is known about the span
@column note how it is known that both are one thing, where no log says so
*/
with accounts (id, note, is_other) as (
    select id, null, 0 from spans where uuid = :uuid
    union all
    select facets.right, facets.note, 1 from spans join facets on facets.left = spans.id where spans.uuid = :uuid
    union all
    select facets.left, facets.note, 1 from spans join facets on facets.right = spans.id where spans.uuid = :uuid
)
select
    spans.uuid,
    span_types.name as span_type,
    runs.key as run,
    spans.key,
    spans.began,
    spans.ended,
    (select count(*) from events where events.span = spans.id) as events,
    spans.attributes,
    accounts.note
from accounts
join spans on spans.id = accounts.id
join span_types on span_types.id = spans.type
left join runs on runs.id = spans.run
order by accounts.is_other, span_types.name, spans.uuid
limit 20
