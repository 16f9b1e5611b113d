-- texts_erased_since: whether texts may have been erased after a batch that were there then, and did not come again.
SELECT EXISTS (FROM batch WHERE kind = 'erase' AND batch_id > $batch_id)
       AND EXISTS (FROM document JOIN text USING (text_id) WHERE batch_id <= $batch_id AND content IS NULL)
