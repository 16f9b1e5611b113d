"""Signatures of a column of texts by datasketch, of our shingles. Runs in the peer's environment."""

import json
import sys
import time
from pathlib import Path

from datasketch import MinHash
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from provenance.fingerprint import hash32_shingle, shingles

source, way = sys.argv[1], sys.argv[2]
texts = parquet.read_table(source).column("text").to_pylist()
given = [shingles(text, 5) for text in texts] if way != "shingled" else []
hashfunc = None if way == "sha1" else hash32_shingle
start = time.perf_counter()
MinHash.bulk(given or (shingles(text, 5) for text in texts), num_perm=128, hashfunc=hashfunc)
seconds = time.perf_counter() - start
print(json.dumps({"documents": len(texts), "seconds": seconds}))
