/*
@title Workers, where they ran and how many slots they had
@description One row for each worker of HTEX, Work Queue and TaskVine. A worker of HTEX has one slot. One of the others
    has as many as it had tasks at once, or as its cores are times the fewest that one of its tasks was given, if that
    is more.
@column worker id of the worker's span
@column worker_uuid its surrogate key
@column worker_type its span type
@column worker_key its key within the run
@column run id of the worker's run
@column executor label of the executor, NULL if not known
@column block block that it was started in, NULL if not known
@column slots how many tasks it has place for at once
@column began the first that is known of it or its tasks, seconds since 1970 UTC, NULL if it has no event
@column ended the last, seconds since 1970 UTC, NULL if it has no event
*/
with above as materialized (
    select
        subspans.subspan as worker,
        max(iif(
            span_types.name in ('workqueue.manager', 'taskvine.manager'),
            json_extract(spans.attributes, '$.executor'),
            null
        )) as executor,
        -- A block's key is executor/block.
        max(iif(span_types.name in ('parsl.rundir.block', 'parsl.monitoring.block'), spans.key, null)) as block
    from worker_slots
    join subspans on subspans.subspan = worker_slots.worker
    join spans on spans.id = subspans.superspan
    join span_types on span_types.id = spans.type
    group by subspans.subspan
)
select
    worker_slots.worker,
    workers.uuid as worker_uuid,
    span_types.name as worker_type,
    workers.key as worker_key,
    workers.run,
    coalesce(
        json_extract(workers.attributes, '$.executor'),
        above.executor,
        substr(above.block, 1, instr(above.block, '/') - 1)
    ) as executor,
    coalesce(
        json_extract(workers.attributes, '$.block'),
        substr(above.block, instr(above.block, '/') + 1)
    ) as block,
    worker_slots.slots,
    worker_slots.began,
    worker_slots.ended
from worker_slots
join spans as workers on workers.id = worker_slots.worker
join span_types on span_types.id = workers.type
left join above on above.worker = worker_slots.worker
