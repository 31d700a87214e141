/*
@title Blocks, how long they waited and lived, and how much of that they were used
@description One row for each block, though both its run's log and monitoring may tell of it. It is requested with its
    first event, started with the first sign of anything that ran in it, and ended with the last that is known of it.
    Slots are those of its workers, as far as their logs are there.
@needs worker_lifetime
@column block_span id of the block's span: of the log's account, or of monitoring's where there is no other
@column run id of the run
@column executor label of the executor
@column block its name in the executor, as text
@column job id of the provider's job, NULL if not known
@column requested seconds since 1970 UTC
@column started seconds since 1970 UTC, NULL if nothing is known to have run in it
@column ended seconds since 1970 UTC
@column end_state what ended it, as the log or monitoring says: scaled_in, completed, failed, cancelled, timeout or
    missing; NULL if neither does
@column queue_wait seconds from requested to started
@column lifetime seconds from started to ended
@column managers HTEX managers that ran in it
@column workers workers that ran in it
@column slots how many tasks its workers have place for at once
@column tasks tasks, or attempts, that ran in it; tries of Parsl where no worker is known
@column busy_slot_seconds sum of the seconds of its tasks, NULL if no worker is known
@column idle_slot_seconds seconds in which its slots had no task: with busy_slot_seconds, slots times lifetime
@column utilisation busy_slot_seconds as part of slots times lifetime: 0 to 1; NULL if no worker is known
@column unused_before seconds from started to its first task, NULL if it had none
@column unused_after seconds from the end of its last task to ended, NULL if it had none
*/
with blocks as materialized (
    select
        spans.run,
        spans.key,
        coalesce(max(iif(span_types.name = 'parsl.rundir.block', spans.id, null)), max(spans.id)) as block_span,
        max(json_extract(spans.attributes, '$.job')) as job,
        min(spans.began) as requested,
        max(spans.ended) as last_event,
        json_group_array(spans.id) as accounts
    from span_types
    join spans on spans.type = span_types.id
    where span_types.name in ('parsl.rundir.block', 'parsl.monitoring.block')
    group by spans.run, spans.key
),
-- What ran in a block, in either account: managers of HTEX, workers of the others, and tries, which began before.
below as materialized (
    select
        blocks.block_span,
        min(
            iif(
                span_types.name = 'parsl.monitoring.try',
                (
                    select min(events.time)
                    from events
                    where events.span = spans.id
                        and events.type = (select id from event_types where name = 'running')
                ),
                spans.began
            )
        ) as first_sign,
        max(spans.ended) as last_sign,
        count(distinct iif(span_types.name = 'parsl.executor.htex.manager', spans.id, null)) as managers,
        count(distinct iif(span_types.name = 'parsl.monitoring.try', spans.id, null)) as tries
    from blocks
    join json_each(blocks.accounts) as account
    join subspans on subspans.superspan = account.value
    join spans on spans.id = subspans.subspan
    join span_types on span_types.id = spans.type
    group by blocks.block_span
),
marks as materialized (
    select
        blocks.block_span,
        min(iif(event_types.name = 'RUNNING', events.time, null)) as running,
        min(iif(event_types.name = 'RUNNING', null, lower(event_types.name))) as end_state
    from blocks
    join json_each(blocks.accounts) as account
    join events on events.span = account.value
    join event_types on event_types.id = events.type
    where event_types.name in (
        'RUNNING', 'scaled_in', 'SCALED_IN', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'MISSING'
    )
    group by blocks.block_span
),
used as materialized (
    select
        run,
        executor || '/' || block as key,
        count(*) as workers,
        sum(slots) as slots,
        sum(tasks) as tasks,
        sum(task_seconds) as task_seconds,
        min(began) as first_sign,
        max(ended) as last_sign,
        min(first_task) as first_task,
        max(last_task) as last_task
    from worker_lifetime
    group by run, executor, block
),
lives as materialized (
    select
        blocks.*,
        marks.end_state,
        below.managers,
        used.workers,
        used.slots,
        coalesce(used.tasks, below.tries, 0) as tasks,
        used.task_seconds,
        used.first_task,
        used.last_task,
        -- The min and max of several values are NULL where one is.
        nullif(
            min(
                coalesce(marks.running, 9e999),
                coalesce(below.first_sign, 9e999),
                coalesce(used.first_sign, 9e999)
            ),
            9e999
        ) as started,
        max(
            blocks.last_event,
            coalesce(below.last_sign, blocks.last_event),
            coalesce(used.last_sign, blocks.last_event)
        ) as ended
    from blocks
    left join marks on marks.block_span = blocks.block_span
    left join below on below.block_span = blocks.block_span
    left join used on used.run = blocks.run and used.key = blocks.key
)
select
    block_span,
    run,
    substr(key, 1, instr(key, '/') - 1) as executor,
    substr(key, instr(key, '/') + 1) as block,
    job,
    requested,
    started,
    ended,
    end_state,
    started - requested as queue_wait,
    ended - started as lifetime,
    coalesce(managers, 0) as managers,
    coalesce(workers, 0) as workers,
    coalesce(slots, 0) as slots,
    tasks,
    task_seconds as busy_slot_seconds,
    slots * (ended - started) - task_seconds as idle_slot_seconds,
    task_seconds / nullif(slots * (ended - started), 0) as utilisation,
    first_task - started as unused_before,
    ended - last_task as unused_after
from lives
