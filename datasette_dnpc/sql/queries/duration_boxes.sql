/*
@title Durations by ending, or another group
@topic Durations
@description How long the spans of a type take, from first to last event, for each way to end: the type of the last
    event; or by what else is asked for. Of the groups, the 40 with most spans. Spans with only one event, or none,
    have no duration and are left out.
@param span_type a span type; empty: by ending, the type whose spans end in most different ways, of the first 300 of each;
    else the first root type, or other type, whose spans have durations
@param by what to group by: ending, app, executor, host, worker, block or run; empty, or anything else: ending
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 100 000
@needs duration_type
@column span_type span type
@column grouped_by what the groups are
@column group text of the group; 'several' where a span has more than one, such as a task that was tried on two
    workers; 'not known' where no log tells
@column label rank and group, in an order that sorts as text
@column spans spans of the group that have a duration
@column min seconds, least
@column p5 seconds, 5th percentile
@column p25 seconds, lower quartile
@column p50 seconds, median
@column p75 seconds, upper quartile
@column p95 seconds, 95th percentile
@column max seconds, most
@column mean seconds
@column of_groups number of groups, shown or not
@column of_spans number of spans that have a duration, in all groups
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=bar x_column=p50 x_type=quantitative y_column=label y_type=ordinal
*/
with recursive
-- part shown_span_type
,
asked as materialized (
    select
        coalesce(
            nullif(:span_type, ''),
            iif(
                :by in ('app', 'executor', 'host', 'worker', 'block', 'run'),
                null,
                (
                    select span_types.name
                    from span_types
                    cross join spans on spans.id in (
                        select id
                        from spans as some
                        where some.type = span_types.id
                            and some.ended > some.began
                            and (
                                coalesce(:run, '') = ''
                                or some.run in (select id from runs where :run in (key, name))
                            )
                        limit 300
                    )
                    cross join events on events.span = spans.id and events.time = spans.ended
                    where exists (select 1 from span_totals where span_totals.type = span_types.id and lasting > 0)
                    group by span_types.id
                    having count(distinct events.type) > 1
                    order by count(distinct events.type) desc, span_types.name
                    limit 1
                )
            ),
            (select type from shown_span_type)
        ) as span_type,
        iif(:by in ('app', 'executor', 'host', 'worker', 'block', 'run'), :by, 'ending') as by
),
scope as (
    select
        span_type as type,
        iif(:sample = 'all', 9e9, iif(by in ('host', 'worker', 'block'), 50000, 200000)) as most
    from asked
),
-- part picked
,
chosen as materialized (
    select spans.id, spans.run, spans.began, spans.ended, spans.attributes, picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    where spans.ended > spans.began
),
-- What is below each span, down to what has been on a worker.
reached(span, part) as (
    select id, id from chosen where (select by from asked) in ('worker', 'block', 'host')
    union
    select reached.span, subspans.subspan from reached join subspans on subspans.superspan = reached.part
    union
    select reached.span, facets.right from reached join facets on facets.left = reached.part
    union
    select reached.span, facets.left from reached join facets on facets.right = reached.part
),
workers as materialized (
    select id from spans where type in (select id from span_types where name like '%.worker')
),
worked as materialized (
    select reached.span, subspans.superspan as worker
    from reached
    join subspans on subspans.subspan = reached.part
    where subspans.superspan in (select id from workers)
    union
    select reached.span, reached.part from reached where reached.part in (select id from workers)
),
above(worker, span) as (
    select distinct worker, worker from worked
    union
    select above.worker, subspans.superspan from above join subspans on subspans.subspan = above.span
),
placed as materialized (
    select
        workers.id as worker,
        workers.key,
        max(iif(span_types.name like '%.block', spans.key, null)) as block,
        max(iif(span_types.name like '%.manager', json_extract(spans.attributes, '$.host'), null)) as host
    from above
    join spans as workers on workers.id = above.worker
    join spans on spans.id = above.span
    join span_types on span_types.id = spans.type
    group by workers.id
),
found as materialized (
    select
        worked.span,
        iif(min(placed.key) < max(placed.key), 'several', min(placed.key)) as worker,
        iif(min(placed.block) < max(placed.block), 'several', min(placed.block)) as block,
        iif(min(placed.host) < max(placed.host), 'several', min(placed.host)) as host
    from worked
    join placed on placed.worker = worked.worker
    group by worked.span
),
measured as (
    select
        chosen.stands_for,
        chosen.ended - chosen.began as duration,
        coalesce(
            case (select by from asked)
                when 'app' then (select app from owners where owners.span = chosen.id)
                when 'executor' then coalesce(
                    json_extract(chosen.attributes, '$.executor'),
                    (select executor from owners where owners.span = chosen.id)
                )
                when 'run' then (select coalesce(name, key) from runs where runs.id = chosen.run)
                when 'worker' then (select worker from found where found.span = chosen.id)
                when 'block' then coalesce(
                    (select block from found where found.span = chosen.id),
                    json_extract(chosen.attributes, '$.executor') || '/' || json_extract(chosen.attributes, '$.block')
                )
                when 'host' then coalesce(
                    (select host from found where found.span = chosen.id), json_extract(chosen.attributes, '$.host'))
                else (
                    select event_types.name
                    from events
                    join event_types on event_types.id = events.type
                    where events.span = chosen.id
                    order by events.time desc, events.type desc, events.n desc
                    limit 1
                )
            end,
            'not known'
        ) as name
    from chosen
),
grouped as (
    select
        name,
        sum(stands_for) as spans,
        max(stands_for) as one_in,
        percentiles(duration, 0, 5, 25, 50, 75, 95, 100) as figures,
        avg(duration) as mean
    from measured
    group by name
),
ranked as (
    select
        *,
        row_number() over (order by spans desc, name) as rank,
        count(*) over () as of_groups,
        sum(spans) over () as of_spans
    from grouped
)
select
    asked.span_type,
    asked.by as grouped_by,
    ranked.name as "group",
    printf('%02d: %s', ranked.rank, ranked.name) as label,
    ranked.spans,
    json_extract(ranked.figures, '$[0]') as min,
    json_extract(ranked.figures, '$[1]') as p5,
    json_extract(ranked.figures, '$[2]') as p25,
    json_extract(ranked.figures, '$[3]') as p50,
    json_extract(ranked.figures, '$[4]') as p75,
    json_extract(ranked.figures, '$[5]') as p95,
    json_extract(ranked.figures, '$[6]') as max,
    ranked.mean,
    ranked.of_groups,
    ranked.of_spans,
    ranked.one_in
from ranked
cross join asked
where ranked.rank <= 40
order by ranked.rank
