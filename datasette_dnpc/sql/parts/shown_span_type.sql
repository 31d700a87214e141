-- The span type that is asked for, else the first in the order of durations that the run has.
shown_span_type as materialized (
    select coalesce(nullif(:span_type, ''), (
        select type
        from duration_type
        where coalesce(:run, '') = ''
            or exists (
                select 1 from span_totals
                where span_totals.type = duration_type.id and span_totals.run in (select id from runs where :run in (key, name))
            )
        order by place
        limit 1
    )) as type
)
