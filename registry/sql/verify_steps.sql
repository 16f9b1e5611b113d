-- verify_steps: how many things there are to verify one by one.
SELECT (SELECT count(*) FROM batch) + (SELECT count(*) FROM text) + (SELECT count(*) FROM length)
       + (SELECT count(*) FROM fingerprint)
       + (SELECT count(*) FROM mix WHERE NOT is_foreign) + (SELECT count(*) FROM mix WHERE as_of_batch_id IS NOT NULL)
       + (SELECT count(*) FROM model) + (SELECT count(*) FROM run) + (SELECT count(*) FROM merged_batch)
