/*
@title Resources of tasks: requested, given, used
@description One row for each task of Work Queue or TaskVine, and for each other try of which monitoring took samples.
    Requested is what the task asked its manager for; given is what the manager set aside for it. Used is what a
    resource monitor of the manager found (a log without cpu_time had none: what TaskVine then calls measured is what was
    given), else what Parsl's monitoring found in the try's process and its children. NULL is not known. No log tells
    what a task asked HighThroughputExecutor for. Memory and disk are in MB of 2**20 bytes.
@column span id of the span of the manager's task, or else of the try (parsl.monitoring.try)
@column span_type its span type
@column run id of its run
@column requested_cores number
@column requested_memory MB
@column requested_disk MB
@column given_cores number
@column given_memory MB
@column given_disk MB
@column used_memory MB, the most at any time (monitoring: in any sample)
@column used_disk MB, the most at any time
@column cpu_seconds seconds of processor time (monitoring: from the first to the last sample)
@column seconds seconds in which cpu_seconds were used; NULL for a single sample
@column samples number of monitoring's samples, 0 if none
*/
with monitored as materialized (
    select
        uuid,
        count(*) as samples,
        max(psutil_process_memory_resident) / 1048576 as memory,
        -- Processor time is counted from the start of the process, which may have run other tasks before.
        iif(
            max(timestamp) > min(timestamp),
            max(psutil_process_time_user + psutil_process_time_system)
            - min(psutil_process_time_user + psutil_process_time_system),
            null
        ) as cpu_seconds,
        nullif(max(timestamp) - min(timestamp), 0) as seconds
    from parsl_resource
    group by run_id, task_id, try_id
),
tried as materialized (
    select
        monitored.*,
        spans.id as try,
        spans.type,
        spans.run,
        -- A try is facet of the log's; that one's part is the executor task, whose part is the manager's task.
        (
            select tasks.id
            from facets
            join subspans as of_try on of_try.superspan = facets.right
            join subspans as of_executor on of_executor.superspan = of_try.subspan
            join spans as tasks on tasks.id = of_executor.subspan
            where facets.left = spans.id
                and tasks.type in (select id from span_types where name in ('workqueue.task', 'taskvine.task'))
            limit 1
        ) as task
    from monitored
    join spans on spans.uuid = monitored.uuid
),
managed as (
    select
        tasks.id,
        tasks.type,
        tasks.run,
        tasks.attributes,
        json_extract(tasks.attributes, '$.measured.cpu_time') as cpu_time
    from span_types
    cross join spans as tasks on tasks.type = span_types.id
    where span_types.name in ('workqueue.task', 'taskvine.task')
)
select
    managed.id as span,
    (select name from span_types where id = managed.type) as span_type,
    managed.run,
    json_extract(managed.attributes, '$.requested.cores') as requested_cores,
    json_extract(managed.attributes, '$.requested.memory') as requested_memory,
    json_extract(managed.attributes, '$.requested.disk') as requested_disk,
    json_extract(managed.attributes, '$.cores') as given_cores,
    json_extract(managed.attributes, '$.memory') as given_memory,
    json_extract(managed.attributes, '$.disk') as given_disk,
    coalesce(iif(cpu_time is null, null, json_extract(managed.attributes, '$.measured.memory')), tried.memory)
        as used_memory,
    iif(cpu_time is null, null, json_extract(managed.attributes, '$.measured.disk')) as used_disk,
    iif(cpu_time is null, tried.cpu_seconds, cpu_time) as cpu_seconds,
    iif(cpu_time is null, tried.seconds, json_extract(managed.attributes, '$.measured.wall_time')) as seconds,
    coalesce(tried.samples, 0) as samples
from managed
left join tried on tried.task = managed.id
union all
select
    try,
    (select name from span_types where id = type),
    run,
    null, null, null, null, null, null,
    memory,
    null,
    cpu_seconds,
    seconds,
    samples
from tried
where task is null
