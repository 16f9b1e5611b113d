"""Near-duplicate candidates of a column of texts by rensa's LSH. Runs in the peer's environment."""

import json
import re
import sys
import time

from peak import peak_mb
from pyarrow import parquet
from rensa import RMinHash, RMinHashLSH

texts = next(parquet.ParquetFile(sys.argv[1]).iter_batches(int(sys.argv[2]), columns=["text"])).column(0).to_pylist()
find_words = re.compile(r"\w+").findall


def sketch_of(text: str) -> RMinHash:
    """The signature of five words that follow one another, with a space between them."""
    words = find_words(text.lower())
    sketch = RMinHash(num_perm=128, seed=1)
    sketch.update(list(map(" ".join, zip(*(words[k:] for k in range(5)), strict=False))) or [" ".join(words)])
    return sketch


start = time.perf_counter()
sketches = list(map(sketch_of, texts))
index = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
for number, sketch in enumerate(sketches):
    index.insert(number, sketch)
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
