/*
@title Numbers known of each root and of all below it
@description For the root types whose descendants are kept: one row for each attribute that is a number, of the root itself
    or of a span below it; as cores or memory, to weigh roots with.
@column root id of the root span in this database
@column root_type its span type
@column run id of its run, NULL if none
@column span id of the span that has the attribute
@column own 1 where that is the root itself, else 0
@column name name of the attribute; requested.memory is memory within requested
@column value the number, in whatever unit it was logged
*/
select
    descendants.root,
    root_types.name as root_type,
    roots.run,
    spans.id as span,
    descendants.span = descendants.root as own,
    substr(known.fullkey, 3) as name,
    known.value
from descendants
join spans as roots on roots.id = descendants.root
join span_types as root_types on root_types.id = roots.type
join spans on spans.id = descendants.span
join json_tree(spans.attributes) as known
where known.type in ('integer', 'real')
    and instr(known.fullkey, '[') = 0
