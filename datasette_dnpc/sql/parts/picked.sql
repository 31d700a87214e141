-- part asked_runs
,
-- part picked_of_runs
