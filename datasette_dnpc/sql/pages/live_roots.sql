/*
@title How many roots of any type there are
@description Those that live_events takes its sample of.
@param root_type id of a span type
@param run key or name of a run; empty: all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@column spans number of roots; of an app or executor an estimate where there are more than 100 000
*/
with
scope as (
    select name as type, 100000 as most
    from span_types
    where coalesce(:app, '') || coalesce(:executor, '') <> '' and id = :root_type
),
-- part picked
,
counted(spans) as (
    select sum(stands_for) from picked
    union all
    select sum(spans)
    from span_totals
    where coalesce(:app, '') || coalesce(:executor, '') = ''
        and type = :root_type
        and coalesce(run, 0) in (select coalesce(run, 0) from asked_runs)
)
select coalesce(sum(spans), 0) as spans from counted
