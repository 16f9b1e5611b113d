-- insert_batch: append a link to the chain.
INSERT INTO batch (batch_id, kind, made_at, tool_version, run_id, input_digest, documents, bytes,
                   content_digest, previous_digest, digest)
VALUES ($batch_id, $kind, $made_at, $tool_version, $run_id, $input_digest, $documents, $bytes,
        $content_digest, $previous_digest, $digest)
