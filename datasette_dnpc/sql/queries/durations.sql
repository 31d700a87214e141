/*
@title Durations between two events
@topic Durations
@description One row a span: when it started, and how long it took from the first start event to the last end event.
    Where there are more spans than rows asked for, a random sample, always the same.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations
@param start_event an event type; empty: the one which most spans of the type begin with
@param end_event an event type; empty: the one which most spans of the type end with
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all spans, of an app or not
@param executor label of an executor; empty: all spans, of an executor or not
@param rows most rows to return; empty: 900
@param sample all: look at all spans; empty: at a random sample, always the same, where there are more than 300 000
@needs duration_type run_began span_event_time
@column span_type span type
@column start_event event type
@column end_event event type
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column key the span's key within its run
@column uuid surrogate key of the span
@column began time of the start event, seconds since 1970 UTC
@column began_iso the same as ISO 8601 UTC
@column since_run_began seconds from the first event of the run to the start event
@column duration seconds from the start event to the end event; negative where clocks disagree
@column of_spans number of spans that have both events, shown or not
@column one_in 1: all spans were looked at; else a sample of 1 in so many, and numbers of spans are multiplied by that
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=duration y_type=quantitative
    color_column=run_name
*/
with
-- part shown_span_type
,
scope as (
    select type, iif(:sample = 'all', 9e9, 300000) as most from shown_span_type
),
-- part picked
,
wanted as materialized (
    select spans.id, spans.uuid, spans.began, spans.ended, picked.stands_for
    from picked
    cross join spans on spans.id = picked.id
    where spans.began is not null
),
-- What most of the spans begin and end with, as the first thousand show it.
sampled as (
    select id, began, ended from wanted order by id limit 1000
),
chosen as materialized (
    select starts.id as start_id, starts.name as start_event, ends.id as end_id, ends.name as end_event
    from event_types as starts
    join event_types as ends
    where starts.name = coalesce(nullif(:start_event, ''), (
            select event_types.name
            from sampled
            join events on events.span = sampled.id and events.time = sampled.began
            join event_types on event_types.id = events.type
            group by event_types.name
            order by count(*) desc, event_types.name
            limit 1
        ))
        and ends.name = coalesce(nullif(:end_event, ''), (
            select event_types.name
            from sampled
            join events on events.span = sampled.id and events.time = sampled.ended
            join event_types on event_types.id = events.type
            group by event_types.name
            order by count(*) desc, event_types.name
            limit 1
        ))
),
measurable as materialized (
    select wanted.id, wanted.uuid, wanted.stands_for
    from chosen
    cross join wanted
    where exists (select 1 from events where span = wanted.id and type = chosen.start_id)
        and exists (select 1 from events where span = wanted.id and type = chosen.end_id)
),
-- A uuid is a hash, so its order is random and the same in every database. Taking every n-th span
-- in order of time instead would beat with whatever is periodic in the workflow.
sample as (
    select id
    from measurable
    order by uuid
    limit max(coalesce(nullif(cast(:rows as integer), 0), 900), 1)
),
measured as materialized (
    select
        id,
        (select first from span_event_time where span = id and event_type = (select start_event from chosen)) as began,
        (select last from span_event_time where span = id and event_type = (select end_event from chosen)) as ended
    from sample
)
select
    (select type from shown_span_type) as span_type,
    chosen.start_event,
    chosen.end_event,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    spans.uuid,
    measured.began,
    iso_time(measured.began) as began_iso,
    round(measured.began - run_began.time, 6) as since_run_began,
    round(measured.ended - measured.began, 6) as duration,
    (select sum(stands_for) from measurable) as of_spans,
    (select max(stands_for) from measurable) as one_in
from chosen
cross join measured
cross join spans on spans.id = measured.id
left join runs on runs.id = spans.run
left join run_began on run_began.run is spans.run
order by measured.began, spans.uuid
