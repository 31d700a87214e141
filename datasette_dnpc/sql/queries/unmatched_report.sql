/*
@title What was not understood
@topic The logs
@description Records that gave no row, by kind: the first of each with a count. Lines that look like events, but match no pattern, stand first: an upgrade may have changed what they say.
@param source a part of the source's path; empty: all sources
@param run key or name of a run; empty: all runs
@needs run_source
@none Everything was understood.
@column reason why it was not understood
@column count how many are alike
@column template what they have in common: # stands for what varies
@column text the first one
@column source path of the file
@column run key of the run, NULL if of several or none
@column importer which importer read it
@column format dialect found in it
@column offset where the first one starts in the source: byte, or rowid
@column of_rows number of such rows, shown or not: 500 are
*/
select
    unmatched.reason,
    unmatched.count,
    unmatched.template,
    unmatched.text,
    sources.path as source,
    runs.key as run,
    sources.importer,
    sources.format,
    unmatched.offset,
    count(*) over () as of_rows
from unmatched
join sources on sources.id = unmatched.source
left join runs on runs.id = sources.run
where instr(sources.path, coalesce(:source, '')) > 0
    and (
        coalesce(:run, '') = ''
        or sources.id in (
            select run_source.source
            from run_source
            join runs as told on told.id = run_source.run
            where :run in (told.key, told.name)
        )
    )
order by
    unmatched.reason <> 'looks like an event, but matches no pattern',
    unmatched.count desc,
    sources.path,
    unmatched.reason,
    unmatched.template
limit 500
