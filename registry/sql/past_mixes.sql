-- past_mixes: the mixes that there were after a batch, and those that other mixes name as where human text is from.
SELECT *
FROM mix
WHERE batch_id <= (SELECT batch_id FROM asked) OR lower(hex(digest)) IN (SELECT spec ->> 'human_of' FROM mix)
