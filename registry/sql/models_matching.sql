-- models_matching: models that a name, or the start of a digest of at least four digits, means.
SELECT model_id, name, digest, generation, generation_exact, is_foreign
FROM model
WHERE name = $wanted
   OR (length($wanted) >= 4 AND starts_with(lower(hex(digest)), lower($wanted))
       AND NOT EXISTS (FROM model WHERE name = $wanted))
ORDER BY digest
