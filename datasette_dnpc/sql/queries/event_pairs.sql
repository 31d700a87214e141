/*
@title Times between two events of any component
@topic Durations
@description One row a root: when it came into the start state, and how long from there to the end state, which may be
    events of different spans below it. Of several such events the first starts and the last ends, unless it is asked
    for otherwise. Where there are more roots than rows asked for, a random sample, always the same, or the slowest.
@param root_type a span type; empty: of those in the run the one whose sequences hold most events. One whose sequences are not kept has
    only states of its own
@param start_state span_type/event_type; empty: the one which most roots of several events begin with
@param end_state span_type/event_type; empty: the one which most roots of several events end with
@param start_which first or last: which of several start states of a root; empty: first
@param end_which first or last: which of several end states of a root; empty: last
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all roots, of an app or not
@param executor label of an executor; empty: all roots, of an executor or not
@param shortest least duration, seconds; empty: any
@param longest greatest duration, seconds; empty: any
@param from_start earliest start, seconds from the first event of the run; empty: any
@param to_start latest start, seconds from the first event of the run; empty: any
@param order sample or slowest: the rows in order of time, or the slowest ones first; empty: sample
@param rows most rows to return; empty: 900
@param sample all: look at all roots; a number: at a random sample, always the same, where there are more than that; empty: 100 000
@needs kept_root_type run_began
@about roots
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
@column of_spans number of roots that came into both states, within these times, shown or not
@column without number of roots that lack one of the two states, or both
@column one_in 1: all roots were looked at; else a sample of 1 in so many, and numbers of roots are multiplied by that
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=duration y_type=quantitative
    color_column=run_name
*/
with
-- part shown_root_type
,
-- part asked_type
,
-- part measured
,
shown as (
    select measured.id, measured.began, measured.since_run_began, measured.duration
    from measured
    cross join spans on spans.id = measured.id
    where measured.inside
    -- A uuid is a hash, so its order is random and the same in every database.
    order by iif(:order = 'slowest', -measured.duration, null), spans.uuid
    limit max(coalesce(nullif(cast(:rows as integer), 0), 900), 1)
)
select
    (select type from asked_type) as root_type,
    chosen.start_state,
    chosen.end_state,
    chosen.start_which,
    chosen.end_which,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    spans.uuid,
    shown.began,
    iso_time(shown.began) as began_iso,
    round(shown.since_run_began, 6) as since_run_began,
    round(shown.duration, 6) as duration,
    (select sum(inside * stands_for) from measured) as of_spans,
    (select sum(stands_for) from roots) - (select sum(stands_for) from measured) as without,
    (select one_in from lot) as one_in
from chosen
cross join shown
cross join spans on spans.id = shown.id
left join runs on runs.id = spans.run
order by iif(:order = 'slowest', -shown.duration, shown.began), spans.uuid
