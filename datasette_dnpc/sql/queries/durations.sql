/*
@title Durations between two events
@description One row a span: when it started, and how long it took from the first start event to the last end event.
    Where there are more spans than rows asked for, a random sample, always the same.
@param span_type a span type; empty: the first root type, or other type, whose spans have durations
@param start_event an event type; empty: the one which most spans of the type begin with
@param end_event an event type; empty: the one which most spans of the type end with
@param run key or name of a run; empty: all runs
@param rows most rows to return; empty: 900
@needs default_span_type run_began
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
@column duration seconds from the start event to the end event
@column of_spans number of spans that have both events, shown or not
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=duration y_type=quantitative
    color_column=run_name
*/
with chosen_spans as (
    select spans.id, spans.run, spans.key, spans.uuid, spans.began, spans.ended
    from spans
    where spans.type = (
            select id from span_types
            where name = coalesce(nullif(:span_type, ''), (select type from default_span_type))
        )
        and (
            nullif(:run, '') is null
            or spans.run in (select id from runs where :run in (key, name))
        )
        and spans.began is not null
),
-- What most of the spans begin and end with, as the first thousand show it.
sampled as (
    select id, began, ended from chosen_spans order by id limit 1000
),
chosen as materialized (
    select
        coalesce(nullif(:span_type, ''), (select type from default_span_type)) as span_type,
        coalesce(nullif(:start_event, ''), (
            select event_types.name
            from sampled
            join events on events.span = sampled.id and events.time = sampled.began
            join event_types on event_types.id = events.type
            group by event_types.name
            order by count(*) desc, event_types.name
            limit 1
        )) as start_event,
        coalesce(nullif(:end_event, ''), (
            select event_types.name
            from sampled
            join events on events.span = sampled.id and events.time = sampled.ended
            join event_types on event_types.id = events.type
            group by event_types.name
            order by count(*) desc, event_types.name
            limit 1
        )) as end_event
),
measured as (
    select
        chosen_spans.*,
        (
            select min(time) from events
            where span = chosen_spans.id
                and type = (select id from event_types where name = (select start_event from chosen))
        ) as start_time,
        (
            select max(time) from events
            where span = chosen_spans.id
                and type = (select id from event_types where name = (select end_event from chosen))
        ) as end_time
    from chosen_spans
),
-- A uuid is a hash, so its order is random and the same in every database. Taking every n-th span
-- in order of time instead would beat with whatever is periodic in the workflow.
numbered as (
    select
        *,
        row_number() over (order by uuid) as number,
        count(*) over () as of_spans
    from measured
    where start_time is not null and end_time is not null
)
select
    chosen.span_type,
    chosen.start_event,
    chosen.end_event,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    numbered.key,
    numbered.uuid,
    numbered.start_time as began,
    iso_time(numbered.start_time) as began_iso,
    round(numbered.start_time - run_began.time, 6) as since_run_began,
    round(numbered.end_time - numbered.start_time, 6) as duration,
    numbered.of_spans
from chosen
join numbered
left join runs on runs.id = numbered.run
left join run_began on run_began.run is numbered.run
where numbered.number <= max(cast(coalesce(nullif(:rows, ''), 900) as integer), 1)
order by numbered.start_time, numbered.uuid
