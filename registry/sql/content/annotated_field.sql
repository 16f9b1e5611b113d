-- content/annotated_field: the fields that annotations have given, and their kinds.
SELECT batch_id, encode(name) AS key, netstring(kind) AS body FROM annotated_field JOIN asked USING (batch_id)
