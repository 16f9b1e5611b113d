-- descended_models: the models that learnt from what descends, or are based on one that did.
SELECT name AS model FROM model WHERE model_id IN (SELECT id FROM descended WHERE kind = 'model') ORDER BY model_id
