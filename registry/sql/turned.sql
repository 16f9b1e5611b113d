-- turned: what was chosen, with the keys of the order of its turn.
SELECT document_id, digest, rank, stratum, turn, key0, key1, key2, key3 FROM chosen JOIN turn_key USING (turn)
