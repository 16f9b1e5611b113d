-- past_manifests: the documents of the mixes that some model had learnt from after a batch, or that other mixes name.
SELECT *
FROM mix_document
WHERE mix_id IN (SELECT mix_id FROM run WHERE kind = 'train' AND batch_id <= (SELECT batch_id FROM asked))
   OR mix_id IN (SELECT mix_id FROM mix WHERE lower(hex(digest)) IN (SELECT spec ->> 'human_of' FROM mix))
