/*
@title A few roots of one variant
@description The fastest, the slowest and one in the middle; of a random sample, always the same, where there are more
    than 100 000 roots.
@param variant id of a variant
@param run id of a run, NULL for all
@param app name of an app; empty: all
@param executor label of an executor; empty: all
@column id id of the root span
@column uuid its surrogate key
@column key its key within its run
@column run_name name of its run, or the run's key; NULL if none
@column duration seconds from first to last event of its sequence
*/
with
scope as (
    select name as type, 100000 as most from span_types where id = (select root_type from variants where id = :variant)
),
asked_runs as materialized (
    select distinct run from span_totals where nullif(:run, '') is null or run = :run
),
-- part picked_of_runs
,
timed as (
    select
        spans.id,
        spans.uuid,
        spans.key,
        (select coalesce(name, key) from runs where runs.id = spans.run) as run_name,
        sequences.ended - sequences.began as duration,
        row_number() over (order by sequences.ended - sequences.began, spans.uuid) as rank,
        count(*) over () as roots
    from picked
    cross join sequences on sequences.root = picked.id and sequences.variant = :variant
    cross join spans on spans.id = picked.id
)
select id, uuid, key, run_name, duration
from timed
where rank in (1, (roots + 1) / 2, roots)
order by rank
