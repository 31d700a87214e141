/*
@title Relations between span types
@description How many spans of one type contain, or are another account of, spans of another.
@column kind subspan: right is part of left; facet: both are accounts of one thing
@column left_type span type
@column right_type span type
@column run id of the right span's run, NULL if none
@column pairs pairs of spans
*/
select
    pairs.kind,
    left_types.name as left_type,
    right_types.name as right_type,
    pairs.run,
    pairs.pairs
from (
    select
        'subspan' as kind, supers.type as left_type, subs.type as right_type, subs.run,
        count(*) as pairs
    from subspans
    join spans as supers on supers.id = subspans.superspan
    join spans as subs on subs.id = subspans.subspan
    group by supers.type, subs.type, subs.run
    union all
    select 'facet', lefts.type, rights.type, rights.run, count(*)
    from facets
    join spans as lefts on lefts.id = facets.left
    join spans as rights on rights.id = facets.right
    group by lefts.type, rights.type, rights.run
) as pairs
join span_types as left_types on left_types.id = pairs.left_type
join span_types as right_types on right_types.id = pairs.right_type
