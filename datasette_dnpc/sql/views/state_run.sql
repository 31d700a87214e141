/*
@title Runs whose roots are counted by state, and the one to show
@description One row for each root type and each run whose counts are kept in state_counts.
@column root_type_id id of the root type in this database
@column root_type span type of the roots
@column run id of the run
@column run_key its key
@column run_name its name, NULL if it has none
@column spans roots in any state, added up over all times that are kept: the run with most is the one to show
*/
select
    counted.root_type as root_type_id,
    (select name from span_types where id = counted.root_type) as root_type,
    counted.run,
    runs.key as run_key,
    runs.name as run_name,
    counted.spans
from (
    select root_type, run, sum(spans) as spans
    from state_counts
    group by root_type, run
) as counted
left join runs on runs.id = counted.run
