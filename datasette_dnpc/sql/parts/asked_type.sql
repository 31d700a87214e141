-- The root type that is shown, and where the run has none whose sequences are kept, the type with most spans.
asked_type as materialized (
    select coalesce((select type from shown_root_type), (
        select span_types.name
        from spans
        join span_types on span_types.id = spans.type
        where coalesce(:run, '') = '' or spans.run in (select id from runs where :run in (key, name))
        group by spans.type
        order by count(*) desc, span_types.name
        limit 1
    )) as type
)
