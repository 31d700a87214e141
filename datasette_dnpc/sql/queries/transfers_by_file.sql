/*
@title Transfers by file
@topic Workers
@description Which files Work Queue and TaskVine moved most, and how long that took. Files of many names, such as the
    arguments of a task, have a row each.
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all. Work Queue alone says of which task a transfer is
@param executor label of the manager's executor; empty: all
@param direction INPUT or OUTPUT as the manager sees it; empty: both, and the cache
@param sample all: look at all transfers; empty: at a random sample, always the same, where there are more than 300 000
@needs transfer
@about transfers
@column kind span type: transfers of the manager, or what workers put into their cache
@column direction INPUT or OUTPUT as the manager sees it, NULL for the cache
@column file name of the file
@column transfers how often
@column megabytes of 2**20 bytes, sum
@column seconds sum
@column megabytes_per_second NULL if it took no time that was measured
@column of_rows number of such rows, shown or not: 900 are
@column one_in 1: all transfers were looked at; else a sample of 1 in so many, and numbers of transfers are multiplied
    by that
@chart mark=bar x_column=megabytes x_type=quantitative y_column=file y_type=ordinal color_column=kind
*/
with scope as (
    select value as type, iif(:sample = 'all', 9e9, 300000) as most
    from json_each('["workqueue.transfer", "taskvine.transfer", "taskvine.cache_update"]')
),
-- part asked_runs
,
-- part candidates
,
tasks as materialized (
    select distinct transfer.task as id
    from candidates
    cross join transfer on transfer.span = candidates.id
    where coalesce(:app, '') <> '' and transfer.task is not null
),
-- part owners candidates=tasks owners=task_owners
,
moved as (
    select
        transfer.span_type,
        transfer.direction,
        transfer.file,
        sum(candidates.stands_for) as transfers,
        sum(transfer.megabytes * candidates.stands_for) as megabytes,
        sum(transfer.duration * candidates.stands_for) as seconds,
        max(candidates.stands_for) as one_in
    from candidates
    cross join transfer on transfer.span = candidates.id
    where (coalesce(:direction, '') = '' or transfer.direction = upper(:direction))
        and (coalesce(:executor, '') = '' or transfer.executor = :executor)
        and (coalesce(:app, '') = '' or transfer.task in (select span from task_owners where app = :app))
    group by transfer.span_type, transfer.direction, transfer.file
)
select
    span_type as kind,
    direction,
    file,
    transfers,
    megabytes,
    seconds,
    megabytes / nullif(seconds, 0) as megabytes_per_second,
    count(*) over () as of_rows,
    one_in
from moved
order by megabytes desc, seconds desc, file
limit 900
