-- Which spans to look at: all of the types in `scope` that the runs in `asked_runs` have; or of a type that has more than
-- `most` spans there, 1 in so many of them, drawn by lot. Such a one stands for so many.
lot as materialized (
    select
        type,
        iif(
            spans <= most,
            1,
            (
                select coalesce(min(8 << value), 8 << 14)
                from json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]')
                where 8.0 * spans / (8 << value) <= most
            )
        ) as one_in
    from (
        select
            span_types.id as type,
            scope.most,
            (
                select coalesce(sum(spans), 0)
                from span_totals
                where span_totals.type = span_types.id
                    and coalesce(run, 0) in (select coalesce(run, 0) from asked_runs)
            ) as spans
        from scope
        join span_types on span_types.name = scope.type
    )
),
-- One mention of lot, as SQLite prepares all that is in it anew for each: an index finds nothing that equals NULL.
candidates as materialized (
    select coalesce(spans.id, drawn.span) as id, lot.one_in as stands_for
    from lot
    cross join span_totals on span_totals.type = lot.type
    left join spans on spans.type = iif(lot.one_in = 1, lot.type, null) and spans.run is span_totals.run
    left join drawn
        on drawn.type = iif(lot.one_in > 1, lot.type, null)
        and drawn.run = coalesce(span_totals.run, 0)
        and drawn.one_in >= lot.one_in
    where coalesce(spans.id, drawn.span) is not null
        and coalesce(span_totals.run, 0) in (select coalesce(run, 0) from asked_runs)
)
