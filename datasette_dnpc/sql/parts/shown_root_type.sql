-- The type that is asked for, else the first by rank that the run has.
shown_root_type as materialized (
    select coalesce(nullif(:root_type, ''), (
        select type
        from kept_root_type
        where coalesce(:run, '') = ''
            or exists (
                select 1 from span_totals
                where span_totals.type = kept_root_type.id and span_totals.run in (select id from runs where :run in (key, name))
            )
        order by rank
        limit 1
    )) as type
)
