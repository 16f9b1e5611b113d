-- learn_known_runs: how runs came about that were known by their digest alone.
UPDATE run
SET kind = carried.kind, mix_id = mix.mix_id, spec = carried.spec, seed = carried.seed,
    tokenizer_id = tokenizer.tokenizer_id, is_foreign = false
FROM carried_runs AS carried
LEFT JOIN mix ON mix.digest = unhex(carried.mix)
LEFT JOIN tokenizer ON tokenizer.digest = unhex(carried.tokenizer)
WHERE run.digest = unhex(carried.digest) AND run.is_foreign AND NOT carried.is_stub
