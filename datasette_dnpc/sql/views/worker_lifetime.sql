/*
@title Workers, and how much of their time they were busy
@description One row for each worker that had a task. It lives from the first to the last that is known of it or its
    tasks. It is busy while it has any task, and idle otherwise; busy and idle add up to its duration.
@needs worker_busy
@column worker id of the worker's span
@column worker_uuid its surrogate key
@column worker_type its span type
@column worker_key its key within the run
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that it was started in, NULL if not known
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
@column tasks tasks, or attempts, that were on it
@column busy seconds in which it had a task
@column idle seconds in which it had none
@column task_seconds sum of the seconds of its tasks: more than busy where several ran at once
@column utilisation busy as part of duration: 0 to 1; NULL if it lived no time
*/
select
    lifetimes.worker,
    workers.uuid as worker_uuid,
    (select name from span_types where id = workers.type) as worker_type,
    workers.key as worker_key,
    lifetimes.run,
    coalesce(
        json_extract(workers.attributes, '$.executor'),
        (
            select json_extract(managers.attributes, '$.executor')
            from subspans
            join spans as managers on managers.id = subspans.superspan
            where subspans.subspan = lifetimes.worker
                and managers.type in (
                    select id from span_types where name in ('workqueue.manager', 'taskvine.manager')
                )
        ),
        -- A block's key is executor/block.
        (
            select substr(blocks.key, 1, instr(blocks.key, '/') - 1)
            from subspans
            join spans as blocks on blocks.id = subspans.superspan
            where subspans.subspan = lifetimes.worker
                and blocks.type in (
                    select id from span_types where name in ('parsl.rundir.block', 'parsl.monitoring.block')
                )
            limit 1
        )
    ) as executor,
    coalesce(
        json_extract(workers.attributes, '$.block'),
        (
            select substr(blocks.key, instr(blocks.key, '/') + 1)
            from subspans
            join spans as blocks on blocks.id = subspans.superspan
            where subspans.subspan = lifetimes.worker
                and blocks.type in (
                    select id from span_types where name in ('parsl.rundir.block', 'parsl.monitoring.block')
                )
            limit 1
        )
    ) as block,
    first_sign as began,
    last_sign as ended,
    last_sign - first_sign as duration,
    tasks,
    busy,
    last_sign - first_sign - busy as idle,
    task_seconds,
    busy / nullif(last_sign - first_sign, 0) as utilisation
from (
    select
        worker,
        run,
        first_sign,
        last_sign,
        count(*) as tasks,
        sum(max(0, ended - max(began, coalesce(busy_until, began)))) as busy,
        sum(ended - began) as task_seconds
    from worker_busy
    group by worker
) as lifetimes
join spans as workers on workers.id = lifetimes.worker
