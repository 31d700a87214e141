/*
@title Processes on nodes, as monitoring sampled them
@description One row for each sample that monitoring took of a process, with the one before of the same process. A
    worker of HTEX keeps one process for all its tasks, so that its samples follow each other over many tries. Processor
    time falls when a child has ended.
@column run id of the run
@column host name of the node, NULL if not known
@column process number of the process on its node
@column try_uuid surrogate key of the try (parsl.monitoring.try) that it was working on
@column time seconds since 1970 UTC
@column memory MB of 2**20 bytes that it and its children held
@column cpu_seconds seconds of processor time that it and its children have used up to then
@column time_before time of the sample before, NULL for the first
@column memory_before MB that they held then, NULL for the first
@column cpu_seconds_before seconds of processor time up to then, NULL for the first
*/
select
    runs.id as run,
    parsl_try.hostname as host,
    parsl_resource.psutil_process_pid as process,
    parsl_resource.uuid as try_uuid,
    parsl_resource.timestamp as time,
    parsl_resource.psutil_process_memory_resident / 1048576 as memory,
    parsl_resource.psutil_process_time_user + parsl_resource.psutil_process_time_system as cpu_seconds,
    lag(parsl_resource.timestamp) over of_process as time_before,
    lag(parsl_resource.psutil_process_memory_resident / 1048576) over of_process as memory_before,
    lag(parsl_resource.psutil_process_time_user + parsl_resource.psutil_process_time_system) over of_process
        as cpu_seconds_before
from runs
join parsl_resource on parsl_resource.run_id = runs.key
left join parsl_try
    on parsl_try.run_id = parsl_resource.run_id
    and parsl_try.task_id = parsl_resource.task_id
    and parsl_try.try_id = parsl_resource.try_id
window of_process as (
    partition by runs.id, parsl_try.hostname, parsl_resource.psutil_process_pid
    order by parsl_resource.timestamp, parsl_resource.task_id, parsl_resource.try_id
)
