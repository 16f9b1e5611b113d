-- erased_since: whether something was erased after a batch.
SELECT EXISTS (FROM erased WHERE erased_in > $batch_id)
