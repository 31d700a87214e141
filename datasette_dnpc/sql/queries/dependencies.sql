/*
@title Dependencies
@topic The tasks
@description Which task needed which, and how long after the end of the one the other was launched. Of all that a task
    waited for, the gate is what ended last: the time after it is none of the workflow's making. Gates stand first,
    those with the longest time after them ahead. The inner tasks of a join app stand for what it waits for in the end:
    there the time is that to the end of the app.
@param run key or name of a run; empty: all runs
@param app name of the app of the task that waits; empty: all
@param executor label of the executor of the task that waits; empty: all
@param rows number of dependencies, at most 900; empty: 300
@needs task_account
@about tasks dependencies
@column run key of the run
@column kind depends: it can only start when the other has ended; joins: the app started the other, and ends after it
@column task number of the task that waits within the run
@column app name of its app
@column needs number of the task that it needs within the run
@column needs_app name of that one's app
@column label both tasks, for people
@column needs_ended_iso when Parsl was done with the one needed, ISO 8601 UTC
@column went_on_iso when the other was launched, ISO 8601 UTC; or ended, if it never was, or is a join app
@column slack seconds between these two
@column gate 1 if the one needed was the last to end of all that the task waits for in this way, else 0
@column of_rows number of such dependencies, shown or not
@chart mark=bar x_column=slack x_type=quantitative y_column=label y_type=ordinal color_column=app
*/
with waits as (
    select
        task_needs.joins,
        waiting.run,
        waiting.task,
        waiting.app,
        needed.task as needs,
        needed.app as needs_app,
        needed.ended as needs_ended,
        iif(task_needs.joins, waiting.ended, waiting.began + waiting.in_submit) as went_on,
        needed.ended = max(needed.ended) over (partition by task_needs.task, task_needs.joins) as gate
    from task_needs
    join task_times as waiting on waiting.task = task_needs.task
    join task_times as needed on needed.task = task_needs.needs
    where (coalesce(:run, '') = '' or waiting.run in (select id from runs where :run in (key, name)))
        and (coalesce(:app, '') = '' or waiting.app = :app)
        and (coalesce(:executor, '') = '' or waiting.executor = :executor)
),
chosen as (
    select *, went_on - needs_ended as slack, count(*) over () as of_rows
    from waits
    order by gate desc, went_on - needs_ended desc, run, task, needs
    limit min(max(coalesce(nullif(cast(:rows as integer), 0), 300), 1), 900)
)
select
    runs.key as run,
    iif(chosen.joins, 'joins', 'depends') as kind,
    waiting.key as task,
    chosen.app,
    needed.key as needs,
    chosen.needs_app,
    printf('%s after %s', waiting.key, needed.key) as label,
    iso_time(chosen.needs_ended) as needs_ended_iso,
    iso_time(chosen.went_on) as went_on_iso,
    chosen.slack,
    coalesce(chosen.gate, 0) as gate,
    chosen.of_rows
from chosen
join task_account as waiting on waiting.task = chosen.task
join task_account as needed on needed.task = chosen.needs
join runs on runs.id = chosen.run
order by chosen.gate desc, chosen.slack desc, chosen.run, chosen.task, chosen.needs
