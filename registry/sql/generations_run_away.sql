-- generations_run_away: whether a generation is higher than what is declared and all models together can make it.
SELECT coalesce(max(generation), 0)
       > (SELECT count(*) FROM model) + (SELECT coalesce(max(declared_generation), 0) FROM document)
         + (SELECT coalesce(max(generation), 0) FROM model WHERE is_foreign AND base_model_id IS NULL)
FROM document
