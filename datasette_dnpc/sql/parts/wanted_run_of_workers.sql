-- The run that is asked for, else the one whose workers had most tasks; and when it began.
wanted as materialized (
    select coalesce(found.run, most.run) as run, run_began.time as zero
    from (select (select id from runs where coalesce(:run, '') in (key, name)) as run) as found
    left join (
        select run
        from worker_place
        where coalesce(:run, '') = ''
        group by run
        order by
            sum((select tasks from worker_totals where worker_totals.worker = worker_place.worker)) desc,
            (select key from runs where id = run)
        limit 1
    ) as most
    join run_began on run_began.run = coalesce(found.run, most.run)
)
