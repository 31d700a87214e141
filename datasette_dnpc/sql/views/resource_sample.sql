/*
@title Resource usage of tries, one number a row
@description The samples that monitoring took of each try's process, as parsl_resource has them in columns.
@column uuid surrogate key of the try (parsl.monitoring.try)
@column time seconds since 1970 UTC
@column metric name of the column in parsl_resource
@column value the number: bytes for memory and disk, seconds for times, per cent for memory_percent, else a count
*/
select
    parsl_resource.uuid,
    parsl_resource.timestamp as time,
    measured.key as metric,
    measured.value
from parsl_resource
join json_each(json_object(
    'psutil_process_memory_percent', parsl_resource.psutil_process_memory_percent,
    'psutil_process_memory_virtual', parsl_resource.psutil_process_memory_virtual,
    'psutil_process_memory_resident', parsl_resource.psutil_process_memory_resident,
    'psutil_process_time_user', parsl_resource.psutil_process_time_user,
    'psutil_process_time_system', parsl_resource.psutil_process_time_system,
    'psutil_process_disk_read', parsl_resource.psutil_process_disk_read,
    'psutil_process_disk_write', parsl_resource.psutil_process_disk_write,
    'psutil_process_children_count', parsl_resource.psutil_process_children_count,
    'psutil_process_num_ctx_switches_voluntary', parsl_resource.psutil_process_num_ctx_switches_voluntary,
    'psutil_process_num_ctx_switches_involuntary', parsl_resource.psutil_process_num_ctx_switches_involuntary
)) as measured
where measured.value is not null
