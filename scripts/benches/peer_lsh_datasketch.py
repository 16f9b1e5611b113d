"""Near-duplicate candidates of a column of texts by datasketch's MinHashLSH. Runs in the peer's environment."""

import json
import sys
import time
from pathlib import Path

from datasketch import MinHash, MinHashLSH
from peak import peak_mb
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from provenance.fingerprint import hash32_shingle, shingles

texts = next(parquet.ParquetFile(sys.argv[1]).iter_batches(int(sys.argv[2]), columns=["text"])).column(0).to_pylist()
start = time.perf_counter()
sketches = MinHash.bulk((shingles(text, 5) for text in texts), num_perm=128, hashfunc=hash32_shingle)
index = MinHashLSH(num_perm=128, params=(18, 7))
with index.insertion_session() as session:
    for number, sketch in enumerate(sketches):
        session.insert(number, sketch)
indexed = time.perf_counter()
pairs = {
    (min(number, other), max(number, other))
    for number, sketch in enumerate(sketches)
    for other in index.query(sketch)
    if other != number
}
queried = time.perf_counter()
near = sum(sketches[one].jaccard(sketches[other]) >= 0.8 for one, other in pairs)
told = {"documents": len(texts), "index": indexed - start, "candidates": queried - indexed}
told |= {"verification": time.perf_counter() - queried, "candidate_pairs": len(pairs), "near_pairs": near}
print(json.dumps(told | {"peak_mb": peak_mb()}))
