-- drop_skipped: take the documents out that come first in the seeded order of their stratum, so many as it passes over.
DELETE FROM chosen
WHERE document_id IN (
    SELECT document_id
    FROM chosen
    JOIN skipped USING (stratum)
    QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY place, digest) <= skip
)
