/*
@title Tasks in the slots of workers over time
@topic Workers
@description Which task was in which slot, and when: a lane for each slot of a worker that had a task. Where there are
    more stays of tasks than rows, the short ones of a lane that lie close together are one row: stays tells how many.
@param run key or name of a run; empty: the run whose workers had most tasks
@param app name of an app, or category; empty: all
@param executor label of an executor; empty: all
@param worker key of a worker within the run; empty: all
@param from_seconds seconds from the first event of the run; empty: the first stay of a task
@param to_seconds seconds from the first event of the run; empty: the end of the last stay
@param first_lane number of the first lane to show; empty: 1
@param lanes most lanes to show; empty: 40
@param rows rows into which the stays are to fit, with at least three for each lane; empty: 900
@param sample all: look at all stays; empty: of the short ones at a random sample, always the same, where there are more than
    100 000
@needs worker_place run_began
@about stays
@column lane executor, block, worker and slot, the first two as far as they are known
@column lane_number number of the lane, from 1: in order of those
@column of_lanes how many lanes there are, shown or not
@column run key of the run
@column run_name name of the run, or its key
@column executor label of the executor, NULL if not known
@column block block that the worker was started in, NULL if not known
@column worker the worker's key within its run
@column slot number of its slot, from 0
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC
@column since_run_began seconds from the first event of the run to began
@column duration seconds from began to ended
@column busy seconds of these in which a task was there
@column stays how many stays of tasks the row is of
@column of_stays how many stays there are in the time asked for, in all lanes, shown or not
@column app name of the app, or category, which had most of that time; NULL if not known
@column apps how many apps, or categories, the row is of
@column outcome how the Parsl task ended, 'several' if its tasks ended in several ways; NULL if not known
@column task key of the span of the task, or attempt; NULL if the row is of several
@column uuid surrogate key of that span; NULL if the row is of several
@column one_in 1: all stays in the time of the row were looked at; else a sample of 1 in so many, and busy and stays are
    multiplied by that
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=lane y_type=nominal color_column=app
*/
with
-- part wanted_run_of_workers
,
places as materialized (
    select worker_place.worker
    from wanted
    join worker_place on worker_place.run = wanted.run
    where (coalesce(:executor, '') = '' or worker_place.executor = :executor)
        and (coalesce(:worker, '') = '' or worker_place.worker_key = :worker)
),
clip as materialized (
    select
        coalesce(zero + cast(nullif(:from_seconds, '') as real), -9e999) as since,
        coalesce(zero + cast(nullif(:to_seconds, '') as real), 9e999) as until,
        min(max(coalesce(nullif(cast(:rows as integer), 0), 900), 1), 100000) as most,
        coalesce(:app, '') = '' as any_app
    from wanted
),
used as materialized (
    select stays.worker, stays.slot, count(*) as stays, min(stays.began) as began, max(stays.ended) as ended
    from stays
    -- In order of the table, so that nothing is to be sorted.
    where stays.worker in (select worker from places)
        and stays.began <= (select until from clip)
        and stays.ended >= (select since from clip)
        and (coalesce(:app, '') = '' or stays.app = :app)
    group by stays.worker, stays.slot
),
lanes as materialized (
    select
        used.worker,
        used.slot,
        used.stays,
        row_number() over in_order as lane_number,
        count(*) over () as of_lanes,
        sum(used.stays) over () as of_stays,
        worker_place.executor,
        worker_place.block,
        worker_place.worker_key,
        worker_place.slots
    from used
    join worker_place on worker_place.worker = used.worker
    -- Of names that end in numbers, 10 comes after 9.
    window in_order as (
        order by
            worker_place.executor,
            length(worker_place.block),
            worker_place.block,
            substr(worker_place.worker_key, 1, instr(worker_place.worker_key, '/')),
            length(worker_place.worker_key),
            worker_place.worker_key,
            used.slot
    )
),
shown as materialized (
    select *
    from lanes
    where lane_number >= max(cast(coalesce(nullif(:first_lane, ''), 1) as integer), 1)
    order by lane_number
    limit min(max(coalesce(nullif(cast(:lanes as integer), 0), 40), 1), 10000)
),
-- Of very many, only some of the short ones are looked at: what lasts long has a row of its own.
looked_at as materialized (
    select
        extent.first,
        extent.last,
        iif(:sample = 'all' or total(shown.stays) <= 100000, 1, (sum(shown.stays) + 39999) / 40000) as one_in,
        (extent.last - extent.first) / extent.most as long
    from (
        select max(min(used.began), clip.since) as first, min(max(used.ended), clip.until) as last, clip.most
        from clip
        join used
    ) as extent
    cross join shown
),
chosen as materialized (
    select
        shown.lane_number,
        stays.span,
        stays.app,
        task_times.outcome,
        stays.began,
        stays.ended,
        iif(stays.ended - stays.began >= looked_at.long, 1, looked_at.one_in) as stands_for
    from looked_at
    cross join clip
    cross join shown
    cross join stays
        on stays.worker = shown.worker
        and stays.slot = shown.slot
        and stays.began <= clip.until
        and stays.ended >= clip.since
        -- For a condition on stays alone SQLite reads all of them first, to make a filter.
        and (clip.any_app or stays.app = :app)
    left join task_times on task_times.task = stays.task
    -- As good as drawn by lot, but always the same ones: by their microseconds.
    where looked_at.one_in = 1
        or stays.ended - stays.began >= looked_at.long
        or ((cast(stays.began * 1000000 as integer) % 16777213 * 2654435761 >> 12) & 65535) % looked_at.one_in = 0
),
fits as materialized (
    select
        (select first from looked_at) as first,
        (select last from looked_at) as last,
        (select most from clip) as most,
        (select most from clip) / max(1, count(*)) as each,
        count(*) as lanes,
        sum(stays) as stays
    from shown
),
-- How long a stay must be for a row of its own: 0 where all fit. The short ones that begin in one such stretch of time
-- are a row. A lane has no more long stays than stretches; where it has few, there is room for shorter stretches.
detail as materialized (
    select
        first,
        iif(
            stays <= most,
            0,
            (last - first) / max(
                1,
                (each - 1) / 2,
                each - 1 - (
                    select count(*) from chosen where ended - began >= (fits.last - fits.first) / fits.each
                ) / lanes
            )
        ) as width
    from fits
),
of_app as (
    select
        chosen.lane_number,
        -- A number below 0 is that of a stay with a row of its own.
        iif(
            chosen.ended - chosen.began >= detail.width,
            -chosen.span,
            cast(max(0, chosen.began - detail.first) / detail.width as integer)
        ) as piece,
        chosen.app,
        min(chosen.began) as began,
        max(chosen.ended) as ended,
        sum((chosen.ended - chosen.began) * chosen.stands_for) as busy,
        sum(chosen.stands_for) as stays,
        max(chosen.stands_for) as one_in,
        min(chosen.outcome) as least_outcome,
        max(chosen.outcome) as most_outcome,
        max(chosen.span) as span
    from detail
    join chosen
    group by 1, 2, 3
),
-- Where there is one max, the other columns are those of its row.
most_of as materialized (
    select lane_number, piece, max(busy) as busy, app
    from of_app
    group by lane_number, piece
),
pieces as (
    select
        lane_number,
        piece,
        min(began) as began,
        max(ended) as ended,
        sum(busy) as busy,
        sum(stays) as stays,
        max(one_in) as one_in,
        count(*) as apps,
        iif(min(least_outcome) = max(most_outcome), min(least_outcome), iif(max(most_outcome) is null, null, 'several'))
            as outcome,
        iif(sum(stays) = 1, max(span), null) as span
    from of_app
    group by lane_number, piece
)
select
    -- A manager's own key, before that of its worker, is the same in all lanes.
    coalesce(shown.executor || '/', '') || coalesce(shown.block || ' ', '')
        || substr(shown.worker_key, 1 + max(0, instr(shown.worker_key, '/worker-')))
        || iif(shown.slots > 1, ' #' || shown.slot, '') as lane,
    shown.lane_number,
    shown.of_lanes,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    shown.executor,
    shown.block,
    shown.worker_key as worker,
    shown.slot,
    pieces.began,
    pieces.ended,
    round(pieces.began - wanted.zero, 6) as since_run_began,
    pieces.ended - pieces.began as duration,
    min(pieces.busy, pieces.ended - pieces.began) as busy,
    pieces.stays,
    shown.of_stays,
    most_of.app,
    pieces.apps,
    pieces.outcome,
    spans.key as task,
    spans.uuid,
    pieces.one_in
from wanted
join runs on runs.id = wanted.run
join pieces
join shown on shown.lane_number = pieces.lane_number
join most_of on most_of.lane_number = pieces.lane_number and most_of.piece = pieces.piece
left join spans on spans.id = pieces.span
order by shown.lane_number, pieces.began
