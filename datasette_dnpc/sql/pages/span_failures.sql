/*
@title Tries of the task that failed
@description Of a Parsl task, or of one of its tries: each try that failed, in any account, in their order.
@param uuid surrogate key of the span
@column uuid surrogate key of the try: of the log's account, or of monitoring's where there is no other
@column key its key within its run
@column state failed: for good; fail_retryable: tried again; dep_fail: a task that it depends on failed
@column cause type of the exception, NULL if no log says so
@column message what monitoring kept of the exception, its first 1000 characters; NULL if it did not
@column of_tries how many there are, shown or not
*/
with accounts as materialized (
    select spans.id
    from spans
    join span_types on span_types.id = spans.type
    where spans.uuid = :uuid
        and span_types.name in (
            'parsl.rundir.task', 'parsl.monitoring.task', 'parsl.rundir.try', 'parsl.monitoring.try'
        )
),
same as materialized (
    select id from accounts
    union
    select facets.right from accounts join facets on facets.left = accounts.id
    union
    select facets.left from accounts join facets on facets.right = accounts.id
),
looked_at as materialized (
    select id from same
    union
    select subspans.subspan from same join subspans on subspans.superspan = same.id
),
tries as materialized (
    select
        spans.uuid,
        spans.key,
        spans.began,
        span_types.name = 'parsl.monitoring.try' as is_other,
        json_extract(spans.attributes, '$.exception') as exception,
        json_extract(spans.attributes, '$.failure') as failure,
        (
            select max(event_types.name)
            from events
            join event_types on event_types.id = events.type
            where events.span = spans.id and event_types.name in ('failed', 'fail_retryable', 'dep_fail')
        ) as state
    from looked_at
    join spans on spans.id = looked_at.id
    join span_types on span_types.id = spans.type
    where span_types.name in ('parsl.rundir.try', 'parsl.monitoring.try')
)
select
    coalesce(max(iif(is_other, null, uuid)), max(uuid)) as uuid,
    key,
    max(state) as state,
    substr(max(exception), 1, 1000) as cause,
    substr(max(failure), 1, 1000) as message,
    count(*) over () as of_tries
from tries
group by key
having max(state) is not null
order by min(began), key
limit 20
