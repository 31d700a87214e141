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
@chart mark=bar x_column=pairs x_type=quantitative y_column=relation y_type=ordinal color_column=kind
*/
select
    kind,
    left_type,
    right_type,
    sum(pairs) as pairs,
    left_type || iif(kind = 'facet', ' = ', ' > ') || right_type as relation
from span_type_relation
where nullif(:run, '') is null
    or run in (select id from runs where :run in (key, name))
group by kind, left_type, right_type
order by kind, pairs desc, left_type, right_type
limit 900
