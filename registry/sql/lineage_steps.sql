-- lineage_steps: the models that a document descends from, the newest generation first, each with its mix.
SELECT model.name AS model, lower(hex(model.digest)) AS model_digest, model.generation, model.generation_exact,
       model.is_foreign, base.name AS base, lower(hex(written.digest)) AS run, written.spec::VARCHAR AS run_spec,
       written.seed AS run_seed, mix.mix_id, lower(hex(mix.digest)) AS mix, mix.is_foreign AS mix_is_foreign
FROM model
LEFT JOIN model AS base ON base.model_id = model.base_model_id
LEFT JOIN run AS training ON training.model_id = model.model_id AND training.kind = 'train'
LEFT JOIN mix ON mix.mix_id = training.mix_id
LEFT JOIN (SELECT model_id, run_id FROM document WHERE document_id = $document_id) AS asked
       ON asked.model_id = model.model_id
LEFT JOIN run AS written ON written.run_id = asked.run_id
WHERE model.model_id IN (SELECT id FROM behind WHERE kind = 'model')
ORDER BY model.generation DESC NULLS LAST, model.digest
