/*
@title Relations between span types
@description Which span types contain which others (subspan), and which tell of the same things (facet).
@param run key or name of a run; empty: all runs
@needs span_type_relation
@column kind subspan: right is part of left; facet: both are accounts of one thing
@column left_type span type
@column right_type span type
@column pairs number of pairs of spans
@column relation left and right type in one text
@column left_spans number of all spans of left_type, with such a relation or not
@column right_spans number of all spans of right_type
@chart mark=bar x_column=pairs x_type=quantitative y_column=relation y_type=ordinal color_column=kind
*/
with counted as materialized (
    select span_types.name as type, count(*) as spans
    from spans
    join span_types on span_types.id = spans.type
    where nullif(:run, '') is null
        or spans.run in (select id from runs where :run in (key, name))
    group by spans.type
)
select
    kind,
    left_type,
    right_type,
    sum(pairs) as pairs,
    left_type || iif(kind = 'facet', ' = ', ' > ') || right_type as relation,
    (select spans from counted where type = left_type) as left_spans,
    (select spans from counted where type = right_type) as right_spans
from span_type_relation
where nullif(:run, '') is null
    or run in (select id from runs where :run in (key, name))
group by kind, left_type, right_type
order by kind, pairs desc, left_type, right_type
