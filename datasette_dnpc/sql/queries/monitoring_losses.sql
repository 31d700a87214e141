/*
@title What monitoring lost
@topic The logs
@description What the logs of a run tell of and monitoring.db does not, and the other way round; one row a run and kind
    of thing. Only what both can tell is compared: where a run has only one of the two, or one of them has nothing of a
    kind (resource monitoring was off, worker logs were not kept), the remark says so and nothing counts as lost.
@param run key or name of a run; empty: all runs
@column run key of the run
@column run_name name of the run, or its key
@column kind workflow, task, try, block, node (of HTEX: its manager); state: a change of a task's state; task on a
    worker: by the log of the worker or of its manager, of executors whose logs tell it at all; task with samples: such
    a task with resource samples
@column label run and kind
@column in_logs number in the logs
@column in_monitoring number in monitoring.db
@column in_both number that both tell of, of states counted task by task
@column only_in_logs what monitoring lost; NULL if the two can not be compared
@column only_in_monitoring what the logs lost; NULL if the two can not be compared
@column share_lost per cent of in_logs that monitoring lost; NULL if the two can not be compared
@column example key of one that only one of the two has, of states the task's; NULL if there is none
@column remark why the two can not be compared, else NULL
@column of_rows number of such rows, shown or not: 900 are
*/
with accounts(kind, logged, monitored) as (
    values
        ('workflow', 'parsl.rundir.workflow', 'parsl.monitoring.workflow'),
        ('task', 'parsl.rundir.task', 'parsl.monitoring.task'),
        ('try', 'parsl.rundir.try', 'parsl.monitoring.try'),
        ('block', 'parsl.rundir.block', 'parsl.monitoring.block'),
        ('node', 'parsl.executor.htex.manager', 'parsl.monitoring.node')
),
-- What in a task's sequence of events says that it came to what. On a worker it may be several times.
signs(state, kind, is_log) as (
    select account.key || '/' || state.value, 'state ' || state.value, account.value
    from json_each('{"parsl.rundir.try": 1, "parsl.monitoring.try": 0}') as account
    cross join json_each(
        '["pending", "launched", "exec_done", "failed", "fail_retryable", "dep_fail", "memo_done", "joining"]'
    ) as state
    union all
    values
        ('parsl.executor.htex.worker.task/worker_received_task', 'task on a worker', 1),
        ('workqueue.task/RUNNING', 'task on a worker', 1),
        ('taskvine.task/RUNNING', 'task on a worker', 1),
        ('parsl.monitoring.try/running', 'task on a worker', 0)
),
told as materialized (
    select
        runs.id as run,
        runs.key,
        coalesce(runs.name, runs.key) as name,
        exists (
            select 1 from spans
            where spans.run = runs.id and type = (select id from span_types where name = 'parsl.rundir.workflow')
        ) as has_logs,
        exists (
            select 1 from spans
            where spans.run = runs.id and type = (select id from span_types where name = 'parsl.monitoring.workflow')
        ) as has_monitoring
    from runs
    where coalesce(:run, '') = '' or :run in (runs.key, runs.name)
),
sides as materialized (
    select
        told.run,
        accounts.kind,
        (select id from span_types where name = accounts.logged) as logged,
        (select id from span_types where name = accounts.monitored) as monitored
    from told
    cross join accounts
    where told.has_logs and told.has_monitoring
),
-- What is only named, as a block is in its tries, has no event of its own.
spans_counted as materialized (
    select
        sides.*,
        (
            select count(*)
            from spans
            where spans.run = sides.run and spans.type = sides.logged and spans.began is not null
        ) as in_logs,
        (
            select count(*)
            from spans
            where spans.run = sides.run and spans.type = sides.monitored and spans.began is not null
        ) as in_monitoring,
        (
            select count(*)
            from spans
            cross join facets on facets.left = spans.id
            cross join spans as logged on logged.id = facets.right
            where spans.run = sides.run
                and spans.type = sides.monitored
                and spans.began is not null
                and logged.type = sides.logged
                and logged.began is not null
        ) as in_both
    from sides
),
-- How often each sequence of events occurs. A task that has both accounts stands for both.
occurring as materialized (
    select told.run, told.key as run_key, task_times.executor, sequences.variant, count(*) as tasks
    from told
    cross join task_times on task_times.run = told.run
    cross join sequences on sequences.root = task_times.task
    where told.has_logs and told.has_monitoring
    group by told.run, task_times.executor, sequences.variant
),
sequence_signs as materialized (
    select variants.id as variant, signs.kind, sum(signs.is_log) as logged, sum(not signs.is_log) as monitored
    from variants
    cross join json_each(variants.sequence) as event
    join signs on signs.state = event.value
    where variants.id in (select variant from occurring)
    group by variants.id, signs.kind
),
signs_counted as materialized (
    select
        occurring.run,
        occurring.run_key,
        occurring.executor,
        occurring.variant,
        occurring.tasks,
        kind,
        iif(kind like 'state %', logged, min(logged, 1)) as logged,
        iif(kind like 'state %', monitored, min(monitored, 1)) as monitored
    from occurring
    join sequence_signs on sequence_signs.variant = occurring.variant
),
-- Executors of which no log tells what is on a worker, such as threads, have nothing to compare.
worked as materialized (
    select *
    from signs_counted
    where kind = 'task on a worker'
        and (run, executor) in (
            select run, executor from signs_counted where kind = 'task on a worker' and logged
        )
),
events_counted as (
    select
        run,
        kind,
        sum(tasks * logged) as in_logs,
        sum(tasks * monitored) as in_monitoring,
        sum(tasks * min(logged, monitored)) as in_both,
        min(iif(logged <> monitored, variant, null)) as odd
    from (
        select * from signs_counted where kind like 'state %'
        union all
        select * from worked
    )
    group by run, kind
),
sampled as (
    select
        worked.run,
        worked.logged,
        exists (
            select 1 from parsl_resource where run_id = worked.run_key and task_id = cast(spans.key as integer)
        ) as monitored,
        spans.key
    from worked
    cross join task_times on task_times.run = worked.run and task_times.executor is worked.executor
    cross join sequences on sequences.root = task_times.task and sequences.variant = worked.variant
    cross join spans on spans.id = task_times.task
),
counted(run, kind, in_logs, in_monitoring, in_both, example) as (
    select
        run, kind, in_logs, in_monitoring, in_both,
        case
            when in_logs > in_both then (
                select min(key)
                from spans
                where spans.run = spans_counted.run
                    and spans.type = spans_counted.logged
                    and spans.began is not null
                    and not exists (
                        select 1
                        from facets
                        join spans as others on others.id = facets.left
                        where facets.right = spans.id and others.began is not null
                    )
            )
            when in_monitoring > in_both then (
                select min(key)
                from spans
                where spans.run = spans_counted.run
                    and spans.type = spans_counted.monitored
                    and spans.began is not null
                    and not exists (
                        select 1
                        from facets
                        join spans as others on others.id = facets.right
                        where facets.left = spans.id and others.began is not null
                    )
            )
        end
    from spans_counted
    where in_logs or in_monitoring
    union all
    select
        run, kind, in_logs, in_monitoring, in_both,
        (
            select spans.key
            from sequences
            join spans on spans.id = sequences.root
            where sequences.variant = events_counted.odd and spans.run = events_counted.run
            limit 1
        )
    from events_counted
    union all
    select
        run, 'task with samples', sum(logged), sum(monitored), sum(min(logged, monitored)),
        min(iif(logged <> monitored, key, null))
    from sampled
    group by run
),
-- A single state may be lost as a whole. That there is none at all says that they were not kept.
judged as (
    select
        counted.*,
        sum(in_logs) over of_family = 0 as no_log,
        sum(in_monitoring) over of_family = 0 as no_monitoring
    from counted
    window of_family as (partition by run, iif(kind like 'state %', 'state', kind))
)
select
    told.key as run,
    told.name as run_name,
    judged.kind,
    told.name || coalesce(': ' || judged.kind, '') as label,
    judged.in_logs,
    judged.in_monitoring,
    judged.in_both,
    iif(no_log or no_monitoring, null, in_logs - in_both) as only_in_logs,
    iif(no_log or no_monitoring, null, in_monitoring - in_both) as only_in_monitoring,
    iif(no_log or no_monitoring, null, 100.0 * (in_logs - in_both) / nullif(in_logs, 0)) as share_lost,
    iif(no_log or no_monitoring, null, example) as example,
    case
        when not has_monitoring and not has_logs then 'of this run there is neither a parsl.log nor a monitoring.db'
        when not has_monitoring then 'of this run there is no monitoring.db'
        when not has_logs then 'of this run there is no parsl.log'
        when no_monitoring then 'monitoring has none of these'
        when no_log then 'the logs have none of these'
    end as remark,
    count(*) over () as of_rows
from told
left join judged on judged.run = told.run
order by only_in_logs > 0 desc, only_in_monitoring > 0 desc, told.name, told.key, judged.kind
limit 900
