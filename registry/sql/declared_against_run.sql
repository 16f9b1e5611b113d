-- declared_against_run: documents that a run wrote, of which `said` tells another origin or model, and the first of them.
SELECT count(*) AS documents, arg_min(item, document_id) AS item, arg_min(lower(hex(run.digest)), document_id) AS run,
       arg_min(written.name, document_id) AS model
FROM declaring
JOIN run USING (run_id)
JOIN model AS written ON written.model_id = run.model_id
CROSS JOIN said
WHERE declaring.origin NOT IN ('model', 'mixed')
   OR (said.generator IS NOT NULL AND written.digest <> coalesce(said.model, written.digest))
   OR (said.generator IS NOT NULL AND said.model IS NULL AND said.generator <> written.name)
HAVING count(*) > 0
