/*
@title Intervals which each root spends in each state
@description A state lasts from an event to the root's next event; at one time, events are in the
    order of their states' names. The last event ends it all, so nothing ends its state.
@needs root_event
@column root id of the root span in this database
@column root_uuid surrogate key of the root span
@column root_type span type of the root
@column run id of the root's run, NULL if none
@column state span_type/event_type
@column began seconds since 1970 UTC
@column ended seconds since 1970 UTC, NULL for the last state
@column duration seconds, NULL for the last state
*/
-- Looking up the next event takes less time than a window function, which would go through all
-- roots even where a query asks for those of one run.
select root, root_uuid, root_type, run, state, began, ended, ended - began as duration
from (
    select
        root_event.root,
        root_event.root_uuid,
        root_event.root_type,
        root_event.run,
        root_event.state,
        root_event.time as began,
        iif(
            exists (
                select 1
                from root_event as tied
                where tied.root = root_event.root
                    and tied.time = root_event.time
                    and (tied.state, tied.span) > (root_event.state, root_event.span)
            ),
            root_event.time,
            (
                select min(later.time)
                from descendants
                join events as later on later.span = descendants.span
                where descendants.root = root_event.root and later.time > root_event.time
            )
        ) as ended
    from root_event
)
