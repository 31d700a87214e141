asked_runs as materialized (
    select distinct run
    from span_totals
    where coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name))
),
-- part picked_of_runs
