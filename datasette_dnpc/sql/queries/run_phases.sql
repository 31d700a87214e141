/*
@title Where the time of a run went
@topic The run
@description The time of a run from its first event to its last, each moment in one phase, so that the phases add up to
    the makespan. A slot is idle while no task is in it; a task waits from its last launch until it is first in a slot.
    Only tasks that came to a worker count. Where no log tells of any, slots are not known: then all Parsl tasks count, and one runs
    from when monitoring says so, or else from when no log tells any more that it is elsewhere.
@param run key or name of a run; empty: the run whose workers had most tasks, or without workers that with most tasks
@param executor label of an executor; empty: all
@param sample all: look at all of the time; empty: at moments drawn by lot, always the same, where there are more than
    20 000 tasks, at 900 of them, or fewer where there are more than 222 slots; of so many tasks without workers it is
    not looked at what was between the first and the last
@needs worker_place run_began
@about stays_or_tasks
@column run key of the run
@column run_name name of the run, or its key
@column phase number and name. 1 no worker: there was no slot, though tasks came into some later. 2 no task yet: before
    the first task ran. 3 all slots busy. 4 idle, tasks waited: some slots were idle, though tasks waited for one of the
    same executor. 5 idle, none waited: some were, and no task waited for them. 6 tail: some were idle, and no further task
    came. 7 after the last task. Where slots are not known, 3 is tasks ran, with at least one, and 4 and 5 are without
    any; or 3 is from the first task to the last
@column seconds how long that was, in all
@column share per cent of the makespan
@column slots slots in that time, mean; NULL where they are not known
@column busy slots with a task, mean; where slots are not known, tasks that ran, or NULL
@column idle_slot_seconds seconds in which slots had no task, sum over the slots; NULL where they are not known
@column makespan seconds from the first event of the run to its last
@column moments at how many moments the time from the first task to the last was looked at; NULL if at all of it
@chart mark=bar x_column=seconds x_type=quantitative y_column=run_name y_type=nominal color_column=phase
*/
with recursive
-- part wanted_run_of_workers
,
extent as materialized (
    select run, min(began) as first, max(ended) as last
    from span_totals
    where run = coalesce(
            (select run from wanted),
            (
                select run
                from task_totals
                where coalesce(:run, '') = ''
                group by run
                order by sum(tasks) desc, (select key from runs where id = run)
                limit 1
            )
        )
    group by run
),
places as materialized (
    select
        worker_place.worker,
        worker_place.slots,
        worker_place.began,
        worker_place.ended,
        coalesce(worker_place.executor, worker_place.worker_type) as executor
    -- First the workers, of which there are few, and then what is told of each.
    from worker_slots
    cross join worker_place on worker_place.worker = worker_slots.worker
    where worker_place.run = (select run from extent)
        and worker_place.ended > worker_place.began
        and (coalesce(:executor, '') = '' or worker_place.executor = :executor)
),
of_workers as materialized (
    select sum(tasks) as tasks, min(first_task) as first_task, max(last_task) as last_task
    from worker_totals
    where worker in (select worker from places)
),
counted as materialized (
    select
        *,
        :sample is not 'all' and 20000 < iif(
            tasks is null,
            (
                select total(tasks)
                from task_totals
                where run = (select run from extent) and (coalesce(:executor, '') = '' or executor = :executor)
            ),
            tasks
        ) as many
    from of_workers
),
-- Each Parsl task of the run where no log tells of one on a worker: when it ran, and from when on it could have.
tasks as (
    select
        '' as executor,
        task_times.began + in_submit + in_retry as ready,
        task_times.began + in_submit + in_retry + in_queue + in_transfer + in_dispatch as began,
        task_times.began + in_submit + in_retry + in_queue + in_transfer + in_dispatch + in_run as ended
    from task_times
    where run = (select extent.run from extent cross join counted where counted.tasks is null)
        and in_run > 0
        and (coalesce(:executor, '') = '' or executor = :executor)
),
-- How long it waits is known of each stay, not only of the first of its task: but of that time there is none left then.
took as materialized (
    select executor, began, ended, ready, began as waited_until from tasks where not (select many from counted)
    union all
    select
        places.executor,
        stays.began,
        stays.ended,
        coalesce(
            task_times.began + in_submit + in_retry,
            (select spans.began from spans where spans.id = stays.task)
        ),
        min(
            stays.began,
            coalesce(
                task_times.began + in_submit + in_retry + in_queue + in_transfer + in_dispatch,
                stays.began
            )
        )
    from counted
    cross join places
    cross join stays on stays.worker = places.worker
    left join task_times on task_times.task = stays.task
    where not counted.many
),
-- A lane is a slot of a worker.
lane(executor, worker, slot) as (
    select executor, worker, (select max(slot) from stays where stays.worker = places.worker)
    from counted
    cross join places
    where counted.many
    union all
    select executor, worker, slot - 1 from lane where slot > 0
),
lanes as materialized (
    select * from lane where slot is not null
),
marks as materialized (
    select
        extent.run,
        extent.first,
        extent.last,
        counted.tasks is not null or ran.first_task is null as slots_known,
        counted.many,
        iif(
            counted.many and counted.tasks is not null,
            max(1, min(900, 200000 / max(1, (select count(*) from lanes)))),
            null
        ) as moments,
        -- Without any task, all the time is before the first.
        coalesce(counted.first_task, ran.first_task, extent.last) as first_task,
        coalesce(
            (select max(began) from took),
            (
                select max((select max(began) from stays where stays.worker = lanes.worker and stays.slot = lanes.slot))
                from lanes
            ),
            extent.last
        ) as last_begun,
        coalesce(counted.last_task, ran.last_task, extent.last) as last_task
    from extent
    cross join counted
    cross join (select min(began) as first_task, max(ended) as last_task from tasks) as ran
    where ran.first_task is not null or exists (select 1 from places)
),
-- All that changes adds to a number from then on, or takes away. Where nothing changes, a mark divides the time.
changes as (
    select executor, began as time, slots, 0 as busy, 0 as waiting from places where (select slots_known from marks)
    union all
    select executor, ended, -slots, 0, 0 from places where (select slots_known from marks)
    union all
    select executor, began, 0, 1, 0 from took
    union all
    select executor, ended, 0, -1, 0 from took
    union all
    select executor, ready, 0, 0, 1 from took where waited_until > ready
    union all
    select executor, waited_until, 0, 0, -1 from took where waited_until > ready
    union all
    select '', case column1 when 1 then first when 2 then first_task when 3 then last_begun when 4 then last_task else last end,
        0, 0, 0
    from marks
    cross join (values (1), (2), (3), (4), (5))
),
of_executors as (
    select
        executor,
        time,
        sum(sum(slots)) over so_far as slots,
        sum(sum(busy)) over so_far as busy,
        sum(sum(waiting)) over so_far as waiting
    from changes
    group by executor, time
    window so_far as (partition by executor order by time rows unbounded preceding)
),
-- A task waits for a slot of its own executor: so it is for each that idle slots and waiting tasks are held together.
steps as materialized (
    select
        time,
        lead(time) over in_time - time as seconds,
        sum(sum(slots)) over in_time as slots,
        sum(sum(busy)) over in_time as busy,
        sum(sum(wanting)) over in_time as wanting
    from (
        select
            time,
            slots - lag(slots, 1, 0) over before as slots,
            busy - lag(busy, 1, 0) over before as busy,
            wanting - lag(wanting, 1, 0) over before as wanting
        from (
            select *, waiting > 0 and (slots > busy or not (select slots_known from marks)) as wanting
            from of_executors
        )
        window before as (partition by executor order by time)
    )
    group by time
    window in_time as (order by time rows unbounded preceding)
),
-- One moment in each of so many equal parts of the time.
numbers as (
    select 0 as number from marks where moments
    union all
    select number + 1 from numbers where number + 1 < (select moments from marks)
),
moments as materialized (
    select
        number,
        first_task + (last_task - first_task) / moments * (number + ((number * 2654435761 >> 16) & 65535) / 65536.0) as time,
        (last_task - first_task) / moments as seconds
    from marks
    cross join numbers
),
held as materialized (
    select
        moments.number,
        moments.time,
        moments.seconds,
        executors.executor,
        (
            select total(slots)
            from places
            where places.executor = executors.executor and places.began <= moments.time and places.ended > moments.time
        ) as slots,
        total(
            (
                select stays.ended > moments.time
                from stays
                where stays.worker = lanes.worker and stays.slot = lanes.slot and stays.began <= moments.time
                order by stays.began desc, stays.ended desc
                limit 1
            )
        ) as busy
    from moments
    cross join (select distinct executor from places) as executors
    left join lanes on lanes.executor = executors.executor
    group by moments.number, executors.executor
),
looked_at as (
    select time, seconds, sum(slots) as slots, sum(busy) as busy, max(wanting) as wanting
    from (
        select
            *,
            slots > busy and exists (
                select 1
                from lanes
                where lanes.executor = held.executor
                    and (
                        select
                            coalesce(
                                task_times.began + in_submit + in_retry,
                                (select spans.began from spans where spans.id = stays.task)
                            ) <= held.time
                            and coalesce(
                                task_times.began + in_submit + in_retry + in_queue + in_transfer + in_dispatch,
                                stays.began
                            ) > held.time
                        from stays
                        left join task_times on task_times.task = stays.task
                        where stays.worker = lanes.worker and stays.slot = lanes.slot and stays.began > held.time
                        order by stays.began
                        limit 1
                    )
            ) as wanting
        from held
    )
    group by number
),
timed as (
    select steps.*
    from marks
    cross join steps
    where steps.time >= marks.first
        and steps.time < marks.last
        and (marks.moments is null or steps.time < marks.first_task or steps.time >= marks.last_task)
    union all
    select * from looked_at
),
phased as (
    select
        timed.*,
        case
            when time >= last_task then '7 after the last task'
            when slots_known and slots = 0 then '1 no worker'
            when time < first_task then '2 no task yet'
            when many and not slots_known then '3 from the first task to the last'
            when busy > 0 and not slots_known then '3 tasks ran'
            when busy >= slots and slots_known then '3 all slots busy'
            when wanting then '4 idle, tasks waited'
            when time >= last_begun then '6 tail'
            else '5 idle, none waited'
        end as phase
    from marks
    cross join timed
)
select
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    phased.phase,
    sum(phased.seconds) as seconds,
    100 * sum(phased.seconds) / (marks.last - marks.first) as share,
    iif(marks.slots_known, sum(phased.slots * phased.seconds) / sum(phased.seconds), null) as slots,
    iif(
        phased.phase = '3 from the first task to the last',
        null,
        sum(phased.busy * phased.seconds) / sum(phased.seconds)
    ) as busy,
    iif(marks.slots_known, sum(max(phased.slots - phased.busy, 0) * phased.seconds), null) as idle_slot_seconds,
    marks.last - marks.first as makespan,
    marks.moments
from marks
join runs on runs.id = marks.run
cross join phased
where phased.seconds > 0
group by phased.phase
order by phased.phase
