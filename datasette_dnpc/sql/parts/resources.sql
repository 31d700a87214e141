-- What the candidates, tasks of managers and tries, asked for, were given and used.
monitored as materialized (
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
    from candidates
    cross join spans as tasks on tasks.id = candidates.id
    where tasks.type in (select id from span_types where name in ('workqueue.task', 'taskvine.task'))
),
resources as materialized (
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
        tried.try,
        (select name from span_types where id = tried.type),
        tried.run,
        null, null, null, null, null, null,
        tried.memory,
        null,
        tried.cpu_seconds,
        tried.seconds,
        tried.samples
    from candidates
    join tried on tried.try = candidates.id
    where tried.task is null
)
