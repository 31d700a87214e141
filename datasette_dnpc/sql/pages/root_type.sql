/*
@title The root type that is shown
@description That which is asked for; else of those in the run the one whose sequences hold most events, and where none
    are kept, the type with most spans.
@param root_type a span type, or empty
@param run key or name of a run; empty: all runs
@needs kept_root_type
@column type span type, NULL if there is none
*/
with
-- part shown_root_type
,
-- part asked_type
select type from asked_type
