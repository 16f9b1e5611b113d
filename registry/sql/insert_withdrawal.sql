-- insert_withdrawal: withdraw a document, a text, a source or a licence.
INSERT INTO withdrawal (scope, value, reason, erased, batch_id) VALUES ($scope, $value, $reason, $erased, $batch_id)
