/*
@title Failures
@topic The tasks
@description How many tries failed, of which app and why, and what was lost to them: the time from a try's first event to
    its last, and the core-time. That is the seconds on a worker, as far as its log, the manager's or monitoring tells,
    else from launch to end, times the cores that Work Queue or TaskVine gave to it; elsewhere a slot counts as one core.
    A try that failed with the task it depended on has cost nothing but its wait.
@param run key or name of a run; empty: all runs
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@param sample all: look at all tries; empty: at a random sample, always the same, where there are more than 50 000,
    and of more than 50 000 tasks one failed
@needs task_try variant_state
@about tasks
@none No try of a Parsl task failed, as far as the logs tell.
@column app name of the app
@column executor label of the executor, NULL if it never came to one
@column state failed: for good; fail_retryable: tried again; dep_fail: a task that it depends on failed
@column cause type of the exception, or what monitoring kept of it
@column message first line of what one of them said, the first by alphabet, 300 characters at most; NULL if monitoring.db
    does not tell
@column messages how many such lines there are, of the tries looked at
@column tries how many failed so
@column of_tries tries of this app, failed or not, in the run and executor asked for
@column share per cent of them
@column seconds from first to last event, sum
@column mean_seconds the same, mean
@column core_seconds core-time lost: seconds on a worker times cores, sum
@column example key of the task of one of them
@column of_rows number of such rows, shown or not: 900 are
@column one_in 1: all tries were looked at; else a sample of 1 in so many, and numbers of tries are multiplied by that
@chart mark=bar x_column=tries x_type=quantitative y_column=app y_type=ordinal color_column=state
*/
with scope as (
    select value as type, iif(:sample = 'all', 9e9, 50000) as most from json_each('["parsl.rundir.try", "parsl.monitoring.try"]')
),
-- part asked_runs
,
-- part candidates
,
-- Where tries are too many, those of tasks whose sequence of events has a failure in it, if these are not too many, too.
failing as materialized (
    select distinct spans.id
    from (
        select variant, sum(sum(roots)) over () as of_roots
        from variant_totals
        where variant in (
                select variant_state.variant
                from variant_state
                where variant_state.span_type in ('parsl.rundir.try', 'parsl.monitoring.try')
                    and variant_state.event_type in ('failed', 'fail_retryable', 'dep_fail')
            )
            and run in (select run from asked_runs)
        group by variant
    ) as failed
    cross join sequences on sequences.variant = failed.variant
    cross join descendants on descendants.root = sequences.root
    cross join spans on spans.id = descendants.span
    where failed.of_roots <= 50000
        and (select max(one_in) from lot) > 1
        and spans.type in (select type from lot)
        and spans.run in (select run from asked_runs)
),
looked_at as (
    select id, 1 as stands_for, 1 as fails from failing
    union all
    select id, stands_for, 0 from candidates where not exists (select 1 from failing)
),
counted as (
    select
        task_try.span,
        task_try.failed,
        looked_at.stands_for,
        iif(
            looked_at.fails,
            (
                select sum(tries)
                from task_totals
                where task_totals.app is task_try.app
                    and run in (select run from asked_runs)
                    and (coalesce(:executor, '') = '' or task_totals.executor = :executor)
            ),
            sum(looked_at.stands_for) over (partition by app)
        ) as of_tries
    from looked_at
    cross join task_try on task_try.span = looked_at.id
    where (coalesce(:app, '') = '' or app = :app)
        and (coalesce(:executor, '') = '' or executor = :executor)
),
-- The rest of their columns is worked out for those that failed only.
lost as materialized (
    select
        span,
        stands_for,
        of_tries,
        rtrim(substr(said, 1, min(300, instr(said || char(10), char(10)) - 1)), char(13)) as message
    from (
        select
            counted.*,
            -- Its own, where there is no log, or that of monitoring's account.
            coalesce(
                (select json_extract(attributes, '$.failure') from spans where id = counted.span),
                (
                    select json_extract(spans.attributes, '$.failure')
                    from facets
                    cross join spans on spans.id = facets.left
                    where facets.right = counted.span
                )
            ) as said
        from counted
        where failed
    )
)
select
    task_try.app,
    task_try.executor,
    task_try.state,
    task_try.cause,
    min(lost.message) as message,
    count(distinct lost.message) as messages,
    sum(lost.stands_for) as tries,
    lost.of_tries,
    100.0 * sum(lost.stands_for) / lost.of_tries as share,
    sum((task_try.ended - task_try.began) * lost.stands_for) as seconds,
    avg(task_try.ended - task_try.began) as mean_seconds,
    total(task_try.run_seconds * task_try.cores * lost.stands_for) as core_seconds,
    min(task_try.task_key) as example,
    count(*) over () as of_rows,
    max(lost.stands_for) as one_in
from lost
cross join task_try on task_try.span = lost.span
group by task_try.app, task_try.executor, task_try.state, task_try.cause
order by tries desc, task_try.app, task_try.state, task_try.cause
limit 900
