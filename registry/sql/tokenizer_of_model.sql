-- tokenizer_of_model: the digest of the tokenizer that a model was trained with, where its recipe names one.
SELECT run.spec->>'$.tokenizer' FROM run JOIN model USING (model_id) WHERE run.kind = 'train' AND model.digest = $digest
