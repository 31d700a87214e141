/*
@title How joins are known, where no log says so
@description Joins that were inferred, with what they were inferred from; and spans with a remark, such as why one is not
    joined. The most frequent 200 remarks.
@param run key or name of a run; empty: all
@column kind subspan: right is part of left; facet: both are accounts of one thing; span: of one span
@column left_type span type
@column right_type span type, NULL for a remark on one span
@column note what the importer remarked
@column times how often
@column example surrogate key of a span: the right one
@column of_remarks number of remarks, shown or not
*/
with noted (kind, left_span, right_span, note) as (
    select 'subspan', superspan, subspan, note from subspan_notes
    union all
    select 'facet', left, right, note from facets where note is not null
    union all
    select 'span', id, id, note from spans where note is not null
)
select
    noted.kind,
    left_types.name as left_type,
    iif(noted.kind = 'span', null, right_types.name) as right_type,
    noted.note,
    count(*) as times,
    min(right_spans.uuid) as example,
    count(*) over () as of_remarks
from noted
join spans as left_spans on left_spans.id = noted.left_span
join spans as right_spans on right_spans.id = noted.right_span
join span_types as left_types on left_types.id = left_spans.type
join span_types as right_types on right_types.id = right_spans.type
-- For a condition on spans alone SQLite may read all of them first, to make a filter of their ids.
where noted.kind = '' or coalesce(:run, '') = '' or right_spans.run in (select id from runs where :run in (key, name))
group by noted.kind, left_spans.type, right_spans.type, noted.note
order by times desc, noted.kind, noted.note
limit 200
