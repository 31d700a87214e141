/*
@title Tasks in the slots of workers over time
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
@needs worker_place worker_slot_interval run_began
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
@chart mark=circle x_column=since_run_began x_type=quantitative y_column=lane y_type=nominal color_column=app
*/
with
-- part wanted_run_of_workers
,
chosen as materialized (
    select
        worker_slot_interval.worker,
        slot,
        span,
        app,
        outcome,
        began,
        ended
    from wanted
    join worker_slot_interval on worker_slot_interval.run = wanted.run
    where (coalesce(:executor, '') = '' or executor = :executor)
        and (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:worker, '') = '' or worker in (select id from spans where run = wanted.run and key = :worker))
        and (coalesce(:from_seconds, '') = '' or ended >= zero + cast(:from_seconds as real))
        and (coalesce(:to_seconds, '') = '' or began <= zero + cast(:to_seconds as real))
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
    from (select worker, slot, count(*) as stays from chosen group by worker, slot) as used
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
    limit min(max(cast(coalesce(nullif(:lanes, ''), 40) as integer), 1), 10000)
),
fits as materialized (
    select
        (
            select max(min(chosen.began), coalesce(wanted.zero + cast(nullif(:from_seconds, '') as real), 0))
            from chosen, wanted
        ) as first,
        (
            select min(max(chosen.ended), coalesce(wanted.zero + cast(nullif(:to_seconds, '') as real), 9e999))
            from chosen, wanted
        ) as last,
        min(max(cast(coalesce(nullif(:rows, ''), 900) as integer), 1), 100000) as most,
        min(max(cast(coalesce(nullif(:rows, ''), 900) as integer), 1), 100000) / max(1, count(*)) as each,
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
        shown.lane_number,
        -- A number below 0 is that of a stay with a row of its own.
        iif(
            chosen.ended - chosen.began >= detail.width,
            -chosen.span,
            cast(max(0, chosen.began - detail.first) / detail.width as integer)
        ) as piece,
        chosen.app,
        min(chosen.began) as began,
        max(chosen.ended) as ended,
        sum(chosen.ended - chosen.began) as busy,
        count(*) as stays,
        min(chosen.outcome) as least_outcome,
        max(chosen.outcome) as most_outcome,
        max(chosen.span) as span
    from detail
    join chosen
    join shown on shown.worker = chosen.worker and shown.slot = chosen.slot
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
    pieces.busy,
    pieces.stays,
    shown.of_stays,
    most_of.app,
    pieces.apps,
    pieces.outcome,
    spans.key as task,
    spans.uuid
from wanted
join runs on runs.id = wanted.run
join pieces
join shown on shown.lane_number = pieces.lane_number
join most_of on most_of.lane_number = pieces.lane_number and most_of.piece = pieces.piece
left join spans on spans.id = pieces.span
order by shown.lane_number, pieces.began
