-- last_written: the highest number of a text that a run wrote and that is held, 0 where there is none.
SELECT coalesce(max(TRY_CAST(item AS BIGINT)), 0) FROM document WHERE run_id = $run_id
