/*
@title Events of the span and of its facets
@description In order of time, with the file and the place in it where each was read. The first 400.
@param uuid surrogate key of the span
@column time seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column event_type event type
@column uuid surrogate key of the span that has it: this one, or a facet of it
@column span_type its span type
@column source path of the file
@column importer which importer read it
@column size bytes of the file when it was read
@column offset where the record starts in the file: byte, or rowid
@column note what the importer remarked
@column of_events number of events, shown or not
*/
with accounts as (
    select id from spans where uuid = :uuid
    union
    select facets.right from spans join facets on facets.left = spans.id where spans.uuid = :uuid
    union
    select facets.left from spans join facets on facets.right = spans.id where spans.uuid = :uuid
)
select
    events.time,
    iso_time(events.time) as iso_time,
    event_types.name as event_type,
    spans.uuid,
    span_types.name as span_type,
    sources.path as source,
    sources.importer,
    sources.size,
    events.offset,
    events.note,
    count(*) over () as of_events
from accounts
cross join events on events.span = accounts.id
join spans on spans.id = accounts.id
join span_types on span_types.id = spans.type
join event_types on event_types.id = events.type
join sources on sources.id = events.source
order by events.time, span_types.name, event_types.name, events.n
limit 400
