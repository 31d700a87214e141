/*
@title Outcomes of tasks
@topic The tasks
@description What became of the tasks of each app: how many were done, memoized, failed, failed with a task that they
    depend on, or never ended as far as the logs tell. Apps with most tasks stand first.
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@about tasks
@column run key of the run
@column app name of the app, NULL if not known
@column outcome done, memoized, failed, dependency failed or unfinished: see the view task_account
@column tasks number of tasks
@column share per cent of the app's tasks in this run
@column tries tries of these tasks, sum
@column mean_duration seconds from submission to end, mean
@column total_duration seconds, sum
@column example number of one such task within the run
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=tasks x_type=quantitative y_column=app y_type=nominal color_column=outcome
*/
with counted as (
    select
        run,
        app,
        outcome,
        sum(tasks) as tasks,
        sum(tries) as tries,
        sum(seconds) / nullif(sum(lasting), 0) as mean_duration,
        sum(seconds) as total_duration,
        min(example) as example
    from task_totals
    where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
    group by run, app, outcome
)
select
    runs.key as run,
    counted.app,
    counted.outcome,
    counted.tasks,
    100.0 * counted.tasks / sum(counted.tasks) over of_app as share,
    counted.tries,
    counted.mean_duration,
    counted.total_duration,
    cast(counted.example as text) as example,
    count(*) over () as of_rows
from counted
join runs on runs.id = counted.run
window of_app as (partition by counted.run, counted.app)
order by sum(counted.tasks) over of_app desc, runs.key, counted.app, counted.tasks desc, counted.outcome
limit 900
