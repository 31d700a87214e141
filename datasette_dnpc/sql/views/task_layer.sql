/*
@title Time of each Parsl task in each layer
@description One row for each task. Its layers follow one another and add up to its whole duration. A layer begins with
    its first event in the last try, and not before the layer ahead of it; a layer of which no log tells has 0
    seconds, and what is not known to be elsewhere is in_run. A task that was never launched, such as one that is
    memoized or whose dependency failed, is in_submit to its end.
@column task id of the span of the task, as in task_account
@column task_uuid its surrogate key
@column run_id id of the run
@column key number of the task within the run, as text
@column app name of the app
@column executor label of the executor of its last try that came to one, NULL if none did, or no log says so
@column outcome done, memoized, failed, dependency failed or unfinished: see task_account
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column duration seconds: the sum of the following
@column in_submit seconds until the first try is launched: waits for dependencies are in here
@column in_retry seconds from the first launch to that of the last try, 0 for one try
@column in_queue seconds until the interchange or manager sends it to a worker, or its inputs
@column in_transfer seconds in which Work Queue or TaskVine sends its inputs
@column in_dispatch seconds until a worker has it (HTEX: from the interchange on; TaskVine: until the worker starts it)
@column in_run seconds until the worker has completed it, attempts that were put back included
@column in_return seconds until Parsl is done with it; of a join app the wait for its inner tasks is in here
*/
select
    task,
    spans.uuid as task_uuid,
    task_times.run as run_id,
    spans.key,
    app,
    executor,
    outcome,
    task_times.began,
    task_times.ended,
    task_times.ended - task_times.began as duration,
    in_submit,
    in_retry,
    in_queue,
    in_transfer,
    in_dispatch,
    in_run,
    in_return
from task_times
-- A query that asks for nothing of these does not pay for them: SQLite leaves out such a join.
left join spans on spans.id = task_times.task
