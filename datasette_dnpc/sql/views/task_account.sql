/*
@title Parsl tasks
@description One row for each task, though both its run's log and monitoring may tell of it. It lasts from the first
    event of the task to the last one of the task or of its tries, in either account; an unfinished task to the last
    that any log tells of it.
@column task id of the span: of the log's account, or of monitoring's where there is no other
@column task_uuid its surrogate key
@column monitoring id of monitoring's account, NULL if none
@column run id of the run
@column key number of the task within the run, as text
@column app name of the app
@column executor label of the executor of its last try that came to one, NULL if none did, or no log says so
@column tries how many tries it had
@column outcome done; memoized: its result was known; failed: for good; dependency failed: a task that it needs failed,
    so it never started; unfinished: no log tells of its end
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds
*/
select
    task,
    spans.uuid as task_uuid,
    monitoring,
    task_times.run,
    spans.key,
    app,
    executor,
    tries,
    outcome,
    task_times.began,
    task_times.ended,
    task_times.ended - task_times.began as duration
from task_times
-- A query that asks for nothing of these does not pay for them: SQLite leaves out such a join.
left join spans on spans.id = task_times.task
