/*
@title Gantt of spans
@topic Durations
@description One row a span of a type, from its first event to its last, in the order of their beginnings. Where there
    are more spans than rows asked for, a random sample, always the same.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param from_seconds seconds from the first event of the run: spans that end from then on; empty: all
@param to_seconds seconds from the first event of the run: spans that begin until then; empty: all
@param rows number of spans, at most 900; empty: 500
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 300 000
@needs duration_type run_began
@column span_type span type
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column key the span's key within its run
@column label the key, and the run's name where several runs are shown
@column uuid surrogate key of the span
@column app name of the app, or category, that it belongs to; NULL if not known
@column executor label of the executor that it belongs to, NULL if not known
@column ending type of its last event
@column began time of its first event, seconds since 1970 UTC
@column ended time of its last event, seconds since 1970 UTC
@column since_run_began seconds from the first event of the run to that of the span
@column duration seconds from first to last event
@column of_spans number of such spans, shown or not
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=duration y_type=quantitative
    color_column=ending
*/
with
-- part shown_span_type
,
scope as (
    select type, iif(:sample = 'all', 9e9, 300000) as most from shown_span_type
),
-- part picked
,
chosen as materialized (
    select id, name
    from span_types
    where name = (select type from shown_span_type)
),
zeros as materialized (
    select run, time
    from run_began
    where coalesce(:from_seconds, '') || coalesce(:to_seconds, '') <> ''
),
candidate_spans as materialized (
    select spans.id, spans.uuid, picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    -- For a condition on spans alone SQLite may read all of them first, to make a filter of their ids.
    where picked.stands_for = 0
        or spans.began is not null
        and (
            coalesce(:from_seconds, '') = ''
            or spans.ended >= (select time from zeros where run is spans.run) + cast(:from_seconds as real)
        )
        and (
            coalesce(:to_seconds, '') = ''
            or spans.began <= (select time from zeros where run is spans.run) + cast(:to_seconds as real)
        )
),
-- A uuid is a hash, so its order is random and the same in every database.
sample as materialized (
    select id
    from candidate_spans
    order by uuid
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 500), 1), 900)
),
-- part owners candidates=sample owners=owners_shown
,
shown as (
    select spans.*, min(spans.run) over () is not max(spans.run) over () as runs_differ
    from sample
    cross join spans on spans.id = sample.id
)
select
    chosen.name as span_type,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    shown.key,
    shown.key || iif(shown.runs_differ, coalesce(', ' || coalesce(runs.name, runs.key), ''), '') as label,
    shown.uuid,
    owner.app,
    owner.executor,
    (
        select event_types.name
        from events
        join event_types on event_types.id = events.type
        where events.span = shown.id
        order by events.time desc, events.type desc
        limit 1
    ) as ending,
    shown.began,
    shown.ended,
    round(shown.began - run_began.time, 6) as since_run_began,
    round(shown.ended - shown.began, 6) as duration,
    (select sum(stands_for) from candidate_spans) as of_spans,
    (select max(stands_for) from candidate_spans) as one_in
from chosen
cross join shown
left join runs on runs.id = shown.run
left join run_began on run_began.run is shown.run
left join (
    select span, min(app) as app, min(executor) as executor from owners_shown group by span
) as owner on owner.span = shown.id
order by shown.began, shown.ended, shown.uuid
