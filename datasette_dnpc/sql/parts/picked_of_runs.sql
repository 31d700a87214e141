-- Of the candidates, those of the app and executor asked for.
-- part candidates
,
-- part owners
,
picked as materialized (
    select id, stands_for
    from candidates
    where (coalesce(:app, '') = '' and coalesce(:executor, '') = '')
        or id in (
            select span
            from owners
            where (coalesce(:app, '') = '' or app = :app) and (coalesce(:executor, '') = '' or executor = :executor)
        )
)
