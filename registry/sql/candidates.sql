-- candidates: every document as conditions see it, its origin as the policy counts it.
SELECT document_id, document.digest, rank, item AS id,
       CASE document.origin
           WHEN 'unknown' THEN CASE policy.unknown WHEN 'exclude' THEN 'unknown' ELSE policy.unknown END
           WHEN 'mixed' THEN CASE policy.mixed WHEN 'exclude' THEN 'mixed' ELSE policy.mixed END
           ELSE document.origin
       END AS origin,
       CASE
           WHEN document.origin = 'unknown' AND policy.unknown = 'exclude' THEN 'unknown'
           WHEN document.origin = 'mixed' AND policy.mixed = 'exclude' THEN 'mixed'
       END AS excluded,
       document.generation, document.generation_exact, model.name AS generator, source.name AS source,
       license.name AS license, document.url, created_at AS created, bytes, words, length.tokens,
       lower(hex(run.digest)) AS run, metadata
FROM document
CROSS JOIN policy
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN source ON source.source_id = document.source_id
LEFT JOIN license ON license.license_id = document.license_id
LEFT JOIN run ON run.run_id = document.run_id
LEFT JOIN length ON length.text_id = document.text_id AND length.tokenizer_id = policy.tokenizer_id
