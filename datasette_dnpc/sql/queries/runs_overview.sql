/*
@title Runs
@topic The run
@description Every run with its figures, the latest first.
@param run key or name of a run; empty: all runs
@param rows most runs to return, at most 900; empty: 100
@param skip how many runs to leave out before these; empty: none
@needs kept_root_type run_source
@column run key of the run
@column name name of the run, or its key
@column began time of its first event, seconds since 1970 UTC, NULL if it has none
@column began_iso the same as ISO 8601 UTC
@column makespan seconds from its first to its last event
@column makespan_text the same for people
@column task_type what is counted as tasks: 'Parsl task', or in a run without any the root type whose sequences hold
    most events; NULL if it has none
@column tasks number of tasks, each counted once though two logs may tell of it
@column failed Parsl tasks that failed for good, or because a task that they need failed; NULL if the run has no Parsl tasks
@column unfinished Parsl tasks of which no log tells that they ended: the run was ended, or goes on; NULL as failed
@column retries tries of Parsl tasks after the first of each task; NULL if the run has no Parsl tasks
@column workers workers that a log tells of
@column sources sources that tell of the run
@column joins_made joins to other accounts: see join_report
@column joins_missing joins looked for in vain
@column unmatched records not understood in these sources: see unmatched_report
@column of_runs number of runs, shown or not
*/
with chosen as materialized (
    select
        runs.id,
        runs.key,
        coalesce(runs.name, runs.key) as name,
        began.time as began,
        began.ended,
        count(*) over () as of_runs
    from runs
    left join (
        select run, min(began) as time, max(ended) as ended from span_totals group by run
    ) as began on began.run = runs.id
    where coalesce(:run, '') = '' or :run in (runs.key, runs.name)
    order by began.time desc, runs.key
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 100), 1), 900)
    offset max(cast(coalesce(nullif(:skip, ''), 0) as integer), 0)
),
counted as materialized (
    select run, type, spans
    from span_totals
    where run in (select id from chosen)
),
parsl as materialized (
    select
        run,
        sum(tasks) as tasks,
        sum(iif(outcome in ('failed', 'dependency failed'), tasks, 0)) as failed,
        sum(iif(outcome = 'unfinished', tasks, 0)) as unfinished,
        sum(retries) as retries
    from task_totals
    where run in (select id from chosen)
    group by run
),
-- Of a run without Parsl tasks, one type stands for all.
others as materialized (
    select
        counted.run,
        kept_root_type.type,
        counted.spans as tasks,
        row_number() over (partition by counted.run order by kept_root_type.rank) as place
    from counted
    join kept_root_type on kept_root_type.id = counted.type
),
of_workers as materialized (
    select counted.run, sum(counted.spans) as workers
    from counted
    join span_types on span_types.id = counted.type
    where span_types.name in ('parsl.executor.htex.worker', 'workqueue.worker', 'taskvine.worker', 'funcx.worker')
    group by counted.run
),
read as materialized (
    select run_source.run, count(*) as sources, sum(sources.unmatched) as unmatched
    from run_source
    join sources on sources.id = run_source.source
    group by run_source.run
),
of_joins as materialized (
    select run, sum(made) as made, sum(missing) as missing
    from joins
    group by run
)
select
    chosen.key as run,
    chosen.name,
    chosen.began,
    iso_time(chosen.began) as began_iso,
    chosen.ended - chosen.began as makespan,
    duration_text(chosen.ended - chosen.began) as makespan_text,
    iif(parsl.run is not null, 'Parsl task', others.type) as task_type,
    coalesce(parsl.tasks, others.tasks, 0) as tasks,
    parsl.failed,
    parsl.unfinished,
    parsl.retries,
    coalesce(of_workers.workers, 0) as workers,
    coalesce(read.sources, 0) as sources,
    coalesce(of_joins.made, 0) as joins_made,
    coalesce(of_joins.missing, 0) as joins_missing,
    coalesce(read.unmatched, 0) as unmatched,
    chosen.of_runs
from chosen
left join parsl on parsl.run = chosen.id
left join others on others.run = chosen.id and others.place = 1
left join of_workers on of_workers.run = chosen.id
left join read on read.run = chosen.id
left join of_joins on of_joins.run = chosen.id
order by chosen.began desc, chosen.key
