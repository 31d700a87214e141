/*
@title The span
@description One span, with the run that it is of.
@param uuid surrogate key of the span
@column id id of the span in this database
@column uuid its surrogate key
@column span_type its span type
@column run key of the run, NULL if none
@column run_name name of the run, or its key
@column key the span's key within its run
@column began time of its first event, seconds since 1970 UTC
@column ended time of its last event, seconds since 1970 UTC
@column run_began time of the first event of the run, seconds since 1970 UTC
@column attributes JSON object of what is known about the span
@column note what the importer remarked
@column app name of the app of a Parsl task, NULL of all else
@column outcome of a Parsl task, NULL of all else: see the view task_account
*/
select
    spans.id,
    spans.uuid,
    span_types.name as span_type,
    runs.key as run,
    coalesce(runs.name, runs.key) as run_name,
    spans.key,
    spans.began,
    spans.ended,
    (select min(began) from span_totals where span_totals.run = spans.run) as run_began,
    spans.attributes,
    spans.note,
    task_times.app,
    task_times.outcome
from spans
join span_types on span_types.id = spans.type
left join runs on runs.id = spans.run
left join task_times on task_times.task = coalesce(
    (select task from task_times where task = spans.id),
    -- Monitoring's account is the one that is looked at.
    (
        select task
        from facets
        cross join task_times on task_times.task = facets.left
        where facets.right = spans.id
    ),
    (
        select task
        from facets
        cross join task_times on task_times.task = facets.right
        where facets.left = spans.id
    )
)
where spans.uuid = :uuid
