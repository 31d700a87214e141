/*
@title A few roots of one variant
@description The fastest, the slowest and one in the middle; of a random sample, always the same, where there are more
    than 100 000 roots.
@param variant id of a variant
@param run key or name of a run; empty: all
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
-- part picked
,
ordered as (
    select
        sequences.root,
        sequences.ended - sequences.began as duration,
        -- Those that take as long come in the order of their keys: the same in every database.
        row_number() over (order by sequences.ended - sequences.began, roots.uuid_high, roots.uuid_low) as rank,
        count(*) over () as roots
    from picked
    cross join sequences on sequences.root = picked.id and sequences.variant = :variant
    cross join span_rows as roots on roots.id = sequences.root
)
select
    spans.id,
    spans.uuid,
    spans.key,
    (select coalesce(name, key) from runs where runs.id = spans.run) as run_name,
    ordered.duration
from ordered
cross join spans on spans.id = ordered.root
where ordered.rank in (1, (ordered.roots + 1) / 2, ordered.roots)
order by ordered.rank
