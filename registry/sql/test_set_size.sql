-- test_set_size: how many texts are to be written, and their bytes.
SELECT count(*) AS texts, coalesce(sum(bytes), 0)::BIGINT AS bytes FROM test_set
