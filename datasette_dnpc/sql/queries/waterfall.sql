/*
@title Waterfall of one task
@topic One task
@description One task, or any other span, with all that is below it through all layers, each span once, in the order of
    a tree: its other accounts (facets) directly under it, then what is in it, the first to begin first. What is part of
    several spans stands where the way up to the root is shortest; of equally short ones, below the one that began
    first. Of a root with more than 20 000 spans below it only those nearest to it are known here.
@param root surrogate key of a span, or its key, such as 12; empty: the slowest root of the first root type
@param run key or name of a run; empty: any
@param rows most spans to show, the first of the tree, at most 900; empty: 300
@needs kept_root_type
@column position 1 for the root, then counted in the order of the tree
@column depth levels below the root: 0 for the root and its other accounts
@column is_facet 1 if it is another account of what stands above it, else 0
@column label span type and key, indented; = before another account
@column span_type span type
@column key the span's key within its run
@column uuid surrogate key of the span
@column run key of the run, NULL if none
@column run_name name of the run, or its key, NULL if none
@column began time of its first event, seconds since 1970 UTC, NULL if it has no event
@column ended time of its last event, seconds since 1970 UTC, NULL if it has no event
@column since_root_began seconds from the first event of the root or anything below it to the first event of the span
@column duration seconds from first to last event: 0 for a single event
@column events number of its events
@column event_times seconds since the root began of its first 100 events, as a JSON list
@column log path of the log which its first event is from
@column of_spans number of spans of the tree, shown or not
*/
with recursive asked as materialized (
    select coalesce(:root, '') as root, coalesce(:run, '') as run
),
-- Of a key that several spans have, a task's before its tries'.
candidates as (
    select spans.id, -1 as rank, 0 as duration, spans.uuid
    from asked
    join spans on spans.uuid = asked.root
    where asked.run = '' or spans.run in (select id from runs where asked.run in (key, name))
    union all
    select spans.id, coalesce(kept_root_type.rank, 1000), 0, spans.uuid
    from asked
    cross join runs on asked.run in ('', runs.key, runs.name)
    cross join span_types
    cross join spans on spans.run = runs.id and spans.type = span_types.id and spans.key = asked.root
    left join kept_root_type on kept_root_type.id = span_types.id
    where asked.root <> ''
    union all
    select spans.id, kept_root_type.rank, variant_totals.longest, spans.uuid
    from asked
    cross join kept_root_type
    cross join variants on variants.root_type = kept_root_type.id
    cross join variant_totals on variant_totals.variant = variants.id
    cross join spans on spans.id = variant_totals.slowest
    where asked.root = ''
        and (asked.run = '' or variant_totals.run in (select id from runs where asked.run in (key, name)))
    union all
    -- Where no sequence is kept.
    select spans.id, 2000, coalesce(spans.ended - spans.began, 0), spans.uuid
    from asked
    cross join spans
    where asked.root = ''
        and not exists (select 1 from variant_totals)
        and (asked.run = '' or spans.run in (select id from runs where asked.run in (key, name)))
),
chosen as materialized (
    select id from candidates order by rank, duration desc, uuid limit 1
),
-- A step is a level down, or from one account to another; both are counted in one number, 8 to a level, so that the
-- shortest way is the least number.
reached(span, way) as (
    select id, 0 from chosen
    union
    select subspans.subspan, (reached.way / 8 + 1) * 8
    from reached
    join subspans on subspans.superspan = reached.span
    where reached.way < 800
    union
    select facets.right, reached.way + 1
    from reached
    join facets on facets.left = reached.span
    where reached.way % 8 < 4
    union
    select facets.left, reached.way + 1
    from reached
    join facets on facets.right = reached.span
    where reached.way % 8 < 4
    order by 2
    limit 40000
),
nearest as materialized (
    select span, min(way) as way
    from reached
    group by span
    order by 2, 1
    limit 20000
),
pairs as materialized (
    select left, right, lefts.way as left_way, rights.way as right_way
    from nearest as lefts
    cross join facets on facets.left = lefts.span
    join nearest as rights on rights.span = facets.right
),
-- Below what a span may stand: as another account of it, or as a part.
links(span, parent, is_facet, parent_way) as (
    select left, right, 1, right_way from pairs where left_way = right_way + 1
    union all
    select right, left, 1, left_way from pairs where right_way = left_way + 1
    union all
    -- Where both are parts of the same, the right one, the log's account, stands for the thing.
    select left, right, 1, right_way
    from pairs
    where left_way = right_way
        and left_way % 8 = 0
        and right not in (select left from pairs where left_way = right_way)
    union all
    select parts.span, wholes.span, 0, wholes.way
    from nearest as parts
    cross join subspans on subspans.subspan = parts.span
    join nearest as wholes on wholes.span = subspans.superspan
    where parts.way % 8 = 0 and wholes.way / 8 = parts.way / 8 - 1
),
ordered as (
    select
        links.*,
        row_number() over (
            partition by links.span
            order by links.is_facet desc, links.parent_way, parents.began is null, parents.began, parents.uuid
        ) as choice
    from links
    join spans as parents on parents.id = links.parent
),
numbered as materialized (
    select
        ordered.span,
        nearest.way / 8 as depth,
        ordered.parent,
        ordered.is_facet,
        row_number() over (
            partition by ordered.parent
            order by ordered.is_facet desc, parts.began is null, parts.began, parts.uuid
        ) as number
    from ordered
    join nearest on nearest.span = ordered.span
    join spans as parts on parts.id = ordered.span
    where ordered.choice = 1 and nearest.way > 0
),
tree(span, depth, is_facet, path) as (
    select id, 0, 0, '' from chosen
    union all
    select numbered.span, numbered.depth, numbered.is_facet, tree.path || printf('/%06d', numbered.number)
    from tree
    join numbered on numbered.parent = tree.span
),
placed as (
    select
        tree.*,
        row_number() over (order by path) as position,
        count(*) over () as of_spans,
        min(spans.began) over () as root_began
    from tree
    join spans on spans.id = tree.span
)
select
    placed.position,
    placed.depth,
    placed.is_facet,
    printf('%*s', 2 * placed.depth, '') || iif(placed.is_facet, '= ', '') || span_types.name || ' ' || spans.key as label,
    span_types.name as span_type,
    spans.key,
    spans.uuid,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.began,
    spans.ended,
    round(spans.began - placed.root_began, 6) as since_root_began,
    round(spans.ended - spans.began, 6) as duration,
    (select count(*) from events where span = spans.id) as events,
    (
        select json_group_array(seconds)
        from (
            select round(time - placed.root_began, 6) as seconds
            from events
            where span = spans.id
            order by time
            limit 100
        )
    ) as event_times,
    (
        select sources.path
        from events
        join sources on sources.id = events.source
        where events.span = spans.id
        order by events.time
        limit 1
    ) as log,
    placed.of_spans
from placed
join spans on spans.id = placed.span
join span_types on span_types.id = spans.type
left join runs on runs.id = spans.run
where placed.position <= min(max(coalesce(nullif(cast(:rows as integer), 0), 300), 1), 900)
order by placed.position
