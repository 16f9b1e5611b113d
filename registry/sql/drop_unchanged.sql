-- drop_unchanged: leave out what the same person declared last, at the same precedence and on the same evidence.
DELETE FROM declaring
USING (
    SELECT document_id, last.origin, last.generation, model.digest AS model, last.license_id, last.declared_by,
           last.evidence
    FROM (
        SELECT document_id, unnest(arg_max(declared, {'declared_at': declared_at, 'batch_id': batch_id}))
        FROM (
            SELECT document_id, declared_at, batch_id,
                   {'origin': origin, 'generation': generation, 'model_id': model_id, 'license_id': license_id,
                    'declared_by': declared_by, 'evidence': evidence} AS declared
            FROM declaration
            WHERE precedence = (SELECT precedence FROM said) AND document_id IN (FROM matching)
        )
        GROUP BY document_id
    ) AS last
    LEFT JOIN model ON model.model_id = last.model_id
) AS newest
CROSS JOIN said
WHERE newest.document_id = declaring.document_id
  AND (newest.origin, newest.generation, newest.model, newest.license_id, newest.declared_by, newest.evidence)
      IS NOT DISTINCT FROM
      (declaring.origin, declaring.generation, declaring.model, declaring.license_id, said.declared_by, said.evidence)
