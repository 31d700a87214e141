/*
@title A few spans by id
@description Roots of a variant that was computed for the page.
@param roots JSON list of ids of spans
@column id id of the span
@column uuid its surrogate key
@column key its key within its run
@column run_name name of its run, or the run's key; NULL if none
*/
select
    spans.id,
    spans.uuid,
    spans.key,
    (select coalesce(name, key) from runs where runs.id = spans.run) as run_name
from spans
where spans.id in (select value from json_each(:roots))
