"""Candidates among made-up fingerprints, for sizes that texts would take too long: near_made_up.py REGISTRY DOCUMENTS.

Every twentieth text shares 14 of its 18 keys with the one before it. Prints JSON.
"""

import json
import sys
import time

from peak import peak_mb

from registry import Registry
from registry.fingerprints import sketcher
from registry.near import seek_among, stage_candidates

FILL = (
    "INSERT INTO text SELECT n, unhex(md5(n::VARCHAR) || md5(n::VARCHAR)), 'text ' || n FROM range(1, $count + 1) t(n)",
    "INSERT INTO document (document_id, digest, rank, text_id, batch_id, item, origin, generation_exact, bytes, words) "
    "SELECT n, unhex(md5(n::VARCHAR) || md5(n::VARCHAR)), n, n, 1, n, 'human', true, 700, 110 "
    "FROM range(1, $count + 1) t(n)",
    "INSERT INTO fingerprint SELECT n, [n::UINTEGER], list_transform(range(18), lambda band: "
    "hash(CASE WHEN n % 20 = 0 AND band < 14 THEN n - 1 ELSE n END, band)) FROM range(1, $count + 1) t(n)",
)

path, count = sys.argv[1], int(sys.argv[2])
with Registry.create(path) as made:
    for statement in FILL:
        made.connection.execute(statement, {"count": count})
with Registry.open(path, read_only=True) as held:
    held.connection.execute("SET memory_limit = '1GB'")
    start, by = time.perf_counter(), sketcher(held)
    assert by is not None
    seek_among(held, by, held.connection.sql("SELECT text_id FROM text"))
    stage_candidates(held, by, by.bands)
    seconds = time.perf_counter() - start
    ((pairs,),) = held.connection.execute("SELECT count(*) FROM candidate").fetchall()
print(json.dumps({"documents": count, "candidates": seconds, "candidate_pairs": pairs, "peak_mb": peak_mb()}))
