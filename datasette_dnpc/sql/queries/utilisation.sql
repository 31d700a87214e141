/*
@title Slots that exist and slots that are busy over time
@topic Workers
@description How many slots the workers had in each part of the run's time, and in how many of them a task was. Both are
    means over the part, so that busy times seconds adds up to the seconds of all tasks.
@param run key or name of a run; empty: the run whose workers had most tasks
@param executor label of an executor; empty: all
@param by executor, block or worker: what has rows of its own; empty: executor
@param bins into how many parts to divide the time, fewer where that is over 900 rows, or where more than 100 000 tasks were
    in more than 500 slots; empty: 200
@needs worker_place run_began
@about workers
@column label name of the executor, or of the block or worker, as asked; the type of worker where it is not known
@column run key of the run
@column run_name name of the run, or its key
@column time when the part begins, seconds since 1970 UTC
@column iso_time the same as ISO 8601
@column since_run_began seconds from the first event of the run
@column seconds how long the part is
@column slots slots of living workers, mean over the part
@column busy slots in which there was a task, mean over the part
@column utilisation busy as part of slots, 0 to 1; NULL if there was no worker
@column of_labels number of labels, shown or not: the first 900 by name are
@chart mark=line x_column=since_run_began x_type=quantitative y_column=busy y_type=quantitative color_column=label
*/
with
-- part wanted_run_of_workers
,
places as materialized (
    select
        worker_place.worker,
        worker_place.slots,
        worker_place.began,
        worker_place.ended,
        case :by
            when 'worker' then worker_place.worker_key
            when 'block' then coalesce(worker_place.executor || '/' || worker_place.block, worker_place.worker_type)
            else coalesce(worker_place.executor, worker_place.worker_type)
        end as label
    from wanted
    join worker_place on worker_place.run = wanted.run
    where worker_place.ended > worker_place.began
        and (coalesce(:executor, '') = '' or worker_place.executor = :executor)
),
labels as materialized (
    select label, row_number() over (order by label) as number, count(*) over () as of_labels
    from (select distinct label from places)
    order by label
    limit 900
),
labelled as materialized (
    select places.*, labels.number from places join labels on labels.label = places.label
),
-- Of many stays, what each part has of each lane, which is a slot of a worker, is looked up: no need to sort them all.
lanes as materialized (
    select labelled.number, used.worker, used.slot
    from (select distinct worker, slot from stays) as used
    join labelled on labelled.worker = used.worker
    where (select total(tasks) from worker_totals where worker in (select worker from labelled)) > 100000
),
grid as materialized (
    select
        first,
        parts,
        (last - first) / parts as seconds,
        many
    from (
        select
            (select min(began) from places) as first,
            (select max(ended) from places) as last,
            (select count(*) from lanes) > 0 as many,
            max(
                1,
                min(
                    900 / max(1, (select count(*) from labels)),
                    100000 / max(1, (select count(*) from lanes)),
                    max(1, coalesce(nullif(cast(:bins as integer), 0), 200))
                )
            ) as parts
    )
),
-- Each beginning adds to the number of slots from then on, and each end takes away.
changes as (
    select number, began as time, slots, 0 as busy from labelled
    union all
    select number, ended, -slots, 0 from labelled
    union all
    select labelled.number, stays.began, 0, 1
    from grid
    cross join labelled
    cross join stays on stays.worker = labelled.worker
    where not grid.many
    union all
    select labelled.number, stays.ended, 0, -1
    from grid
    cross join labelled
    cross join stays on stays.worker = labelled.worker
    where not grid.many
),
-- In its own part a change counts for what is left of that.
changed as materialized (
    select
        number,
        part,
        sum(slots) as slots,
        sum(busy) as busy,
        sum(slots * (part + 1 - at)) as slots_within,
        sum(busy * (part + 1 - at)) as busy_within
    from (
        select
            changes.number,
            changes.slots,
            changes.busy,
            (changes.time - grid.first) / grid.seconds as at,
            min(cast((changes.time - grid.first) / grid.seconds as integer), grid.parts - 1) as part
        from grid
        cross join changes
    )
    group by number, part
),
numbers as (
    select 0 as part from grid
    union all
    select part + 1 from numbers where part + 1 < (select parts from grid)
),
-- Stays of one slot do not overlap: besides those that begin in a part, only the one before can reach into it.
held as materialized (
    select
        number,
        part,
        sum(
            coalesce(
                (
                    select sum(min(stays.ended, until) - stays.began)
                    from stays
                    where stays.worker = span.worker
                        and stays.slot = span.slot
                        and stays.began >= since
                        and stays.began < until
                ),
                0
            )
            + coalesce(
                (
                    select max(0, min(stays.ended, until) - since)
                    from stays
                    where stays.worker = span.worker and stays.slot = span.slot and stays.began < since
                    order by stays.began desc, stays.ended desc
                    limit 1
                ),
                0
            )
        ) as busy_seconds
    from (
        select
            lanes.*,
            numbers.part,
            grid.first + numbers.part * grid.seconds as since,
            grid.first + (numbers.part + 1) * grid.seconds as until
        from grid
        cross join lanes
        cross join numbers
    ) as span
    group by number, part
),
-- Rounding may leave a little below 0.
counted as (
    select
        labels.label,
        labels.of_labels,
        numbers.part,
        max(0.0, coalesce(sum(changed.slots) over before, 0) + coalesce(changed.slots_within, 0.0)) as slots,
        coalesce(
            held.busy_seconds / grid.seconds,
            max(0.0, coalesce(sum(changed.busy) over before, 0) + coalesce(changed.busy_within, 0.0))
        ) as busy
    from grid
    join labels
    join numbers
    left join held on held.number = labels.number and held.part = numbers.part
    left join changed on changed.number = labels.number and changed.part = numbers.part
    window before as (
        partition by labels.label order by numbers.part rows between unbounded preceding and 1 preceding
    )
)
select
    counted.label,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    grid.first + counted.part * grid.seconds as time,
    iso_time(grid.first + counted.part * grid.seconds) as iso_time,
    round(grid.first + counted.part * grid.seconds - wanted.zero, 6) as since_run_began,
    grid.seconds,
    counted.slots,
    counted.busy,
    counted.busy / nullif(counted.slots, 0) as utilisation,
    counted.of_labels
from wanted
join runs on runs.id = wanted.run
join grid
join counted
order by counted.label, counted.part
