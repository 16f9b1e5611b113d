-- recorded_models: the digests of models that came with an act of recording, of which nothing is unknown.
SELECT lower(hex(model.digest)) FROM model JOIN batch USING (batch_id) WHERE kind = 'record'
