/*
@title Times between two events of any component
@description One row a root: when it came into the start state, and how long from there to the end state, which may be
    events of different spans below it. Of several such events the first starts and the last ends, unless it is asked
    for otherwise. Where there are more roots than rows asked for, a random sample, always the same.
@param root_type a root type; empty: the one whose sequences hold most events
@param start_state span_type/event_type; empty: the one which most roots begin with
@param end_state span_type/event_type; empty: the one which most roots end with
@param start_which first or last: which of several start states of a root; empty: first
@param end_which first or last: which of several end states of a root; empty: last
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all roots, of an app or not
@param executor label of an executor; empty: all roots, of an executor or not
@param rows most rows to return; empty: 900
@needs default_type root_event_time run_began span_app variant_state
@column root_type span type of the roots
@column start_state span_type/event_type
@column end_state span_type/event_type
@column start_which first or last
@column end_which first or last
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column key the root's key within its run
@column uuid surrogate key of the root
@column began time of the start state, seconds since 1970 UTC
@column began_iso the same as ISO 8601 UTC
@column since_run_began seconds from the first event of the run to the start state
@column duration seconds from the start state to the end state; below 0 if that came first, or clocks disagree
@column of_spans number of roots that came into both states, shown or not
@column without number of roots that lack one of the two, or both
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=duration y_type=quantitative
    color_column=run_name
*/
with roots as materialized (
    select spans.id, spans.uuid, sequences.variant
    from span_types
    cross join spans on spans.type = span_types.id
    left join sequences on sequences.root = spans.id
    where span_types.name = coalesce(nullif(:root_type, ''), (select type from default_type))
        and (coalesce(:run, '') = '' or spans.run in (select id from runs where :run in (key, name)))
        and (
            (coalesce(:app, '') = '' and coalesce(:executor, '') = '')
            or spans.id in (
                select span from span_app
                where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
),
of_variant as materialized (
    select variants.id, variants.sequence, counted.spans
    from (select variant, count(*) as spans from roots group by variant) as counted
    join variants on variants.id = counted.variant
),
chosen as materialized (
    select
        coalesce(nullif(:start_state, ''), (
            select json_extract(sequence, '$[0]') from of_variant group by 1 order by sum(spans) desc, 1 limit 1
        )) as start_state,
        coalesce(nullif(:end_state, ''), (
            select json_extract(sequence, '$[#-1]') from of_variant group by 1 order by sum(spans) desc, 1 limit 1
        )) as end_state,
        iif(:start_which = 'last', 'last', 'first') as start_which,
        iif(:end_which = 'first', 'first', 'last') as end_which
),
having_both as materialized (
    select of_variant.id, of_variant.spans
    from chosen
    join of_variant
    where exists (select 1 from variant_state where variant = of_variant.id and state = start_state)
        and exists (select 1 from variant_state where variant = of_variant.id and state = end_state)
),
-- A uuid is a hash, so its order is random and the same in every database.
sample as (
    select id
    from roots
    where variant in (select having_both.id from having_both)
    order by uuid
    limit max(coalesce(nullif(cast(:rows as integer), 0), 900), 1)
),
measured as materialized (
    select
        sample.id,
        (
            select iif(chosen.start_which = 'first', first, last)
            from root_event_time
            where root = sample.id and state = chosen.start_state
        ) as began,
        (
            select iif(chosen.end_which = 'first', first, last)
            from root_event_time
            where root = sample.id and state = chosen.end_state
        ) as ended
    from sample
    join chosen
)
select
    coalesce(nullif(:root_type, ''), (select type from default_type)) as root_type,
    chosen.start_state,
    chosen.end_state,
    chosen.start_which,
    chosen.end_which,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    spans.uuid,
    measured.began,
    iso_time(measured.began) as began_iso,
    round(measured.began - run_began.time, 6) as since_run_began,
    round(measured.ended - measured.began, 6) as duration,
    (select sum(spans) from having_both) as of_spans,
    (select count(*) from roots) - (select sum(spans) from having_both) as without
from chosen
cross join measured
cross join spans on spans.id = measured.id
left join runs on runs.id = spans.run
left join run_began on run_began.run is spans.run
order by measured.began, spans.uuid
