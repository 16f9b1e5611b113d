-- insert_documents: the arriving documents that the registry does not hold.
INSERT INTO document (document_id, digest, rank, text_id, batch_id, source_id, run_id, model_id, license_id, item,
                      url, created_at, origin, declared_generation, generation, generation_exact, bytes, words, metadata)
SELECT (SELECT coalesce(max(document_id), 0) FROM document) + row_number() OVER (ORDER BY input, number),
       arriving.digest, ('0x' || hex(arriving.digest)[1:16])::UBIGINT, text.text_id, $batch_id,
       source.source_id, run.run_id, model.model_id, license.license_id, item,
       arriving.url, created_at, origin, arriving.declared, arriving.generation, arriving.generation_exact, bytes, words, metadata
FROM arriving
JOIN text ON text.digest = arriving.text_digest
LEFT JOIN source ON source.name = arriving.source
LEFT JOIN run ON run.digest = arriving.run
LEFT JOIN model ON model.digest = arriving.model
LEFT JOIN license ON license.name = arriving.license
WHERE arriving.digest NOT IN (SELECT digest FROM known)
