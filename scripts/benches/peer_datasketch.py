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
start, cpu_start = time.perf_counter(), time.process_time()
MinHash.bulk(given or (shingles(text, 5) for text in texts), num_perm=128, hashfunc=hashfunc)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
print(json.dumps({"documents": len(texts), "seconds": seconds, "processors": cpu / seconds}))
