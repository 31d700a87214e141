-- part shown_root_type
,
-- The run that is asked for, else the one with most roots in their states, over its time.
shown_run as materialized (
    select root_type, root_type_id, run, run_key, run_name
    from state_run
    where root_type_id = (select id from span_types where name = (select type from shown_root_type))
        and (coalesce(:run, '') = '' or :run in (run_key, run_name))
    order by spans desc, run_key
    limit 1
)
