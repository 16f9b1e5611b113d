-- labelled_documents: a document of each text of one known origin that may be learnt from, with the keys of an order.
WITH known AS (
    SELECT text_id, arg_min(document_id, digest) AS document_id, min(rank) AS rank,
           any_value(origin = 'model') AS is_model
    FROM document
    SEMI JOIN learnable USING (document_id)
    WHERE text_id NOT IN (SELECT text_id FROM document WHERE document_id IN (SELECT document_id FROM barred))
    GROUP BY text_id
    HAVING count(DISTINCT origin) = 1
)
SELECT document_id, text_id, rank, is_model, key0, key1, key2, key3 FROM known CROSS JOIN label_key
