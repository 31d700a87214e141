/*
@title Relations between span types
@topic The logs
@description Which span types contain which others (subspan), and which tell of the same things (facet).
@param run key or name of a run; empty: all runs
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 100 000 of a
    type
@none No span is part of another.
@column kind subspan: right is part of left; facet: both are accounts of one thing
@column left_type span type
@column right_type span type
@column pairs number of pairs of spans
@column relation left and right type in one text
@column left_spans number of all spans of left_type, with such a relation or not
@column right_spans number of all spans of right_type
@column one_in 1: all spans of right_type were looked at; else a sample of 1 in so many, and pairs is multiplied by that
@chart mark=bar x_column=pairs x_type=quantitative y_column=relation y_type=ordinal color_column=kind
*/
with
scope as (
    -- Where there are many spans in all, fewer of each type.
    select
        name as type,
        (select iif(:sample = 'all', 9e9, iif(sum(spans) > 500000, 30000, 300000)) from span_totals) as most
    from span_types
),
-- part asked_runs
,
-- part candidates
,
single as (
    select 'subspan' as kind, supers.type as left_type, subs.type as right_type, candidates.stands_for
    from candidates
    cross join spans as subs on subs.id = candidates.id
    cross join subspans on subspans.subspan = subs.id
    cross join spans as supers on supers.id = subspans.superspan
    union all
    select 'facet', lefts.type, rights.type, candidates.stands_for
    from candidates
    cross join spans as rights on rights.id = candidates.id
    cross join facets on facets.right = rights.id
    cross join spans as lefts on lefts.id = facets.left
),
pairs as (
    select kind, left_type, right_type, sum(stands_for) as pairs, max(stands_for) as one_in
    from single
    group by kind, left_type, right_type
),
counted as materialized (
    select type, sum(spans) as spans
    from span_totals
    where coalesce(run, 0) in (select coalesce(run, 0) from asked_runs)
    group by type
)
select
    pairs.kind,
    left_types.name as left_type,
    right_types.name as right_type,
    pairs.pairs,
    left_types.name || iif(pairs.kind = 'facet', ' = ', ' > ') || right_types.name as relation,
    (select spans from counted where type = pairs.left_type) as left_spans,
    (select spans from counted where type = pairs.right_type) as right_spans,
    pairs.one_in
from pairs
join span_types as left_types on left_types.id = pairs.left_type
join span_types as right_types on right_types.id = pairs.right_type
order by kind, pairs.pairs desc, left_type, right_type
