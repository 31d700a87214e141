/*
@title Resource usage of tries, one number a row
@description The samples that monitoring took of each try's process, as parsl_resource has them in columns.
@column uuid surrogate key of the try (parsl.monitoring.try)
@column time seconds since 1970 UTC
@column metric name of the column in parsl_resource
@column value the number: bytes for memory and disk, seconds for times, per cent for memory_percent, else a count
*/
-- A json_each over the columns would be shorter, but JSON keeps 15 digits only.
select uuid, timestamp as time, 'psutil_process_memory_percent' as metric, psutil_process_memory_percent as value
from parsl_resource where psutil_process_memory_percent is not null
union all
select uuid, timestamp, 'psutil_process_memory_virtual', psutil_process_memory_virtual
from parsl_resource where psutil_process_memory_virtual is not null
union all
select uuid, timestamp, 'psutil_process_memory_resident', psutil_process_memory_resident
from parsl_resource where psutil_process_memory_resident is not null
union all
select uuid, timestamp, 'psutil_process_time_user', psutil_process_time_user
from parsl_resource where psutil_process_time_user is not null
union all
select uuid, timestamp, 'psutil_process_time_system', psutil_process_time_system
from parsl_resource where psutil_process_time_system is not null
union all
select uuid, timestamp, 'psutil_process_disk_read', psutil_process_disk_read
from parsl_resource where psutil_process_disk_read is not null
union all
select uuid, timestamp, 'psutil_process_disk_write', psutil_process_disk_write
from parsl_resource where psutil_process_disk_write is not null
union all
select uuid, timestamp, 'psutil_process_children_count', psutil_process_children_count
from parsl_resource where psutil_process_children_count is not null
union all
select uuid, timestamp, 'psutil_process_num_ctx_switches_voluntary', psutil_process_num_ctx_switches_voluntary
from parsl_resource where psutil_process_num_ctx_switches_voluntary is not null
union all
select uuid, timestamp, 'psutil_process_num_ctx_switches_involuntary', psutil_process_num_ctx_switches_involuntary
from parsl_resource where psutil_process_num_ctx_switches_involuntary is not null
