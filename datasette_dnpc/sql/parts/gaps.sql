-- Times in which slots of the workers in `places` had no task; of those that a task ended, 1 in the `one_in` of `looked_at`.
gaps as (
    select
        worker,
        run,
        executor,
        block,
        slot,
        1 as slots,
        coalesce(free_from, first_sign) as began,
        ending.began as ended,
        ending.began - coalesce(free_from, first_sign) as duration,
        iif(
            free_from is null,
            null,
            (
-- part stay_before what=span later=ending
            )
        ) as span_before,
        span as span_after,
        task as task_after,
        stands_for
    from (
        select
            stays.worker,
            places.run,
            places.executor,
            places.block,
            places.began as first_sign,
            stays.slot,
            stays.began,
            stays.ended,
            stays.span,
            stays.task,
            looked_at.one_in as stands_for,
            (
-- part stay_before what=ended later=stays
            ) as free_from
        from looked_at
        cross join places
        cross join stays on stays.worker = places.worker
        -- As good as drawn by lot, but always the same ones: by their microseconds.
        where looked_at.one_in = 1
            or ((cast(stays.began * 1000000 as integer) % 16777213 * 2654435761 >> 12) & 65535) % looked_at.one_in = 0
    ) as ending
    where ending.began > coalesce(free_from, first_sign)
    union all
    select
        last.worker,
        places.run,
        places.executor,
        places.block,
        last.slot,
        1,
        last.ended,
        places.ended,
        places.ended - last.ended,
        last.span,
        null,
        null,
        1
    -- Where there is one max, the other columns are those of its row.
    from (select worker, slot, max(ended) as ended, span from stays group by worker, slot) as last
    cross join places on places.worker = last.worker
    where places.ended > last.ended
    union all
    select
        places.worker,
        places.run,
        places.executor,
        places.block,
        used.slots,
        places.slots - used.slots,
        places.began,
        places.ended,
        places.ended - places.began,
        null,
        null,
        null,
        1
    from (
        select places.worker, coalesce((select max(slot) + 1 from stays where stays.worker = places.worker), 0) as slots
        from places
    ) as used
    cross join places on places.worker = used.worker
    where places.slots > used.slots and places.ended > places.began
)
