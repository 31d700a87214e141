/*
@title Tasks
@topic The tasks
@description One row for each Parsl task: what became of it, and where its time went. The slowest stand first.
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param outcome done, memoized, failed, dependency failed or unfinished; empty: all
@param rows number of tasks, at most 900; empty: 300
@needs run_began task_account
@about tasks
@column run key of the run
@column run_name name of the run, or its key
@column task number of the task within the run
@column label rank and task, in an order that sorts as text
@column uuid surrogate key of the task's span
@column app name of the app
@column executor label of the executor of its last try that came to one, NULL if none did, or no log says so
@column outcome done, memoized, failed, dependency failed or unfinished: see the view task_account
@column tries how many tries it had
@column began_iso when it was submitted, ISO 8601 UTC
@column since_run_began the same in seconds from the first event of the run
@column duration seconds from submission to end, or of an unfinished task to the last that is known of it
@column in_submit seconds of that until the first launch; for this layer and the next ones see the view task_layer
@column in_retry seconds from the first launch to the last
@column in_queue seconds
@column in_transfer seconds
@column in_dispatch seconds
@column in_run seconds
@column in_return seconds
@column of_rows number of such tasks, shown or not
@chart mark=bar x_column=duration x_type=quantitative y_column=label y_type=ordinal color_column=app
*/
with asked as materialized (
    select total(tasks) as of_rows
    from task_totals
    where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
        and (coalesce(:outcome, '') = '' or outcome = :outcome)
),
-- Which they are is found without their other columns.
slowest as materialized (
    select task
    from task_times
    where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
        and (coalesce(:outcome, '') = '' or outcome = :outcome)
    order by ended - began desc, run, task
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 300), 1), 900)
),
ranked as (
    select
        task_times.*,
        row_number() over (order by ended - began desc, run, task_times.task) as rank,
        cast(asked.of_rows as integer) as of_rows
    from asked
    cross join slowest
    cross join task_times on task_times.task = slowest.task
)
select
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    task_account.key as task,
    printf('%03d: task %s', ranked.rank, task_account.key) as label,
    task_account.task_uuid as uuid,
    ranked.app,
    ranked.executor,
    ranked.outcome,
    ranked.tries,
    iso_time(ranked.began) as began_iso,
    round(ranked.began - run_began.time, 6) as since_run_began,
    task_account.duration,
    ranked.in_submit,
    ranked.in_retry,
    ranked.in_queue,
    ranked.in_transfer,
    ranked.in_dispatch,
    ranked.in_run,
    ranked.in_return,
    ranked.of_rows
from ranked
join task_account on task_account.task = ranked.task
join runs on runs.id = ranked.run
join run_began on run_began.run = ranked.run
order by ranked.rank
