/*
@title Blocks
@topic Workers
@description How long each block waited for its start, how long it lived, and how much of its slots' time had tasks. A
    slot is a worker of HTEX, or what one task takes of a worker of Work Queue or TaskVine. The least used stand first.
@param run key or name of a run; empty: all runs
@param executor label of an executor; empty: all
@needs block_lifetime run_began
@about blocks
@column lane executor and block, and the name of the run
@column run key of the run
@column executor label of the executor
@column block its name in the executor
@column job id of the provider's job, NULL if not known
@column began_iso when something first ran in it, ISO 8601 UTC; NULL if nothing is known to have
@column since_run_began the same in seconds from the first event of the run
@column queue_wait seconds from its request until something ran in it
@column duration seconds from then to the last that is known of it
@column state what ended it, as its log or monitoring says; NULL if none does
@column managers HTEX managers that ran in it
@column workers workers that ran in it
@column slots tasks that its workers have place for at once
@column tasks tasks, or attempts, that ran in it; tries of Parsl where no worker is known
@column busy_slot_seconds sum of the seconds of its tasks, NULL if no worker is known
@column idle_slot_seconds seconds in which its slots had none
@column utilisation busy part of its slots' time, 0 to 1; NULL if no slot is known
@column unused_before seconds until its first task
@column unused_after seconds after its last task
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=utilisation x_type=quantitative y_column=lane y_type=nominal
*/
select
    block_lifetime.executor || '/' || block_lifetime.block || coalesce(', ' || runs.name, '') as lane,
    runs.key as run,
    block_lifetime.executor,
    block_lifetime.block,
    block_lifetime.job,
    iso_time(block_lifetime.started) as began_iso,
    round(block_lifetime.started - run_began.time, 6) as since_run_began,
    block_lifetime.queue_wait,
    block_lifetime.lifetime as duration,
    block_lifetime.end_state as state,
    block_lifetime.managers,
    block_lifetime.workers,
    block_lifetime.slots,
    block_lifetime.tasks,
    block_lifetime.busy_slot_seconds,
    block_lifetime.idle_slot_seconds,
    block_lifetime.utilisation,
    block_lifetime.unused_before,
    block_lifetime.unused_after,
    count(*) over () as of_rows
from block_lifetime
left join runs on runs.id = block_lifetime.run
left join run_began on run_began.run = block_lifetime.run
where (coalesce(:run, '') = '' or :run in (runs.key, runs.name))
    and (coalesce(:executor, '') = '' or block_lifetime.executor = :executor)
order by block_lifetime.utilisation, runs.key, block_lifetime.executor, block_lifetime.block
limit 900
