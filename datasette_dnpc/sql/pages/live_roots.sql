/*
@title How many roots of any type there are
@description Those that live_events takes its sample of.
@param root_type id of a span type
@param run id of a run, NULL for all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@needs span_app
@column spans number of roots
*/
select count(*) as spans
from spans
where type = :root_type
    and (nullif(:run, '') is null or run = :run)
    and (
        coalesce(:app, '') = '' and coalesce(:executor, '') = ''
        or id in (
            select span
            from span_app
            where (coalesce(:app, '') = '' or app = :app)
                and (coalesce(:executor, '') = '' or executor = :executor)
        )
    )
