-- merge_documents: documents that come from another registry.
INSERT INTO document (document_id, digest, rank, text_id, batch_id, source_id, run_id, model_id, license_id, item,
                      url, created_at, origin, declared_generation, generation, generation_exact, bytes, words, metadata)
SELECT document_id, digest, rank, text_id, $batch_id, source_id, run_id, model_id, license_id, item, url, created_at,
       origin, declared_generation, generation, generation_exact, bytes, words, metadata
FROM incoming
