/*
@title Transfers of files
@description What Work Queue and TaskVine managers sent to workers and fetched from them, and what workers of TaskVine
    put into their cache.
@column span id of the span
@column span_type workqueue.transfer, taskvine.transfer or taskvine.cache_update
@column run id of the run
@column worker id of the worker's span, NULL if not known
@column task id of the task's span: of Work Queue only, else NULL
@column direction INPUT or OUTPUT as the manager sees it, NULL for the cache
@column file name of the file
@column cached 1 if Work Queue was to keep it in the worker's cache, else NULL. What was there already has 0 megabytes
@column executor label of the manager's executor, NULL if not known
@column megabytes of 2**20 bytes
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
*/
select
    transfers.id as span,
    span_types.name as span_type,
    transfers.run,
    (
        select workers.id
        from subspans
        join spans as workers on workers.id = subspans.superspan
        where subspans.subspan = transfers.id
            and workers.type in (
                select id from span_types where name in ('workqueue.worker', 'taskvine.worker')
            )
    ) as worker,
    -- workqueue.transfer d41cd3d9/101.0 is the first of task d41cd3d9/101.
    (
        select tasks.id
        from spans as tasks
        where span_types.name = 'workqueue.transfer'
            and tasks.run = transfers.run
            and tasks.type = (select id from span_types where name = 'workqueue.task')
            and tasks.key = substr(transfers.key, 1, instr(transfers.key, '.') - 1)
    ) as task,
    json_extract(transfers.attributes, '$.direction') as direction,
    json_extract(transfers.attributes, '$.file') as file,
    json_extract(transfers.attributes, '$.cached') as cached,
    -- workqueue.transfer d41cd3d9/101.0 is of the manager d41cd3d9.
    (
        select json_extract(managers.attributes, '$.executor')
        from spans as managers
        where managers.run = transfers.run
            and managers.type = (
                select id from span_types as types
                where types.name = substr(span_types.name, 1, instr(span_types.name, '.')) || 'manager'
            )
            and managers.key = substr(transfers.key, 1, instr(transfers.key, '/') - 1)
    ) as executor,
    json_extract(transfers.attributes, '$.megabytes') as megabytes,
    transfers.began,
    transfers.ended,
    transfers.ended - transfers.began as duration
from span_types
cross join spans as transfers on transfers.type = span_types.id
where span_types.name in ('workqueue.transfer', 'taskvine.transfer', 'taskvine.cache_update')
