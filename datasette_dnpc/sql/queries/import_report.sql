/*
@title Import report
@topic The logs
@description What was read: each source with what came out of it, how its clock was read, and what did not join.
@param run key or name of a run; empty: all
@needs run_source
@column source path of the file
@column importer which importer read it
@column format dialect found in it
@column run key of the run, NULL if of several or none
@column size bytes
@column records records that gave rows
@column events events made of them
@column unmatched records not understood: see unmatched_report
@column joins_made joins to other accounts: see join_report
@column joins_missing joins looked for in vain
@column clock how its times were read as UTC
@column zones zone of each run in it, with the evidence, where its times are local
@column first_time ISO 8601 UTC
@column last_time ISO 8601 UTC
@column imported_at ISO 8601 UTC
@column of_rows number of such rows, shown or not: 900 are
*/
select
    sources.path as source,
    sources.importer,
    sources.format,
    runs.key as run,
    sources.size,
    sources.records,
    sources.events,
    sources.unmatched,
    coalesce((select sum(made) from joins where source = sources.id), 0) as joins_made,
    coalesce((select sum(missing) from joins where source = sources.id), 0) as joins_missing,
    sources.clock,
    (
        select group_concat(zones, ', ')
        from (
            select distinct zone || ' (' || evidence || ')' as zones
            from clocks
            where source = sources.id
            order by 1
        )
    ) as zones,
    iso_time(sources.first_time) as first_time,
    iso_time(sources.last_time) as last_time,
    iso_time(sources.imported_at) as imported_at,
    count(*) over () as of_rows
from sources
left join runs on runs.id = sources.run
where nullif(:run, '') is null
    or :run in (runs.key, runs.name)
    or sources.id in (
        select run_source.source
        from run_source
        join runs as told on told.id = run_source.run
        where :run in (told.key, told.name)
    )
order by sources.path, sources.id
limit 900
