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
-- Names are looked up in the columns, so that a query which does not ask for them does not pay.
select
    task,
    (select uuid from spans where id = task_times.task) as task_uuid,
    monitoring,
    run,
    (select key from spans where id = task_times.task) as key,
    app,
    executor,
    tries,
    outcome,
    began,
    ended,
    ended - began as duration
from task_times
