/*
@title Resources of tasks: requested, given, used
@description One row for each task of Work Queue or TaskVine, and for each other try of which monitoring took samples.
    Requested is what the task asked its manager for; given is what the manager set aside for it. Used is what a
    resource monitor of the manager found (a log without cpu_time had none: what TaskVine then calls measured is what was
    given), else what Parsl's monitoring found in the try's process and its children. NULL is not known. No log tells
    what a task asked HighThroughputExecutor for. Memory and disk are in MB of 2**20 bytes.
@column span id of the span of the manager's task, or else of the try (parsl.monitoring.try)
@column span_type its span type
@column run id of its run
@column requested_cores number
@column requested_memory MB
@column requested_disk MB
@column given_cores number
@column given_memory MB
@column given_disk MB
@column used_memory MB, the most at any time (monitoring: in any sample)
@column used_disk MB, the most at any time
@column cpu_seconds seconds of processor time (monitoring: from the first to the last sample)
@column seconds seconds in which cpu_seconds were used; NULL for a single sample
@column samples number of monitoring's samples, 0 if none
*/
with candidates as (
    select id
    from spans
    where type in (
        select id from span_types where name in ('workqueue.task', 'taskvine.task', 'parsl.monitoring.try')
    )
),
-- part resources
select * from resources
