-- theirs_described: the other registry's documents, what was told with each as hashes; null is what was not told.
SELECT * REPLACE (
    CASE WHEN url IS NOT NULL THEN hash(url) END AS url,
    CASE WHEN created_at IS NOT NULL THEN hash(created_at) END AS created_at,
    CASE WHEN metadata IS NOT NULL THEN hash(metadata::VARCHAR) END AS metadata
)
FROM document
