/*
@title Which source tells of which run
@description One row for each run that a source tells of: a run's own logs tell of it alone, monitoring.db of several.
@column run id of the run
@column source id of the source
*/
select run, id as source from sources where run is not null
union
select run, source from clocks
union
select run, source from joins
