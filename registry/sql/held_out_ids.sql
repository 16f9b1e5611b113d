-- held_out_ids: the texts that are held out.
SELECT text_id FROM holdout
