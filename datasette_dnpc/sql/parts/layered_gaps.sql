-- The gaps, with the seconds that the next task was in each layer.
gaps_timed as (
    select
        gaps.*,
        iif(gaps.span_after is null, gaps.duration, 0.0) as no_task,
        -- How long after the gap began the task that came next was through with each layer.
        coalesce(task_times.began, spans.began) - gaps.began as submitted,
        coalesce(task_times.in_submit, 0.0) as submitting,
        coalesce(task_times.in_retry, 0.0) as retrying,
        -- Where Parsl's log does not tell of it, all the rest: more seconds than any gap has.
        coalesce(task_times.in_queue, gaps.ended) as queued,
        coalesce(task_times.in_transfer, 0.0) as sending,
        coalesce(task_times.in_dispatch, 0.0) as dispatching,
        coalesce(task_times.in_run, 0.0) as running
    from gaps
    left join spans on spans.id = gaps.task_after
    left join task_times on task_times.task = gaps.task_after
),
-- The same, but within the gap.
gaps_passed as materialized (
    select
        *,
        max(0.0, min(duration, submitted)) as p0,
        max(0.0, min(duration, submitted + submitting)) as p1,
        max(0.0, min(duration, submitted + submitting + retrying)) as p2,
        max(0.0, min(duration, submitted + submitting + retrying + queued)) as p3,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending)) as p4,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending + dispatching)) as p5,
        max(0.0, min(duration, submitted + submitting + retrying + queued + sending + dispatching + running)) as p6
    from gaps_timed
),
gaps_split as (
    select
        *,
        coalesce(p0, duration - no_task) as not_submitted,
        coalesce(p1 - p0, 0.0) as in_submit,
        coalesce(p2 - p1, 0.0) as in_retry,
        coalesce(p3 - p2, 0.0) as in_queue,
        coalesce(p4 - p3, 0.0) as in_transfer,
        coalesce(p5 - p4, 0.0) as in_dispatch,
        coalesce(p6 - p5, 0.0) as in_run,
        coalesce(duration - p6, 0.0) as in_return
    from gaps_passed
),
layered_gaps as (
    select
        worker,
        run,
        executor,
        block,
        slot,
        slots,
        began,
        ended,
        duration,
        span_before,
        span_after,
        task_after,
        stands_for,
        not_submitted,
        in_submit,
        in_retry,
        in_queue,
        in_transfer,
        in_dispatch,
        in_run,
        in_return,
        no_task,
        case max(
            not_submitted, in_submit, in_retry, in_queue, in_transfer, in_dispatch, in_run, in_return, no_task
        )
            when not_submitted then 'not submitted'
            when in_submit then 'submit'
            when in_retry then 'retry'
            when in_queue then 'queue'
            when in_transfer then 'transfer'
            when in_dispatch then 'dispatch'
            when in_run then 'run'
            when in_return then 'return'
            else 'no task'
        end as layer
    from gaps_split
)
