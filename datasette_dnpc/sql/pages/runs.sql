/*
@title Runs to choose from
@description The latest 900.
@column key key of the run
@column name name of the run, or its key
*/
select key, coalesce(name, key) as name
from runs
order by id desc
limit 900
