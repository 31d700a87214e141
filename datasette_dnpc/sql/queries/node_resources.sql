/*
@title Resources of nodes over time
@topic Workers
@description What was used of each node, in equal pieces of the run's time: of Parsl's monitoring the memory and
    processor time of the processes that it sampled, against what the node has; of Work Queue and TaskVine the cores,
    memory and disk that the manager had given to tasks, against those of all its workers. Monitoring sees processes
    of tasks only, each from its first sample to its last, and no longer the time of children that have ended.
@param run key or name of a run; empty: the run with most samples
@param node name of a host or key of a manager; empty: the 5 with most samples
@param pieces number of pieces, at most 60; empty: 60
@needs process_sample run_began
@about samples
@column run key of the run
@column run_name name of the run, or its key
@column node name of the host, or key of the manager, which stands for all its workers
@column kind used: by the processes that monitoring sampled; given: to tasks by a manager
@column resource cores, memory or disk
@column unit cores; MB of 2**20 bytes
@column label node and resource
@column time when the piece ends, seconds since 1970 UTC
@column since_run_began the same, seconds from the first event of the run
@column amount used or given: cores on average in the piece; memory and disk the most, or a manager's at its end
@column available what there is of it, NULL if not known
@column share amount as part of available
@column of_nodes number of hosts and managers of the run that have samples, shown or not
@chart mark=line x_column=since_run_began x_type=quantitative y_column=share y_type=quantitative color_column=label
*/
with recursive chosen as materialized (
    select id as run, key, coalesce(name, key) as name
    from runs
    where coalesce(:run, '') = '' or :run in (key, name)
    order by
        (select count(*) from parsl_resource where run_id = runs.key) desc,
        (
            select count(*)
            from spans
            join samples on samples.span = spans.id
            where spans.run = runs.id
                and spans.type in (
                    select id from span_types where name in ('workqueue.manager', 'taskvine.manager')
                )
        ) desc,
        key
    limit 1
),
sampled as materialized (
    select
        coalesce(host, '?') as node, process, time, memory, time_before, memory_before,
        -- What a child used is gone from the sum when it has ended, so that it may fall.
        max(cpu_seconds - cpu_seconds_before, 0) as cpu_seconds
    from process_sample
    where run = (select run from chosen)
),
managers as materialized (
    select spans.id as span, spans.key as node, metrics.id as metric, metrics.name
    from chosen
    cross join span_types on span_types.name in ('workqueue.manager', 'taskvine.manager')
    cross join spans on spans.run = chosen.run and spans.type = span_types.id
    cross join metrics
    where metrics.name in (
            'committed_cores', 'committed_memory', 'committed_disk', 'total_cores', 'total_memory', 'total_disk'
        )
        and exists (select 1 from samples where span = spans.id and metric = metrics.id)
),
nodes as materialized (
    select node, is_host, count(*) over () as of_nodes
    from (
        select node, 1 as is_host, count(*) as samples from sampled group by node
        union all
        select node, 0, (select count(*) from samples where span = managers.span) from managers group by node
    )
    where coalesce(:node, '') = '' or node = :node
    order by samples desc, node
    limit 5
),
limits as materialized (
    select min(time) as began, (max(time) - min(time)) / pieces as width, pieces
    from (
        select time from sampled
        union all
        select time from managers join samples on samples.span = managers.span and samples.metric = managers.metric
    )
    cross join (select min(max(coalesce(nullif(cast(:pieces as integer), 0), 60), 1), 60) as pieces)
),
pieces(number) as (
    select 0 from limits where width > 0
    union all
    select number + 1 from pieces, limits where number + 1 < limits.pieces
),
-- From one sample of a process to the next it holds the memory of the first, and uses the time between them evenly.
stretches as materialized (
    select
        sampled.*,
        coalesce(time_before, time) as since,
        min(cast((coalesce(time_before, time) - limits.began) / limits.width as integer), limits.pieces - 1) as first,
        min(cast((time - limits.began) / limits.width as integer), limits.pieces - 1) as last
    from limits
    cross join sampled
    where limits.width > 0
),
in_piece as (
    select node, process, first as number, memory, cpu_seconds
    from stretches
    where first = last
    union all
    select
        stretches.node,
        stretches.process,
        pieces.number,
        iif(pieces.number = stretches.last, max(memory, memory_before), memory_before),
        cpu_seconds
        * (
            min(time, limits.began + (pieces.number + 1) * limits.width)
            - max(since, limits.began + pieces.number * limits.width)
        ) / (time - since)
    from limits
    cross join stretches
    join pieces on pieces.number between stretches.first and stretches.last
    where stretches.first < stretches.last
),
by_process as (
    select node, process, number, max(memory) as memory, sum(cpu_seconds) as cpu_seconds
    from in_piece
    group by node, process, number
),
by_node as materialized (
    select node, number, sum(memory) as memory, sum(cpu_seconds) as cpu_seconds
    from by_process
    group by node, number
),
capacity as materialized (
    select hostname as node, max(cpu_count) as cores, max(total_memory) / 1048576.0 as memory
    from parsl_node
    where run_id = (select key from chosen)
    group by hostname
),
answers(node, kind, resource, number, amount, available) as (
    select nodes.node, 'used', 'cores', pieces.number, coalesce(by_node.cpu_seconds, 0) / limits.width, capacity.cores
    from nodes
    cross join limits
    cross join pieces
    left join by_node on by_node.node = nodes.node and by_node.number = pieces.number
    left join capacity on capacity.node = nodes.node
    where nodes.is_host
    union all
    select nodes.node, 'used', 'memory', pieces.number, coalesce(by_node.memory, 0), capacity.memory
    from nodes
    cross join pieces
    left join by_node on by_node.node = nodes.node and by_node.number = pieces.number
    left join capacity on capacity.node = nodes.node
    where nodes.is_host
    union all
    select
        managers.node,
        'given',
        substr(managers.name, 11),
        pieces.number,
        (
            select value from samples
            where span = managers.span
                and metric = managers.metric
                and time <= limits.began + (pieces.number + 1) * limits.width
            order by time desc
            limit 1
        ),
        (
            select value from samples
            where span = managers.span
                and metric = (select id from metrics where name = replace(managers.name, 'committed', 'total'))
                and time <= limits.began + (pieces.number + 1) * limits.width
            order by time desc
            limit 1
        )
    from nodes
    cross join managers on managers.node = nodes.node and managers.name like 'committed%' and not nodes.is_host
    cross join limits
    cross join pieces
)
select
    chosen.key as run,
    chosen.name as run_name,
    answers.node,
    answers.kind,
    answers.resource,
    iif(answers.resource = 'cores', 'cores', 'MB') as unit,
    answers.node || ', ' || answers.resource as label,
    limits.began + (answers.number + 1) * limits.width as time,
    round(limits.began + (answers.number + 1) * limits.width - run_began.time, 6) as since_run_began,
    answers.amount,
    answers.available,
    1.0 * answers.amount / nullif(answers.available, 0) as share,
    nodes.of_nodes
from chosen
cross join limits
cross join answers
join nodes on nodes.node = answers.node
left join run_began on run_began.run is chosen.run
order by answers.node, answers.resource, answers.number
