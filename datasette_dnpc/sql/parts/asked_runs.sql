-- The runs that are asked for, else all, with NULL for spans of none.
asked_runs as materialized (
    select distinct run
    from span_totals
    where coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name))
)
