/*
@title Runs to choose from
@description The latest 900, and the one that is asked for.
@param run key or name of a run, or empty
@column id id of the run in this database
@column key key of the run
@column name name of the run, or its key
*/
select id, key, coalesce(name, key) as name
from runs
where id in (select id from runs order by id desc limit 900) or :run in (key, name)
order by id desc
