/*
@title Use of the caches of workers
@topic Workers
@description How often a worker of Work Queue or TaskVine had an input in its cache, and how often it was sent. Work
    Queue logs each input of each task: one that is to be cached and has 0 bytes was there already (of an empty file
    that is not known). TaskVine logs what is sent, and what workers put into their cache; how often it was used from
    there is known where a task graph of version 2 says which tasks read it: those that were on the worker. Files
    that at most one task reads are counted together.
@param run key or name of a run; empty: all runs
@param executor label of the manager's executor; empty: all
@param name name of a file, or a part of it; empty: all
@param sample all: look at all transfers; empty: at a random sample, always the same, where there are more than 300 000
@needs transfer
@about transfers
@column run key of the run
@column worker the worker's key within its run, NULL if not known
@column executor label of the manager's executor, NULL if not known
@column file name of the file
@column source place of the file, as the task graph has it; NULL if not known
@column label file and worker
@column uses tasks of the worker that had it as an input; NULL if not known
@column sent how often the manager sent it to the worker
@column hits uses beyond those for which it was sent, or else came into the cache; NULL if not known
@column hit_share hits as part of uses
@column put_into_cache how often the worker said that it has put it into its cache; of TaskVine, else NULL
@column megabytes_sent of 2**20 bytes, sum
@column megabytes_saved hits by the file's size; NULL if not known
@column seconds of its transfers, sum
@column of_rows number of such rows, shown or not: 900 are
@column one_in 1: all transfers were looked at; else a sample of 1 in so many, and numbers of transfers are multiplied
    by that
@chart mark=bar x_column=uses x_type=quantitative y_column=label y_type=ordinal
*/
with scope as (
    select value as type, iif(:sample = 'all', 9e9, 300000) as most
    from json_each('["workqueue.transfer", "taskvine.transfer", "taskvine.cache_update"]')
),
-- part asked_runs
,
-- part candidates
,
moved as (
    select
        transfer.run, worker, file, span_type, cached, megabytes, duration, candidates.stands_for
    from candidates
    cross join transfer on transfer.span = candidates.id
    where (coalesce(:executor, '') = '' or executor = :executor)
        and (coalesce(:name, '') = '' or instr(file, :name))
        and direction is not 'OUTPUT'
),
graph as materialized (
    select
        json_extract(record, '$.file') as file,
        json_extract(record, '$.manager') as manager,
        json_extract(record, '$.source') as source,
        json_extract(record, '$.size') / 1048576.0 as size,
        json_extract(record, '$.read_by') as read_by,
        json_array_length(record, '$.read_by') > 1 as is_shared
    from records
    where json_type(record, '$.read_by') = 'array'
),
read as materialized (
    select managers.run, workers.id as worker, graph.file, graph.source, graph.size, count(*) as uses
    from graph
    cross join spans as managers
        on managers.type = (select id from span_types where name = 'taskvine.manager') and managers.key = graph.manager
    join runs on runs.id = managers.run
    cross join json_each(graph.read_by) as reader
    cross join spans as tasks
        on tasks.run = managers.run
        and tasks.type = (select id from span_types where name = 'taskvine.task')
        -- Where the run stands for the manager, keys are without it.
        and tasks.key = iif(runs.key glob graph.manager || '*', '', graph.manager || '/') || reader.value
    cross join subspans on subspans.subspan = tasks.id
    cross join spans as workers on workers.id = subspans.superspan
    where graph.is_shared
        and (coalesce(:run, '') = '' or managers.run in (select id from runs where :run in (key, name)))
        and (coalesce(:executor, '') = '' or json_extract(managers.attributes, '$.executor') = :executor)
        and (coalesce(:name, '') = '' or instr(graph.file, :name))
        and workers.type = (select id from span_types where name = 'taskvine.worker')
    group by managers.run, workers.id, graph.file
),
alike as (
    select
        *,
        iif(
            span_type <> 'workqueue.transfer' and file in (select file from graph where not is_shared),
            '(files that at most one task reads)',
            file
        ) as name
    from moved
),
sums as (
    select
        run,
        worker,
        name as file,
        sum(stands_for * (span_type <> 'taskvine.cache_update' and (megabytes > 0 or cached is null))) as sent,
        iif(span_type = 'workqueue.transfer', sum(stands_for), null) as uses,
        iif(span_type = 'workqueue.transfer', sum(stands_for * (cached is not null and megabytes = 0)), null) as hits,
        iif(span_type = 'workqueue.transfer', null, sum(stands_for * (span_type = 'taskvine.cache_update')))
            as put_into_cache,
        sum(stands_for * iif(span_type <> 'taskvine.cache_update', megabytes, 0)) as megabytes_sent,
        max(megabytes) as size,
        sum(stands_for * iif(span_type <> 'taskvine.cache_update', duration, 0)) as seconds,
        max(stands_for) as one_in
    from alike
    group by worker, run, name, span_type = 'workqueue.transfer'
),
-- What a worker had as an input though no log tells how it came there has a row, too.
joined as (
    select
        sums.run, sums.worker, sums.file, read.source, sums.sent, sums.put_into_cache,
        sums.megabytes_sent, sums.seconds, sums.one_in, coalesce(read.size, sums.size) as size,
        coalesce(read.uses, sums.uses) as uses,
        iif(read.uses is null, sums.hits, max(read.uses - max(sums.sent, sums.put_into_cache), 0)) as hits
    from sums
    left join read on read.run is sums.run and read.worker = sums.worker and read.file = sums.file
    union all
    select run, worker, file, source, 0, 0, 0.0, 0.0, 1, size, uses, null
    from read
    where not exists (
        select 1 from sums where sums.run is read.run and sums.worker = read.worker and sums.file = read.file
    )
)
select
    runs.key as run,
    workers.key as worker,
    (
        select json_extract(managers.attributes, '$.executor')
        from subspans
        join spans as managers on managers.id = subspans.superspan
        where subspans.subspan = joined.worker
            and managers.type in (
                select id from span_types where name in ('workqueue.manager', 'taskvine.manager')
            )
    ) as executor,
    joined.file,
    joined.source,
    joined.file || coalesce(' on ' || workers.key, '') as label,
    joined.uses,
    joined.sent,
    joined.hits,
    1.0 * joined.hits / joined.uses as hit_share,
    joined.put_into_cache,
    joined.megabytes_sent,
    joined.hits * joined.size as megabytes_saved,
    joined.seconds,
    count(*) over () as of_rows,
    joined.one_in
from joined
left join runs on runs.id = joined.run
left join spans as workers on workers.id = joined.worker
order by joined.uses is null, joined.uses desc, joined.megabytes_sent desc, runs.key, workers.key, joined.file
limit 900
