/*
@title What was not understood
@description Records that no pattern or table took, by kind: the first of each with a count.
@param source a part of the source's path; empty: all sources
@column source path of the file
@column importer which importer read it
@column reason why it was not understood
@column template the text with its variable parts replaced
@column count how many are alike
@column offset where the first one starts in the source: byte, or rowid
@column text the first one
*/
select
    sources.path as source,
    sources.importer,
    unmatched.reason,
    unmatched.template,
    unmatched.count,
    unmatched.offset,
    unmatched.text
from unmatched
join sources on sources.id = unmatched.source
where instr(sources.path, coalesce(:source, '')) > 0
order by unmatched.count desc, sources.path, unmatched.template
limit 500
