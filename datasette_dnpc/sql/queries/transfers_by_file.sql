/*
@title Transfers by file
@description Which files Work Queue and TaskVine moved most, and how long that took. Files of many names, such as the
    arguments of a task, have a row each.
@param run key or name of a run; empty: all runs
@param app name of an app, or category; empty: all. Work Queue alone says of which task a transfer is
@param executor label of the manager's executor; empty: all
@param direction INPUT or OUTPUT as the manager sees it; empty: both, and the cache
@needs span_app transfer
@column kind span type: transfers of the manager, or what workers put into their cache
@column direction INPUT or OUTPUT as the manager sees it, NULL for the cache
@column file name of the file
@column transfers how often
@column megabytes of 2**20 bytes, sum
@column seconds sum
@column megabytes_per_second NULL if it took no time that was measured
@column of_rows number of such rows, shown or not: 900 are
@chart mark=bar x_column=megabytes x_type=quantitative y_column=file y_type=ordinal color_column=kind
*/
select
    span_type as kind,
    direction,
    file,
    count(*) as transfers,
    sum(megabytes) as megabytes,
    sum(duration) as seconds,
    sum(megabytes) / nullif(sum(duration), 0) as megabytes_per_second,
    count(*) over () as of_rows
from transfer
where (coalesce(:run, '') = '' or run in (select id from runs where :run in (key, name)))
    and (coalesce(:direction, '') = '' or direction = upper(:direction))
    and (coalesce(:executor, '') = '' or executor = :executor)
    and (coalesce(:app, '') = '' or task in (select span from span_app where app = :app))
group by span_type, direction, file
order by megabytes desc, seconds desc, file
limit 900
