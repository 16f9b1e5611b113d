-- count_matching: how many documents a filter lets through.
SELECT count(*) FROM matching
