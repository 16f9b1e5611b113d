-- content/near_holdout: texts that are near to held-out ones, with how near, in as many digits wherever it is asked.
SELECT asked.batch_id, text.digest AS key,
       netstring(hex(near.digest)) || netstring(jaccard::DECIMAL(18, 15)::VARCHAR)
       || netstring(containment::DECIMAL(18, 15)::VARCHAR) AS body
FROM near_holdout
JOIN text USING (text_id)
JOIN text AS near ON near.text_id = near_id
JOIN asked ON asked.batch_id = near_holdout.batch_id
