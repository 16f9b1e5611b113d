-- run_by_digest: runs whose digest starts with these (at least four) hex digits, and their models.
SELECT run_id, run.digest, kind, model.digest AS model
FROM run
JOIN model USING (model_id)
WHERE length($digest) >= 4 AND starts_with(lower(hex(run.digest)), $digest)
ORDER BY run.digest
