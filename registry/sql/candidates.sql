-- candidates: every document as conditions see it, its origin as the policy counts it, its size in the mix's unit.
-- What no condition names is not joined: four joins would cost as much as all the rest of a draw.
-- By an attribution, a document of unknown origin counts as human or as a model's, and is real with a chance.
SELECT document.document_id, document.digest, rank, document.text_id, item AS id,
       CASE document.origin
           WHEN 'unknown' THEN CASE
               WHEN policy.unknown = 'exclude' THEN 'unknown'
               WHEN policy.unknown NOT IN ('expected', 'lower-bound') THEN policy.unknown
               WHEN p_model < 0.5 THEN 'human'
               WHEN p_model >= 0.5 THEN 'model'
               ELSE 'unknown'
           END
           WHEN 'mixed' THEN CASE policy.mixed WHEN 'exclude' THEN 'mixed' ELSE policy.mixed END
           ELSE document.origin
       END AS origin,
       document.origin AS declared_origin,
       CASE
           WHEN document.origin = 'unknown' AND policy.unknown = 'exclude' THEN 'unknown'
           WHEN document.origin = 'mixed' AND policy.mixed = 'exclude' THEN 'mixed'
           WHEN document.origin = 'unknown' AND policy.unknown IN ('expected', 'lower-bound') AND p_model IS NULL
               THEN 'unattributed'
           ELSE barred_license.reason
       END AS excluded,
       CASE document.origin
           WHEN 'unknown' THEN 1 - p_model
           WHEN 'mixed' THEN (policy.mixed = 'human')::DOUBLE
           ELSE (document.origin = 'human')::DOUBLE
       END AS real_chance,
       document.generation, document.generation_exact, model.name AS generator, source.name AS source,
       license.name AS license, document.url, created_at AS created, bytes, words, length.tokens,
       CASE policy.unit WHEN 'documents' THEN 1 WHEN 'bytes' THEN bytes WHEN 'words' THEN words ELSE tokens END AS size,
       lower(hex(run.digest)) AS run, metadata
FROM document
CROSS JOIN policy
LEFT JOIN (SELECT model_id, name FROM model JOIN policy ON list_contains(named, 'generator')) AS model
    ON model.model_id = document.model_id
LEFT JOIN (SELECT source_id, name FROM source JOIN policy ON list_contains(named, 'source')) AS source
    ON source.source_id = document.source_id
LEFT JOIN (SELECT license_id, name FROM license JOIN policy ON list_contains(named, 'license')) AS license
    ON license.license_id = document.license_id
LEFT JOIN (SELECT run_id, digest FROM run JOIN policy ON list_contains(named, 'run')) AS run
    ON run.run_id = document.run_id
LEFT JOIN (SELECT text_id, tokens FROM length JOIN policy USING (tokenizer_id) WHERE list_contains(named, 'tokens'))
    AS length ON length.text_id = document.text_id
LEFT JOIN (
    SELECT document_id, arg_max(p_model, batch_id) AS p_model
    FROM attribution
    JOIN policy ON policy.unknown IN ('expected', 'lower-bound')
    GROUP BY document_id
) AS attributed ON attributed.document_id = document.document_id
LEFT JOIN (SELECT UNNEST(barred_license, recursive := true) FROM policy) AS barred_license
    ON barred_license.license_id IS NOT DISTINCT FROM document.license_id
