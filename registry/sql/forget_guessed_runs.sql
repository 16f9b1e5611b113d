-- forget_guessed_runs: training runs that were only guessed from an export, now that the real ones are known.
DELETE FROM run
WHERE kind = 'train' AND is_foreign AND model_id IN (
    SELECT model.model_id
    FROM carried_runs AS carried
    JOIN model ON model.digest = unhex(carried.model)
    WHERE carried.kind = 'train' AND NOT carried.is_stub
)
