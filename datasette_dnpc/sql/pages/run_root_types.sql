/*
@title Root types that are counted by state in a run
@description The type with most events first.
@param run key of the run
@needs kept_root_type state_run
@column name root type
@column roots its spans in all runs
*/
select state_run.root_type as name, kept_root_type.roots
from runs
join state_run on state_run.run = runs.id
join kept_root_type on kept_root_type.id = state_run.root_type_id
where runs.key = :run
order by kept_root_type.rank
