-- input_done: whether an input was taken in by an earlier act.
SELECT count(*) FROM batch WHERE input_digest = $digest
