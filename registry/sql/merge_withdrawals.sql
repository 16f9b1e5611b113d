-- merge_withdrawals: what is withdrawn there and not here; one that was to erase there is one that does.
INSERT INTO withdrawal (scope, value, reason, erased, batch_id)
SELECT theirs.scope, theirs.value, theirs.reason, theirs.erased, $batch_id
FROM their_withdrawal AS theirs
ANTI JOIN withdrawal AS held
    ON held.scope = theirs.scope AND held.value = theirs.value AND held.erased >= theirs.erased
