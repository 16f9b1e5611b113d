-- near_pairs: the pairs of texts that were judged to be near.
FROM near
