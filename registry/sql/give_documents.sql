-- give_documents: the documents that another registry wants, by the ids that they and theirs have there.
SELECT wanted.document_id, digest, rank, wanted.text_id, wanted.source_id, wanted.run_id, wanted.model_id,
       wanted.license_id, item, url, created_at, origin, declared_generation, generation, generation_exact, bytes, words,
       metadata
FROM document
JOIN wanted ON wanted.theirs = document.document_id
