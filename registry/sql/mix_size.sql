-- mix_size: how many documents a mix has, repeats counted.
SELECT count(*) FROM mix_document WHERE mix_id = $mix_id
