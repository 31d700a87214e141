/*
@title What is below a span
@description For any span: itself, its subspans down to the lowest, and their other accounts (facets) either way; of
    100 levels at most, so that a circle ends. Found when it is asked for, so say of which: where root = 17, or
    where root_uuid = '...'. What is below many tasks is quicker read from the table descendants. For what is above a
    span see the view ancestor.
@column root id of the span in this database
@column root_uuid its surrogate key
@column span id of a span below it, or of itself
@column span_uuid surrogate key of that span
@column span_type its span type
@column depth least number of levels from the root down to it: 0 for the root and other accounts of the root
*/
-- SQLite hands no condition on to a recursive query in a view: it would begin at each span there is. It does hand on
-- a value to a subquery, so the recursion is one, and its rows come back as JSON.
select
    roots.id as root,
    roots.uuid as root_uuid,
    cast(found.key as integer) as span,
    (select uuid from spans where id = cast(found.key as integer)) as span_uuid,
    (
        select span_types.name
        from spans
        join span_types on span_types.id = spans.type
        where spans.id = cast(found.key as integer)
    ) as span_type,
    found.value as depth
from spans as roots
cross join json_each((
    with recursive below(span, depth) as (
        select roots.id, 0
        union
        select subspans.subspan, below.depth + 1
        from below
        join subspans on subspans.superspan = below.span
        where below.depth < 100
        union
        select facets.right, below.depth from below join facets on facets.left = below.span
        union
        select facets.left, below.depth from below join facets on facets.right = below.span
    )
    select json_group_object(span, depth)
    from (select span, min(depth) as depth from below group by span)
)) as found
