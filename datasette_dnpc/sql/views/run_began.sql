/*
@title When each run began
@description Zero of "seconds since the run began": the first event of any span of the run.
@column run id of the run, NULL for spans of no run
@column time seconds since 1970 UTC, NULL if it has no event
*/
select run, min(began) as time
from span_totals
group by run
