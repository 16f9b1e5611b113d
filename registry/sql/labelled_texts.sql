-- labelled_texts: what is learnt from, without prompts; `root` is the text that it came from in the end, or its own.
WITH RECURSIVE forebear(document_id, ancestor_id) AS (
    SELECT document_id, document_id FROM labelled
    UNION
    SELECT forebear.document_id, parent_id FROM forebear JOIN derivation ON child_id = ancestor_id
), root AS (
    SELECT forebear.document_id, min(text.digest) AS root
    FROM forebear
    JOIN document ON document.document_id = ancestor_id
    JOIN text USING (text_id)
    WHERE ancestor_id NOT IN (SELECT child_id FROM derivation)
    GROUP BY forebear.document_id
), prompt AS (
    SELECT child_id AS document_id, max(prefix_chars) AS prefix_chars FROM derivation GROUP BY child_id
)
SELECT content[coalesce(prefix_chars, 0) + 1:coalesce(prefix_chars, 0) + $chars] AS text, is_model, model.name AS generator,
       coalesce(root.root, text.digest) AS root
FROM labelled
JOIN document USING (document_id)
JOIN text ON text.text_id = document.text_id
LEFT JOIN model ON model.model_id = document.model_id
LEFT JOIN root ON root.document_id = labelled.document_id
LEFT JOIN prompt ON prompt.document_id = labelled.document_id
WHERE trim(content[coalesce(prefix_chars, 0) + 1:coalesce(prefix_chars, 0) + $chars]) <> ''
ORDER BY place, document.digest
