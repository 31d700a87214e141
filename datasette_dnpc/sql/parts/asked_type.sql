-- The root type that is shown, and where the run has none whose sequences are kept, the type with most spans.
asked_type as materialized (
    select coalesce((select type from shown_root_type), (
        select span_types.name
        from span_totals
        join span_types on span_types.id = span_totals.type
        where coalesce(:run, '') = '' or span_totals.run in (select id from runs where :run in (key, name))
        group by span_totals.type
        order by sum(spans) desc, span_types.name
        limit 1
    )) as type
)
