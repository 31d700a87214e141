/*
@title What a span is part of
@description For any span: itself, all that it is part of up to the highest, and their other accounts (facets) either
    way; of 100 levels at most, so that a circle ends. Found when it is asked for, so say of which: where span = 17,
    or where span_uuid = '...'. For what is below a span see the view descendant.
@column span id of the span in this database
@column span_uuid its surrogate key
@column ancestor id of a span that it is part of, or of itself
@column ancestor_uuid surrogate key of that span
@column ancestor_type its span type
@column depth least number of levels from the span up to it: 0 for the span and other accounts of the span
*/
-- As the view descendant, the other way.
select
    parts.id as span,
    parts.uuid as span_uuid,
    cast(found.key as integer) as ancestor,
    (select uuid from spans where id = cast(found.key as integer)) as ancestor_uuid,
    (
        select span_types.name
        from spans
        join span_types on span_types.id = spans.type
        where spans.id = cast(found.key as integer)
    ) as ancestor_type,
    found.value as depth
from spans as parts
cross join json_each((
    with recursive above(span, depth) as (
        select parts.id, 0
        union
        select subspans.superspan, above.depth + 1
        from above
        join subspans on subspans.subspan = above.span
        where above.depth < 100
        union
        select facets.right, above.depth from above join facets on facets.left = above.span
        union
        select facets.left, above.depth from above join facets on facets.right = above.span
    )
    select json_group_object(span, depth)
    from (select span, min(depth) as depth from above group by span)
)) as found
