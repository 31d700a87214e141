/*
@title A few roots of one variant
@description The fastest, the slowest and one in the middle.
@param variant id of a variant
@param run id of a run, NULL for all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@needs span_app
@column id id of the root span
@column uuid its surrogate key
@column key its key within its run
@column run_name name of its run, or the run's key; NULL if none
@column duration seconds from first to last event of its sequence
*/
with timed as (
    select
        spans.id,
        spans.uuid,
        spans.key,
        (select coalesce(name, key) from runs where runs.id = spans.run) as run_name,
        sequences.ended - sequences.began as duration,
        row_number() over (order by sequences.ended - sequences.began, spans.uuid) as rank,
        count(*) over () as roots
    from sequences
    join spans on spans.id = sequences.root
    where sequences.variant = :variant
        and (nullif(:run, '') is null or spans.run = :run)
        and (
            coalesce(:app, '') = '' and coalesce(:executor, '') = ''
            or sequences.root in (
                select span
                from span_app
                where (coalesce(:app, '') = '' or app = :app)
                    and (coalesce(:executor, '') = '' or executor = :executor)
            )
        )
)
select id, uuid, key, run_name, duration
from timed
where rank in (1, (roots + 1) / 2, roots)
order by rank
