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
timed as materialized (
    select sequences.root, sequences.ended - sequences.began as duration
    from picked
    cross join sequences on sequences.root = picked.id and sequences.variant = :variant
),
ordered as (
    select duration, row_number() over (order by duration) as rank, count(*) over () as roots from timed
),
-- Only roots that take as long as one of these are looked at more closely.
sought as materialized (
    select duration, rank, roots from ordered where rank in (1, (roots + 1) / 2, roots)
),
alike as (
    select timed.root, timed.duration, row_number() over (partition by timed.duration order by spans.uuid) as number
    from timed
    cross join spans on spans.id = timed.root
    where timed.duration in (select duration from sought)
)
select
    spans.id,
    spans.uuid,
    spans.key,
    (select coalesce(name, key) from runs where runs.id = spans.run) as run_name,
    sought.duration
from sought
-- Of those that take as long, the first by uuid for the first of these three, the second for the second ...
join alike
    on alike.duration = sought.duration
    and alike.number = (select count(*) from sought as earlier where earlier.duration = sought.duration and earlier.rank <= sought.rank)
join spans on spans.id = alike.root
order by sought.rank
