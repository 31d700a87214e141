/*
@title Joins between logs
@topic The logs
@description Of the spans of left_type, how many are joined to a span of right_type which another log tells of, and how
    many are not though there are such. Each pair is counted from either side.
@param run key or name of a run; empty: all runs
@none No two logs tell of the same things.
@column kind subspan: one is part of the other; facet: both are accounts of one thing
@column left_type span type
@column right_type span type
@column made spans of left_type with a join
@column missing spans of left_type without
@column found per cent of the spans of left_type
@column relation left and right type in one text
@chart mark=bar x_column=made x_type=quantitative y_column=relation y_type=ordinal color_column=kind
*/
select
    joins.kind,
    left_types.name as left_type,
    right_types.name as right_type,
    sum(joins.made) as made,
    sum(joins.missing) as missing,
    round(100.0 * sum(joins.made) / nullif(sum(joins.made) + sum(joins.missing), 0), 2) as found,
    left_types.name || ' with ' || right_types.name as relation
from joins
join span_types as left_types on left_types.id = joins.left_type
join span_types as right_types on right_types.id = joins.right_type
where nullif(:run, '') is null
    or joins.run in (select id from runs where :run in (key, name))
group by joins.kind, left_types.id, right_types.id
order by missing desc, joins.kind, left_type, right_type
