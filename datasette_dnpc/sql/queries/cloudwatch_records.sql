/*
@title CloudWatch records
@topic The logs
@description What the service logged in CloudWatch, in order of time, 500 records at most: those of one task, else the
    first that hold the text, or without a text those of the first tasks by id. A record that several files hold comes
    once.
@param task id of a task, which is the key of its span; empty: all
@param text a part of the logger's name or of the message; empty: any
@about records
@column time when it was logged, UTC
@column task id of the task, NULL if the record names none
@column name logger
@column message what it says
@column source path of the file, or of the first that holds it
@column record the whole row as JSON, with the JSON text in it taken apart
*/
with found as (
    -- Each branch is a search of one index on records, and ends soon.
    select source, offset from records
    where coalesce(:task, '') <> '' and json_extract(record, '$."@message".log.task_id') = :task
    union all
    select * from (
        select source, offset from records
        where coalesce(:task, '') = '' and coalesce(:text, '') <> ''
            and json_extract(record, '$."@message".log.name') > ''
            and instr(
                json_extract(record, '$."@message".log.name') || char(10)
                || coalesce(json_extract(record, '$."@message".log.message'), ''), :text
            ) > 0
        limit 500
    )
    union all
    select * from (
        select source, offset from records
        where coalesce(:task, '') = '' and coalesce(:text, '') = ''
            and json_extract(record, '$."@message".log.task_id') > ''
        limit 500
    )
)
select
    json_extract(record, '$."@timestamp"') as time,
    json_extract(record, '$."@message".log.task_id') as task,
    json_extract(record, '$."@message".log.name') as name,
    json_extract(record, '$."@message".log.message') as message,
    min(sources.path) as source,
    record
from found
join records using (source, offset)
join sources on sources.id = found.source
where instr(
    coalesce(json_extract(record, '$."@message".log.name'), '') || char(10)
    || coalesce(json_extract(record, '$."@message".log.message'), ''), coalesce(:text, '')
) > 0
group by json_extract(record, '$."@timestamp"'), json_extract(record, '$."@message".log')
order by time, task, name, message
limit 500
