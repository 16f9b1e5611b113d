-- holds_more: whether a batch holds out texts, or brings the content of such that were held out before.
SELECT EXISTS (FROM holdout WHERE batch_id = $batch_id) OR EXISTS (FROM holdout JOIN signed USING (text_id))
