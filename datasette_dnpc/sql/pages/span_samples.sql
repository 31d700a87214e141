/*
@title Metrics in the span's interval
@description Numbers measured: all of the span's own, and from its first to its last event those of its facets, and of
    what it is part of or what is part of it: of the first 2000 spans of that. Each metric with its figures.
@param uuid surrogate key of the span
@needs ancestor
@column metric what was measured
@column unit its unit, NULL if it has none
@column span_type span type of what has the metric
@column key its key within its run
@column uuid its surrogate key
@column samples how many values lie in the interval
@column least the least of them
@column mean their mean
@column most the greatest of them
@column last_value the last of them
@column of_series number of series, shown or not: the first 200 are
*/
with recursive wanted as materialized (
    select id, began, ended from spans where uuid = :uuid
),
-- As the view descendant, which has no limit.
below(span) as (
    select id from wanted
    union
    select subspans.subspan from below join subspans on subspans.superspan = below.span
    union
    select facets.right from below join facets on facets.left = below.span
    union
    select facets.left from below join facets on facets.right = below.span
    limit 2000
),
around as materialized (
    select ancestor as span from ancestor where span_uuid = :uuid
    union
    select span from below
)
select
    metrics.name as metric,
    metrics.unit,
    span_types.name as span_type,
    spans.key,
    spans.uuid,
    count(*) as samples,
    min(samples.value) as least,
    avg(samples.value) as mean,
    max(samples.value) as most,
    (
        select value from samples as later
        where later.span = samples.span and later.metric = samples.metric
            and (later.time <= wanted.ended or later.span = wanted.id)
        order by later.time desc
        limit 1
    ) as last_value,
    count(*) over () as of_series
from around
cross join samples on samples.span = around.span
cross join wanted
join metrics on metrics.id = samples.metric
join spans on spans.id = samples.span
join span_types on span_types.id = spans.type
where samples.time between wanted.began and wanted.ended or samples.span = wanted.id
group by samples.span, samples.metric
order by span_types.name, spans.key, metrics.name
limit 200
