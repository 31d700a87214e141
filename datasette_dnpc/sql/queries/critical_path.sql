/*
@title Critical path
@topic The tasks
@description What the end of a run waited for: the task with dependencies that ended last, of all tasks that it waited
    for the one that ended last, and so on back to one that waited for none. That is what held it up as it went, waits
    for workers included; for the least that it could have taken see longest_chain. A join app's wait for its inner
    tasks is in its own time. At most the last 900 of these tasks.
@param task number of the task to go back from; empty: the last to end of those that waited for others
@param run key or name of a run; empty: all runs
@needs task_account
@about tasks
@column position 1 for the first task of the path
@column run key of the run
@column run_name name of the run, or its key
@column task number of the task within the run
@column label position and task, in an order that sorts as text
@column app name of the app
@column began_iso when it was submitted, ISO 8601 UTC
@column ended_iso when Parsl was done with it, ISO 8601 UTC
@column duration seconds from submission to end
@column seconds what it adds to the path: from the end of the one before, or its submission if that is later, to its end
@column total seconds of the path up to here
@chart mark=bar x_column=seconds x_type=quantitative y_column=label y_type=ordinal
*/
with recursive path as (
    select task, 0 as step
    from (
        select task
        from task_times
        where ended is not null
            and iif(
                coalesce(:task, '') = '',
                task in (select task from task_needs where not joins),
                (select key from spans where id = task_times.task) = cast(:task as text)
            )
            and (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
        order by ended desc, task
        limit 1
    )
    union all
    select
        (
            select needed.task
            from task_needs
            join task_times as needed on needed.task = task_needs.needs
            where task_needs.task = path.task
                and not task_needs.joins
                -- What ended later was not waited for; nor does a broken log lead round in a circle.
                and needed.ended <= (select ended from task_times where task = path.task)
            order by needed.ended desc, needed.task
            limit 1
        ),
        step + 1
    from path
    where path.task is not null
    limit 901
),
timed as (
    select
        row_number() over (order by path.step desc) as position,
        task_account.*,
        lag(task_account.ended) over (order by path.step desc) as gate_ended
    from path
    join task_account on task_account.task = path.task
    where path.step < 900
)
select
    timed.position,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    timed.key as task,
    printf('%04d: task %s', timed.position, timed.key) as label,
    timed.app,
    iso_time(timed.began) as began_iso,
    iso_time(timed.ended) as ended_iso,
    timed.duration,
    max(0, timed.ended - max(timed.began, coalesce(timed.gate_ended, timed.began))) as seconds,
    sum(max(0, timed.ended - max(timed.began, coalesce(timed.gate_ended, timed.began)))) over (
        order by timed.position
    ) as total
from timed
left join runs on runs.id = timed.run
order by timed.position
