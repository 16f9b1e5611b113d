-- stage_named: the documents that each line of `named` means: by a user's id, or else by (the start of) a digest.
CREATE OR REPLACE TEMP TABLE named_document AS
WITH by_item AS (
    SELECT line, wanted, document_id FROM named JOIN document ON document.item = wanted
), left_over AS (
    SELECT line, wanted, lower(wanted) AS prefix, length(wanted) AS digits
    FROM named
    WHERE line NOT IN (SELECT line FROM by_item) AND regexp_full_match(wanted, '[0-9a-fA-F]{4,64}')
)
SELECT line, wanted, document_id FROM by_item
UNION ALL
SELECT line, wanted, document_id
FROM (
    SELECT document_id, digits, lower(hex(digest))[1:digits] AS prefix
    FROM document
    CROSS JOIN (SELECT DISTINCT digits FROM left_over)
)
JOIN left_over USING (digits, prefix)
