-- run_digests: all runs, newest first.
SELECT lower(hex(digest)) FROM run ORDER BY run_id DESC
