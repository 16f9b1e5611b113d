-- content/derivation: what a document was made of.
SELECT asked.batch_id, child.digest AS key,
       netstring(hex(parent.digest)) || netstring(relation) || netstring(prefix_chars::VARCHAR) AS body
FROM derivation
JOIN document AS child ON child.document_id = child_id
JOIN document AS parent ON parent.document_id = parent_id
JOIN asked ON asked.batch_id = derivation.batch_id
